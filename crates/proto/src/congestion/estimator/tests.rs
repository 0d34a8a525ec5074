use super::*;
use crate::rtp::twcc;

fn at(ms: u64) -> Mono {
    Mono::from_nanos(1_000_000_000_000 + ms * 1_000_000)
}

/// Tells `link` at `now` (ms) that packets from `base` on arrived at these milliseconds of a clock
/// of its own.
fn tell(link: &mut Estimator, now: u64, base: u16, arrivals: &[Option<i64>]) {
    let ticks: Vec<_> = arrivals.iter().map(|a| a.map(|ms| ms * 4 + 123_456_789)).collect();
    let bytes = twcc::write(1, 2, 0, base, &ticks).unwrap();
    link.handle_feedback(at(now), &Feedback::parse(&bytes).unwrap());
}

#[test]
fn its_memory_is_small() {
    assert!(size_of::<Estimator>() <= 512, "{}", size_of::<Estimator>());
}

#[test]
fn nothing_is_known_of_a_link_that_delays_nothing() {
    let mut link = Estimator::new();
    for frame in 0..100u16 {
        let now = u64::from(frame) * 33;
        (0..10).for_each(|i| link.on_sent(at(now), frame * 10 + i, 1200));
        assert_eq!(link.in_flight(), 12_000);
        tell(&mut link, now + 20, frame * 10, &[Some(now as i64 + 5); 10]);
        assert_eq!((link.estimate(), link.pace(at(now + 20)), link.in_flight()), (None, None, 0));
    }
    assert_eq!((link.delivered(), link.loss(), link.queued()), (1_200_000, 0.0, Duration::ZERO));
}

#[test]
fn the_queue_is_predicted_from_what_was_sent_since() {
    let mut link = Estimator::new();
    // 8 ms a packet: 1 Mbit/s.
    (0..20).for_each(|i| link.on_sent(at(0), i, 1000));
    let arrivals: Vec<_> = (0..20).map(|i| Some(i * 8)).collect();
    (20..30).for_each(|i| link.on_sent(at(100), i, 1000));
    tell(&mut link, 160, 0, &arrivals);
    assert_eq!(link.estimate(), Some(1_000_000));
    assert_eq!(link.queued(), Duration::from_millis(152));
    // The last of the first twenty left at 152 ms, ten more take 80.
    assert_eq!(link.queue(at(160)), Duration::from_millis(72));
    link.on_sent(at(200), 30, 1000);
    assert_eq!(link.queue(at(200)), Duration::from_millis(40));
    assert_eq!(link.transit(500), Duration::from_millis(4));
    assert_eq!(link.pace(at(230)), Some(1_250_000), "faster than the limit");
    (31..40).for_each(|i| link.on_sent(at(230), i, 1000));
    assert_eq!(link.pace(at(230)), Some(1_000_000), "but not into a queue");
}

#[test]
fn a_clock_that_is_set_starts_everything_again() {
    let mut link = Estimator::new();
    for (i, jump) in [0, 0, 5_000_000, 5_000_000, -7_000_000, -7_000_000].into_iter().enumerate() {
        let now = i as u64 * 100;
        link.on_sent(at(now), i as u16, 1000);
        tell(&mut link, now + 30, i as u16, &[Some(now as i64 + jump)]);
        assert_eq!((link.queued(), link.queue(at(now + 30))), (Duration::ZERO, Duration::ZERO));
    }
}

#[test]
fn a_new_viewer_gets_a_burst_and_then_has_to_answer() {
    let mut link = Estimator::new();
    (0..160).for_each(|i| link.on_sent(at(0), i, 1200));
    assert_eq!(link.pace(at(1)), None);
    (160..170).for_each(|i| link.on_sent(at(1), i, 1200));
    assert_eq!(link.pace(at(1)), Some(8_000_000));
    tell(&mut link, 20, 0, &[Some(0); 60]);
    assert_eq!(link.pace(at(20)), None);
}

#[test]
fn feedback_about_what_was_never_sent_changes_nothing() {
    let mut link = Estimator::new();
    tell(&mut link, 0, 500, &[Some(0), None, Some(90)]);
    link.on_sent(at(1), 7, 1000);
    tell(&mut link, 2, 8, &[Some(0); 500]);
    tell(&mut link, 3, 4000, &[None; 5000]);
    assert_eq!((link.delivered(), link.in_flight(), link.loss()), (0, 1000, 0.0));
}

#[test]
fn only_one_who_used_to_answer_can_be_silent() {
    let mut link = Estimator::new();
    link.on_sent(at(0), 0, 1000);
    (1..50).for_each(|i| link.on_sent(at(u64::from(i) * 33), i, 1000));
    assert!(!link.is_silent());
    tell(&mut link, 10_000, 0, &[Some(0)]);
    link.on_sent(at(20_000), 1, 1000);
    assert!(!link.is_silent(), "nothing was sent before");
    (0..6).for_each(|i| link.on_sent(at(20_100 + 100 * u64::from(i)), 2 + i, 1000));
    assert!(!link.is_silent());
    (0..15).for_each(|i| link.on_sent(at(20_700 + 100 * u64::from(i)), 8 + i, 1000));
    assert!(link.is_silent());
    tell(&mut link, 22_200, 1, &[Some(10_000)]);
    assert!(!link.is_silent());
}
