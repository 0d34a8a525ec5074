//! When packets came in, until that is told.

use super::{TICK_MICROS, write};
use bytes::Bytes;
use media::Mono;
use std::collections::BTreeMap;

/// Numbers for which an arrival is remembered behind the highest: one that comes late is told
/// together with those around it, because a message tells of every number it spans.
const BEHIND: u64 = 500;
/// A number this far ahead is of a sender that began anew.
const MAX_JUMP: u64 = 2000;
/// Packets told of in one message, so that it fits into a datagram.
const MAX_PACKETS: u64 = 400;
/// Where counting begins, so that a packet from before the first has a number too.
const ORIGIN: u64 = 1 << 16;

/// Arrivals of a connection's packets by their transport sequence number.
#[derive(Default, Debug)]
pub struct Arrivals {
    /// By number without roll-over, in ticks.
    seen: BTreeMap<u64, i64>,
    highest: u64,
    /// The first number that is still to be told of.
    untold: Option<u64>,
    /// Messages made.
    messages: u8,
}

impl Arrivals {
    /// A packet came.
    pub fn note(&mut self, now: Mono, number: u16) {
        let number = self.unroll(number);
        if number + BEHIND < self.highest {
            return;
        }
        if number > self.highest + MAX_JUMP {
            self.seen.clear();
            self.untold = None;
        }
        let first = if self.seen.is_empty() { number } else { number.min(self.highest + 1) };
        self.highest = if self.seen.is_empty() { number } else { self.highest.max(number) };
        self.untold = Some(self.untold.map_or(first, |untold| untold.min(first)));
        let ticks = i64::try_from(now.as_nanos() / 1000).unwrap_or(i64::MAX) / TICK_MICROS;
        self.seen.entry(number).or_insert(ticks);
        let oldest = self.highest.saturating_sub(MAX_JUMP + BEHIND);
        while self.seen.first_entry().is_some_and(|first| *first.key() < oldest) {
            self.seen.pop_first();
        }
    }

    /// True if something is to be told.
    pub fn is_pending(&self) -> bool {
        self.untold.is_some()
    }

    /// The next message by `sender`, about `media` and all others; `None` if everything is told.
    pub fn report(&mut self, sender: u32, media: u32) -> Option<Bytes> {
        let first = self.untold?;
        let last = self.highest.min(first + MAX_PACKETS - 1);
        self.untold = (last < self.highest).then_some(last + 1);
        let arrivals: Vec<_> =
            (first..=last).map(|number| self.seen.get(&number).copied()).collect();
        let count = self.messages;
        self.messages = count.wrapping_add(1);
        // After seconds of silence two arrivals are too far apart for one message: the newest is
        // what counts then.
        let newest = || write(sender, media, count, last as u16, &arrivals[arrivals.len() - 1..]);
        write(sender, media, count, first as u16, &arrivals).or_else(newest)
    }

    fn unroll(&self, number: u16) -> u64 {
        if self.seen.is_empty() {
            return ORIGIN + u64::from(number);
        }
        let ahead = number.wrapping_sub(self.highest as u16).cast_signed();
        self.highest.saturating_add_signed(ahead.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Feedback;
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    /// First number, and in which ms each came.
    fn told(arrivals: &mut Arrivals) -> (u16, Vec<Option<i64>>) {
        let bytes = arrivals.report(1, 2).unwrap();
        let feedback = Feedback::parse(&bytes).unwrap();
        (feedback.base, feedback.packets().map(|p| p.arrival.map(|ticks| ticks / 4)).collect())
    }

    #[test]
    fn each_arrival_and_each_gap_is_told_once() {
        let mut arrivals = Arrivals::default();
        assert!(!arrivals.is_pending() && arrivals.report(1, 2).is_none());
        [(10, 65_534), (11, 65_535), (13, 1)]
            .iter()
            .for_each(|(ms, number)| arrivals.note(at(*ms), *number));
        assert_eq!(told(&mut arrivals), (65_534, vec![Some(10), Some(11), None, Some(13)]));
        assert!(!arrivals.is_pending());
        arrivals.note(at(20), 3);
        assert_eq!(told(&mut arrivals), (2, vec![None, Some(20)]));
    }

    #[test]
    fn one_that_comes_late_is_told_with_those_around_it() {
        let mut arrivals = Arrivals::default();
        [(1, 5), (2, 7)].iter().for_each(|(ms, number)| arrivals.note(at(*ms), *number));
        told(&mut arrivals);
        arrivals.note(at(9), 6);
        assert_eq!(told(&mut arrivals), (6, vec![Some(9), Some(2)]));
    }

    #[test]
    fn a_sender_that_begins_anew_and_long_silence() {
        let mut arrivals = Arrivals::default();
        arrivals.note(at(1), 5);
        arrivals.note(at(2), 20_000);
        assert_eq!(told(&mut arrivals), (20_000, vec![Some(2)]));
        arrivals.note(at(60_000), 20_001);
        arrivals.note(at(90_000), 20_002);
        assert_eq!(told(&mut arrivals), (20_002, vec![Some(90_000)]));
    }

    #[test]
    fn many_are_told_in_several_messages() {
        let mut arrivals = Arrivals::default();
        (0..1000).for_each(|n| arrivals.note(at(n / 10), n as u16));
        let lengths: Vec<_> =
            std::iter::from_fn(|| arrivals.is_pending().then(|| told(&mut arrivals).1.len()))
                .collect();
        assert_eq!(lengths, [400, 400, 200]);
    }
}
