use super::*;
use media::Wall;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

fn at(ms: u64) -> ClockPair {
    ClockPair { mono: Mono::from_nanos(ms * 1_000_000), wall: Wall::from_micros(ms as i64 * 1000) }
}

fn visit(protocol: Protocol, stream: &str) -> Visit<'_> {
    Visit { protocol, stream, end: Arc::new(|_| {}) }
}

fn watch(audience: &Audience, stream: &str) -> Result<Seat, Refused> {
    audience.join(visit(Protocol::WebRtc, stream), at(0))
}

fn ids(audience: &Audience) -> Vec<String> {
    audience.guests().iter().map(|g| g.id()).collect()
}

fn total(audience: &Audience, stream: &str, protocol: Protocol) -> Total {
    audience.totals().get(&(Shown::new(stream), protocol)).copied().unwrap_or_default()
}

fn limits(total: usize, cameras: &[(&str, usize)]) -> Limits {
    Limits { total, cameras: cameras.iter().map(|(name, n)| ((*name).into(), *n)).collect() }
}

#[test]
fn a_viewer_is_listed_while_it_is_there_and_counted_for_ever() {
    let audience = Audience::default();
    let first = watch(&audience, "front").unwrap();
    let second = audience.join(visit(Protocol::Rtsp, "front"), at(5)).unwrap();
    first.sent_frames(2);
    first.sent_bytes(1000);
    first.retransmitted(4);
    second.sent_bytes(10);
    second.skipped(3);
    second.skipped_for_congestion(2);
    assert_eq!(ids(&audience), ["webrtc-1", "rtsp-2"]);
    let before = total(&audience, "front", Protocol::WebRtc);
    assert_eq!((before.viewers, before.counts.frames, before.counts.bytes), (1, 2, 1000));
    drop(first);
    assert_eq!(ids(&audience), ["rtsp-2"]);
    assert_eq!(total(&audience, "front", Protocol::WebRtc), Total { viewers: 0, ..before });
    let players = total(&audience, "front", Protocol::Rtsp);
    assert_eq!(
        (players.viewers, players.counts.slow, players.counts.congested, players.counts.skipped()),
        (1, 3, 2, 5)
    );
    assert_eq!(second.since, at(5).wall);
}

#[test]
fn sums_never_fall_while_viewers_count_come_and_go() {
    let audience = Audience::default();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let busy = || {
            for _ in 0..2000 {
                let seat = watch(&audience, "front").unwrap();
                seat.sent_frames(1);
                seat.move_to(Some("sd".into()), "the link is thin");
                seat.sent_frames(1);
            }
        };
        let workers = [scope.spawn(busy), scope.spawn(busy)];
        let reader = scope.spawn(|| {
            let mut last = [0; 2];
            while !stop.load(Relaxed) {
                let now = ["front", "front/sd"]
                    .map(|s| total(&audience, s, Protocol::WebRtc).counts.frames);
                assert!(now[0] >= last[0] && now[1] >= last[1], "{last:?} {now:?}");
                last = now;
            }
        });
        workers.into_iter().for_each(|w| w.join().unwrap());
        stop.store(true, Relaxed);
        reader.join().unwrap();
    });
    let [own, sd] = ["front", "front/sd"].map(|s| total(&audience, s, Protocol::WebRtc));
    assert_eq!((own.viewers, own.counts.frames, sd.viewers, sd.counts.frames), (0, 4000, 0, 4000));
}

#[test]
fn a_viewer_who_changes_the_rendition_leaves_its_counts_where_they_were_made() {
    let audience = Audience::default();
    let seat = watch(&audience, "front/hd").unwrap();
    assert_eq!((&*seat.camera, seat.rendition_reason()), ("front", "asked for"));
    seat.sent_frames(10);
    seat.move_to(Some("sd".into()), "the link is thin");
    seat.sent_frames(5);
    let frames = |stream| total(&audience, stream, Protocol::WebRtc).counts.frames;
    assert_eq!((frames("front/hd"), frames("front/sd"), seat.counts().frames), (10, 5, 15));
    assert_eq!(
        (seat.shown().rendition.as_deref(), seat.rendition_reason()),
        (Some("sd"), "the link is thin")
    );
    seat.move_to(None, "the link carries it again");
    drop(seat);
    assert_eq!((frames("front/hd"), frames("front/sd"), frames("front")), (10, 5, 0));
}

#[test]
fn a_thin_link_is_counted_once_each_time_it_begins() {
    let audience = Audience::default();
    let seat = watch(&audience, "front").unwrap();
    [true, true, false, true].into_iter().for_each(|limited| seat.set_link_limited(limited));
    let now = total(&audience, "front", Protocol::WebRtc);
    assert_eq!((now.link_limited, now.counts.link_limits), (1, 2));
    drop(seat);
    let now = total(&audience, "front", Protocol::WebRtc);
    assert_eq!((now.link_limited, now.counts.link_limits), (0, 2));
}

#[test]
fn limits_hold_for_all_protocols_and_free_up_again() {
    let audience = Audience::default();
    audience.set_limits(limits(3, &[("front", 2)]));
    let first = watch(&audience, "front").unwrap();
    let _second = audience.join(visit(Protocol::Rtsp, "front/sd"), at(0)).unwrap();
    assert_eq!(watch(&audience, "front").err(), Some(Refused::CameraFull("front".into(), 2)));
    let third = watch(&audience, "back").unwrap();
    assert_eq!(
        audience.lease(Protocol::Hls, "back", "k", at(0)).err(),
        Some(Refused::ServerFull(3))
    );
    assert_eq!(total(&audience, "back", Protocol::Hls).refused, 1);
    drop(first);
    let fourth = watch(&audience, "front").unwrap();

    audience.set_limits(limits(1, &[]));
    assert_eq!(audience.guests().len(), 3, "nobody is sent away");
    drop((third, fourth));
    assert_eq!(watch(&audience, "back").err(), Some(Refused::ServerFull(1)));
    audience.set_limits(Limits::default());
    assert!(watch(&audience, "back").is_ok());
}

#[test]
fn one_is_sent_away_by_its_id() {
    let (audience, told) = (Audience::default(), Arc::new(AtomicU64::new(0)));
    let told_too = told.clone();
    let end: Ender = Arc::new(move |number| told_too.store(number, Relaxed));
    let _other = watch(&audience, "front").unwrap();
    let _seat =
        audience.join(Visit { protocol: Protocol::Rtsp, stream: "front", end }, at(0)).unwrap();
    for wrong in
        ["", "2", "webrtc-2", "rtsp-1", "rtsp-3", "rtsp-02", "rtsp--2", "rtsp-99999999999999999999"]
    {
        assert_eq!(audience.end(wrong), Err(NoViewer(wrong.into())));
    }
    assert_eq!(told.load(Relaxed), 0);
    audience.end("rtsp-2").unwrap();
    assert_eq!(told.load(Relaxed), 2);
}

#[test]
fn who_has_no_connection_is_known_by_a_key_and_gone_when_silent() {
    let audience = Audience::default();
    let ask = |stream: &str, key: &str, ms| audience.lease(Protocol::Hls, stream, key, at(ms));
    ask("front", "anna", 0).unwrap().sent_bytes(100);
    ask("front", "ben", 0).unwrap();
    ask("front/sd", "anna", 15_000).unwrap().sent_bytes(10);
    assert_eq!(ids(&audience), ["hls-1", "hls-2"]);
    audience.tick(at(19_000).mono);
    assert_eq!(audience.guests().len(), 2);
    audience.tick(at(20_000).mono);
    assert_eq!(ids(&audience), ["hls-1"], "ben is silent, anna was here 5 s ago");
    let bytes = |stream| total(&audience, stream, Protocol::Hls).counts.bytes;
    assert_eq!((bytes("front"), bytes("front/sd")), (100, 10));
    audience.tick(at(35_000).mono);
    assert_eq!(audience.guests().len(), 0);
    ask("front", "anna", 36_000).unwrap();
    assert_eq!(ids(&audience), ["hls-3"], "back, as somebody new");
}

#[test]
fn who_has_no_connection_stays_out_when_sent_away() {
    let audience = Audience::default();
    let ask = |ms| audience.lease(Protocol::Hls, "front", "anna", at(ms)).map(|seat| seat.number());
    assert_eq!(ask(0), Ok(1));
    audience.end("hls-1").unwrap();
    assert_eq!((audience.guests().len(), audience.end("hls-1").is_err()), (0, true));
    audience.tick(at(10_000).mono);
    assert_eq!(ask(12_000), Err(Refused::Ended));
    audience.tick(at(30_000).mono);
    assert_eq!(ask(31_000), Err(Refused::Ended), "it kept asking");
    audience.tick(at(60_000).mono);
    assert_eq!(ask(61_000), Ok(2));
}

#[test]
fn bitrates_follow_what_is_sent() {
    let audience = Audience::default();
    let seat = watch(&audience, "front").unwrap();
    for tenth in 1..=100 {
        seat.sent_bytes(25_000);
        audience.tick(at(tenth * 100).mono);
    }
    let rate = seat.bitrate(at(10_000).mono);
    assert!((rate - 2e6).abs() < 1e5, "{rate}");
    (101..=150).for_each(|tenth| audience.tick(at(tenth * 100).mono));
    assert_eq!(seat.bitrate(at(15_000).mono), 0.0);
}

#[test]
fn facts_are_unknown_until_told() {
    let audience = Audience::default();
    let seat = watch(&audience, "front").unwrap();
    assert_eq!(
        (seat.facts.rtt.get(), seat.facts.loss.get(), seat.is_connected(), seat.path()),
        (None, None, false, (None, None))
    );
    seat.facts.rtt.set_time(Duration::from_millis(3));
    seat.facts.loss.set_share(0.25);
    seat.set_connected(Transport::Udp, Some(([192, 0, 2, 1], 5).into()));
    assert_eq!(
        (seat.facts.rtt.get(), seat.facts.loss.get(), seat.is_connected()),
        (Some(3000), Some(250_000), true)
    );
    assert_eq!(seat.path(), (Some(Transport::Udp), Some(([192, 0, 2, 1], 5).into())));
}
