//! Names of profiles and levels.

use media::{Codec, bits, h265};

/// Profile and level of a video codec, as people name them.
pub(super) fn profile(codec: &Codec) -> Option<(String, String)> {
    match codec {
        Codec::H264(Some(sets)) => {
            let [profile, flags, level] = sets.profile_level_id();
            Some((h264(profile, flags), h264_level(level, flags, profile)))
        }
        Codec::H265(Some(sets)) => hevc(sets),
        _ => None,
    }
}

/// ITU-T H.264 annex A; the flags are `constraint_set0_flag` first.
fn h264(profile: u8, flags: u8) -> String {
    match (profile, flags & 0x40 != 0) {
        (66, true) => "Constrained Baseline",
        (66, false) => "Baseline",
        (77, _) => "Main",
        (88, _) => "Extended",
        (100, _) if flags & 0x0c == 0x0c => "Constrained High",
        (100, _) => "High",
        (110, _) => "High 10",
        (122, _) => "High 4:2:2",
        (244, _) => "High 4:4:4",
        _ => return format!("profile {profile}"),
    }
    .to_owned()
}

/// Level 1b is 11 with a flag, but in the high profiles 9.
fn h264_level(level: u8, flags: u8, profile: u8) -> String {
    match level {
        9 => "1b".to_owned(),
        11 if flags & 0x10 != 0 && profile < 100 => "1b".to_owned(),
        _ if level.is_multiple_of(10) => (level / 10).to_string(),
        _ => format!("{}.{}", level / 10, level % 10),
    }
}

/// ITU-T H.265 §7.3.3: profile and level lie at fixed places at the head of the sequence parameter
/// set.
fn hevc(sets: &h265::ParameterSets) -> Option<(String, String)> {
    let rbsp = bits::rbsp(&sets.sps, 2);
    let name = match rbsp.get(1)? & 0x1f {
        1 => "Main".to_owned(),
        2 => "Main 10".to_owned(),
        3 => "Main Still Picture".to_owned(),
        4 => "Range Extensions".to_owned(),
        other => format!("profile {other}"),
    };
    let thirds = rbsp.get(12)? / 3;
    let level = if thirds.is_multiple_of(10) {
        (thirds / 10).to_string()
    } else {
        format!("{}.{}", thirds / 10, thirds % 10)
    };
    Some((name, level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::sync::Arc;

    #[test]
    fn names_what_cameras_send() {
        for (bytes, name) in [
            ([66, 0xc0, 31], ("Constrained Baseline", "3.1")),
            ([66, 0x00, 40], ("Baseline", "4")),
            ([77, 0x40, 30], ("Main", "3")),
            ([77, 0x10, 11], ("Main", "1b")),
            ([100, 0, 51], ("High", "5.1")),
            ([100, 0x0c, 31], ("Constrained High", "3.1")),
        ] {
            let [profile, flags, level] = bytes;
            assert_eq!(
                (h264(profile, flags).as_str(), h264_level(level, flags, profile).as_str()),
                name
            );
        }
    }

    #[test]
    fn names_what_x265_writes() {
        const SPS: &[u8] = &[
            0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00,
            0x00, 0x03, 0x00, 0x5d, 0xa0, 0x02, 0x80, 0x80, 0x2d, 0x16, 0x59, 0x59, 0xa4, 0x93,
            0x2b, 0x80, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x07, 0x82,
        ];
        let set = Bytes::from_static;
        let sets = h265::ParameterSets::parse(set(&[0x40, 1]), set(SPS), set(&[0x44, 1])).unwrap();
        assert_eq!(
            profile(&Codec::H265(Some(Arc::new(sets)))),
            Some(("Main".into(), "3.1".into()))
        );
    }
}
