//! The counters that every kind of viewer has.

use super::continuity::{Continuity, Frames, Packet};
use std::time::{Duration, Instant, SystemTime};

/// Delays kept a viewer; more than a measurement of minutes has.
const MAX_DELAYS: usize = 1 << 16;

/// The frames that a viewer has received since it joined.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Totals {
    pub(super) frames: Frames,
    /// Media packets, each counted once.
    pub(super) packets: u64,
    /// Bytes of the UDP payloads of these packets; repeats, repairs and the conversation around
    /// them are not in it.
    pub(super) bytes: u64,
}

/// One viewer's story.
pub(super) struct Watch {
    begun: Instant,
    connected: Option<Instant>,
    first_frame: Option<Instant>,
    pub(super) continuity: Continuity,
    packets: u64,
    bytes: u64,
    /// Milliseconds from capture to arrival here, by the wall clock that both read.
    delays: Vec<f64>,
}

impl Watch {
    pub(super) fn new(continuity: Continuity) -> Self {
        let begun = Instant::now();
        Self {
            begun,
            connected: None,
            first_frame: None,
            continuity,
            packets: 0,
            bytes: 0,
            delays: Vec::new(),
        }
    }

    /// Media may flow from now on.
    pub(super) fn connect(&mut self, now: Instant) {
        self.connected.get_or_insert(now);
    }

    /// A media packet with `bytes` of UDP payload.
    pub(super) fn packet(&mut self, packet: Packet, bytes: usize, now: Instant) {
        if self.continuity.packet(packet) {
            self.packets += 1;
            self.bytes += bytes as u64;
        }
        if packet.marker {
            self.first_frame.get_or_insert(now);
        }
    }

    /// A frame captured then has arrived whole now.
    pub(super) fn delay(&mut self, captured: SystemTime, arrived: SystemTime) {
        let delay =
            arrived.duration_since(captured).ok().filter(|_| self.delays.len() < MAX_DELAYS);
        self.delays.extend(delay.map(super::millis));
    }

    /// Forgets the delays so far.
    pub(super) fn begin_measuring(&mut self) {
        self.delays.clear();
    }

    pub(super) fn delays(&self) -> &[f64] {
        &self.delays
    }

    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// A frame has arrived.
    pub(super) fn has_begun_playing(&self) -> bool {
        self.first_frame.is_some()
    }

    /// From the beginning of joining to encrypted media.
    pub(super) fn connect_time(&self) -> Option<Duration> {
        Some(self.connected?.duration_since(self.begun))
    }

    /// From the beginning of joining to the end of the first frame.
    pub(super) fn first_frame_time(&self) -> Option<Duration> {
        Some(self.first_frame?.duration_since(self.begun))
    }

    pub(super) fn totals(&self) -> Totals {
        Totals { frames: self.continuity.frames(), packets: self.packets, bytes: self.bytes }
    }
}
