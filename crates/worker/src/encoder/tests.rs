use super::*;
use crate::picture::{self, Picture, clock::Stamp};
use media::{ClockPair, Mono, Wall};
use openh264::{decoder::Decoder, formats::YUVSource};

const FPS: u16 = 30;

fn at(frame: u64) -> ClockPair {
    let nanos = frame * 1_000_000_000 / u64::from(FPS);
    ClockPair {
        mono: Mono::from_nanos(nanos),
        wall: Wall::from_micros(1_754_000_000_000_000 + nanos as i64 / 1000),
    }
}

fn picture(width: usize, height: usize, noise: u8) -> Picture {
    Picture::new(&picture::Options { name: "test".into(), width, height, fps: FPS, noise })
}

/// Encodes `frames` frames, calling `each` before every one.
fn encode(
    picture: &mut Picture,
    options: Options,
    frames: u64,
    mut each: impl FnMut(u64, &mut Encoder),
) -> Vec<Coded> {
    let mut encoder = Encoder::new(options).unwrap();
    let mut one = |i| {
        each(i, &mut encoder);
        let now = at(i);
        encoder
            .encode(picture.draw(now), now.mono.since(Mono::default()))
            .unwrap()
            .expect("no frame is left out")
    };
    (0..frames).map(&mut one).collect()
}

fn types(coded: &Coded) -> Vec<u8> {
    coded.payload.iter().map(|unit| h264::nal_type(unit)).collect()
}

#[test]
fn keyframes_come_with_the_gop_and_on_demand_and_carry_their_parameter_sets() {
    let options = Options { fps: FPS, gop: 20, bitrate: 1_000_000 };
    let frames = encode(&mut picture(640, 360, 0), options, 60, |i, encoder| {
        if i == 7 {
            encoder.force_keyframe();
        }
    });
    let keys: Vec<_> = frames.iter().enumerate().filter(|(_, f)| f.key).map(|(i, _)| i).collect();
    assert_eq!(keys[..2], [0, 7]);
    assert!(keys.windows(2).all(|pair| pair[1] - pair[0] <= 20), "{keys:?}");
    for frame in &frames {
        let expected: &[u8] = if frame.key {
            &[h264::nal::SPS, h264::nal::PPS, h264::nal::IDR]
        } else {
            &[h264::nal::SLICE]
        };
        assert_eq!(types(frame), expected);
    }
    let (sps, pps) = h264::find_sets(&frames[0].payload).unwrap();
    let sets = h264::ParameterSets::parse(sps.clone(), pps.clone()).unwrap();
    assert_eq!((sets.video.width, sets.video.height, sets.video.max_reorder), (640, 360, Some(0)));
    assert_eq!(sets.profile_level_id()[0], 66);
}

/// Mean bits a second of `frames`.
fn rate(frames: &[Coded]) -> f64 {
    let bytes: usize = frames.iter().flat_map(|f| &f.payload).map(Bytes::len).sum();
    bytes as f64 * 8.0 * f64::from(FPS) / frames.len() as f64
}

#[test]
fn the_bitrate_is_kept() {
    let options = Options { fps: FPS, gop: 300, bitrate: 2_000_000 };
    let frames = encode(&mut picture(640, 360, 50), options, 120, |_, _| {});
    let rate = rate(&frames[30..]);
    assert!((1_600_000.0..2_400_000.0).contains(&rate), "{rate}");
    assert_eq!(frames.iter().filter(|f| f.key).count(), 1);
}

/// Luma of half the size, each pixel the mean of four.
fn halved(luma: &[u8], width: usize, height: usize, stride: usize) -> Vec<u8> {
    let pixel = |x: usize, y: usize| u32::from(luma[y * stride + x]);
    let mean =
        |x, y| ((pixel(x, y) + pixel(x + 1, y) + pixel(x, y + 1) + pixel(x + 1, y + 1)) / 4) as u8;
    (0..height / 2)
        .flat_map(|y| (0..width / 2).map(move |x| (x, y)))
        .map(|(x, y)| mean(2 * x, 2 * y))
        .collect()
}

#[test]
fn the_clock_survives_one_megabit_and_half_the_size() {
    let (width, height) = (1280, 720);
    let options = Options { fps: FPS, gop: 30, bitrate: 1_000_000 };
    let frames = encode(&mut picture(width, height, 0), options, 90, |_, _| {});
    let bitrate = rate(&frames);
    assert!(bitrate < 1_300_000.0, "{bitrate}");
    let mut decoder = Decoder::new().unwrap();
    for (i, frame) in frames.iter().enumerate() {
        let stream: Vec<u8> =
            frame.payload.iter().flat_map(|unit| [&[0, 0, 0, 1], &unit[..]].concat()).collect();
        let shown = decoder.decode(&stream).unwrap().expect("every frame is shown at once");
        let stride = shown.strides().0;
        let stamp =
            Stamp { millis: (at(i as u64).wall.as_micros() / 1000) as u32, frame: i as u16 };
        assert_eq!(Stamp::read(shown.y(), width, height, stride), Some(stamp));
        let small = halved(shown.y(), width, height, stride);
        assert_eq!(Stamp::read(&small, width / 2, height / 2, width / 2), Some(stamp), "half size");
    }
}
