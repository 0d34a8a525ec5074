//! A frame cut for RTP: what is the same for every reader.

use bytes::Bytes;
use smallvec::SmallVec;

/// The RTP payloads of one access unit, in order; the last carries the marker bit.
///
/// Per reader only the RTP header differs (sequence number, SSRC, payload type, timestamp offset).
/// A payload is a short header of its own (FU-A, FU, STAP-A, AU header) and a slice of the frame,
/// so nothing of the frame is copied.
#[derive(Clone, Default, Debug)]
pub struct RtpFragments {
    /// The payloads.
    pub fragments: Vec<RtpFragment>,
}

/// One RTP payload.
#[derive(Clone, Debug)]
pub struct RtpFragment {
    /// Payload header bytes that precede `body`.
    pub head: SmallVec<[u8; 4]>,
    /// A slice of the frame.
    pub body: Bytes,
}

impl RtpFragment {
    /// Bytes on the wire behind the RTP header.
    pub fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// True if it carries nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
