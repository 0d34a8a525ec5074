//! H.264 (ITU-T H.264, ISO/IEC 14496-10): what can be told without decoding.

mod colour;

use crate::{VideoParams, bits};
use bytes::Bytes;
pub use colour::with_colour;
use h264_reader::nal::sps::SeqParameterSet;
use h264_reader::rbsp::BitReader;

/// `nal_unit_type` (table 7-1) of the units that matter here.
pub mod nal {
    /// Coded slice of a picture that is no random access point.
    pub const SLICE: u8 = 1;
    /// Coded slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
    /// Filler data.
    pub const FILLER: u8 = 12;
}

/// A parameter set larger than this is refused; real ones are below 200 bytes.
const MAX_SET: usize = 4096;

/// The type of a NAL unit, 0 (unspecified) for an empty one.
pub fn nal_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |b| b & 0x1f)
}

/// Sequence and picture parameter set, with what the former says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParameterSets {
    /// Sequence parameter set NAL unit.
    pub sps: Bytes,
    /// Picture parameter set NAL unit.
    pub pps: Bytes,
    /// Size and rate of the picture.
    pub video: VideoParams,
}

/// The sampling of colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chroma {
    /// `chroma_format_idc`: 1 is 4:2:0.
    pub format: u8,
    /// Bits of a luma sample.
    pub luma_depth: u8,
    /// Bits of a chroma sample.
    pub chroma_depth: u8,
}

/// The meaning of samples as colours (§E.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Colour {
    /// Luma goes from 0 to 255 instead of 16 to 235.
    pub full_range: bool,
    /// `matrix_coefficients` of table E-5, if the stream says: 1 is BT.709, 5 and 6 are BT.601.
    pub matrix: Option<u8>,
}

/// Why parameter sets are unusable.
#[derive(Debug, thiserror::Error)]
pub enum H264Error {
    /// Longer than any real one, or empty.
    #[error("parameter set of {0} bytes")]
    Size(usize),
    /// The sequence parameter set cannot be read.
    #[error("bad sequence parameter set: {0}")]
    Sps(String),
}

impl ParameterSets {
    /// Reads a pair of parameter sets.
    ///
    /// # Errors
    /// If a set is empty, absurdly long, or the sequence parameter set breaks the syntax of
    /// §7.3.2.1.
    pub fn parse(sps: Bytes, pps: Bytes) -> Result<Self, H264Error> {
        for set in [&sps, &pps] {
            if set.is_empty() || set.len() > MAX_SET {
                return Err(H264Error::Size(set.len()));
            }
        }
        let rbsp = bits::rbsp(&sps, 1);
        let parsed = SeqParameterSet::from_bits(BitReader::new(&rbsp[..]))
            .map_err(|e| H264Error::Sps(format!("{e:?}")))?;
        let (width, height) =
            parsed.pixel_dimensions().map_err(|e| H264Error::Sps(format!("{e:?}")))?;
        if width == 0 || height == 0 {
            return Err(H264Error::Sps("nothing is left of the picture after cropping".into()));
        }
        Ok(Self {
            sps,
            pps,
            video: VideoParams {
                width,
                height,
                fps: fps(&parsed),
                max_reorder: max_reorder(&parsed),
            },
        })
    }

    /// Chroma format and bit depths, which only the high profiles tell (§7.3.2.1.1); parses the set
    /// again.
    pub fn chroma(&self) -> Option<Chroma> {
        let parsed =
            SeqParameterSet::from_bits(BitReader::new(&bits::rbsp(&self.sps, 1)[..])).ok()?;
        let chroma = parsed.profile_idc.has_chroma_info().then_some(parsed.chroma_info)?;
        let depth = |minus8: u8| minus8.saturating_add(8);
        Some(Chroma {
            format: chroma.chroma_format.to_u32() as u8 & 3,
            luma_depth: depth(chroma.bit_depth_luma_minus8),
            chroma_depth: depth(chroma.bit_depth_chroma_minus8),
        })
    }

    /// How samples become colours, as far as the stream says; parses the set again.
    pub fn colour(&self) -> Colour {
        let parsed = SeqParameterSet::from_bits(BitReader::new(&bits::rbsp(&self.sps, 1)[..])).ok();
        let signal = parsed.and_then(|sps| sps.vui_parameters?.video_signal_type);
        let matrix = signal
            .as_ref()
            .and_then(|s| s.colour_description.as_ref())
            .map(|c| c.matrix_coefficients);
        // 2 is the word for not saying.
        Colour {
            full_range: signal.is_some_and(|s| s.video_full_range_flag),
            matrix: matrix.filter(|m| *m != 2),
        }
    }

    /// `profile_idc`, constraint flags and `level_idc`: the six hex digits of `profile-level-id`
    /// (RFC 6184 §8.1).
    pub fn profile_level_id(&self) -> [u8; 3] {
        let at = |i| self.sps.get(i).copied().unwrap_or(0);
        [at(1), at(2), at(3)]
    }
}

fn fps(sps: &SeqParameterSet) -> Option<f64> {
    sps.fps().filter(|f| f.is_finite() && *f > 0.0 && *f <= 1000.0)
}

/// Baseline cannot reorder; other profiles may unless the bitstream restriction says otherwise
/// (§E.2.1).
fn max_reorder(sps: &SeqParameterSet) -> Option<u32> {
    let vui = sps.vui_parameters.as_ref();
    let told =
        vui.and_then(|v| v.bitstream_restrictions.as_ref()).map(|r| r.max_num_reorder_frames);
    told.or((sps.profile().profile_idc() == 66).then_some(0))
}

/// True if `payload` holds an IDR slice: decoding can start here.
pub fn is_key(payload: &[Bytes]) -> bool {
    payload.iter().any(|u| nal_type(u) == nal::IDR)
}

/// The last sequence and picture parameter set within an access unit.
pub fn find_sets(payload: &[Bytes]) -> Option<(&Bytes, &Bytes)> {
    let last = |ty| payload.iter().rev().find(|u| nal_type(u) == ty);
    Some((last(nal::SPS)?, last(nal::PPS)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What x264 writes for 1280x720 at 30 fps with `tune=zerolatency`.
    const SPS: &[u8] = &[
        0x67, 0x64, 0x00, 0x1f, 0xac, 0xb2, 0x00, 0xa0, 0x0b, 0x74, 0x20, 0x00, 0x00, 0x03, 0x00,
        0x20, 0x00, 0x00, 0x07, 0x91, 0xe3, 0x06, 0x49,
    ];

    #[test]
    fn reads_x264() {
        let sets = ParameterSets::parse(Bytes::from_static(SPS), Bytes::from_static(&[0x68, 0xea]))
            .unwrap();
        assert_eq!((sets.video.width, sets.video.height), (1280, 720));
        assert_eq!(sets.profile_level_id(), [0x64, 0x00, 0x1f]);
    }

    proptest! {
        #[test]
        fn never_panics(sps in prop::collection::vec(any::<u8>(), 0..64), cut in 0usize..23) {
            let _ = ParameterSets::parse(sps.clone().into(), Bytes::from_static(b"\x68"));
            let mut mixed = SPS[..cut].to_vec();
            mixed.extend(sps);
            let _ = ParameterSets::parse(mixed.into(), Bytes::from_static(b"\x68"));
        }
    }
}
