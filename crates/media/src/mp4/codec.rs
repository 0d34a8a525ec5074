//! The names of codecs with their parameters (RFC 6381), as playlists and browsers want them.

use crate::{Codec, aac::AudioSpecificConfig, h265};
use std::fmt::Write;

/// `avc1.64001f`, `hvc1.1.6.L93.B0`, `mp4a.40.2`, `opus`; `None` for what MP4 does not carry here.
pub fn codec_string(codec: &Codec) -> Option<String> {
    match codec {
        Codec::H264(Some(sets)) => {
            let [profile, constraints, level] = sets.profile_level_id();
            Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"))
        }
        Codec::H265(Some(sets)) => Some(hevc(sets)),
        Codec::Aac(aac) => Some(format!(
            "mp4a.40.{}",
            AudioSpecificConfig::parse(&aac.config).map_or(2, |c| c.announced)
        )),
        Codec::Opus { .. } => Some("opus".to_owned()),
        Codec::H264(None) | Codec::H265(None) | Codec::Mjpeg(_) | Codec::G711 { .. } => None,
    }
}

/// ISO/IEC 14496-15 §E.3: profile space and profile, compatibility with its bits turned round, tier
/// and level, and the constraint bytes without the zeros at their end.
fn hevc(sets: &h265::ParameterSets) -> String {
    let [profile, c0, c1, c2, c3, constraints @ .., level] = sets.description.profile_tier_level;
    let space = ["", "A", "B", "C"][usize::from(profile >> 6)];
    let compatibility = u32::from_be_bytes([c0, c1, c2, c3]).reverse_bits();
    let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
    let mut text = format!("hvc1.{space}{}.{compatibility:X}.{tier}{level}", profile & 0x1f);
    let used = constraints.iter().rposition(|c| *c != 0).map_or(0, |i| i + 1);
    for byte in &constraints[..used] {
        // Writing to a string cannot fail.
        let _ = write!(text, ".{byte:X}");
    }
    text
}
