use super::*;
use hub::StreamOptions;
use media::{AccessUnit, Codec, Timing, TrackId};
use std::sync::atomic::{AtomicU64, Ordering};

fn at(ms: u64) -> Mono {
    Mono::from_nanos((10_000 + ms) * 1_000_000)
}

fn camera() -> Camera {
    let origin = Origin { text: "publish".into(), publishable: true, on_demand: false };
    Camera::new(Stream::new("cam", StreamOptions::default(), at(0)), origin)
}

fn told(camera: &Camera, ms: u64) -> Vec<(EventKind, String)> {
    camera.tick(at(ms)).events.into_iter().map(|(kind, text)| (kind, text.to_string())).collect()
}

#[test]
fn states_are_told_once_each() {
    let camera = camera();
    assert!(camera.tick(at(0)).changed, "the first sight of a camera");
    assert!(!camera.tick(at(100)).changed);
    let publisher = camera.stream().publish(at(200), "me", Catalog::new([(Codec::H264(None), 90_000)])).unwrap();
    assert_eq!(told(&camera, 200), []);
    publisher.push(at(300), AccessUnit::new(TrackId(0), 0, true, Timing::arrived(at(300)), Default::default())).unwrap();
    assert_eq!(told(&camera, 300), [(EventKind::CameraLive, String::new())]);
    assert_eq!(told(&camera, 400), []);
    let stalled = told(&camera, 6000);
    assert_eq!(stalled[0].0, EventKind::CameraStalled);
    publisher.finish(at(7000), "it said goodbye");
    assert_eq!(told(&camera, 7000), [(EventKind::CameraOffline, "it said goodbye".to_owned())]);
    assert_eq!(told(&camera, 7100), []);
}

struct Counting(AtomicU64);

impl Keeper for Counting {
    fn order(&self, _: Order) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn restarts(&self) -> Restarts {
        Restarts { by_reason: vec![("crashed", self.0.load(Ordering::Relaxed))], last: Some((at(0), "SIGKILL".into())) }
    }
}

#[test]
fn restarts_are_told_with_their_cause_and_survive_a_new_keeper() {
    let camera = camera();
    let keeper = Arc::new(Counting(AtomicU64::new(0)));
    camera.set_keeper(Some(keeper));
    assert_eq!(told(&camera, 0), []);
    camera.order(at(0), Order::Restart).unwrap();
    assert_eq!(told(&camera, 100), [(EventKind::CameraRestarted, "SIGKILL".to_owned())]);
    camera.set_keeper(None);
    assert_eq!(camera.restarts().total(), 1);
    assert!(matches!(camera.order(at(0), Order::Stop), Err(CameraError::NothingToRun { .. })));
}
