use super::*;
use crate::{Event, Hub, KeyframeRequest, Limits, ReaderKind, State};
use media::{Codec, Timing, TrackId};
use std::{
    future::Future,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

fn at(ms: u64) -> Mono {
    Mono::from_nanos((1000 + ms) * 1_000_000)
}

fn stream() -> Arc<Stream> {
    Stream::new("cam", StreamOptions::default(), at(0))
}

fn catalog() -> Catalog {
    Catalog::new([(Codec::H264(None), 90_000)])
}

fn unit(ms: u64, key: bool) -> AccessUnit {
    let payload = [bytes::Bytes::from_static(b"frame")].into_iter().collect();
    AccessUnit::new(TrackId(0), ms as i64 * 90, key, Timing::arrived(at(ms)), payload)
}

fn push(publisher: &Publisher, ms: u64, key: bool) {
    publisher.push(at(ms), unit(ms, key)).unwrap();
}

/// All events that are there, in words.
fn told(reader: &mut Subscriber) -> Vec<String> {
    std::iter::from_fn(|| reader.try_next().filter(|e| !matches!(e, Event::Ended(_))))
        .map(|e| word(&e))
        .collect()
}

fn word(event: &Event) -> String {
    match event {
        Event::Catalog(c) => format!("catalog {}", c.tracks.len()),
        Event::Unit(u, position) => format!("{}{position}", if u.discontinuity { "!" } else { "" }),
        Event::Skipped { units } => format!("skipped {units}"),
        Event::Status(s) => s.state.as_str().into(),
        Event::Ended(reason) => format!("ended: {reason}"),
    }
}

#[test]
fn the_catalogue_comes_before_its_units_and_the_state_after_them() {
    let stream = stream();
    let publisher = stream.publish(at(0), "cam", catalog()).unwrap();
    let mut reader = stream.subscribe(ReaderOptions::default());
    assert_eq!(told(&mut reader), ["connecting"]);
    push(&publisher, 0, true);
    push(&publisher, 40, false);
    assert_eq!(told(&mut reader), ["catalog 1", "0", "1", "live"]);
    let mut late = stream.subscribe(ReaderOptions::default());
    assert_eq!(told(&mut late), ["catalog 1", "0", "1", "live"]);
    publisher
        .set_catalog(Catalog::new([
            (Codec::H264(None), 90_000),
            (Codec::Opus { channels: 2 }, 48_000),
        ]))
        .unwrap();
    assert_eq!(told(&mut reader), [""; 0], "not before a unit belongs to it");
    push(&publisher, 80, true);
    assert_eq!(told(&mut reader), ["catalog 2", "2"]);
}

#[test]
fn readers_outlive_their_publishers() {
    let stream = stream();
    let mut reader = stream.subscribe(ReaderOptions::default());
    assert_eq!(told(&mut reader), ["offline"]);
    let first = stream.publish(at(0), "cam", catalog()).unwrap();
    push(&first, 0, true);
    drop(first);
    assert_eq!(told(&mut reader), ["catalog 1", "0", "offline"]);
    let second = stream.publish(at(10_000), "cam", catalog()).unwrap();
    push(&second, 10_000, false);
    assert_eq!(told(&mut reader), ["connecting"]);
    push(&second, 10_040, true);
    push(&second, 10_080, false);
    assert_eq!(told(&mut reader), ["!1", "2", "live"], "an equal catalogue is no change");
    second.finish(at(11_000), "maintenance");
    assert_eq!(&*stream.status().reason, "maintenance");
}

#[test]
fn a_reader_that_slept_is_told_what_it_lost_and_goes_on_at_a_keyframe() {
    let limits = Limits { bytes: 1 << 20, span: Duration::from_secs(2) };
    let stream = Stream::new("cam", StreamOptions { limits, ..Default::default() }, at(0));
    let publisher = stream.publish(at(0), "cam", catalog()).unwrap();
    let mut reader = stream.subscribe(ReaderOptions::default());
    push(&publisher, 0, true);
    assert_eq!(told(&mut reader), ["catalog 1", "0", "live"]);
    (1..100).for_each(|n| push(&publisher, n * 100, n % 10 == 0));
    assert_eq!(told(&mut reader)[..3], ["skipped 89", "90", "91"]);
    assert_eq!(
        (reader.stats().units, reader.stats().skipped, stream.stats().skipped),
        (11, 89, 89)
    );
}

#[test]
fn restart_goes_back_to_the_newest_keyframe() {
    let stream = stream();
    let publisher = stream.publish(at(0), "cam", catalog()).unwrap();
    let mut reader = stream.subscribe(ReaderOptions::default());
    (0..13).for_each(|n| push(&publisher, n * 100, n % 10 == 0));
    assert_eq!(told(&mut reader).last().map(String::as_str), Some("live"));
    assert!(reader.try_next().is_none());
    reader.restart();
    assert_eq!(told(&mut reader), ["10", "11", "12"]);
}

#[test]
fn a_restart_between_the_catalogue_and_its_unit_loses_neither() {
    let stream = stream();
    let publisher = stream.publish(at(0), "cam", catalog()).unwrap();
    let mut reader = stream.subscribe(ReaderOptions::default());
    push(&publisher, 0, true);
    assert!(matches!(reader.try_next(), Some(Event::Catalog(_))));
    reader.restart();
    assert_eq!(told(&mut reader), ["0", "live"]);
    assert_eq!((reader.stats().units, reader.stats().bytes), (1, 5));
}

#[test]
fn the_end_is_told_after_everything_else_and_for_ever() {
    let stream = stream();
    let publisher = stream.publish(at(0), "cam", catalog()).unwrap();
    let mut reader = stream.subscribe(ReaderOptions::default());
    push(&publisher, 0, true);
    stream.end(at(10), "camera removed");
    assert_eq!(told(&mut reader), ["catalog 1", "0"]);
    for _ in 0..2 {
        assert_eq!(reader.try_next().map(|e| word(&e)), Some("ended: camera removed".into()));
    }
    drop(publisher);
    assert_eq!(&*stream.status().reason, "camera removed");
}

#[test]
fn demand_counts_readers_by_kind_and_keyframe_requests() {
    let stream = stream();
    let mut demand = stream.demand();
    let publisher = stream.publish(at(0), "cam", catalog()).unwrap();
    push(&publisher, 0, true);
    publisher.serve_keyframes();
    let [one, two] = [ReaderKind::Viewer, ReaderKind::Muxer]
        .map(|kind| stream.subscribe(ReaderOptions::of(kind)));
    assert!(demand.has_changed().unwrap());
    let seen = *demand.borrow_and_update();
    let kinds = ReaderKind::ALL.map(|kind| seen.of(kind));
    assert_eq!((seen.readers(), kinds), (2, [1, 0, 0, 1, 0]));
    assert_eq!(one.request_keyframe(at(100)), KeyframeRequest::Sent);
    assert_eq!(two.request_keyframe(at(200)), KeyframeRequest::Delayed);
    assert_eq!(demand.borrow_and_update().keyframes, 1);
    push(&publisher, 320, false);
    assert!(demand.has_changed().unwrap(), "the kept request reaches the publisher too");
    assert_eq!(demand.borrow_and_update().keyframes, 2);
    drop(two);
    assert_eq!(demand.borrow_and_update().of(ReaderKind::Muxer), 0);
    drop(one);
    assert_eq!(demand.borrow_and_update().readers(), 0);
}

#[test]
fn the_register_keeps_one_stream_a_name() {
    let hub = Hub::default();
    let one = hub.get_or_create("b", StreamOptions::default(), at(0));
    hub.get_or_create("a", StreamOptions::default(), at(0));
    assert!(Arc::ptr_eq(&one, &hub.get_or_create("b", StreamOptions::default(), at(1))));
    assert_eq!(hub.list().iter().map(|s| s.name().to_string()).collect::<Vec<_>>(), ["a", "b"]);
    let mut reader = one.subscribe(ReaderOptions::default());
    hub.remove("b", "removed from the configuration", at(2));
    assert!(hub.get("b").is_none() && matches!(reader.try_next(), Some(Event::Ended(_))));
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls `next` as an executor would.
fn poll(reader: &mut Subscriber, wakes: &Arc<Wakes>) -> Option<String> {
    let waker = Waker::from(wakes.clone());
    match pin!(reader.next()).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(event) => Some(word(&event)),
        Poll::Pending => None,
    }
}

#[test]
fn a_waiting_reader_is_woken_by_units_and_by_states_and_may_be_cancelled() {
    let stream = stream();
    let wakes = Arc::new(Wakes::default());
    let mut reader = stream.subscribe(ReaderOptions::default());
    assert_eq!(poll(&mut reader, &wakes).as_deref(), Some("offline"));
    assert_eq!(poll(&mut reader, &wakes), None, "and each poll drops a cancelled future");
    let publisher = stream.publish(at(0), "cam", catalog()).unwrap();
    assert_eq!(poll(&mut reader, &wakes).as_deref(), Some("connecting"));
    assert_eq!(poll(&mut reader, &wakes), None);
    push(&publisher, 0, true);
    for expected in ["catalog 1", "0", "live"] {
        assert_eq!(poll(&mut reader, &wakes).as_deref(), Some(expected));
    }
    assert_eq!(poll(&mut reader, &wakes), None);
}

#[test]
fn a_future_that_waits_is_woken() {
    let stream = stream();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut reader = stream.subscribe(ReaderOptions::default());
    reader.try_next();
    let mut next = pin!(reader.next());
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    stream.report(Status::new(State::Connecting, "", at(1)));
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
}

/// A day of 30 frames a second, a camera that goes away now and then, and a reader that sleeps as
/// it likes.
#[test]
fn a_day_with_a_lazy_reader() {
    let stream = stream();
    let mut rng = fastrand::Rng::with_seed(2);
    let mut publisher = Some(stream.publish(at(0), "cam", catalog()).unwrap());
    let mut reader = stream.subscribe(ReaderOptions::default());
    let (mut read, mut skipped, mut expected, mut last_dts, mut wake_at, mut key) =
        (0, 0, 0, -1, 0, true);
    for n in 0..86_400 * 30u64 {
        let now = n * 1000 / 30;
        if n % (30 * 3600) == 0 && n > 0 {
            publisher = None;
        } else if publisher.is_none() && rng.u32(..300) == 0 {
            publisher = Some(stream.publish(at(now), "cam", catalog()).unwrap());
        }
        key |= n % 60 == 0;
        if let Some(publisher) = &publisher {
            // Each publisher counts from zero of its own, and its clock is wrong by 100 ppm.
            let ts = (n * 3000 + n * 3000 / 10_000) as i64;
            let mut unit = unit(0, std::mem::take(&mut key));
            (unit.pts, unit.dts) = (ts, ts);
            publisher.push(at(now), unit).unwrap();
        }
        if n < wake_at {
            continue;
        }
        wake_at = n + if rng.u32(..500) == 0 { rng.u64(..1800) } else { rng.u64(..10) };
        while let Some(event) = reader.try_next() {
            match event {
                Event::Unit(unit, position) => {
                    assert!(position == expected && unit.dts > last_dts);
                    (expected, last_dts, read) = (position + 1, unit.dts, read + 1);
                }
                Event::Skipped { units } => {
                    (expected, skipped) = (expected + units, skipped + units);
                }
                _ => {}
            }
        }
    }
    let stats = stream.stats();
    assert!(stats.units > 2_550_000 && stats.publishers == 24);
    assert_eq!((reader.stats().units, reader.stats().skipped), (read, skipped));
    assert_eq!(read + skipped + reader_is_behind(&stream, expected), stats.units);
    assert!(skipped > 0 && skipped < stats.units / 2, "{skipped}");
    let drift = last_dts as f64 / 90_000.0 - 86_400.0;
    assert!(
        (0.0..12.0).contains(&drift),
        "the timeline follows the camera's clock: {drift} s in a day"
    );
}

fn reader_is_behind(stream: &Stream, next: u64) -> u64 {
    stream.stats().units - next
}

#[test]
fn a_dismissed_publisher_makes_room_at_once_and_keeps_the_readers() {
    let stream = stream();
    assert!(!stream.kick_publisher(at(0), "nobody is there"));
    let first = stream.publish(at(0), "first", catalog()).unwrap();
    let mut reader = stream.subscribe(ReaderOptions::default());
    push(&first, 0, true);
    assert!(stream.kick_publisher(at(10), "its source was changed"));
    assert_eq!(&*stream.status().reason, "its source was changed");
    assert_eq!(first.push(at(40), unit(40, false)), Err(PublishError::Replaced));
    let second = stream.publish(at(50), "second", catalog()).unwrap();
    push(&second, 80, true);
    assert_eq!(told(&mut reader), ["catalog 1", "0", "!1", "live"]);
}

#[test]
fn the_stall_time_can_be_changed_while_frames_flow() {
    let stream = stream();
    let publisher = stream.publish(at(0), "cam", catalog()).unwrap();
    push(&publisher, 0, true);
    assert!(!stream.check_stall(at(1500)));
    stream.set_stall_after(Duration::from_secs(1));
    assert!(stream.check_stall(at(1500)));
}

#[test]
fn a_held_stream_lets_go_of_everything_and_nobody_publishes_until_it_is_released() {
    let stream = stream();
    let first = stream.publish(at(0), "first", catalog()).unwrap();
    let (mut lazy, mut awake) =
        (stream.subscribe(ReaderOptions::default()), stream.subscribe(ReaderOptions::default()));
    push(&first, 0, true);
    push(&first, 40, false);
    assert!(stream.is_watchable());
    told(&mut awake);
    stream.disable(at(50), "stopped");
    assert!(stream.is_disabled() && !stream.is_watchable());
    assert_eq!(
        (stream.ring_bytes(), stream.disabled_count(), &*stream.status().reason),
        (0, 1, "stopped")
    );
    assert_eq!(first.push(at(80), unit(80, true)), Err(PublishError::Disabled("stopped".into())));
    assert_eq!(
        stream.publish(at(90), "second", catalog()).err(),
        Some(PublishError::Disabled("stopped".into()))
    );
    let mut late = stream.subscribe(ReaderOptions::default());
    assert_eq!(told(&mut late), ["offline"], "nothing of what was");
    stream.enable();
    let second = stream.publish(at(100), "second", catalog()).unwrap();
    push(&second, 140, true);
    assert!(stream.is_watchable());
    assert_eq!(told(&mut late), ["catalog 1", "!2", "live"]);
    assert_eq!(told(&mut awake), ["!2", "live"]);
    let lazy = told(&mut lazy);
    assert!(lazy.contains(&"!2".to_owned()) && !lazy.contains(&"0".to_owned()), "{lazy:?}");
}

#[test]
fn whoever_comes_after_the_end_of_a_publisher_sees_nothing_of_it() {
    let stream = stream();
    let first = stream.publish(at(0), "first", catalog()).unwrap();
    push(&first, 0, true);
    first.finish(at(10), "gone");
    let mut late = stream.subscribe(ReaderOptions::default());
    assert_eq!(told(&mut late), ["offline"]);
    let second = stream.publish(at(100), "second", catalog()).unwrap();
    push(&second, 140, true);
    assert_eq!(told(&mut late), ["catalog 1", "!1", "live"]);
}
