//! Frames into packets.
//!
//! What is the same for all readers is done once and kept in the access unit: [`fragments`]. What
//! differs is twelve bytes a packet: [`TrackSender`].

mod audio;
mod nal;
mod runs;
mod track;

pub use track::{Anchor, TrackSender, TrackSetup};

use super::{HEADER_LEN, MAX_EXTENSIONS_LEN, REPAIR_HEAD_LEN};
use crate::srtp::Profile;
use media::{AccessUnit, Codec, RtpFragments};

/// What IPv6 carries unfragmented everywhere, less its own header and UDP's (RFC 8200 §5).
const DATAGRAM: usize = 1280 - 40 - 8;

/// Largest RTP payload made here, in bytes: as a repair, with all extensions and SRTP's tag, it
/// still fits into any datagram.
///
/// Only an Opus packet or a G.711 unit may be larger, since those formats know no fragmentation.
pub const MAX_PAYLOAD: usize = DATAGRAM
    - HEADER_LEN
    - MAX_EXTENSIONS_LEN
    - REPAIR_HEAD_LEN
    - Profile::AeadAes256Gcm.rtp_overhead();

/// True if frames of this codec are sent by RTP. RFC 2435 carries JPEG without its tables, as few
/// cameras write it.
pub const fn carries(codec: &Codec) -> bool {
    !matches!(codec, Codec::Mjpeg(_))
}

/// The RTP payloads of `unit`, none of a codec that is not [carried](carries), cut by the first
/// reader who asks and shared by all.
///
/// They are made for batched sends: a frame is cut so that it takes as few runs of equal-sized
/// packets, each with at most one smaller last, as its NAL units allow.
pub fn fragments<'a>(unit: &'a AccessUnit, codec: &Codec) -> &'a RtpFragments {
    unit.rtp_fragments(|unit| RtpFragments {
        fragments: match codec {
            Codec::H264(_) => nal::pack(&unit.payload, nal::Syntax::H264),
            Codec::H265(_) => nal::pack(&unit.payload, nal::Syntax::H265),
            Codec::Aac(_) => audio::aac(&unit.payload),
            Codec::Opus { .. } | Codec::G711 { .. } => audio::whole(&unit.payload),
            Codec::Mjpeg(_) => Vec::new(),
        },
    })
}

#[cfg(test)]
mod tests;
