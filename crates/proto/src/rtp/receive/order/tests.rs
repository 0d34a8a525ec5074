use super::*;
use bytes::Bytes;
use proptest::prelude::*;

fn ms(ms: u64) -> Mono {
    Mono::from_nanos(ms * 1_000_000)
}

fn packet(ssrc: u32, sequence: u16) -> Packet {
    Packet { payload_type: 96, marker: false, sequence, timestamp: 0, ssrc, payload: Bytes::new() }
}

fn ready(order: &mut Order) -> Vec<(u16, bool)> {
    std::iter::from_fn(|| order.poll()).map(|s| (s.packet.sequence, s.gap)).collect()
}

fn feed(order: &mut Order, at: Mono, ssrc: u32, numbers: &[u16]) -> Vec<(u16, bool)> {
    numbers.iter().for_each(|n| {
        order.handle(at, packet(ssrc, *n));
    });
    ready(order)
}

#[test]
fn what_overtook_waits_for_its_turn() {
    let mut o = Order::new(Transport::Unordered);
    assert_eq!(feed(&mut o, ms(0), 1, &[65534, 0, 1]), [(65534, false)]);
    assert_eq!(o.poll_timeout(), Some(ms(60)));
    assert_eq!(feed(&mut o, ms(10), 1, &[65535]), [(65535, false), (0, false), (1, false)]);
    assert_eq!((o.poll_timeout(), o.counters.reordered, o.counters.lost), (None, 1, 0));
}

#[test]
fn patience_ends() {
    let mut o = Order::new(Transport::Unordered);
    feed(&mut o, ms(0), 1, &[1, 3]);
    feed(&mut o, ms(30), 1, &[5]);
    o.handle_timeout(ms(59));
    assert_eq!(ready(&mut o), []);
    o.handle_timeout(ms(60));
    assert_eq!((ready(&mut o), o.poll_timeout()), (vec![(3, true)], Some(ms(90))));
    assert_eq!(feed(&mut o, ms(70), 1, &[2, 4]), [(4, false), (5, false)]);
    assert_eq!(
        (o.counters.lost, o.counters.late, o.counters.reordered, o.counters.duplicates),
        (1, 1, 1, 0)
    );
}

#[test]
fn duplicates_are_told_from_late_packets() {
    let mut o = Order::new(Transport::Unordered);
    feed(&mut o, ms(0), 1, &[1, 1, 2, 4, 4, 2, 3, 3]);
    assert_eq!((o.counters.duplicates, o.counters.late, o.counters.lost), (4, 0, 0));
}

#[test]
fn the_window_is_bounded() {
    let mut o = Order::new(Transport::Unordered);
    let numbers: Vec<u16> = (0..300).filter(|n| *n != 1).collect();
    let out = feed(&mut o, ms(0), 1, &numbers);
    assert_eq!(out[..3], [(0, false), (2, true), (3, false)]);
    assert_eq!((out.len(), o.held.len()), (299, 0));
}

#[test]
fn an_ordered_transport_never_waits() {
    let mut o = Order::new(Transport::Ordered);
    assert_eq!(feed(&mut o, ms(0), 1, &[1, 5, 3]), [(1, false), (5, true)]);
    assert_eq!((o.poll_timeout(), o.counters.lost, o.counters.late), (None, 3, 1));
    assert_eq!(feed(&mut o, ms(0), 2, &[900]), [(900, true)], "a new SSRC is believed at once");
}

#[test]
fn a_stray_datagram_changes_nothing_and_two_in_a_row_are_a_new_sender() {
    let mut o = Order::new(Transport::Unordered);
    feed(&mut o, ms(0), 1, &[1]);
    assert_eq!(feed(&mut o, ms(0), 2, &[700]), []);
    assert_eq!(feed(&mut o, ms(0), 1, &[2]), [(2, false)]);
    assert_eq!(feed(&mut o, ms(0), 2, &[701, 703]), [], "not in a row");
    assert_eq!(feed(&mut o, ms(0), 2, &[704, 705]), [(703, true), (704, false), (705, false)]);
    assert_eq!((o.highest().map(|h| h.0), o.counters.restarts), (Some(2), 1));
}

#[test]
fn sequence_numbers_from_elsewhere_are_a_sender_that_began_anew() {
    for (transport, elsewhere) in [
        (Transport::Unordered, 40_000),
        (Transport::Ordered, 40_000),
        (Transport::Unordered, 65_000),
    ] {
        let mut o = Order::new(transport);
        feed(&mut o, ms(0), 1, &[1, 3]);
        let out = feed(&mut o, ms(1), 1, &[elsewhere, elsewhere + 1]);
        let tail = [(elsewhere, true), (elsewhere + 1, false)];
        assert!(
            out.ends_with(&tail) && o.counters.restarts == 1 && o.counters.lost == 1,
            "{out:?}"
        );
    }
}

proptest! {
    /// Whatever comes, numbers rise, nothing is held past its time, and memory stays bounded.
    #[test]
    fn any_sequence_of_events(events in prop::collection::vec((0u64..40, any::<bool>(), prop_oneof![0u16..600, any::<u16>()], 0u32..2), 0..300)) {
        let mut o = Order::new(Transport::Unordered);
        let (mut now, mut last) = (0, None);
        for (wait, timer, number, ssrc) in events {
            now += wait;
            if timer {
                o.handle_timeout(ms(now));
                prop_assert!(o.poll_timeout().is_none_or(|due| due > ms(now)));
            } else {
                o.handle(ms(now), packet(ssrc, number));
            }
            prop_assert!(o.held.len() < SPAN as usize && o.held.is_empty() == o.waiting_since.is_none());
            while let Some(s) = o.poll() {
                let step = s.packet.sequence.wrapping_sub(last.unwrap_or(s.packet.sequence));
                prop_assert!(s.restart || last.is_none() || (1..=3000).contains(&step) && s.gap == (step > 1), "{step}");
                last = Some(s.packet.sequence);
            }
        }
    }
}
