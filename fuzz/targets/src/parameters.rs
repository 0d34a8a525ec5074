//! Parameter sets and byte streams of H.264 and H.265, and AAC's configuration.

use bytes::Bytes;
use media::{aac::AudioSpecificConfig, bits, h264, h265};

/// Takes the bytes as a parameter set of every kind, and as a byte stream.
///
/// # Panics
/// If a parsed picture has no size, or a byte stream is not cut into NAL units without start codes.
pub fn parameters(data: &[u8]) {
    let whole = Bytes::copy_from_slice(data);
    let other = Bytes::from_static(&[0x68, 0xee]);
    if let Ok(sets) = h264::ParameterSets::parse(whole.clone(), other.clone()) {
        assert!(sets.video.width > 0 && sets.video.height > 0);
        assert!(sets.video.fps.is_none_or(|fps| fps > 0.0 && fps <= 1000.0));
        sets.profile_level_id();
    }
    let colour = h264::Colour { full_range: true, matrix: Some(6) };
    if let Some(told) = h264::with_colour(data, colour) {
        assert_eq!(h264::with_colour(&told, colour).as_ref(), Some(&told));
    }
    if let Ok(sets) = h265::ParameterSets::parse(other.clone(), whole.clone(), other) {
        assert!(sets.video.width > 0 && sets.video.height > 0);
    }
    if let Some(config) = AudioSpecificConfig::parse(data) {
        assert!(
            config.core_rate > 0
                && config.rate > 0
                && config.channels > 0
                && config.frame_ticks(48_000) >= 0
        );
    }
    let units: Vec<_> = bits::split_annex_b(&whole).collect();
    for unit in &units {
        assert!(
            !unit.is_empty() && unit.last() != Some(&0) && !unit.windows(3).any(|w| w == [0, 0, 1])
        );
        assert!(bits::rbsp(unit, 1).len() <= unit.len());
    }
    h264::is_key(&units);
    h265::find_sets(&units);
}
