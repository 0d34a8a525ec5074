//! What is known of the viewer's link, and what it means for its frames.

use media::{AccessUnit, Mono};
use proto::{
    congestion::{Condition, Estimator, Frame, Gate, Verdict},
    rtp::twcc,
};

/// What UDP and IP add to a packet, in bytes.
const DATAGRAM_OVERHEAD: usize = 28;
/// And RTP, its extensions and the encryption on top of that.
pub(super) const PACKET_OVERHEAD: usize = 52 + DATAGRAM_OVERHEAD;
/// What a packet carries of a frame, nearly.
const PAYLOAD: usize = 1150;

/// A link whose browser tells what arrives.
#[derive(Default)]
pub(super) struct Link {
    estimator: Estimator,
    gate: Gate,
    /// Bytes of pictures since the newest keyframe.
    since_key: usize,
}

impl Link {
    /// A packet of this many bytes, less what UDP and IP add, is sent, perhaps with a number by
    /// which the browser will know it.
    pub(super) fn count(
        link: &mut Option<Box<Self>>,
        now: Mono,
        number: Option<u16>,
        bytes: usize,
    ) {
        if let (Some(link), Some(number)) = (link, number) {
            link.estimator.on_sent(now, number, bytes + DATAGRAM_OVERHEAD);
        }
    }

    /// The browser tells what arrived.
    pub(super) fn handle_feedback(&mut self, now: Mono, packet: &[u8]) {
        if let Ok(feedback) = twcc::Feedback::parse(packet) {
            self.estimator.handle_feedback(now, &feedback);
        }
    }

    /// True if a picture is to be sent. Every one is asked for, in order.
    pub(super) fn admits(
        &mut self,
        now: Mono,
        unit: &AccessUnit,
        disposable: bool,
        catching_up: bool,
    ) -> bool {
        let size = unit.size();
        let bytes = size + size.div_ceil(PAYLOAD) * PACKET_OVERHEAD;
        self.since_key = if unit.key { bytes } else { self.since_key + bytes };
        let age = now.since(unit.timing.published);
        let frame = Frame { bytes, key: unit.key, disposable, age, catching_up };
        self.gate.decide(now, &self.estimator, &frame) == Verdict::Send
    }

    /// True if beginning again at the newest keyframe would bring a picture back at once.
    pub(super) fn is_worth_replay(&self, now: Mono) -> bool {
        self.gate.worth_replay(now, &self.estimator, self.since_key)
    }

    /// The viewer begins again at a keyframe.
    pub(super) fn restart(&mut self) {
        self.gate.restart();
    }

    /// How fast packets may leave, in bit/s, if there is a limit.
    pub(super) fn pace(&self, now: Mono) -> Option<u64> {
        self.estimator.pace(now)
    }

    /// What the link carries, in bit/s; `None` while no limit is known.
    pub(super) fn carries(&self) -> Option<u64> {
        self.estimator.estimate()
    }

    /// What the stream needs, in bit/s.
    pub(super) fn needs(&self) -> Option<u64> {
        self.gate.need()
    }

    /// True while frames are left out because the link carries too little, and shortly after.
    pub(super) fn is_limited(&self, now: Mono) -> bool {
        self.gate.is_limited(now)
    }

    /// For the choice between renditions.
    pub(super) fn condition(&self, now: Mono) -> Condition {
        Condition { carries: self.carries(), skipping: self.gate.is_skipping(now) }
    }
}
