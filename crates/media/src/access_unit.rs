//! One frame of one track, with its timing story.

use crate::{Mono, RtpFragments, TrackId, mp4};
use bytes::Bytes;
use smallvec::SmallVec;
use std::sync::OnceLock;

/// The coded bytes of one frame, as its codec divides them: NAL units without start codes for H.264
/// and H.265, one element for everything else (an AAC frame without ADTS, an Opus packet, G.711
/// samples).
pub type Payload = SmallVec<[Bytes; 4]>;

/// One frame of one track. Immutable after publishing and shared by `Arc`.
#[derive(Debug)]
pub struct AccessUnit {
    /// The track this frame belongs to.
    pub track: TrackId,
    /// Decode time in the track's timescale. Never runs backwards within a published stream.
    pub dts: i64,
    /// Presentation time in the track's timescale.
    pub pts: i64,
    /// Decoding can start here: an IDR, CRA or BLA picture whose parameter sets are in the payload
    /// or the catalogue. Always true for audio.
    pub key: bool,
    /// The first frame after a gap: a new publisher, lost input, or a jump of the source's
    /// timestamps.
    pub discontinuity: bool,
    /// When this frame passed each stage.
    pub timing: Timing,
    /// The coded bytes.
    pub payload: Payload,
    rtp: OnceLock<RtpFragments>,
    mp4: OnceLock<mp4::SamplePieces>,
}

impl AccessUnit {
    /// A frame that has just come in. The hub sets the published time, and re-bases `dts` and
    /// `pts`.
    pub fn new(track: TrackId, pts: i64, key: bool, timing: Timing, payload: Payload) -> Self {
        Self {
            track,
            dts: pts,
            pts,
            key,
            discontinuity: false,
            timing,
            payload,
            rtp: OnceLock::new(),
            mp4: OnceLock::new(),
        }
    }

    /// Sum of the payload's bytes.
    pub fn size(&self) -> usize {
        self.payload.iter().map(Bytes::len).sum()
    }

    /// The frame cut for RTP. Computed by `cut` for the first reader who asks and kept for all
    /// others.
    pub fn rtp_fragments(&self, cut: impl FnOnce(&Self) -> RtpFragments) -> &RtpFragments {
        self.rtp.get_or_init(|| cut(self))
    }

    /// The frame as MP4 stores it, made by `form` for the first reader who asks and kept for all
    /// others.
    pub(crate) fn mp4_sample(
        &self,
        form: impl FnOnce(&Self) -> mp4::SamplePieces,
    ) -> &mp4::SamplePieces {
        self.mp4.get_or_init(|| form(self))
    }
}

/// When a frame passed each stage of its way, all on this machine's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// When the light fell on the sensor, as well as it is known.
    pub captured: Captured,
    /// When the encoder had finished it; known only for our own workers.
    pub encoded: Option<Mono>,
    /// When its last byte reached this process.
    pub received: Mono,
    /// When readers could first see it; set by the hub.
    pub published: Mono,
}

impl Timing {
    /// The story of a frame of which nothing is known but its arrival.
    pub const fn arrived(at: Mono) -> Self {
        let captured = Captured { at, clock: CaptureClock::Arrival };
        Self { captured, encoded: None, received: at, published: at }
    }
}

/// A capture time and how it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Captured {
    /// The instant of capture on this machine's clock.
    pub at: Mono,
    /// Where that knowledge comes from.
    pub clock: CaptureClock,
}

/// The sources of a capture time, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CaptureClock {
    /// The sensor or driver stamped it on this machine's own clock.
    Sensor,
    /// The sender's wall clock through RTCP sender reports (RFC 3550 §6.4.1); as good as both
    /// clocks are synchronised.
    SenderReport,
    /// Only its arrival is known, so everything before it is missing from the latency shown.
    Arrival,
}

impl CaptureClock {
    /// The word shown to users and API clients.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sensor => "sensor",
            Self::SenderReport => "sender_report",
            Self::Arrival => "arrival",
        }
    }
}
