//! Which frames arrived whole, told from sequence numbers and marker bits alone.

/// Packets that a lost one may be repaired in.
const WINDOW: u64 = 512;

/// Counts of one viewer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Frames {
    /// Frames of which every packet arrived.
    pub(super) complete: u64,
    /// Frames that miss a packet. Two frames count as one if the last packet of the first is lost.
    pub(super) broken: u64,
    /// Packets that never arrived.
    pub(super) lost: u64,
    /// Packets that arrived twice.
    pub(super) duplicates: u64,
}

/// Follows one stream. Counts lag behind by [`WINDOW`] packets, the time in which repairs are waited for.
#[derive(Default)]
pub(super) struct Continuity {
    frames: Frames,
    /// The oldest packet not yet counted, and the newest seen.
    span: Option<(u64, u64)>,
    seen: Vec<Slot>,
    /// The present frame misses a packet, or began before the first packet seen.
    broken: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Slot {
    #[default]
    Missing,
    Inner,
    Last,
}

impl Continuity {
    /// A packet with its sequence number, extended beyond 16 bits.
    pub(super) fn packet(&mut self, sequence: u64, last_of_frame: bool) {
        self.seen.resize(WINDOW as usize, Slot::Missing);
        let (oldest, newest) = self.span.unwrap_or((sequence, sequence));
        if sequence < oldest {
            self.frames.duplicates += 1;
            return;
        }
        let oldest = self.count_up_to(oldest, sequence.saturating_sub(WINDOW - 1));
        self.span = Some((oldest, newest.max(sequence)));
        let slot = &mut self.seen[(sequence % WINDOW) as usize];
        self.frames.duplicates += u64::from(*slot != Slot::Missing);
        *slot = if last_of_frame { Slot::Last } else { Slot::Inner };
    }

    /// Counts so far.
    pub(super) fn frames(&self) -> Frames {
        self.frames
    }

    fn count_up_to(&mut self, oldest: u64, end: u64) -> u64 {
        for sequence in oldest..end {
            match std::mem::take(&mut self.seen[(sequence % WINDOW) as usize]) {
                Slot::Inner => {}
                Slot::Missing => {
                    self.broken = true;
                    self.frames.lost += 1;
                }
                Slot::Last if std::mem::take(&mut self.broken) => self.frames.broken += 1,
                Slot::Last => self.frames.complete += 1,
            }
        }
        oldest.max(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds packets of frames of 4, then enough others to push them out of the window.
    fn counts(order: impl IntoIterator<Item = u64>) -> Frames {
        let mut c = Continuity::default();
        order.into_iter().for_each(|n| c.packet(n, n % 4 == 3));
        (40..40 + WINDOW).for_each(|n| c.packet(n, n % 4 == 3));
        c.frames()
    }

    #[test]
    fn all_arrived_in_any_order() {
        assert_eq!(counts(0..40), Frames { complete: 10, ..Frames::default() });
        let swapped = (0..20).flat_map(|n| [2 * n + 1, 2 * n]).filter(|n| *n > 1);
        assert_eq!(counts([0, 1].into_iter().chain(swapped)).complete, 10);
    }

    #[test]
    fn losses_repairs_and_repeats() {
        let lost = counts((0..40).filter(|n| *n != 9 && *n != 10 && *n != 21));
        assert_eq!(lost, Frames { complete: 8, broken: 2, lost: 3, duplicates: 0 });
        let late = counts((0..40).filter(|n| *n != 9).chain([9]));
        assert_eq!((late.complete, late.lost), (10, 0));
        assert_eq!(counts((0..40).chain([7])).duplicates, 1);
    }

    #[test]
    fn a_jump_does_not_take_for_ever() {
        let mut c = Continuity::default();
        c.packet(0, true);
        c.packet(100_000, true);
        assert_eq!(c.frames().complete, 1);
    }
}
