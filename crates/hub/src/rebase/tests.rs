use super::*;
use media::{Codec, Timing, TrackId};
use proptest::prelude::*;

const MS: u64 = 1_000_000;

fn catalog() -> Catalog {
    Catalog::new([(Codec::H264(None), 90_000), (Codec::Opus { channels: 2 }, 48_000)])
}

fn place(r: &mut Rebase, ms: u64, track: u8, ts: i64) -> (i64, bool) {
    let now = Mono::from_nanos(ms * MS);
    let mut unit =
        AccessUnit::new(TrackId(track), ts, true, Timing::arrived(now), Default::default());
    r.apply(now, &mut unit, &catalog());
    (unit.dts, unit.discontinuity)
}

#[test]
fn the_second_publisher_goes_on_where_the_clock_is() {
    let mut r = Rebase::default();
    assert_eq!(place(&mut r, 1000, 0, 777), (0, false));
    assert_eq!(place(&mut r, 1100, 0, 777 + 9000), (9000, false));
    r.restart();
    assert_eq!(place(&mut r, 11_100, 0, 5), (9000 + 900_000, true));
    assert_eq!(place(&mut r, 11_200, 0, 5 + 9000), (9000 + 909_000, false));
}

#[test]
fn sound_and_picture_share_one_offset() {
    let mut r = Rebase::default();
    assert_eq!(place(&mut r, 0, 0, 90_000), (0, false));
    assert_eq!(place(&mut r, 10, 1, 48_000 + 480), (480, false));
    r.restart();
    assert_eq!(place(&mut r, 5000, 0, 0), (450_000, true));
    assert_eq!(place(&mut r, 5000, 1, 0), (240_000, true));
}

#[test]
fn a_jump_by_an_hour_either_way_is_mended_and_marked() {
    for jump in [3600 * 90_000, -3600 * 90_000] {
        let mut r = Rebase::default();
        place(&mut r, 0, 0, 1 << 40);
        assert_eq!(place(&mut r, 100, 0, (1 << 40) + 9000 + jump), (9000, true));
        assert_eq!(place(&mut r, 200, 0, (1 << 40) + 18_000 + jump), (18_000, false));
    }
}

#[test]
fn a_burst_after_a_stall_is_no_jump() {
    let mut r = Rebase::default();
    place(&mut r, 0, 0, 0);
    assert_eq!(place(&mut r, 30_000, 0, 3000), (3000, false));
    assert_eq!(place(&mut r, 30_001, 0, 6000), (6000, false));
}

#[test]
fn reordered_pictures_keep_their_presentation_time() {
    let mut r = Rebase::default();
    let now = Mono::from_nanos(0);
    let mut unit = |ts| {
        let mut u =
            AccessUnit::new(TrackId(0), ts, false, Timing::arrived(now), Default::default());
        r.apply(now, &mut u, &catalog());
        (u.dts, u.pts)
    };
    assert_eq!(unit(0), (0, 0));
    assert_eq!(unit(9000), (9000, 9000));
    assert_eq!(unit(3000), (9001, 3000));
}

#[test]
fn a_jump_of_a_few_seconds_is_mended_too() {
    for jump in [5 * 90_000, -5 * 90_000] {
        let mut r = Rebase::default();
        place(&mut r, 0, 0, 1 << 40);
        assert_eq!(place(&mut r, 100, 0, (1 << 40) + 9000 + jump), (9000, true));
    }
}

#[test]
fn sound_and_picture_stay_together_through_a_jump_of_both() {
    let mut r = Rebase::default();
    let hour = 3600;
    place(&mut r, 0, 0, 0);
    place(&mut r, 0, 1, 0);
    assert_eq!(place(&mut r, 40, 0, 3600 + hour * 90_000), (3600, true));
    // Sound from before the jump that was late keeps its place, and sound from behind it follows
    // the picture's offset.
    assert_eq!(place(&mut r, 41, 1, 960), (960, false));
    assert_eq!(place(&mut r, 55, 1, 1920 + hour * 48_000), (1920, true));
    assert_eq!(place(&mut r, 73, 0, 6600 + hour * 90_000), (6600, false));
    assert_eq!(place(&mut r, 75, 1, 2880 + hour * 48_000), (2880, false));
}

#[test]
fn a_track_with_an_epoch_of_its_own_is_placed_where_it_arrives() {
    let mut r = Rebase::default();
    place(&mut r, 0, 0, 5 << 32);
    assert_eq!(place(&mut r, 20, 1, 77), (960, false));
    assert_eq!(place(&mut r, 40, 0, (5 << 32) + 3600), (3600, false));
    assert_eq!(place(&mut r, 40, 1, 77 + 960), (1920, false));
    r.restart();
    assert_eq!(place(&mut r, 1040, 1, 9), (48_000 + 1920, true));
    assert_eq!(place(&mut r, 1040, 0, 3 << 30), (90_000 + 3600, true));
}

#[test]
fn a_track_that_changes_its_clock_goes_on() {
    let mut r = Rebase::default();
    place(&mut r, 0, 1, 0);
    place(&mut r, 3_600_000, 1, 48_000 * 3600);
    r.restart();
    let pcm = Catalog::new([(Codec::H264(None), 90_000), (Codec::Opus { channels: 1 }, 8_000)]);
    for n in 0..3 {
        let now = Mono::from_nanos((3_601_000 + n * 20) * MS);
        let mut unit = AccessUnit::new(
            TrackId(1),
            5 + n as i64 * 160,
            true,
            Timing::arrived(now),
            Default::default(),
        );
        r.apply(now, &mut unit, &pcm);
        assert_eq!(unit.dts, 8000 * 3601 + n as i64 * 160);
    }
}

#[test]
fn a_clock_that_drifts_for_a_day_is_no_jump() {
    for ppm in [-500i64, 500] {
        let mut r = Rebase::default();
        for n in 0..86_400i64 {
            let ticks = n * 90_000 + n * 90_000 * ppm / 1_000_000;
            assert_eq!(place(&mut r, n as u64 * 1000, 0, ticks), (ticks, false));
        }
    }
}

/// What happens to a source.
#[derive(Clone, Debug)]
enum Op {
    /// A frame after so many milliseconds.
    Frame(u8, u64),
    /// The source's clocks step by so many seconds.
    Jump(i64),
    Restart(i64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0u8..2, 0u64..200).prop_map(|(track, ms)| Op::Frame(track, ms)),
        1 => (-7200i64..7200).prop_map(Op::Jump),
        1 => (-1_000_000i64..1_000_000).prop_map(Op::Restart),
    ]
}

proptest! {
    /// Whatever a source's clock does, the timeline never runs back and stays near the time that
    /// passes.
    #[test]
    fn the_timeline_follows_time(ops in prop::collection::vec(op(), 1..200)) {
        let mut r = Rebase::default();
        let (mut ms, mut epoch) = (0u64, 0i64);
        let mut last = [None; 2];
        for op in ops {
            match op {
                Op::Jump(s) => epoch += s,
                Op::Restart(s) => { epoch = s; r.restart(); }
                Op::Frame(track, dt) => {
                    ms += dt;
                    let rate = [90_000i64, 48_000][usize::from(track)];
                    let (dts, _) = place(&mut r, ms, track, epoch * rate + ms as i64 * rate / 1000);
                    let previous = last[usize::from(track)].replace(dts);
                    prop_assert!(previous.is_none_or(|p| p < dts));
                    let apart = dts * 1000 / rate - ms as i64;
                    prop_assert!(apart.abs() < 60_000, "{apart} ms away from the time that has passed");
                }
            }
        }
    }
}
