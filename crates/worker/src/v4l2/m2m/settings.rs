//! What an encoder is told before it begins.

use super::Wish;
use crate::v4l2::coding::{BITRATE, CODEC, GOP_SIZE, H264_I_PERIOD, REPEAT_HEADERS};

const B_FRAMES: u32 = CODEC + 202;
const BITRATE_MODE: u32 = CODEC + 206;
const FRAME_RATE_CONTROL: u32 = CODEC + 215;
const HEADER_MODE: u32 = CODEC + 216;
const SLICES: u32 = CODEC + 221;
pub(super) const LEVEL: u32 = CODEC + 359;
pub(super) const PROFILE: u32 = CODEC + 363;
const HEADERS_WITH_KEYFRAMES: u32 = CODEC + 644;

/// `V4L2_MPEG_VIDEO_H264_PROFILE_…`: constrained, which is what every player can and what the
/// software makes, and plain.
const BASELINES: [i32; 2] = [1, 0];
const CONSTANT: i32 = 1;
const WITH_THE_FRAME: i32 = 1;

/// The levels of H.264 (table A-1), in the order of the kernel's menu: macroblocks a second,
/// macroblocks of a picture, and 1000 bits a second at most.
const LEVELS: [(u64, u64, u64); 20] = [
    (1_485, 99, 64),
    (1_485, 99, 128),
    (3_000, 396, 192),
    (6_000, 396, 384),
    (11_880, 396, 768),
    (11_880, 396, 2_000),
    (19_800, 792, 4_000),
    (20_250, 1_620, 4_000),
    (40_500, 1_620, 10_000),
    (108_000, 3_600, 14_000),
    (216_000, 5_120, 20_000),
    (245_760, 8_192, 20_000),
    (245_760, 8_192, 50_000),
    (522_240, 8_704, 50_000),
    (589_824, 22_080, 135_000),
    (983_040, 36_864, 240_000),
    (2_073_600, 36_864, 240_000),
    (4_177_920, 139_264, 240_000),
    (8_355_840, 139_264, 480_000),
    (16_711_680, 139_264, 800_000),
];
/// Level 1b is marked in ways that players read differently.
const LEVEL_1B: usize = 1;

/// The lowest level that allows this, as the number of the kernel's menu; the highest if none does.
pub(super) fn level(wish: &Wish) -> usize {
    let blocks = |n: u32| u64::from(n.div_ceil(16));
    let (columns, rows) = (blocks(wish.width), blocks(wish.height));
    let (size, rate) = (columns * rows, columns * rows * u64::from(wish.fps));
    let longest = columns.max(rows);
    let fits = |&(_, (most, largest, kilobits)): &(usize, &(u64, u64, u64))| {
        rate <= *most
            && size <= *largest
            && longest * longest <= largest * 8
            && u64::from(wish.bitrate) <= kilobits * 1000
    };
    let levels = LEVELS.iter().enumerate().filter(|(n, _)| *n != LEVEL_1B);
    levels.clone().find(fits).map_or(LEVELS.len() - 1, |(n, _)| n)
}

/// A control, and the values that will do: the first that is taken is good.
pub(super) type Setting = (u32, Vec<i32>);

/// All that is said. Drivers take what they know, and the order serves those that are particular:
/// profile and level come first, for some refuse sizes and rates that the level does not allow.
pub(super) fn settings(wish: &Wish) -> Vec<Setting> {
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let levels = (level(wish)..LEVELS.len()).filter(|n| *n != LEVEL_1B).map(|n| n as i32).collect();
    vec![
        (PROFILE, BASELINES.to_vec()),
        (LEVEL, levels),
        (FRAME_RATE_CONTROL, vec![1]),
        (BITRATE_MODE, vec![CONSTANT]),
        (BITRATE, vec![number(wish.bitrate)]),
        (B_FRAMES, vec![0]),
        (GOP_SIZE, vec![wish.gop.into()]),
        (H264_I_PERIOD, vec![wish.gop.into()]),
        (SLICES, vec![0]),
        // Two names for one thing; a driver has one of them, or neither.
        (REPEAT_HEADERS, vec![1]),
        (HEADERS_WITH_KEYFRAMES, vec![1]),
        (HEADER_MODE, vec![WITH_THE_FRAME]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::h264::Colour;

    fn wish(width: u32, height: u32, fps: u16, bitrate: u32) -> Wish {
        Wish { width, height, fps, gop: 30, bitrate, colour: Colour::default() }
    }

    /// As people write it.
    fn named(wish: Wish) -> &'static str {
        let names = "1 1b 1.1 1.2 1.3 2 2.1 2.2 3 3.1 3.2 4 4.1 4.2 5 5.1 5.2 6 6.1 6.2";
        names.split(' ').nth(level(&wish)).unwrap()
    }

    #[test]
    fn the_level_is_the_lowest_that_allows_size_rate_and_bitrate() {
        for (w, h, fps, kilobits, expected) in [
            (176, 144, 15, 64, "1"),
            (176, 144, 15, 100, "1.1"),
            (320, 180, 15, 500, "1.3"),
            (640, 480, 30, 2_000, "3"),
            (1280, 720, 30, 2_500, "3.1"),
            (1280, 720, 30, 15_000, "3.2"),
            (1280, 720, 60, 4_000, "3.2"),
            (1920, 1080, 30, 6_000, "4"),
            (1920, 1080, 30, 21_000, "4.1"),
            (1920, 1080, 31, 6_000, "4.2"),
            (1920, 1080, 60, 8_000, "4.2"),
            (2560, 1440, 30, 8_000, "5"),
            (3840, 2160, 30, 12_000, "5.1"),
            (3840, 2160, 60, 12_000, "5.2"),
            (4096, 16, 1, 500, "4"),
            (8192, 8192, 240, 12_000, "6.2"),
        ] {
            assert_eq!(
                named(wish(w, h, fps, kilobits * 1000)),
                expected,
                "{w}x{h} at {fps}, {kilobits} kbit/s"
            );
        }
    }

    #[test]
    fn higher_levels_are_tried_where_a_driver_does_not_have_the_lowest() {
        let all = settings(&wish(176, 144, 15, 64_000));
        assert_eq!(all[1], (LEVEL, (0..20).filter(|n| *n != 1).collect()));
        assert_eq!(all[0], (PROFILE, vec![1, 0]));
    }
}
