//! What was sent lately: enough to find a packet again that a browser asks for, in a few bytes a
//! frame. The packet itself is made anew from the frame in the ring, which all viewers share.

use media::Mono;
use std::{collections::VecDeque, time::Duration};

/// A packet older than this is not sent again: its frame has been given up, or a keyframe been
/// asked for.
const MAX_AGE: Duration = Duration::from_millis(1000);
/// Records kept, whatever their age; a second of a fast camera has fewer.
const MAX_RECORDS: usize = 512;
/// Repairs remembered, so that a request that crossed its repair is not answered twice.
const MAX_REPAIRS: usize = 64;

/// Consecutive packets of one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SentPackets {
    /// Number of the first packet, with its roll-overs.
    pub sequence: u64,
    /// How many there are.
    pub packets: u16,
    /// Which of the frame's fragments the first packet carries.
    pub fragment: u16,
    /// The last of them ends the frame.
    pub ends: bool,
    /// The RTP timestamp of the frame.
    pub timestamp: u32,
    /// The frame's position in the stream.
    pub position: u64,
    /// When they were sent.
    pub at: Mono,
}

/// A packet that can be sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LostPacket {
    /// Its number, with roll-overs.
    pub sequence: u64,
    /// The RTP timestamp of its frame.
    pub timestamp: u32,
    /// It ends the frame.
    pub marker: bool,
    /// The position of its frame in the stream.
    pub position: u64,
    /// Which of the frame's fragments it carries.
    pub fragment: usize,
}

/// The newest records.
#[derive(Default)]
pub struct History {
    sent: VecDeque<SentPackets>,
    repairs: VecDeque<(u64, Mono)>,
}

impl History {
    /// Adds what was just sent; sequence numbers only rise.
    #[inline]
    pub fn record(&mut self, sent: SentPackets) {
        while self
            .sent
            .front()
            .is_some_and(|s| self.sent.len() >= MAX_RECORDS || sent.at.since(s.at) > MAX_AGE)
        {
            self.sent.pop_front();
        }
        self.sent.push_back(sent);
    }

    /// The packet whose number ends in these 16 bits, if it is not too old.
    #[inline]
    pub fn find(&self, now: Mono, low: u16) -> Option<LostPacket> {
        let newest =
            self.sent.back().map(|s| s.sequence + u64::from(s.packets).saturating_sub(1))?;
        let back = (newest as u16).wrapping_sub(low);
        self.get(now, newest.checked_sub(u64::from(back))?)
    }

    /// The packet with this number, if it is not too old.
    #[inline]
    pub fn get(&self, now: Mono, sequence: u64) -> Option<LostPacket> {
        let after = self.sent.partition_point(|s| s.sequence <= sequence);
        let s = self.sent.get(after.checked_sub(1)?)?;
        let offset = sequence - s.sequence;
        (offset < u64::from(s.packets) && now.since(s.at) <= MAX_AGE).then(|| LostPacket {
            sequence,
            timestamp: s.timestamp,
            marker: s.ends && offset + 1 == u64::from(s.packets),
            position: s.position,
            fragment: usize::from(s.fragment) + offset as usize,
        })
    }

    /// True if a packet may be repaired now: it was not within `pause`, in which the last repair is
    /// still on its way.
    #[inline]
    pub fn may_repair(&mut self, now: Mono, sequence: u64, pause: Duration) -> bool {
        if self.repairs.iter().rev().any(|(s, at)| *s == sequence && now.since(*at) < pause) {
            return false;
        }
        if self.repairs.len() >= MAX_REPAIRS {
            self.repairs.pop_front();
        }
        self.repairs.push_back((sequence, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    /// A frame of 10 packets every 33 ms, cut in two by pacing, around a roll-over.
    fn history() -> History {
        let mut history = History::default();
        for frame in 0..100u64 {
            let half = |first: u16| SentPackets {
                sequence: 65_000 + frame * 10 + u64::from(first),
                packets: 5,
                fragment: first,
                ends: first == 5,
                timestamp: frame as u32 * 3000,
                position: frame,
                at: at(frame * 33),
            };
            history.record(half(0));
            history.record(half(5));
        }
        history
    }

    #[test]
    fn a_packet_is_found_by_its_low_bits() {
        let lost = history().find(at(3300), (65_000u64 + 987) as u16).unwrap();
        let expected = LostPacket {
            sequence: 65_987,
            timestamp: 98 * 3000,
            marker: false,
            position: 98,
            fragment: 7,
        };
        assert_eq!(lost, expected);
        assert!(history().find(at(3300), (65_000u64 + 989) as u16).unwrap().marker);
        assert!(!history().find(at(3300), (65_000u64 + 984) as u16).unwrap().marker);
    }

    #[test]
    fn what_is_old_or_was_never_sent_is_not_found() {
        let history = history();
        assert_eq!(history.find(at(3300), (65_000u64 + 500) as u16), None);
        assert_eq!(history.find(at(3300), (66_000u64) as u16), None);
        assert_eq!(history.get(at(9999), 65_999), None);
        assert_eq!(History::default().find(at(0), 1), None);
        assert!(history.sent.len() < 70, "{}", history.sent.len());
    }

    #[test]
    fn a_repair_is_not_made_twice_at_once() {
        let mut history = history();
        let pause = Duration::from_millis(20);
        assert!(history.may_repair(at(0), 7, pause));
        assert!(!history.may_repair(at(19), 7, pause));
        assert!(history.may_repair(at(19), 8, pause));
        assert!(history.may_repair(at(21), 7, pause));
        assert!((1000..2000).all(|n| history.may_repair(at(30), n, pause)));
        assert_eq!(history.repairs.len(), MAX_REPAIRS);
    }
}
