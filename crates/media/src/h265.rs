//! H.265 (ITU-T H.265, ISO/IEC 23008-2): what can be told without decoding.

use crate::{VideoParams, bits};
use bytes::Bytes;

/// `nal_unit_type` (table 7-1) of the units that matter here.
pub mod nal {
    /// First of the random access types (BLA, IDR, CRA).
    pub const IRAP_FIRST: u8 = 16;
    /// Last of the random access types.
    pub const IRAP_LAST: u8 = 23;
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const AUD: u8 = 35;
}

/// A parameter set larger than this is refused.
const MAX_SET: usize = 4096;

/// The type of a NAL unit (§7.3.1.2), 48 (unspecified) for an empty one.
pub fn nal_type(unit: &[u8]) -> u8 {
    unit.first().map_or(48, |b| (b >> 1) & 0x3f)
}

/// Video, sequence and picture parameter set, with what the second says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParameterSets {
    /// Video parameter set NAL unit.
    pub vps: Bytes,
    /// Sequence parameter set NAL unit.
    pub sps: Bytes,
    /// Picture parameter set NAL unit.
    pub pps: Bytes,
    /// Size and rate of the picture.
    pub video: VideoParams,
    /// What containers repeat of the sequence parameter set.
    pub description: Description,
}

/// What containers repeat of the sequence parameter set.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Description {
    /// Profile space, tier and profile, compatibility flags, constraint flags and level, bit by bit
    /// as they stand (§7.3.3).
    pub profile_tier_level: [u8; 12],
    /// Temporal sub-layers, at least one.
    pub sub_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub nested: bool,
    /// `chroma_format_idc`: 1 is 4:2:0.
    pub chroma_format: u8,
    /// Bits of a luma sample.
    pub luma_depth: u8,
    /// Bits of a chroma sample.
    pub chroma_depth: u8,
}

/// Why parameter sets are unusable.
#[derive(Debug, thiserror::Error)]
pub enum H265Error {
    /// Longer than any real one, or empty.
    #[error("parameter set of {0} bytes")]
    Size(usize),
    /// The sequence parameter set cannot be read.
    #[error("bad sequence parameter set")]
    Sps,
}

impl ParameterSets {
    /// Reads the three parameter sets.
    ///
    /// # Errors
    /// If a set is empty, absurdly long, or the sequence parameter set breaks the syntax of
    /// §7.3.2.2.
    pub fn parse(vps: Bytes, sps: Bytes, pps: Bytes) -> Result<Self, H265Error> {
        for set in [&vps, &sps, &pps] {
            if set.is_empty() || set.len() > MAX_SET {
                return Err(H265Error::Size(set.len()));
            }
        }
        let (video, description) = read_sps(&bits::rbsp(&sps, 2)).ok_or(H265Error::Sps)?;
        Ok(Self { vps, sps, pps, video, description })
    }
}

/// The head of a sequence parameter set (§7.3.2.2.1) down to the sub-layer ordering info; the rest
/// is for decoders.
fn read_sps(rbsp: &[u8]) -> Option<(VideoParams, Description)> {
    let mut r = bits::BitReader::new(rbsp);
    r.skip(4)?; // sps_video_parameter_set_id
    let sub_layers = r.bits(3)?; // minus 1
    let nested = r.bits(1)? == 1;
    let profile_tier_level = *rbsp.get(1..)?.first_chunk()?;
    skip_profile_tier_level(&mut r, sub_layers)?;
    r.ue()?; // sps_seq_parameter_set_id
    let chroma = r.ue()?;
    if chroma == 3 {
        r.skip(1)?; // separate_colour_plane_flag
    }
    let (width, height) = (r.ue()?, r.ue()?);
    let (crop_x, crop_y) =
        if r.bits(1)? == 1 { conformance_window(&mut r, chroma)? } else { (0, 0) };
    let mut depth = || r.ue().filter(|minus8| *minus8 <= 8).map(|minus8| minus8 as u8 + 8);
    let (luma_depth, chroma_depth) = (depth()?, depth()?);
    r.ue()?; // log2_max_pic_order_cnt_lsb_minus4
    let first = if r.bits(1)? == 1 { 0 } else { sub_layers };
    let mut max_reorder = 0;
    for _ in first..=sub_layers {
        r.ue()?; // sps_max_dec_pic_buffering_minus1
        max_reorder = r.ue()?;
        r.ue()?; // sps_max_latency_increase_plus1
    }
    let (width, height) = (width.checked_sub(crop_x)?, height.checked_sub(crop_y)?);
    let video = VideoParams { width, height, fps: None, max_reorder: Some(max_reorder) };
    let (sub_layers, chroma_format) = (sub_layers as u8 + 1, chroma as u8 & 3);
    let description = Description {
        profile_tier_level,
        sub_layers,
        nested,
        chroma_format,
        luma_depth,
        chroma_depth,
    };
    (width > 0 && height > 0).then_some((video, description))
}

/// Columns and rows to cut off, in luma samples (§7.4.3.2.1).
fn conformance_window(r: &mut bits::BitReader<'_>, chroma: u32) -> Option<(u32, u32)> {
    let (sub_width, sub_height) = match chroma {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let [left, right, top, bottom] = [r.ue()?, r.ue()?, r.ue()?, r.ue()?];
    Some((
        left.checked_add(right)?.checked_mul(sub_width)?,
        top.checked_add(bottom)?.checked_mul(sub_height)?,
    ))
}

/// §7.3.3 with `profilePresentFlag` set.
fn skip_profile_tier_level(r: &mut bits::BitReader<'_>, sub_layers: u32) -> Option<()> {
    r.skip(96)?; // general profile (88 bits) and level (8)
    let mut present = 0;
    for _ in 0..sub_layers {
        present += r.bits(1)? * 88 + r.bits(1)? * 8;
    }
    if sub_layers > 0 {
        r.skip(2 * (8 - sub_layers))?;
    }
    r.skip(present)
}

/// True if `payload` holds a random access picture (IDR, CRA or BLA).
pub fn is_key(payload: &[Bytes]) -> bool {
    payload.iter().any(|u| (nal::IRAP_FIRST..=nal::IRAP_LAST).contains(&nal_type(u)))
}

/// The last video, sequence and picture parameter set within an access unit.
pub fn find_sets(payload: &[Bytes]) -> Option<(&Bytes, &Bytes, &Bytes)> {
    let last = |ty| payload.iter().rev().find(|u| nal_type(u) == ty);
    Some((last(nal::VPS)?, last(nal::SPS)?, last(nal::PPS)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What x265 writes for 1280x720.
    const SPS: &[u8] = &[
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00,
        0x03, 0x00, 0x5d, 0xa0, 0x02, 0x80, 0x80, 0x2d, 0x16, 0x59, 0x59, 0xa4, 0x93, 0x2b, 0x80,
        0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x07, 0x82,
    ];

    #[test]
    fn reads_x265() {
        let set = |b: &'static [u8]| Bytes::from_static(b);
        let sets = ParameterSets::parse(set(&[0x40, 1]), set(SPS), set(&[0x44, 1])).unwrap();
        assert_eq!((sets.video.width, sets.video.height), (1280, 720));
    }

    proptest! {
        #[test]
        fn never_panics(tail in prop::collection::vec(any::<u8>(), 0..64), cut in 0usize..40) {
            let mut sps = SPS[..cut].to_vec();
            sps.extend(tail);
            let _ = ParameterSets::parse(Bytes::from_static(b"\x40"), sps.into(), Bytes::from_static(b"\x44"));
        }
    }
}
