use super::*;
use proptest::prelude::*;

const STEP: i64 = 3000;

fn run(times: &mut DecodeTimes, pts: &[i64]) -> Vec<Times> {
    pts.iter().map(|p| times.next(p * STEP)).collect()
}

fn assert_sound(times: &[Times]) {
    assert!(times.windows(2).all(|w| w[0].dts < w[1].dts), "{times:?}");
    assert!(times.iter().all(|t| t.dts <= t.pts), "{times:?}");
}

#[test]
fn without_reordering_both_times_are_one() {
    let times = run(&mut DecodeTimes::new(Some(0), STEP), &[5, 6, 7, 9]);
    assert!(times.iter().all(|t| t.dts == t.pts));
    assert_eq!(times[3].pts, 9 * STEP);
}

#[test]
fn b_frames_are_held_as_told() {
    // x264 with two B-frames, one of them a reference: I P B b …
    let times =
        run(&mut DecodeTimes::new(Some(2), STEP), &[10, 14, 12, 11, 13, 18, 16, 15, 17, 19]);
    assert_sound(&times);
    let dts: Vec<_> = times.iter().map(|t| t.dts / STEP).collect();
    assert_eq!(dts, [8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
    assert!(
        times
            .iter()
            .zip([10, 14, 12, 11, 13, 18, 16, 15, 17, 19])
            .all(|(t, pts)| t.pts == pts * STEP)
    );
}

#[test]
fn a_depth_that_was_not_told_is_learnt() {
    let mut times = DecodeTimes::new(None, STEP);
    let frames: Vec<_> = (0..20).flat_map(|i| [3 * i + 2, 3 * i, 3 * i + 1]).collect();
    let all = run(&mut times, &frames);
    assert_sound(&all);
    let settled = all.iter().zip(&frames).skip(9);
    assert!(
        settled.clone().all(|(t, pts)| t.pts == pts * STEP),
        "only the first ones are squeezed"
    );
}

#[test]
fn a_restart_goes_anywhere() {
    let mut times = DecodeTimes::new(Some(1), STEP);
    run(&mut times, &[100, 102, 101]);
    times.restart();
    assert_eq!(times.next(0), Times { dts: -STEP, pts: 0 });
}

proptest! {
    #[test]
    fn times_are_sound_whatever_comes(pts in prop::collection::vec(-50i64..50, 1..80), depth in prop::option::of(0u32..20)) {
        assert_sound(&run(&mut DecodeTimes::new(depth, STEP), &pts));
    }

    #[test]
    fn what_is_told_rightly_changes_no_presentation(jumbled in prop::collection::vec(0usize..4, 1..80)) {
        // Frames are put at most three places too early.
        let mut order: Vec<i64> = (0..jumbled.len() as i64).collect();
        for (i, ahead) in jumbled.iter().enumerate() {
            let from = (i + ahead).min(order.len() - 1);
            let held = (0..i).filter(|k| order[*k] > order[i]).count();
            if held + (from - i) <= 3 && order[i..=from].iter().all(|p| (0..i).filter(|k| order[*k] > *p).count() < 3) {
                let frame = order.remove(from);
                order.insert(i, frame);
            }
        }
        let times = run(&mut DecodeTimes::new(Some(16), STEP), &order);
        assert_sound(&times);
        prop_assert!(times.iter().zip(&order).all(|(t, pts)| t.pts == pts * STEP));
    }

    #[test]
    fn extremes_do_not_overflow(pts in prop::collection::vec(prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>()], 1..30)) {
        let mut times = DecodeTimes::new(Some(3), i64::MAX);
        for p in pts { times.next(p); }
    }
}
