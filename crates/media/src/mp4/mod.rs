//! Fragmented MP4 (ISO/IEC 14496-12): an init segment, and fragments of access units as they come.
//!
//! Made for live streams: no duration anywhere (a player that is told one waits for the end), times
//! of decoding and presentation by [`DecodeTimes`](crate::dts::DecodeTimes), and nothing held back:
//! the length of a fragment's last frame is a guess, and the next fragment begins where that guess
//! ends, so that decode times have neither gaps nor jumps.
//!
//! H.264, H.265, AAC and Opus. G.711 is left out: browsers do not play it in MP4.

mod boxes;
mod codec;
mod fragment;
mod init;
mod lane;
mod read;
mod sample_entry;

pub use codec::codec_string;
pub use fragment::{Admitted, Fragmenter, Mp4Fragment};
pub use init::init_segment;
pub use read::{Indexed, Mp4Demuxer};
pub use sample_entry::decoder_config;

use crate::{AccessUnit, Catalog, Codec, MediaKind, Track, h264, h265};
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// The coded bytes of a frame as MP4 stores them, cut so that nothing large is copied.
pub type SamplePieces = Vec<Bytes>;

/// The tracks of a stream that MP4 can carry: its first picture and its first sound that can be, in
/// this order.
///
/// A track whose parameter sets are not known yet cannot; neither can G.711, nor motion JPEG.
pub fn tracks(catalog: &Catalog) -> Vec<Track> {
    let first =
        |kind| catalog.tracks.iter().find(|t| t.codec.kind() == kind && carries(&t.codec)).cloned();
    [first(MediaKind::Video), first(MediaKind::Audio)].into_iter().flatten().collect()
}

fn carries(codec: &Codec) -> bool {
    match codec {
        Codec::H264(Some(_)) | Codec::H265(Some(_)) | Codec::Aac(_) | Codec::Opus { .. } => true,
        Codec::H264(None) | Codec::H265(None) | Codec::Mjpeg(_) | Codec::G711 { .. } => false,
    }
}

/// Bytes that tell the length of a NAL unit.
pub(crate) const LENGTH: usize = 4;

/// The frame in the form that MP4 stores: NAL units behind their lengths, without the parameter
/// sets that the init segment holds (ISO/IEC 14496-15 §5.3.2 wants them nowhere else). Computed for
/// the first reader who asks, shared by all others.
pub fn sample<'a>(unit: &'a AccessUnit, codec: &Codec) -> &'a SamplePieces {
    unit.mp4_sample(|unit| match codec {
        Codec::H264(sets) => length_prefixed(&unit.payload, |nal| match h264::nal_type(nal) {
            h264::nal::AUD => true,
            h264::nal::SPS | h264::nal::PPS => {
                sets.as_ref().is_some_and(|s| s.sps == *nal || s.pps == *nal)
            }
            _ => false,
        }),
        Codec::H265(sets) => length_prefixed(&unit.payload, |nal| match h265::nal_type(nal) {
            h265::nal::AUD => true,
            h265::nal::VPS | h265::nal::SPS | h265::nal::PPS => {
                sets.as_ref().is_some_and(|s| s.vps == *nal || s.sps == *nal || s.pps == *nal)
            }
            _ => false,
        }),
        _ => unit.payload.iter().cloned().collect(),
    })
}

/// All lengths lie in one small buffer, of which each NAL unit is preceded by its slice.
fn length_prefixed(payload: &[Bytes], left_out: impl Fn(&Bytes) -> bool) -> SamplePieces {
    let kept: SmallVec<[&Bytes; 8]> = payload.iter().filter(|nal| !left_out(nal)).collect();
    let mut lengths = BytesMut::with_capacity(kept.len() * LENGTH);
    kept.iter().for_each(|nal| lengths.extend_from_slice(&(nal.len() as u32).to_be_bytes()));
    let mut lengths = lengths.freeze();
    kept.into_iter().flat_map(|nal| [lengths.split_to(LENGTH), nal.clone()]).collect()
}

#[cfg(test)]
pub(crate) mod tests;
