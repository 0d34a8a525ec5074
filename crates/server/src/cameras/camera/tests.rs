use super::*;
use hub::StreamOptions;
use media::{AccessUnit, Codec, Timing, TrackId};
use std::sync::atomic::{AtomicU64, Ordering};

fn at(ms: u64) -> Mono {
    Mono::from_nanos((10_000 + ms) * 1_000_000)
}

fn pair(ms: u64) -> ClockPair {
    ClockPair { mono: at(ms), wall: media::Wall::from_micros(ms as i64 * 1000) }
}

fn camera() -> Camera {
    let origin = Origin { text: "publish".into(), publishable: true, on_demand: false };
    Camera::new(Stream::new("cam", StreamOptions::default(), at(0)), origin)
}

fn told(camera: &Camera, ms: u64) -> Vec<(EventKind, String)> {
    camera
        .tick(pair(ms))
        .events
        .into_iter()
        .map(|(_, kind, text)| (kind, text.to_string()))
        .collect()
}

#[test]
fn states_are_told_once_each() {
    let camera = camera();
    assert!(camera.tick(pair(0)).changed, "the first sight of a camera");
    assert!(!camera.tick(pair(100)).changed);
    let publisher = camera
        .stream()
        .publish(at(200), "me", Catalog::new([(Codec::H264(None), 90_000)]))
        .unwrap();
    assert_eq!(told(&camera, 200), []);
    publisher
        .push(
            at(300),
            AccessUnit::new(TrackId(0), 0, true, Timing::arrived(at(300)), Default::default()),
        )
        .unwrap();
    assert_eq!(told(&camera, 300), [(EventKind::CameraLive, String::new())]);
    assert_eq!(told(&camera, 400), []);
    let stalled = told(&camera, 6000);
    assert_eq!(stalled[0].0, EventKind::CameraStalled);
    publisher.finish(at(7000), "it said goodbye");
    assert_eq!(told(&camera, 7000), [(EventKind::CameraOffline, "it said goodbye".to_owned())]);
    assert_eq!(told(&camera, 7100), []);
}

#[test]
fn a_state_shorter_than_a_tick_is_told_with_its_time() {
    let camera = camera();
    camera.tick(pair(0));
    let catalog = Catalog::new([(Codec::H264(None), 90_000)]);
    let publisher = camera.stream().publish(at(110), "me", catalog).unwrap();
    let timing = Timing::arrived(at(120));
    publisher
        .push(at(120), AccessUnit::new(TrackId(0), 0, true, timing, Default::default()))
        .unwrap();
    publisher.finish(at(150), "it said goodbye");
    let told: Vec<_> =
        camera.tick(pair(200)).events.into_iter().map(|(at, kind, _)| (at, kind)).collect();
    let wall = |ms: i64| media::Wall::from_micros(ms * 1000);
    assert_eq!(told, [(wall(120), EventKind::CameraLive), (wall(150), EventKind::CameraOffline)]);
}

struct Counting(AtomicU64);

impl SourceControl for Counting {
    fn order(&self, _: Order) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn restarts(&self) -> Restarts {
        Restarts {
            by_reason: vec![("crashed", self.0.load(Ordering::Relaxed))],
            last: Some((at(0), "SIGKILL".into())),
        }
    }
}

#[test]
fn restarts_are_told_with_their_cause_and_survive_a_new_source_control() {
    let camera = camera();
    let control = Arc::new(Counting(AtomicU64::new(0)));
    camera.set_source_control(Some(control));
    assert_eq!(told(&camera, 0), []);
    camera.order(at(0), Order::Restart);
    assert_eq!(told(&camera, 100), [(EventKind::CameraRestarted, "SIGKILL".to_owned())]);
    camera.set_source_control(None);
    assert_eq!(camera.restarts().total(), 1);
}

#[test]
fn a_camera_that_waits_for_publishers_lets_none_in_while_it_is_stopped() {
    let camera = camera();
    let publish =
        |ms| camera.stream().publish(at(ms), "me", Catalog::new([(Codec::H264(None), 90_000)]));
    let reason = || camera.stream().status().reason.clone();
    let _first = publish(0).unwrap();
    camera.order(at(100), Order::Stop);
    camera.order(at(150), Order::Stop);
    assert!(publish(200).is_err() && reason().contains("stopped by command"));
    assert_eq!(camera.stream().disabled_count(), 1);
    camera.order(at(300), Order::Start);
    assert_eq!(&*reason(), "nobody has published since it was started");
    let _second = publish(400).unwrap();
    camera.order(at(500), Order::Start);
    assert_eq!(camera.stream().publisher().as_deref(), Some("me"), "it is started already");
    camera.order(at(600), Order::Stop);
    camera.order(at(700), Order::Restart);
    assert!(publish(800).is_ok());
}
