use super::*;
use crate::event::EventFilter;
use hub::Status;
use media::{AccessUnit, Catalog, Codec, Timing, TrackId, Wall};

fn cameras(names: &[&str]) -> Cameras {
    let cameras = Cameras::new(EventBus::new(1));
    let origin = Origin { text: "publish".into(), publishable: true, on_demand: false };
    for name in names {
        cameras.add(&(*name).into(), origin.clone(), StreamOptions::default(), Mono::default());
    }
    cameras
}

fn names(entries: &[Arc<Camera>]) -> Vec<&str> {
    entries.iter().map(|entry| &**entry.name()).collect()
}

#[test]
fn renditions_are_found_behind_their_camera_and_with_no_other() {
    // `-` sorts before the slash, `0` and letters behind it.
    let all = [
        "front",
        "front-2",
        "front-2/sd",
        "front/sd",
        "front/hd",
        "front0",
        "front0/x",
        "fronts",
        "a/orphan",
    ];
    let cameras = cameras(&all);
    assert_eq!(names(&cameras.renditions("front")), ["front", "front/hd", "front/sd"]);
    assert_eq!(names(&cameras.renditions("front-2")), ["front-2", "front-2/sd"]);
    assert_eq!(names(&cameras.renditions("fronts")), ["fronts"]);
    for none in ["", "f", "front/sd", "nobody", "a"] {
        let found = cameras.renditions(none);
        assert!(
            found.is_empty() || none == "front/sd" && names(&found) == ["front/sd"],
            "{none}: {:?}",
            names(&found)
        );
    }
    assert_eq!(names(&cameras.list()), ["front", "front-2", "front0", "fronts"]);
    let together =
        ["front", "front/hd", "front/sd", "front-2", "front-2/sd", "front0", "front0/x", "fronts"];
    assert_eq!(names(&cameras.with_renditions()), together);
}

#[test]
fn a_rendition_that_is_not_there_is_told_from_a_camera_that_is_not() {
    let cameras = cameras(&["front", "front/sd", "back"]);
    let error = cameras.get("front/hd").err().unwrap();
    assert_eq!(
        (error.code(), error.hint().as_str()),
        ("rendition_not_found", "camera front has: sd")
    );
    assert!(cameras.get("back/hd").err().unwrap().hint().contains("cameras.back.renditions"));
    assert_eq!(cameras.get("frnt/sd").err().unwrap().code(), "camera_not_found");
    assert!(cameras.play("front/sd").is_ok() && cameras.publish("front/sd").is_ok());
}

/// Time passes for the whole directory, as the server lets it pass.
fn tick(cameras: &Cameras, ms: u64) -> Mono {
    let mono = Mono::from_nanos((10_000 + ms) * 1_000_000);
    cameras.tick(ClockPair { mono, wall: Wall::default() });
    mono
}

#[tokio::test]
async fn each_has_its_own_bitrate_and_its_own_events() {
    let cameras = cameras(&["front", "front/sd"]);
    let publish = |name: &str, now| {
        let stream = cameras.publish(name).unwrap();
        stream.publish(now, "me", Catalog::new([(Codec::H264(None), 90_000)])).unwrap()
    };
    let start = tick(&cameras, 0);
    let own = [(publish("front", start), 12_500_usize), (publish("front/sd", start), 2500)];
    let pictures = |ms: u64| {
        let now = tick(&cameras, ms);
        for (publisher, size) in &own {
            let payload = vec![vec![0x65; *size].into()];
            let unit = AccessUnit::new(
                TrackId(0),
                ms as i64 * 90,
                true,
                Timing::arrived(now),
                payload.into_iter().collect(),
            );
            publisher.push(now, unit).unwrap();
        }
    };
    (0..=50).for_each(|n| pictures(n * 100));
    let rates: Vec<u64> = cameras.renditions("front").iter().map(|entry| entry.bitrate()).collect();
    assert!(
        rates[0].abs_diff(1_000_000) < 50_000 && rates[1].abs_diff(200_000) < 10_000,
        "{rates:?}"
    );
    let events = cameras.events().latest(&EventFilter::default(), 9).await;
    let told: Vec<_> =
        events.iter().map(|e| (e.camera.as_deref(), e.rendition.as_deref())).take(2).collect();
    assert_eq!(told, [(Some("front"), None), (Some("front"), Some("sd"))]);

    for n in 51..=100 {
        tick(&cameras, n * 100);
    }
    let states: Vec<(u64, Arc<Status>)> = cameras
        .renditions("front")
        .iter()
        .map(|entry| (entry.bitrate(), entry.stream().status()))
        .collect();
    assert!(
        states.iter().all(|(rate, status)| *rate == 0 && status.state == hub::State::Stalled),
        "{states:?}"
    );
}
