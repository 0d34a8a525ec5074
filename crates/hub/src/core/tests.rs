use super::*;
use media::{Codec, Timing, TrackId};

fn at(ms: u64) -> Mono {
    Mono::from_nanos((1000 + ms) * 1_000_000)
}

fn core() -> Core {
    Core::new(StreamOptions::default(), at(0))
}

fn video() -> Arc<Catalog> {
    Arc::new(Catalog::new([(Codec::H264(None), 90_000), (Codec::Opus { channels: 2 }, 48_000)]))
}

fn begin(core: &mut Core, ms: u64, by: &str) -> Result<Turn, PublishError> {
    core.begin(at(ms), by.into(), video())
}

fn frame(core: &mut Core, ms: u64, turn: Turn, key: bool) -> Result<bool, PublishError> {
    push(core, ms, turn, 0, key)
}

fn push(core: &mut Core, ms: u64, turn: Turn, track: u8, key: bool) -> Result<bool, PublishError> {
    let payload = [bytes::Bytes::from_static(b"frame")].into_iter().collect();
    core.push(
        at(ms),
        turn,
        AccessUnit::new(TrackId(track), ms as i64 * 90, key, Timing::arrived(at(ms)), payload),
    )
}

fn state(core: &Core) -> (State, &str, Mono) {
    (core.status.state, &core.status.reason, core.status.since)
}

#[test]
fn lives_through_connecting_live_stalled_and_offline() {
    let mut core = core();
    assert_eq!(state(&core), (State::Offline, "nobody has published yet", at(0)));
    let turn = begin(&mut core, 100, "cam").unwrap();
    assert_eq!(state(&core), (State::Connecting, "waiting for the first frame", at(100)));
    frame(&mut core, 200, turn, true).unwrap();
    frame(&mut core, 240, turn, false).unwrap();
    assert_eq!(state(&core), (State::Live, "", at(200)));
    assert!(!core.check_stall(at(5239)));
    assert!(core.check_stall(at(5240)) && !core.check_stall(at(5300)), "told once");
    assert_eq!(state(&core), (State::Stalled, "connected to cam, but no frame for 5 s", at(5240)));
    frame(&mut core, 6000, turn, false).unwrap();
    assert_eq!(state(&core), (State::Live, "", at(6000)));
    assert!(core.end(Some(at(7000)), turn, "bye".into()));
    assert_eq!(state(&core), (State::Offline, "bye", at(7000)));
    assert!(!core.end(Some(at(8000)), turn, "again".into()));
}

#[test]
fn only_a_silent_publisher_is_replaced() {
    let mut core = core();
    let first = begin(&mut core, 0, "first").unwrap();
    assert_eq!(begin(&mut core, 4999, "second"), Err(PublishError::Busy { by: "first".into() }));
    frame(&mut core, 4999, first, true).unwrap();
    assert_eq!(begin(&mut core, 9998, "second"), Err(PublishError::Busy { by: "first".into() }));
    let second = begin(&mut core, 9999, "second").unwrap();
    assert_eq!(frame(&mut core, 10_000, first, true), Err(PublishError::Replaced));
    assert_eq!(core.set_catalog(first, video()), Err(PublishError::Replaced));
    assert!(
        !core.end(Some(at(10_000)), first, "late".into()),
        "the replaced one cannot end its successor"
    );
    assert_eq!(frame(&mut core, 10_000, second, true), Ok(false));
    assert_eq!(core.stats.publishers, 2);
}

#[test]
fn an_ended_stream_takes_nobody() {
    let mut core = core();
    let turn = begin(&mut core, 0, "cam").unwrap();
    core.end_stream(at(10), "camera removed".into());
    let ended = PublishError::Ended("camera removed".into());
    assert_eq!(frame(&mut core, 20, turn, true), Err(ended.clone()));
    assert_eq!(begin(&mut core, 30, "cam"), Err(ended));
}

#[test]
fn a_publisher_lost_without_a_word_was_gone_since_its_last_frame() {
    let mut core = core();
    let turn = begin(&mut core, 0, "one").unwrap();
    frame(&mut core, 100, turn, true).unwrap();
    core.end(None, turn, "lost".into());
    assert_eq!(core.status.since, at(100));
    let turn = begin(&mut core, 90_000, "two").unwrap();
    core.end(None, turn, "lost".into());
    assert_eq!(core.status.since, at(90_000), "not since the frames of the one before");
    let turn = begin(&mut core, 200_000, "three").unwrap();
    frame(&mut core, 200_000, turn, true).unwrap();
    core.check_stall(at(205_000));
    core.end(None, turn, "lost".into());
    assert_eq!(core.status.since, at(205_000), "states do not overlap");
}

#[test]
fn video_before_a_publishers_first_keyframe_is_shown_to_nobody() {
    let mut core = core();
    let turn = begin(&mut core, 0, "cam").unwrap();
    frame(&mut core, 10, turn, false).unwrap();
    assert_eq!(state(&core), (State::Connecting, "waiting for the first keyframe", at(0)));
    assert!(core.ring.is_empty());
    assert!(!core.check_stall(at(5009)), "frames do arrive");
    push(&mut core, 20, turn, 1, true).unwrap();
    assert_eq!(
        (core.ring.head(), core.status.state),
        (1, State::Connecting),
        "sound is no picture"
    );
    frame(&mut core, 30, turn, true).unwrap();
    frame(&mut core, 60, turn, false).unwrap();
    assert_eq!((core.ring.head(), core.status.state), (3, State::Live));
    let stats = core.stats;
    assert_eq!(
        (stats.discarded, stats.units, stats.frames, stats.keyframes, stats.bytes),
        (1, 3, 2, 1, 15)
    );
    assert_eq!(stats.newest_clock, Some(CaptureClock::Arrival));
    let second = begin(&mut core, 20_000, "cam").unwrap();
    frame(&mut core, 20_010, second, false).unwrap();
    assert_eq!((core.ring.head(), core.stats.discarded), (3, 2), "each turn begins anew");
}

#[test]
fn a_frozen_picture_with_sound_is_stalled() {
    let mut core = core();
    let turn = begin(&mut core, 0, "cam").unwrap();
    frame(&mut core, 0, turn, true).unwrap();
    for ms in (20..6000).step_by(20) {
        push(&mut core, ms, turn, 1, true).unwrap();
    }
    assert_eq!(core.stats.newest_at, Some(at(0)));
    assert!(core.check_stall(at(6000)));
    push(&mut core, 6020, turn, 1, true).unwrap();
    assert_eq!(core.status.state, State::Stalled);
}

#[test]
fn sound_alone_is_live_where_there_is_no_video() {
    let mut core = core();
    let sound = Arc::new(Catalog::new([(Codec::Opus { channels: 2 }, 48_000)]));
    let turn = core.begin(at(0), "mic".into(), sound).unwrap();
    push(&mut core, 10, turn, 0, true).unwrap();
    assert_eq!(core.status.state, State::Live);
    assert_eq!((core.stats.frames, core.stats.newest_at), (0, Some(at(10))));
}

#[test]
fn units_of_unknown_tracks_are_counted_and_left_out() {
    let mut core = core();
    let turn = begin(&mut core, 0, "cam").unwrap();
    push(&mut core, 10, turn, 7, true).unwrap();
    assert_eq!(
        (core.ring.head(), core.stats.discarded, core.status.state),
        (0, 1, State::Connecting)
    );
}

#[test]
fn a_supervisors_word_counts_while_nobody_publishes() {
    let mut core = core();
    let word = |ms, reason: &str| Status {
        next_try: Some(at(ms + 10)),
        ..Status::new(State::Offline, reason, at(ms))
    };
    assert!(core.report(word(500, "refused")));
    assert_eq!(state(&core), (State::Offline, "refused", at(0)), "offline all the time");
    assert_eq!(core.status.next_try, Some(at(510)));
    let turn = begin(&mut core, 600, "cam").unwrap();
    assert!(!core.report(word(700, "refused")));
    core.end(Some(at(800)), turn, "closed".into());
    assert!(core.report(word(500, "closed")));
    assert_eq!(core.status.since, at(500), "a supervisor knows of a longer outage than the hub");
}

#[test]
fn keyframe_requests_are_throttled_but_none_is_lost() {
    let mut core = core();
    let turn = begin(&mut core, 0, "cam").unwrap();
    assert_eq!(core.request_keyframe(at(0)), KeyframeRequest::Unsupported);
    core.serve_keyframes(turn);
    assert_eq!(core.request_keyframe(at(0)), KeyframeRequest::Sent);
    assert_eq!(core.request_keyframe(at(50)), KeyframeRequest::Delayed);
    assert_eq!(core.request_keyframe(at(60)), KeyframeRequest::Delayed);
    assert_eq!(core.demand.keyframes, 1);
    assert_eq!(frame(&mut core, 199, turn, false), Ok(false));
    assert_eq!(
        frame(&mut core, 200, turn, false),
        Ok(true),
        "the kept one passes with the interval"
    );
    assert_eq!(core.demand.keyframes, 2);
    assert_eq!(frame(&mut core, 900, turn, false), Ok(false), "once");
}

#[test]
fn a_keyframe_serves_all_who_asked_before() {
    let mut core = core();
    let turn = begin(&mut core, 0, "cam").unwrap();
    core.serve_keyframes(turn);
    core.request_keyframe(at(0));
    core.request_keyframe(at(50));
    frame(&mut core, 100, turn, true).unwrap();
    assert_eq!(frame(&mut core, 500, turn, false), Ok(false));
    assert_eq!(core.request_keyframe(at(600)), KeyframeRequest::Sent);
    assert_eq!(core.demand.keyframes, 2);
    core.end(Some(at(700)), turn, "closed".into());
    assert_eq!(core.request_keyframe(at(900)), KeyframeRequest::NoPublisher);
}

#[test]
fn timestamps_go_on_across_publishers_and_the_seam_is_marked() {
    let mut core = core();
    let one = begin(&mut core, 0, "one").unwrap();
    frame(&mut core, 0, one, true).unwrap();
    core.end(Some(at(100)), one, "gone".into());
    let two = begin(&mut core, 10_000, "two").unwrap();
    frame(&mut core, 10_000, two, false).unwrap();
    frame(&mut core, 10_040, two, true).unwrap();
    let newest = core.ring.newest().unwrap();
    assert_eq!(
        (newest.dts, newest.discontinuity),
        (90 * 10_040, true),
        "a discarded frame does not take the mark away"
    );
    assert_eq!(newest.timing.published, at(10_040));
    frame(&mut core, 10_080, two, false).unwrap();
    assert!(!core.ring.newest().unwrap().discontinuity);
}

fn stand_in(core: &mut Core) -> Result<Turn, PublishError> {
    core.begin_stand_in(video())
}

#[test]
fn a_stand_in_is_seen_by_readers_and_changes_nothing_else() {
    let mut core = core();
    let turn = begin(&mut core, 0, "cam").unwrap();
    assert!(matches!(stand_in(&mut core), Err(PublishError::Busy { .. })));
    frame(&mut core, 0, turn, true).unwrap();
    assert!(matches!(stand_in(&mut core), Err(PublishError::Busy { .. })), "frames arrive");
    core.end(Some(at(100)), turn, "gone".into());
    let (before, stats) = (state(&core).1.to_owned(), core.stats);
    let other = stand_in(&mut core).unwrap();
    frame(&mut core, 5000, other, true).unwrap();
    let shown = core.ring.newest().unwrap();
    assert_eq!((shown.timing.published, shown.discontinuity), (at(5000), true));
    assert_eq!((state(&core).0, state(&core).1, core.stats), (State::Offline, &*before, stats));
    assert!(core.catalog().is_some() && core.publisher().is_none() && !core.is_watchable());
    let next = begin(&mut core, 6000, "again").unwrap();
    assert_eq!(frame(&mut core, 6000, other, true), Err(PublishError::Replaced));
    frame(&mut core, 6000, next, true).unwrap();
    assert_eq!((state(&core).0, core.ring.newest().unwrap().dts), (State::Live, 90 * 6000));
}

#[test]
fn a_stalled_camera_goes_on_with_a_keyframe_after_a_stand_in() {
    let mut core = core();
    let turn = begin(&mut core, 0, "cam").unwrap();
    core.serve_keyframes(turn);
    frame(&mut core, 0, turn, true).unwrap();
    assert!(core.check_stall(at(5000)));
    let other = stand_in(&mut core).unwrap();
    frame(&mut core, 6000, other, true).unwrap();
    let (discarded, wishes) = (core.stats.discarded, core.demand.keyframes);
    frame(&mut core, 7000, turn, false).unwrap();
    assert_eq!(
        (core.stats.discarded, core.demand.keyframes),
        (discarded + 1, wishes + 1),
        "nobody can begin with it"
    );
    assert_eq!(frame(&mut core, 7000, other, true), Err(PublishError::Replaced));
    frame(&mut core, 7040, turn, true).unwrap();
    assert_eq!((state(&core).0, core.ring.newest().unwrap().discontinuity), (State::Live, true));
}

#[test]
fn nobody_stands_in_for_a_camera_that_was_stopped() {
    let mut core = core();
    let other = stand_in(&mut core).unwrap();
    core.disable(at(10), "stopped".into());
    assert!(matches!(frame(&mut core, 20, other, true), Err(PublishError::Disabled(_))));
    assert!(matches!(stand_in(&mut core), Err(PublishError::Disabled(_))));
}
