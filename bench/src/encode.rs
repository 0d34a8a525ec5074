//! The cost of a frame in the worker.

use crate::{canvas::Canvas, spread::Spread};
use serde::Serialize;
use std::time::Duration;
use worker::{
    clock,
    encoder::{self, Encoder},
    pace::Pacer,
    picture::Picture,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    canvas: Canvas,
    /// Frames from one keyframe to the next
    #[arg(long, default_value_t = 30)]
    gop: u16,
    /// Bits a second
    #[arg(long, default_value_t = 2_500_000)]
    bitrate: u32,
    /// Frames to measure
    #[arg(long, default_value_t = 150)]
    frames: usize,
}

#[derive(Serialize)]
struct Report {
    draw_ms: Spread,
    encode_ms: Spread,
    capture_to_encoded_ms: Spread,
    bits_per_second: u64,
    largest_frame_bytes: usize,
    frames: usize,
    late_frames: u64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let report = measure(arguments)?;
    serde_json::to_writer_pretty(std::io::stdout().lock(), &report)?;
    Ok(())
}

fn measure(arguments: &Arguments) -> anyhow::Result<Report> {
    let Arguments { canvas, gop, bitrate, frames } = *arguments;
    let fps = canvas.fps;
    let mut picture = Picture::new(&canvas.named("bench"));
    let mut encoder = Encoder::new(encoder::Options { fps, gop, bitrate })?;
    let start = clock::mono();
    let mut pacer = Pacer::new(start, fps);
    let (mut drawing, mut encoding, mut both) = (Vec::new(), Vec::new(), Vec::new());
    let mut sizes: Vec<u64> = Vec::new();
    while drawing.len() < frames {
        clock::sleep_until(pacer.next());
        let now = clock::now();
        pacer.take(now.mono);
        let canvas = picture.draw(now);
        let drawn = clock::mono();
        let coded = encoder.encode(canvas, now.mono.since(start))?;
        let encoded = clock::mono();
        drawing.push(millis(drawn.since(now.mono)));
        encoding.push(millis(encoded.since(drawn)));
        both.push(millis(encoded.since(now.mono)));
        sizes.extend(coded.map(|c| c.payload.iter().map(|unit| unit.len() as u64).sum::<u64>()));
    }
    Ok(Report {
        draw_ms: Spread::of(drawing),
        encode_ms: Spread::of(encoding),
        capture_to_encoded_ms: Spread::of(both),
        bits_per_second: sizes.iter().sum::<u64>() * 8 * u64::from(fps) / frames as u64,
        largest_frame_bytes: sizes.iter().max().map_or(0, |n| *n as usize),
        frames: sizes.len(),
        late_frames: pacer.skipped(),
    })
}

fn millis(d: Duration) -> f64 {
    d.as_secs_f64() * 1000.0
}
