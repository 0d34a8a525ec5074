//! Frames into packets.
//!
//! What is the same for all readers is done once and kept in the access unit: [`fragments`]. What differs is twelve bytes
//! a packet: [`TrackSender`].

mod audio;
mod nal;
mod runs;
mod track;

pub use track::{TrackSender, TrackSetup};

use media::{AccessUnit, Codec, RtpFragments};

/// Largest RTP payload made here, in bytes: with header, extensions and SRTP's tag it stays below 1232 bytes, what IPv6
/// guarantees to carry unfragmented.
///
/// Only an Opus packet or a G.711 unit may be larger, since those formats know no fragmentation.
pub const MAX_PAYLOAD: usize = 1188;

/// The RTP payloads of `unit`, cut by the first reader who asks and shared by all.
///
/// They are made for batched sends: a frame is cut so that it takes as few runs of equal-sized packets, each with at
/// most one smaller last, as its NAL units allow.
pub fn fragments<'a>(unit: &'a AccessUnit, codec: &Codec) -> &'a RtpFragments {
    unit.rtp_fragments(|unit| RtpFragments {
        fragments: match codec {
            Codec::H264(_) => nal::pack(&unit.payload, nal::Syntax::H264),
            Codec::H265(_) => nal::pack(&unit.payload, nal::Syntax::H265),
            Codec::Aac(_) => audio::aac(&unit.payload),
            Codec::Opus { .. } | Codec::G711 { .. } => audio::whole(&unit.payload),
        },
    })
}

#[cfg(test)]
mod tests;
