use super::*;
use crate::rtp::twcc;

fn at(ms: u64) -> Mono {
    Mono::from_nanos(1_000_000_000_000 + ms * 1_000_000)
}

const fn frame(bytes: usize, key: bool) -> Frame {
    Frame { bytes, key, disposable: false, age: Duration::ZERO, catching_up: false }
}

/// A link of 1 Mbit/s, as it is known at 400 ms with an empty queue.
fn thin() -> Estimator {
    let mut link = Estimator::new();
    let mut arrivals = Vec::new();
    for packet in 0..40u16 {
        link.on_sent(at(0), packet, 1000);
        arrivals.push(Some(i64::from(packet) * 32));
    }
    let bytes = twcc::write(1, 2, 0, 0, &arrivals).unwrap();
    link.handle_feedback(at(400), &twcc::Feedback::parse(&bytes).unwrap());
    assert_eq!(link.estimate(), Some(1_000_000));
    assert_eq!(link.queue(at(400)), Duration::ZERO);
    link
}

/// A gate that knows a stream of 2 Mbit/s and a keyframe a second.
fn gate() -> Gate {
    let mut gate = Gate::new();
    for second in 0..4 {
        for i in 0..25 {
            gate.observe(at(second * 1000 + i * 40), &frame(10_000, i == 0));
        }
    }
    assert_eq!(gate.need(), Some(2_000_000));
    gate
}

#[test]
fn a_frame_goes_if_it_arrives_in_time() {
    let (mut gate, mut link) = (gate(), thin());
    assert_eq!(gate.decide(at(4000), &link, &frame(45_000, true)), Verdict::Send);
    (40..85).for_each(|packet| link.on_sent(at(4000), packet, 1000));
    assert_eq!(link.queue(at(4000)), Duration::from_millis(360));
    assert_eq!(gate.decide(at(4000), &link, &frame(10_000, false)), Verdict::Send);
    assert_eq!(gate.decide(at(4000), &link, &frame(20_000, false)), Verdict::Skip(Reason::Late));
    assert!(gate.is_limited(at(4000)) && gate.is_skipping(at(4000)));
    assert_eq!(
        gate.decide(at(4300), &link, &frame(10, false)),
        Verdict::Skip(Reason::NeedsSkipped)
    );
    assert_eq!(gate.decide(at(4500), &link, &frame(45_000, true)), Verdict::Send);
    assert_eq!(gate.decide(at(4500), &link, &frame(10, false)), Verdict::Send);
    assert!(!gate.is_limited(at(7500)) && !gate.is_skipping(at(5000)));
}

#[test]
fn a_keyframe_never_goes_into_a_queue_that_it_makes_too_long() {
    let (mut gate, mut link) = (gate(), thin());
    (40..70).for_each(|packet| link.on_sent(at(4000), packet, 1000));
    assert_eq!(gate.decide(at(4000), &link, &frame(45_000, true)), Verdict::Skip(Reason::Late));
    assert_eq!(
        gate.decide(at(4000), &link, &frame(10, false)),
        Verdict::Skip(Reason::NeedsSkipped)
    );
    assert_eq!(
        gate.decide(at(4000), &link, &frame(5_000, true)),
        Verdict::Send,
        "a small one is through soon"
    );
}

#[test]
fn the_queue_is_let_drain_before_a_keyframe_is_due() {
    let (mut gate, link) = (gate(), thin());
    assert_eq!(gate.decide(at(4000), &link, &frame(1000, true)), Verdict::Send);
    assert_eq!(gate.decide(at(4900), &link, &frame(15_000, false)), Verdict::Send);
    assert_eq!(gate.decide(at(4940), &link, &frame(15_000, false)), Verdict::Skip(Reason::Late));
}

#[test]
fn a_frame_that_no_other_needs_goes_first_and_alone() {
    let (mut gate, mut link) = (gate(), thin());
    (40..62).for_each(|packet| link.on_sent(at(4000), packet, 1000));
    let disposable = Frame { disposable: true, ..frame(10_000, false) };
    assert_eq!(gate.decide(at(4000), &link, &disposable), Verdict::Skip(Reason::Late));
    assert_eq!(gate.decide(at(4000), &link, &frame(10_000, false)), Verdict::Send);
}

#[test]
fn only_keyframes_go_to_a_browser_that_is_silent() {
    let (mut gate, mut link) = (gate(), thin());
    (0..7).for_each(|i| link.on_sent(at(4000 + 100 * u64::from(i)), 40 + i, 1000));
    assert_eq!(gate.decide(at(4600), &link, &frame(1000, false)), Verdict::Send);
    (47..50).for_each(|i| link.on_sent(at(4700), i, 1000));
    link.on_sent(at(4800), 50, 1000);
    assert_eq!(gate.decide(at(5500), &link, &frame(1000, false)), Verdict::Skip(Reason::Silent));
    assert_eq!(gate.decide(at(5500), &link, &frame(1000, true)), Verdict::Send);
    assert!(!gate.is_limited(at(5500)) && !gate.worth_replay(at(5500), &link, 10));
    let bytes = twcc::write(1, 2, 0, 40, &[Some(20_000)]).unwrap();
    gate.decide(at(5600), &link, &frame(1000, false));
    link.handle_feedback(at(5601), &twcc::Feedback::parse(&bytes).unwrap());
    assert!(
        gate.worth_replay(at(5601), &link, 20_000) && !gate.worth_replay(at(5601), &link, 30_000)
    );
    gate.restart();
    assert_eq!(gate.decide(at(5601), &link, &frame(1000, false)), Verdict::Send);
}

#[test]
fn what_leads_up_to_the_present_is_as_old_as_the_viewer() {
    let (mut gate, link) = (gate(), thin());
    gate.restart();
    let old =
        |ms, key| Frame { age: Duration::from_millis(ms), catching_up: true, ..frame(10_000, key) };
    assert_eq!(gate.decide(at(4500), &link, &old(500, true)), Verdict::Send);
    assert_eq!(
        gate.decide(at(4500), &link, &Frame { catching_up: false, ..old(460, false) }),
        Verdict::Skip(Reason::Late)
    );
    gate.restart();
    assert_eq!(gate.decide(at(4500), &link, &old(500, true)), Verdict::Send);
    assert_eq!(gate.decide(at(4800), &link, &old(760, false)), Verdict::Send);
    assert_eq!(gate.decide(at(4850), &link, &old(770, false)), Verdict::Send);
    assert_eq!(
        gate.decide(at(4900), &link, &old(780, false)),
        Verdict::Skip(Reason::Late),
        "it does not catch up"
    );
}
