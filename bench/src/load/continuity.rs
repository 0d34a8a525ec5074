//! Which frames arrived whole, told from what RTP does not encrypt: sequence number, timestamp and
//! marker bit.

/// Ticks of an RTP timestamp of video in a second.
const CLOCK: u32 = 90_000;

/// Packets that one may be late by, or a lost one repaired in: a quarter of a second. The same for
/// all viewers, so that what they count up to a moment is the same part of the stream.
pub(super) const WINDOW: usize = 64;

/// Counts of one viewer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Frames {
    /// Frames of which every packet arrived.
    pub(super) complete: u64,
    /// Frames that miss a packet. A hole before a frame counts as a hole in it, unless an earlier
    /// frame can have filled it.
    pub(super) broken: u64,
    /// Frames that the timestamps leave room for and of which nothing arrived: lost, not sent to
    /// this viewer, or never made.
    pub(super) absent: u64,
    /// Packets that never arrived.
    pub(super) lost: u64,
    /// Packets that arrived twice.
    pub(super) duplicates: u64,
}

/// The fields of a packet's clear header.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Packet {
    /// Extended beyond 16 bits.
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
}

/// Follows one stream. Counts lag behind by the window, in which repairs are waited for.
pub(super) struct Continuity {
    frames: Frames,
    /// Ticks from frame to frame.
    interval: u32,
    /// The oldest packet not yet counted, and the newest seen.
    span: Option<(u64, u64)>,
    seen: Vec<Option<Packet>>,
    /// The newest frame counted or begun.
    timestamp: Option<u32>,
    /// It has begun and not ended.
    open: bool,
    broken: bool,
    /// Packets missing just before the next one.
    hole: u64,
}

impl Continuity {
    /// A lost packet may be repaired within `window` packets; the stream has about `fps` frames a
    /// second.
    pub(super) fn new(window: usize, fps: u16) -> Self {
        let interval = CLOCK / u32::from(fps.max(1));
        let seen = vec![None; window.max(2)];
        Self {
            frames: Frames::default(),
            interval,
            span: None,
            seen,
            timestamp: None,
            open: false,
            broken: false,
            hole: 0,
        }
    }

    /// Takes a packet; false if it had been here before or comes too late.
    pub(super) fn packet(&mut self, packet: Packet) -> bool {
        let (sequence, window) = (packet.sequence, self.seen.len() as u64);
        let (oldest, newest) = self.span.unwrap_or((sequence, sequence));
        if sequence < oldest {
            self.frames.duplicates += 1;
            return false;
        }
        let oldest = self.count_up_to(oldest, sequence.saturating_sub(window - 1));
        self.span = Some((oldest, newest.max(sequence)));
        let before = self.seen[(sequence % window) as usize].replace(packet);
        self.frames.duplicates += u64::from(before.is_some());
        before.is_none()
    }

    /// Counts so far.
    pub(super) fn frames(&self) -> Frames {
        self.frames
    }

    /// The newest sequence number.
    pub(super) fn newest(&self) -> Option<u64> {
        self.span.map(|(_, newest)| newest)
    }

    fn count_up_to(&mut self, oldest: u64, end: u64) -> u64 {
        let window = self.seen.len() as u64;
        for sequence in oldest..end {
            match self.seen[(sequence % window) as usize].take() {
                Some(packet) => self.count(packet),
                None => {
                    self.hole += 1;
                    self.frames.lost += 1;
                }
            }
        }
        oldest.max(end)
    }

    fn count(&mut self, packet: Packet) {
        if self.timestamp != Some(packet.timestamp) {
            self.begin(packet.timestamp);
        }
        self.broken |= std::mem::take(&mut self.hole) > 0;
        if packet.marker && self.open {
            self.end();
        }
    }

    fn begin(&mut self, timestamp: u32) {
        if self.open {
            // Its end is missing, and with it one packet of the hole at least.
            self.broken = true;
            self.end();
            self.hole = self.hole.saturating_sub(1);
        }
        let steps =
            self.timestamp.map_or(1, |before| steps(timestamp.wrapping_sub(before), self.interval));
        self.frames.absent += u64::from(steps.saturating_sub(1));
        (self.timestamp, self.open) = (Some(timestamp), true);
    }

    fn end(&mut self) {
        self.open = false;
        match std::mem::take(&mut self.broken) {
            true => self.frames.broken += 1,
            false => self.frames.complete += 1,
        }
    }
}

/// Frames from one timestamp to the next, rounded; time that runs backwards is one.
fn steps(ticks: u32, interval: u32) -> u32 {
    if ticks.cast_signed() < 0 { 1 } else { (ticks + interval / 2) / interval.max(1) }
}

/// The full sequence number that `sequence` stands for, next to `newest` (RFC 3550 §A.1, without
/// its probation).
pub(super) fn extend(sequence: u16, newest: Option<u64>) -> u64 {
    // Begin in the second round, so that there is room for what was sent before the first.
    let Some(newest) = newest else { return (1 << 16) + u64::from(sequence) };
    let ahead = sequence.wrapping_sub(newest as u16).cast_signed();
    newest.saturating_add_signed(i64::from(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(n: u64) -> Packet {
        Packet { sequence: n, timestamp: 7 + (n / 4) as u32 * 3000, marker: n % 4 == 3 }
    }

    /// Feeds packets of frames of 4, then enough others to push them out of the window.
    fn counts(order: impl IntoIterator<Item = u64>) -> Frames {
        let mut c = Continuity::new(WINDOW, 30);
        for n in order.into_iter().chain(40..40 + WINDOW as u64) {
            c.packet(packet(n));
        }
        c.frames()
    }

    #[test]
    fn all_arrived_in_any_order() {
        // The last of the ten is still in the window.
        assert_eq!(counts(0..40), Frames { complete: 10, ..Frames::default() });
        let swapped = (0..20).flat_map(|n| [2 * n + 1, 2 * n]).filter(|n| *n > 1);
        assert_eq!(counts([0, 1].into_iter().chain(swapped)).complete, 10);
    }

    #[test]
    fn losses_repairs_and_repeats() {
        let lost = counts((0..40).filter(|n| *n != 9 && *n != 10 && *n != 21));
        assert_eq!(lost, Frames { complete: 8, broken: 2, lost: 3, ..Frames::default() });
        let late = counts((0..40).filter(|n| *n != 9).chain([9]));
        assert_eq!((late.complete, late.lost), (10, 0));
        assert_eq!(counts((0..40).chain([7])).duplicates, 1);
    }

    #[test]
    fn a_lost_end_breaks_one_frame_and_a_lost_beginning_one() {
        let end = counts((0..40).filter(|n| *n != 11));
        assert_eq!((end.complete, end.broken, end.lost), (9, 1, 1));
        let both = counts((0..40).filter(|n| *n != 11 && *n != 12));
        assert_eq!((both.complete, both.broken), (8, 2));
    }

    #[test]
    fn frames_of_which_nothing_came_are_seen_by_their_time() {
        // Lost on the way: 8 to 15 are frames 2 and 3; the hole may reach into frame 4.
        let lost = counts((0..40).filter(|n| !(8..16).contains(n)));
        assert_eq!(lost, Frames { complete: 7, broken: 1, absent: 2, lost: 8, duplicates: 0 });
        // Not sent at all: the sequence has no hole.
        let mut c = Continuity::new(2, 30);
        for n in 0..40_u64 {
            let skipped = if n >= 20 { 5 * 3000 } else { 0 };
            c.packet(Packet { timestamp: packet(n).timestamp + skipped, ..packet(n) });
        }
        assert_eq!((c.frames().absent, c.frames().broken, c.frames().lost), (5, 0, 0));
    }

    #[test]
    fn a_jump_does_not_take_for_ever() {
        let mut c = Continuity::new(512, 30);
        c.packet(Packet { sequence: 0, timestamp: 0, marker: true });
        c.packet(Packet { sequence: 100_000, timestamp: 0, marker: true });
        assert_eq!(c.frames().complete, 1);
    }

    #[test]
    fn sequence_numbers_are_extended() {
        assert_eq!(extend(5, None), 65_541);
        assert_eq!(extend(2, Some(65_536 + 65_535)), 2 * 65_536 + 2);
        assert_eq!(extend(65_535, Some(2 * 65_536)), 65_536 + 65_535);
        assert_eq!(steps(0u32.wrapping_sub(3000), 3000), 1);
    }
}
