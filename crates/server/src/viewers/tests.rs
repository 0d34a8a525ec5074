use super::*;
use media::Wall;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

fn at(ms: u64) -> ClockPair {
    ClockPair { mono: Mono::from_nanos(ms * 1_000_000), wall: Wall::from_micros(ms as i64 * 1000) }
}

fn request(protocol: Protocol, stream: &str) -> JoinRequest<'_> {
    JoinRequest { protocol, stream, end: Arc::new(|_| {}) }
}

fn watch(viewers: &ViewerRegistry, stream: &str) -> Result<ViewerHandle, JoinRefused> {
    viewers.join(request(Protocol::WebRtc, stream), at(0))
}

fn ids(viewers: &ViewerRegistry) -> Vec<String> {
    viewers.list().iter().map(|g| g.id()).collect()
}

fn total(viewers: &ViewerRegistry, stream: &str, protocol: Protocol) -> ViewerTotal {
    viewers.totals().get(&(Shown::new(stream), protocol)).copied().unwrap_or_default()
}

fn limits(total: usize, cameras: &[(&str, usize)]) -> ViewerLimits {
    ViewerLimits { total, cameras: cameras.iter().map(|(name, n)| ((*name).into(), *n)).collect() }
}

#[test]
fn a_viewer_is_listed_while_it_is_there_and_counted_for_ever() {
    let viewers = ViewerRegistry::default();
    let first = watch(&viewers, "front").unwrap();
    let second = viewers.join(request(Protocol::Rtsp, "front"), at(5)).unwrap();
    first.sent_frames(2);
    first.sent_bytes(1000);
    first.retransmitted(4);
    second.sent_bytes(10);
    second.skipped(3);
    second.skipped_for_congestion(2);
    assert_eq!(ids(&viewers), ["webrtc-1", "rtsp-2"]);
    let before = total(&viewers, "front", Protocol::WebRtc);
    assert_eq!((before.viewers, before.counts.frames, before.counts.bytes), (1, 2, 1000));
    drop(first);
    assert_eq!(ids(&viewers), ["rtsp-2"]);
    assert_eq!(total(&viewers, "front", Protocol::WebRtc), ViewerTotal { viewers: 0, ..before });
    let players = total(&viewers, "front", Protocol::Rtsp);
    assert_eq!(
        (players.viewers, players.counts.slow, players.counts.congested, players.counts.skipped()),
        (1, 3, 2, 5)
    );
    assert_eq!(second.since, at(5).wall);
}

#[test]
fn sums_never_fall_while_viewers_count_come_and_go() {
    let viewers = ViewerRegistry::default();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let busy = || {
            for _ in 0..2000 {
                let handle = watch(&viewers, "front").unwrap();
                handle.sent_frames(1);
                handle.move_to(Some("sd".into()), "the link is thin");
                handle.sent_frames(1);
            }
        };
        let workers = [scope.spawn(busy), scope.spawn(busy)];
        let reader = scope.spawn(|| {
            let mut last = [0; 2];
            while !stop.load(Relaxed) {
                let now = ["front", "front/sd"]
                    .map(|s| total(&viewers, s, Protocol::WebRtc).counts.frames);
                assert!(now[0] >= last[0] && now[1] >= last[1], "{last:?} {now:?}");
                last = now;
            }
        });
        workers.into_iter().for_each(|w| w.join().unwrap());
        stop.store(true, Relaxed);
        reader.join().unwrap();
    });
    let [own, sd] = ["front", "front/sd"].map(|s| total(&viewers, s, Protocol::WebRtc));
    assert_eq!((own.viewers, own.counts.frames, sd.viewers, sd.counts.frames), (0, 4000, 0, 4000));
}

#[test]
fn a_viewer_who_changes_the_rendition_leaves_its_counts_where_they_were_made() {
    let viewers = ViewerRegistry::default();
    let handle = watch(&viewers, "front/hd").unwrap();
    assert_eq!((&*handle.camera, handle.rendition_reason()), ("front", "asked for"));
    handle.sent_frames(10);
    handle.move_to(Some("sd".into()), "the link is thin");
    handle.sent_frames(5);
    let frames = |stream| total(&viewers, stream, Protocol::WebRtc).counts.frames;
    assert_eq!((frames("front/hd"), frames("front/sd"), handle.counts().frames), (10, 5, 15));
    assert_eq!(
        (handle.shown().rendition.as_deref(), handle.rendition_reason()),
        (Some("sd"), "the link is thin")
    );
    handle.move_to(None, "the link carries it again");
    drop(handle);
    assert_eq!((frames("front/hd"), frames("front/sd"), frames("front")), (10, 5, 0));
}

#[test]
fn a_thin_link_is_counted_once_each_time_it_begins() {
    let viewers = ViewerRegistry::default();
    let handle = watch(&viewers, "front").unwrap();
    [true, true, false, true].into_iter().for_each(|limited| handle.set_link_limited(limited));
    let now = total(&viewers, "front", Protocol::WebRtc);
    assert_eq!((now.link_limited, now.counts.link_limits), (1, 2));
    drop(handle);
    let now = total(&viewers, "front", Protocol::WebRtc);
    assert_eq!((now.link_limited, now.counts.link_limits), (0, 2));
}

#[test]
fn limits_hold_for_all_protocols_and_free_up_again() {
    let viewers = ViewerRegistry::default();
    viewers.set_limits(limits(3, &[("front", 2)]));
    let first = watch(&viewers, "front").unwrap();
    let _second = viewers.join(request(Protocol::Rtsp, "front/sd"), at(0)).unwrap();
    assert_eq!(watch(&viewers, "front").err(), Some(JoinRefused::CameraFull("front".into(), 2)));
    let third = watch(&viewers, "back").unwrap();
    assert_eq!(
        viewers.http_session(Protocol::Hls, "back", "k", at(0)).err(),
        Some(JoinRefused::ServerFull(3))
    );
    assert_eq!(total(&viewers, "back", Protocol::Hls).refused, 1);
    drop(first);
    let fourth = watch(&viewers, "front").unwrap();

    viewers.set_limits(limits(1, &[]));
    assert_eq!(viewers.list().len(), 3, "nobody is sent away");
    drop((third, fourth));
    assert_eq!(watch(&viewers, "back").err(), Some(JoinRefused::ServerFull(1)));
    viewers.set_limits(ViewerLimits::default());
    assert!(watch(&viewers, "back").is_ok());
}

#[test]
fn one_is_sent_away_by_its_id() {
    let (viewers, told) = (ViewerRegistry::default(), Arc::new(AtomicU64::new(0)));
    let told_too = told.clone();
    let end: Kick = Arc::new(move |number| told_too.store(number, Relaxed));
    let _other = watch(&viewers, "front").unwrap();
    let _seat = viewers
        .join(JoinRequest { protocol: Protocol::Rtsp, stream: "front", end }, at(0))
        .unwrap();
    for wrong in
        ["", "2", "webrtc-2", "rtsp-1", "rtsp-3", "rtsp-02", "rtsp--2", "rtsp-99999999999999999999"]
    {
        assert_eq!(viewers.end(wrong), Err(NoViewer(wrong.into())));
    }
    assert_eq!(told.load(Relaxed), 0);
    viewers.end("rtsp-2").unwrap();
    assert_eq!(told.load(Relaxed), 2);
}

#[test]
fn who_has_no_connection_is_known_by_a_key_and_gone_when_silent() {
    let viewers = ViewerRegistry::default();
    let ask =
        |stream: &str, key: &str, ms| viewers.http_session(Protocol::Hls, stream, key, at(ms));
    ask("front", "anna", 0).unwrap().sent_bytes(100);
    ask("front", "ben", 0).unwrap();
    ask("front/sd", "anna", 15_000).unwrap().sent_bytes(10);
    assert_eq!(ids(&viewers), ["hls-1", "hls-2"]);
    viewers.tick(at(19_000).mono);
    assert_eq!(viewers.list().len(), 2);
    viewers.tick(at(20_000).mono);
    assert_eq!(ids(&viewers), ["hls-1"], "ben is silent, anna was here 5 s ago");
    let bytes = |stream| total(&viewers, stream, Protocol::Hls).counts.bytes;
    assert_eq!((bytes("front"), bytes("front/sd")), (100, 10));
    viewers.tick(at(35_000).mono);
    assert_eq!(viewers.list().len(), 0);
    ask("front", "anna", 36_000).unwrap();
    assert_eq!(ids(&viewers), ["hls-3"], "back, as somebody new");
}

#[test]
fn who_has_no_connection_stays_out_when_sent_away() {
    let viewers = ViewerRegistry::default();
    let ask = |ms| {
        viewers.http_session(Protocol::Hls, "front", "anna", at(ms)).map(|handle| handle.number())
    };
    assert_eq!(ask(0), Ok(1));
    viewers.end("hls-1").unwrap();
    assert_eq!((viewers.list().len(), viewers.end("hls-1").is_err()), (0, true));
    viewers.tick(at(10_000).mono);
    assert_eq!(ask(12_000), Err(JoinRefused::Ended));
    viewers.tick(at(30_000).mono);
    assert_eq!(ask(31_000), Err(JoinRefused::Ended), "it kept asking");
    viewers.tick(at(60_000).mono);
    assert_eq!(ask(61_000), Ok(2));
}

#[test]
fn bitrates_follow_what_is_sent() {
    let viewers = ViewerRegistry::default();
    let handle = watch(&viewers, "front").unwrap();
    for tenth in 1..=100 {
        handle.sent_bytes(25_000);
        viewers.tick(at(tenth * 100).mono);
    }
    let rate = handle.bitrate(at(10_000).mono);
    assert!((rate - 2e6).abs() < 1e5, "{rate}");
    (101..=150).for_each(|tenth| viewers.tick(at(tenth * 100).mono));
    assert_eq!(handle.bitrate(at(15_000).mono), 0.0);
}

#[test]
fn facts_are_unknown_until_told() {
    let viewers = ViewerRegistry::default();
    let handle = watch(&viewers, "front").unwrap();
    assert_eq!(
        (handle.facts.rtt.get(), handle.facts.loss.get(), handle.is_connected(), handle.path()),
        (None, None, false, (None, None))
    );
    handle.facts.rtt.set_time(Duration::from_millis(3));
    handle.facts.loss.set_share(0.25);
    handle.set_connected(ViewerTransport::Udp, Some(([192, 0, 2, 1], 5).into()));
    assert_eq!(
        (handle.facts.rtt.get(), handle.facts.loss.get(), handle.is_connected()),
        (Some(3000), Some(250_000), true)
    );
    assert_eq!(handle.path(), (Some(ViewerTransport::Udp), Some(([192, 0, 2, 1], 5).into())));
}
