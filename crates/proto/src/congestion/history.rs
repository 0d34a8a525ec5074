//! What was sent and is not yet told of: eight bytes a packet.

/// Packets remembered: three seconds of 2.5 Mbit/s, a third of a second of 25 Mbit/s. A power of
/// two.
const PACKETS: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    /// Never sent, or forgotten.
    #[default]
    Empty,
    InFlight,
    Lost,
    Delivered,
}

#[derive(Clone, Copy, Default, Debug)]
struct Entry {
    /// Low 32 bits of the time in microseconds.
    at: u32,
    bytes: u16,
    state: State,
}

/// A packet that feedback tells of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sent {
    /// Unrolled transport sequence number.
    pub(super) number: u64,
    /// When it was sent, in microseconds.
    pub(super) at: i64,
    pub(super) bytes: u16,
    /// It was told to be lost before.
    pub(super) was_lost: bool,
}

/// The last packets sent, by transport sequence number.
#[derive(Debug)]
pub(super) struct History {
    entries: Box<[Entry; PACKETS]>,
    /// Unrolled number of the packet that comes next; `None` before the first.
    next: Option<u64>,
    in_flight: u64,
}

impl History {
    pub(super) fn new() -> Self {
        Self { entries: Box::new([Entry::default(); PACKETS]), next: None, in_flight: 0 }
    }

    /// Bytes sent of which nothing is known yet.
    pub(super) const fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// A packet is sent. Numbers that were left out count as not sent; ones from before are not
    /// taken.
    pub(super) fn handle_sent(&mut self, now: i64, sequence: u16, bytes: u16) {
        let next = self.next.unwrap_or(1 << 16 | u64::from(sequence));
        let ahead = sequence.wrapping_sub(next as u16);
        if ahead >= 1 << 15 {
            return;
        }
        let number = next + u64::from(ahead);
        for left_out in number.saturating_sub(PACKETS as u64).max(next)..number {
            self.put(left_out, Entry::default());
        }
        self.put(number, Entry { at: now as u32, bytes, state: State::InFlight });
        self.in_flight += u64::from(bytes);
        self.next = Some(number + 1);
    }

    /// A packet is told to have arrived; `None` if it is not remembered, or was told of before.
    pub(super) fn handle_arrived(&mut self, now: i64, sequence: u16) -> Option<Sent> {
        let number = self.number(sequence)?;
        let entry = self.entry(number);
        let was_lost = entry.state == State::Lost;
        (was_lost || self.resolve(number, State::Delivered)).then(|| {
            self.entries[slot(number)].state = State::Delivered;
            Sent { number, at: sent_at(now, entry), bytes: entry.bytes, was_lost }
        })
    }

    /// A packet is told not to have arrived; `None` if it is not remembered, or was told of before.
    pub(super) fn handle_lost(&mut self, now: i64, sequence: u16) -> Option<Sent> {
        let number = self.number(sequence)?;
        let entry = self.entry(number);
        let sent = Sent { number, at: sent_at(now, entry), bytes: entry.bytes, was_lost: false };
        self.resolve(number, State::Lost).then_some(sent)
    }

    /// When and how large those behind `number` were of which nothing is known yet, oldest first.
    pub(super) fn in_flight_behind(
        &self,
        now: i64,
        number: u64,
    ) -> impl Iterator<Item = (i64, u16)> + '_ {
        let next = self.next.unwrap_or(0);
        let remembered = (number + 1).max(next.saturating_sub(PACKETS as u64))..next;
        let entries =
            remembered.map(|number| self.entry(number)).filter(|e| e.state == State::InFlight);
        entries.map(move |e| (sent_at(now, e), e.bytes))
    }

    fn entry(&self, number: u64) -> Entry {
        self.entries[slot(number)]
    }

    fn put(&mut self, number: u64, entry: Entry) {
        let old = std::mem::replace(&mut self.entries[slot(number)], entry);
        if old.state == State::InFlight {
            self.in_flight -= u64::from(old.bytes);
        }
    }

    /// True if the packet was in flight until now.
    fn resolve(&mut self, number: u64, state: State) -> bool {
        let entry = &mut self.entries[slot(number)];
        let was_in_flight = entry.state == State::InFlight;
        if was_in_flight {
            entry.state = state;
            self.in_flight -= u64::from(entry.bytes);
        }
        was_in_flight
    }

    /// The remembered packet with this sequence number.
    fn number(&self, sequence: u16) -> Option<u64> {
        let next = self.next?;
        let behind = (next as u16).wrapping_sub(sequence);
        (1..=PACKETS as u16).contains(&behind).then(|| next - u64::from(behind))
    }
}

const fn slot(number: u64) -> usize {
    number as usize % PACKETS
}

/// Nothing is remembered for longer than the 71 minutes that 32 bits tell apart while packets are
/// sent.
const fn sent_at(now: i64, entry: Entry) -> i64 {
    now - (now as u32).wrapping_sub(entry.at) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_a_packet() {
        assert_eq!(size_of::<Entry>(), 8);
    }

    #[test]
    fn packets_are_told_of_once() {
        let mut history = History::new();
        let start = (1i64 << 32) - 50;
        for (i, sequence) in [0xfffe, 0xffff, 0, 2].into_iter().enumerate() {
            history.handle_sent(start + 100 * i as i64, sequence, 1000 + i as u16);
        }
        assert_eq!(history.in_flight(), 4006);
        let sent = history.handle_arrived(start + 500, 0xffff).unwrap();
        assert_eq!((sent.at, sent.bytes, sent.was_lost), (start + 100, 1001, false));
        assert_eq!(history.handle_arrived(start + 500, 0xffff), None);
        assert_eq!(history.handle_arrived(start + 500, 1), None, "never sent");
        assert_eq!(history.handle_arrived(start + 500, 3), None, "not yet sent");
        let behind: Vec<_> = history.in_flight_behind(start + 500, sent.number).collect();
        assert_eq!(behind, [(start + 200, 1002), (start + 300, 1003)]);
        assert!(
            history.handle_lost(start + 500, 0).is_some()
                && history.handle_lost(start + 500, 0).is_none()
        );
        assert!(history.handle_arrived(start + 500, 0).unwrap().was_lost);
        assert_eq!(history.in_flight(), 2003);
    }

    #[test]
    fn what_is_overwritten_is_no_longer_in_flight() {
        let mut history = History::new();
        (0..5000u16).for_each(|sequence| history.handle_sent(0, sequence, 1));
        assert_eq!(history.in_flight(), PACKETS as u64);
        history.handle_sent(0, 30_000, 7);
        assert_eq!(history.in_flight(), 7);
        history.handle_sent(0, 29_000, 7);
        assert_eq!(history.in_flight(), 7, "a number from before");
        assert_eq!(history.in_flight_behind(0, 0).count(), 1);
    }
}
