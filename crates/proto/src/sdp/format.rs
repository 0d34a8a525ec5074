//! How the packets of one track are to be read.

use bytes::Bytes;
use media::Codec;

/// One payload type of a media description, with everything its depacketiser must know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Format {
    /// 7-bit RTP payload type.
    pub payload_type: u8,
    /// Ticks a second of the RTP timestamps; 90 000 for video.
    pub clock_rate: u32,
    /// The codec, with its parameter sets if the description has them and they can be read.
    pub codec: Codec,
    /// All parameter set NAL units of the description, in its order; there may be more than `codec` holds.
    pub parameter_sets: Vec<Bytes>,
    /// Layout of AAC packets; without meaning for everything else.
    pub au_headers: AuHeaders,
}

impl Format {
    /// A format whose description says no more than this.
    pub fn new(payload_type: u8, clock_rate: u32, codec: Codec) -> Self {
        Self { payload_type, clock_rate, codec, parameter_sets: Vec::new(), au_headers: AuHeaders::default() }
    }
}

/// Widths in bits of the fields of an AU header (RFC 3640 §3.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuHeaders {
    /// `sizeLength`, at most 16 here.
    pub size: u8,
    /// `indexLength`, of the first AU of a packet.
    pub index: u8,
    /// `indexDeltaLength`, of those behind it.
    pub index_delta: u8,
}

impl Default for AuHeaders {
    /// `AAC-hbr` (RFC 3640 §3.3.6).
    fn default() -> Self {
        Self { size: 13, index: 3, index_delta: 3 }
    }
}
