//! What was seen before (RFC 3711 §3.3.2).

use super::Error;

/// Sources remembered. A browser with camera, microphone, three simulcast layers and their
/// retransmissions has eight.
const SOURCES: usize = 16;

/// Which of the newest `64 * WORDS` indices of one source were seen: a ring of bits.
#[derive(Clone, Debug)]
pub(super) struct Window<const WORDS: usize> {
    highest: u64,
    seen: [u64; WORDS],
}

impl<const WORDS: usize> Window<WORDS> {
    const SIZE: u64 = 64 * WORDS as u64;

    fn starting_at(index: u64) -> Self {
        let mut window = Self { highest: index, seen: [0; WORDS] };
        window.record(index);
        window
    }

    /// The index with these low bits that is nearest to the highest seen (§3.3.1).
    pub(super) fn nearest(&self, sequence: u16) -> u64 {
        let same = self.highest & !0xffff | u64::from(sequence);
        if same + 0x8000 < self.highest {
            same + 0x1_0000
        } else if same > self.highest + 0x8000 {
            same.checked_sub(0x1_0000).unwrap_or(same)
        } else {
            same
        }
    }

    fn has(&self, index: u64) -> bool {
        if index > self.highest {
            return false;
        }
        self.highest - index >= Self::SIZE || self.seen[Self::word(index)] & Self::bit(index) != 0
    }

    fn record(&mut self, index: u64) {
        let ahead = index.saturating_sub(self.highest);
        if ahead >= Self::SIZE {
            self.seen = [0; WORDS];
        } else {
            (index - ahead + 1..=index).for_each(|i| self.seen[Self::word(i)] &= !Self::bit(i));
        }
        self.highest = self.highest.max(index);
        self.seen[Self::word(index)] |= Self::bit(index);
    }

    const fn word(index: u64) -> usize {
        (index % Self::SIZE / 64) as usize
    }

    const fn bit(index: u64) -> u64 {
        1 << (index % 64)
    }
}

/// A window for each source. Nothing enters it that was not authentic.
#[derive(Clone, Default, Debug)]
pub(super) struct Sources<const WORDS: usize>(Vec<(u32, Window<WORDS>)>);

impl<const WORDS: usize> Sources<WORDS> {
    pub(super) fn get(&self, ssrc: u32) -> Option<&Window<WORDS>> {
        self.0.iter().find(|(s, _)| *s == ssrc).map(|(_, window)| window)
    }

    /// Whether a packet with this index is worth opening.
    pub(super) fn check(&self, ssrc: u32, index: u64) -> Result<(), Error> {
        match self.get(ssrc) {
            Some(window) if window.has(index) => Err(Error::Replayed),
            None if self.0.len() >= SOURCES => Err(Error::Sources),
            _ => Ok(()),
        }
    }

    /// An authentic packet with this index has come.
    pub(super) fn record(&mut self, ssrc: u32, index: u64) {
        match self.0.iter_mut().find(|(s, _)| *s == ssrc) {
            Some((_, window)) => window.record(index),
            None => self.0.push((ssrc, Window::starting_at(index))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn roll_overs_are_followed_both_ways() {
        let at = |highest, sequence| Window::<1>::starting_at(highest).nearest(sequence);
        assert_eq!(at(0x1_fffe, 2), 0x2_0002);
        assert_eq!(at(0x2_0002, 0xfffe), 0x1_fffe);
        assert_eq!(at(0x2_0002, 0x8002), 0x2_8002);
        assert_eq!(at(0x2_0002, 0x8003), 0x1_8003);
        assert_eq!(at(0x2_9000, 0x1000), 0x2_1000);
        assert_eq!(at(0x2_9000, 0x0fff), 0x3_0fff);
        assert_eq!(at(2, 0xfffe), 0xfffe, "nothing was before the first round");
    }

    proptest! {
        /// Against a set that remembers everything.
        #[test]
        fn nothing_is_let_in_twice_and_nothing_new_is_refused(steps in prop::collection::vec(-200i64..200, 1..400)) {
            let mut window = Window::<2>::starting_at(1000);
            let mut all = BTreeSet::from([1000]);
            let mut at = 1000u64;
            for step in steps {
                at = at.saturating_add_signed(step);
                let highest = *all.last().unwrap();
                prop_assert_eq!(window.has(at), all.contains(&at) || at + 128 <= highest);
                if !window.has(at) {
                    window.record(at);
                    all.insert(at);
                }
            }
        }

        #[test]
        fn the_nearest_index_is_found_within_half_a_round(highest in 0x8000u64..1 << 40, off in -0x7fffi64..0x7fff) {
            let index = highest.saturating_add_signed(off);
            prop_assert_eq!(Window::<1>::starting_at(highest).nearest(index as u16), index);
        }
    }
}
