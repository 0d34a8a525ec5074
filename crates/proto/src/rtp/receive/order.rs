//! Undoes what the network did to the order of packets, within a bounded window (RFC 3550 appendix
//! A.1).

use super::Transport;
use crate::rtp::Packet;
use media::Mono;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// How long a missing packet is waited for, if nobody says otherwise.
const PATIENCE: Duration = Duration::from_millis(60);
/// Sequence numbers that may be under way at once.
const SPAN: u64 = 256;
/// A gap larger than this is a sender that began anew, not loss (`MAX_DROPOUT`).
const MAX_DROPOUT: i64 = 3000;
/// Where extended sequence numbers begin, so that a packet from before the first has one too.
const ORIGIN: u64 = 1 << 16;

/// A packet in its place.
#[derive(Debug)]
pub(super) struct Sequenced {
    pub(super) packet: Packet,
    /// When it came.
    pub(super) at: Mono,
    /// Packets before it are missing.
    pub(super) gap: bool,
    /// The sender began anew with this one: another SSRC, or sequence numbers from elsewhere.
    pub(super) restart: bool,
}

/// What became of packets.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Counters {
    pub(super) lost: u64,
    pub(super) reordered: u64,
    pub(super) late: u64,
    pub(super) duplicates: u64,
    pub(super) restarts: u64,
}

/// Packets in the order of arrival go in, packets in the order of sending come out.
///
/// On [`Transport::Ordered`] nothing is ever waited for. A packet of another SSRC, or with a
/// sequence number from elsewhere, is believed at once there; on [`Transport::Unordered`], where
/// anybody's stray datagram may come in, only when a second one continues it.
#[derive(Debug)]
pub(super) struct Order {
    transport: Transport,
    patience: Duration,
    flow: Option<Flow>,
    /// Came before their turn, by extended sequence number.
    held: BTreeMap<u64, (Packet, Mono)>,
    /// Since when the packet whose turn it is has been missing.
    waiting_since: Option<Mono>,
    /// The first packet of what may be a new flow.
    stranger: Option<(Packet, Mono)>,
    ready: VecDeque<Sequenced>,
    pub(super) counters: Counters,
}

/// One sender's numbering.
#[derive(Clone, Debug)]
struct Flow {
    ssrc: u32,
    /// Extended number of the packet whose turn it is.
    next: u64,
    /// Highest extended number seen.
    highest: u64,
    past: Past,
}

enum Place {
    /// Its turn is now or later.
    Ahead(u64),
    /// Its turn has passed.
    Behind(u64),
    Elsewhere,
}

impl Order {
    pub(super) fn new(transport: Transport) -> Self {
        Self {
            transport,
            patience: PATIENCE,
            flow: None,
            held: BTreeMap::new(),
            waiting_since: None,
            stranger: None,
            ready: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The current sender, and extended sequence numbers (roll-overs in the high half) of the
    /// highest packet seen.
    pub(super) fn highest(&self) -> Option<(u32, u64)> {
        self.flow.as_ref().map(|f| (f.ssrc, f.highest - ORIGIN))
    }

    /// Takes a packet; true if it belongs to the current flow, which it may have just begun.
    pub(super) fn handle(&mut self, now: Mono, packet: Packet) -> bool {
        let Some(flow) = &mut self.flow else {
            self.begin(now, packet, false);
            return true;
        };
        match flow.place(&packet) {
            Place::Elsewhere => return self.handle_stranger(now, packet),
            Place::Behind(number) if flow.past.contains(number) => self.counters.duplicates += 1,
            Place::Behind(_) => self.counters.late += 1,
            Place::Ahead(number) => self.handle_ahead(now, number, packet),
        }
        self.stranger = None;
        true
    }

    fn handle_ahead(&mut self, now: Mono, number: u64, packet: Packet) {
        let Some(flow) = &mut self.flow else { return };
        if self.held.contains_key(&number) {
            self.counters.duplicates += 1;
            return;
        }
        self.counters.reordered += u64::from(number < flow.highest);
        flow.highest = flow.highest.max(number);
        if number == flow.next || self.transport == Transport::Ordered {
            self.release(number, packet, now);
            return self.release_held();
        }
        let floor = (number + 1).saturating_sub(SPAN);
        self.held.insert(number, (packet, now));
        self.waiting_since.get_or_insert(now);
        while self.flow.as_ref().is_some_and(|f| f.next < floor) {
            self.give_up();
        }
    }

    /// Hands a packet on, and counts what is missing before it.
    fn release(&mut self, number: u64, packet: Packet, at: Mono) {
        let Some(flow) = &mut self.flow else { return };
        let missing = number - flow.next;
        self.counters.lost += missing;
        flow.past.skip_to(flow.next, number);
        flow.past.insert(number);
        flow.next = number + 1;
        self.ready.push_back(Sequenced { packet, at, gap: missing > 0, restart: false });
    }

    /// Hands on those whose turn has come.
    fn release_held(&mut self) {
        while let Some(entry) = self.held.first_entry() {
            if self.flow.as_ref().is_none_or(|f| f.next != *entry.key()) {
                break;
            }
            let (number, (packet, at)) = entry.remove_entry();
            self.release(number, packet, at);
        }
        self.waiting_since = self.held.values().map(|(_, at)| *at).min();
    }

    /// Stops waiting for what is missing before the first held packet.
    fn give_up(&mut self) {
        if let Some((number, (packet, at))) = self.held.pop_first() {
            self.release(number, packet, at);
        }
        self.release_held();
    }

    fn handle_stranger(&mut self, now: Mono, packet: Packet) -> bool {
        let continued = self.stranger.take_if(|(first, _)| {
            first.ssrc == packet.ssrc && first.sequence.wrapping_add(1) == packet.sequence
        });
        if let Some((first, at)) = continued {
            self.begin(at, first, true);
            return self.handle(now, packet);
        }
        if self.transport == Transport::Ordered {
            self.begin(now, packet, true);
            return true;
        }
        self.stranger = Some((packet, now));
        false
    }

    fn begin(&mut self, at: Mono, packet: Packet, restart: bool) {
        while !self.held.is_empty() {
            self.give_up();
        }
        self.counters.restarts += u64::from(restart);
        let number = ORIGIN + u64::from(packet.sequence);
        let mut past = Past::default();
        past.insert(number);
        self.flow = Some(Flow { ssrc: packet.ssrc, next: number + 1, highest: number, past });
        self.ready.push_back(Sequenced { packet, at, gap: restart, restart });
    }

    /// The next packet in order.
    pub(super) fn poll(&mut self) -> Option<Sequenced> {
        self.ready.pop_front()
    }

    /// When to call [`Order::handle_timeout`].
    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        self.waiting_since.map(|since| since + self.patience)
    }

    /// Gives up what has been waited for long enough.
    pub(super) fn handle_timeout(&mut self, now: Mono) {
        while self.poll_timeout().is_some_and(|due| due <= now) {
            self.give_up();
        }
    }
}

impl Flow {
    fn place(&self, packet: &Packet) -> Place {
        if packet.ssrc != self.ssrc {
            return Place::Elsewhere;
        }
        let distance = i64::from(packet.sequence.wrapping_sub(self.next as u16).cast_signed());
        match self.next.checked_add_signed(distance) {
            Some(number) if (0..MAX_DROPOUT).contains(&distance) => Place::Ahead(number),
            Some(number) if (-(SPAN as i64)..0).contains(&distance) => Place::Behind(number),
            _ => Place::Elsewhere,
        }
    }
}

/// Which of the last 512 numbers came, to tell a duplicate from a packet that is late.
#[derive(Clone, Default, Debug)]
struct Past([u64; 8]);

impl Past {
    const LEN: u64 = 512;

    fn insert(&mut self, number: u64) {
        self.0[(number % Self::LEN / 64) as usize] |= 1 << (number % 64);
    }

    /// Marks numbers from `from` up to, but without, `to` as missing.
    fn skip_to(&mut self, from: u64, to: u64) {
        // One more, because that is about to be inserted where the number of 512 before was.
        for number in from..=to.min(from + Self::LEN) {
            self.0[(number % Self::LEN / 64) as usize] &= !(1 << (number % 64));
        }
    }

    fn contains(&self, number: u64) -> bool {
        self.0[(number % Self::LEN / 64) as usize] >> (number % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests;
