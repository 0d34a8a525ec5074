//! Which packets of a track are missing, and when to ask for them.

use media::Mono;
use std::{collections::BTreeMap, time::Duration};

/// Numbers missing at once; a longer gap is a sender that began anew, or a link that is broken
/// anyway.
const MAX_GAP: i64 = 256;
/// The same packet is not asked for sooner than this, however short the way.
const LEAST_PAUSE: Duration = Duration::from_millis(10);
/// How often one is asked for.
const MAX_ASKED: u32 = 6;

/// Numbers that were passed over.
#[derive(Default, Debug)]
pub(super) struct Missing {
    /// The sender and its highest number, with roll-overs.
    highest: Option<(u32, i64)>,
    gaps: BTreeMap<i64, Gap>,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    since: Mono,
    /// When it is to be asked for.
    due: Mono,
    asked: u32,
}

impl Missing {
    /// A packet came.
    pub(super) fn note(&mut self, now: Mono, ssrc: u32, number: u16) {
        let Some((_, highest)) = self.highest.filter(|(of, _)| *of == ssrc) else {
            return self.begin(ssrc, number);
        };
        let ahead = i64::from(number.wrapping_sub(highest as u16).cast_signed());
        if ahead > MAX_GAP {
            return self.begin(ssrc, number);
        }
        let number = highest + ahead;
        self.gaps.remove(&number);
        self.gaps
            .extend((highest + 1..number).map(|gap| (gap, Gap { since: now, due: now, asked: 0 })));
        while self.gaps.len() > MAX_GAP as usize {
            self.gaps.pop_first();
        }
        self.highest = Some((ssrc, number.max(highest)));
    }

    fn begin(&mut self, ssrc: u32, number: u16) {
        self.gaps.clear();
        self.highest = Some((ssrc, number.into()));
    }

    /// True if this one is still waited for.
    pub(super) fn contains(&self, number: u16) -> bool {
        let Some((_, highest)) = self.highest else { return false };
        let ahead = i64::from(number.wrapping_sub(highest as u16).cast_signed());
        self.gaps.contains_key(&(highest + ahead))
    }

    /// Those to be asked for now, in their order: at once, and again a little later than the answer
    /// should have come. What has been missing for longer than `patience` is given up.
    pub(super) fn due(&mut self, now: Mono, rtt: Duration, patience: Duration) -> Vec<u16> {
        let pause = (rtt + rtt / 4).max(LEAST_PAUSE);
        self.gaps.retain(|_, gap| now.since(gap.since) < patience && gap.asked < MAX_ASKED);
        let due = self.gaps.iter_mut().filter(|(_, gap)| gap.due <= now);
        let ask = |(number, gap): (&i64, &mut Gap)| {
            gap.asked += 1;
            gap.due = now + pause;
            *number as u16
        };
        due.map(ask).collect()
    }

    /// When [`Missing::due`] has something.
    pub(super) fn next_at(&self) -> Option<Mono> {
        self.gaps.values().map(|gap| gap.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(40);
    const PATIENCE: Duration = Duration::from_millis(160);

    fn ms(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    fn after(numbers: &[u16]) -> Missing {
        let mut missing = Missing::default();
        numbers.iter().for_each(|number| missing.note(ms(0), 7, *number));
        missing
    }

    #[test]
    fn each_gap_is_asked_for_at_once_and_again_after_a_round_trip() {
        let mut missing = after(&[65_534, 2, 1]);
        assert!(missing.contains(65_535) && !missing.contains(1));
        assert_eq!(missing.due(ms(0), RTT, PATIENCE), [65_535, 0]);
        assert_eq!(missing.next_at(), Some(ms(50)));
        assert!(missing.due(ms(49), RTT, PATIENCE).is_empty());
        missing.note(ms(49), 7, 65_535);
        assert_eq!(missing.due(ms(50), RTT, PATIENCE), [0]);
        assert!(missing.due(ms(160), RTT, PATIENCE).is_empty(), "given up");
        assert_eq!(missing.next_at(), None);
    }

    #[test]
    fn a_short_way_is_not_flooded() {
        let mut missing = after(&[1, 3]);
        let asked = (0..150)
            .filter(|now| !missing.due(ms(*now), Duration::ZERO, PATIENCE).is_empty())
            .count();
        assert_eq!(asked, MAX_ASKED as usize);
    }

    #[test]
    fn a_sender_that_begins_anew_lacks_nothing() {
        let mut missing = after(&[1, 3, 400]);
        assert_eq!(missing.next_at(), None);
        missing.note(ms(0), 8, 9);
        missing.note(ms(0), 8, 10);
        assert_eq!(missing.next_at(), None);
    }
}
