use super::*;
use media::{Mono, Wall};

fn at(millis: u64) -> ClockPair {
    ClockPair {
        mono: Mono::from_nanos(millis * 1_000_000),
        wall: Wall::from_micros(1_754_000_000_123_456 + millis as i64 * 1000),
    }
}

fn picture(width: usize, height: usize, noise: u8) -> Picture {
    Picture::new(&Options { name: "front-door_2".into(), width, height, fps: 30, noise })
}

#[test]
fn redrawing_what_moves_equals_drawing_everything_anew() {
    for (width, height) in [(1280, 720), (322, 182), (160, 90), (720, 1280)] {
        let mut long = picture(width, height, 0);
        for i in 0..100 {
            long.draw(at(i * 33));
        }
        let mut fresh = picture(width, height, 0);
        fresh.frames = long.frames;
        assert!(
            long.draw(at(5000)).as_bytes() == fresh.draw(at(5000)).as_bytes(),
            "{width}x{height}"
        );
    }
}

#[test]
fn every_frame_carries_its_capture_time_and_number() {
    let mut picture = picture(1280, 720, 20);
    for i in 0..70 {
        let now = at(i * 33);
        let canvas = picture.draw(now);
        let stamp = Stamp::read(canvas.planes()[0], 1280, 720, 1280).unwrap();
        assert_eq!(stamp, Stamp { millis: (now.wall.as_micros() / 1000) as u32, frame: i as u16 });
    }
}

#[test]
fn consecutive_frames_differ_where_people_look() {
    let mut picture = picture(640, 360, 0);
    let below_the_clocks = 640 * 360 * 31 / 45;
    let one = picture.draw(at(100)).planes()[0][below_the_clocks..].to_vec();
    let two = &picture.draw(at(133)).planes()[0][below_the_clocks..];
    assert!(one.iter().zip(two).filter(|(a, b)| a != b).count() > 100);
}

#[test]
fn a_tiny_picture_does_not_panic() {
    for (width, height) in [(0, 0), (2, 2), (16, 16), (80, 46)] {
        let mut picture = picture(width, height, 60);
        picture.draw(at(0));
        picture.draw(at(40));
    }
}
