use super::*;
use crate::{
    decoder::{Decoded, Decoder},
    encoder::{Encoder, Options},
    picture::{self, Picture},
};
use media::{ClockPair, Wall};
use proto::ipc::Coded;

const FPS: u64 = 30;
const SIZE: (usize, usize) = (320, 180);

fn at(frame: u64) -> Mono {
    Mono::from_nanos(frame * 1_000_000_000 / FPS)
}

/// A picture with something in it, all of it with the grain of a sensor, as it was at one moment.
fn scene() -> I420 {
    let options =
        picture::Options { name: "still".into(), width: SIZE.0, height: SIZE.1, fps: 30, noise: 0 };
    let mut scene = Picture::new(&options)
        .draw(ClockPair { mono: Mono::default(), wall: Wall::default() })
        .clone();
    grain(&mut scene, 4, 1);
    scene
}

/// Noise of up to so many steps both ways.
fn grain(picture: &mut I420, steps: u8, seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let [(luma, ..), ..] = picture.planes_mut();
    for sample in luma {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (state >> 40) as u8 % (2 * steps + 1);
        *sample = sample.saturating_add(noise).saturating_sub(steps);
    }
}

/// Looks at the keyframes of what `draw` draws, coded and decoded.
fn watched(seconds: u64, gop: u16, bitrate: u32, draw: impl Fn(u64, &mut I420)) -> Look {
    let mut encoder = Encoder::new(Options { fps: FPS as u16, gop, bitrate }).unwrap();
    let (mut decoder, mut decoded, mut watch) =
        (Decoder::new().unwrap(), None::<Decoded>, Watch::default());
    let scene = scene();
    for frame in 0..seconds * FPS {
        let (mut picture, now) = (scene.clone(), at(frame));
        draw(frame, &mut picture);
        let Some(coded) = encoder.encode(&picture, now.since(Mono::default())).unwrap() else {
            continue;
        };
        let key = coded.key;
        let coded = Coded {
            pts: frame as i64,
            key,
            show: true,
            captured: now,
            received: now,
            payload: coded.payload,
        };
        if decoder.decode(&coded, &mut decoded).unwrap() && key {
            watch.look(now, &decoded.as_ref().unwrap().picture);
        }
    }
    watch.found().unwrap()
}

/// The same, and for how many seconds the picture has been still at the end.
fn still_for(seconds: u64, gop: u16, bitrate: u32, draw: impl Fn(u64, &mut I420)) -> f64 {
    let found = watched(seconds, gop, bitrate, draw);
    found.newest.since(found.since).as_secs_f64()
}

#[test]
fn a_still_picture_is_still_once_its_encoder_has_settled() {
    for (gop, bitrate) in [(30, 2_000_000), (60, 2_000_000), (30, 300_000)] {
        let found = watched(40, gop, bitrate, |_, _| {});
        let still = found.newest.since(found.since).as_secs_f64();
        assert!(still >= 12.0, "gop {gop}, {bitrate} bit/s: {still}");
        assert_eq!(found.moved, None, "that it settles is no movement");
    }
}

#[test]
fn the_noise_of_a_sensor_is_seen_at_every_bitrate() {
    for (steps, bitrate) in [(3, 2_000_000), (1, 2_000_000), (3, 150_000), (1, 150_000)] {
        let still = still_for(12, 15, bitrate, |frame, picture| grain(picture, steps, frame + 2));
        assert!(still < 2.0, "±{steps} at {bitrate} bit/s: {still}");
    }
}

/// A rectangle in this luma.
fn fill(picture: &mut I420, (x, y, w, h): (usize, usize, usize, usize), to: u8) {
    let width = picture.width();
    let [(luma, ..), ..] = picture.planes_mut();
    luma.chunks_exact_mut(width).skip(y).take(h).for_each(|row| row[x..x + w].fill(to));
}

#[test]
fn something_small_that_changes_is_seen_without_any_noise() {
    let clock = |frame: u64, picture: &mut I420| {
        fill(picture, (40, 30, 20, 10), 20);
        fill(picture, (42 + (frame / FPS) as usize % 3 * 6, 32, 4, 6), 230);
    };
    let light = |frame: u64, picture: &mut I420| {
        fill(picture, (100, 100, 4, 4), if (frame / FPS).is_multiple_of(2) { 40 } else { 220 });
    };
    let walker =
        |frame: u64, picture: &mut I420| fill(picture, (20 + frame as usize / 10, 90, 3, 8), 60);
    assert!(still_for(20, 15, 2_000_000, clock) < 3.0);
    assert!(still_for(20, 15, 2_000_000, light) < 3.0);
    assert!(still_for(20, 15, 2_000_000, walker) < 3.0);
}

#[test]
fn raw_pictures_are_still_while_they_are_the_same_to_the_last_sample() {
    let (mut watch, mut picture) = (Watch::default(), scene());
    let found = |watch: &Watch| watch.found().map(|f| (f.since, f.newest, f.moved));
    assert_eq!(found(&watch), None);
    for frame in 0..=30 {
        watch.look(at(frame), &picture);
    }
    assert_eq!(found(&watch), Some((at(0), at(24), None)), "a look every quarter of a second");
    let [(luma, ..), ..] = picture.planes_mut();
    luma[777] ^= 1;
    watch.look(at(40), &picture);
    assert_eq!(
        found(&watch),
        Some((at(40), at(40), None)),
        "near, which an encoder could have made"
    );
    watch.look(at(50), &I420::new(64, 48));
    watch.look(at(60), &I420::new(64, 48));
    assert_eq!(found(&watch), Some((at(50), at(60), Some(at(50)))));
}

#[test]
fn noise_is_movement_beyond_doubt_after_a_while_and_anything_larger_at_once() {
    let (mut watch, mut picture) = (Watch::default(), scene());
    for look in 0..=LIVELY {
        assert_eq!(watch.found().and_then(|found| found.moved), None);
        grain(&mut picture, 1, u64::from(look) + 2);
        watch.look(at(u64::from(look) * FPS), &picture);
    }
    assert_eq!(watch.found().and_then(|found| found.moved), Some(at(u64::from(LIVELY) * FPS)));
    fill(&mut picture, (50, 50, 6, 6), 255);
    watch.look(at(20 * FPS), &picture);
    assert_eq!(watch.found().and_then(|found| found.moved), Some(at(20 * FPS)));
}

#[test]
fn sizes_that_squares_do_not_fill_are_no_panic() {
    for (w, h) in [(2, 2), (10, 6), (0, 0), (18, 34)] {
        let mut watch = Watch::default();
        watch.look(at(0), &I420::new(w, h));
        watch.look(at(30), &I420::new(w, h));
        assert_eq!(watch.found().map(|f| f.moved), Some(None));
    }
}
