//! One camera as all its viewers in a shard see it: what they have in common.

use super::stats::CameraStats;
use hub::Stream;
use media::Mono;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

/// A fault that repeats is told at most this often.
const REMIND: Duration = Duration::from_secs(1);
/// Over which the bitrate is averaged.
const RATE_SPAN: Duration = Duration::from_secs(1);

/// A camera with viewers in this shard.
pub(super) struct Feed {
    pub(super) stream: Arc<Stream>,
    pub(super) stats: Arc<CameraStats>,
    reminded: Option<Mono>,
    rate: Rate,
}

#[derive(Default)]
struct Rate {
    from: Option<(Mono, u64)>,
    bytes_per_second: f64,
}

impl Feed {
    pub(super) fn new(stream: Arc<Stream>, stats: Arc<CameraStats>) -> Self {
        Self { stream, stats, reminded: None, rate: Rate::default() }
    }

    /// Counts a frame that browsers cannot show in its place, and says so.
    pub(super) fn handle_b_frame(&mut self, now: Mono) {
        self.stats.b_frames.fetch_add(1, Relaxed);
        self.stats.has_b_frames.store(true, Relaxed);
        if self.reminded.is_none_or(|at| now.since(at) >= REMIND) {
            self.reminded = Some(now);
            tracing::warn!(
                camera = %self.stream.name(),
                left_out = self.stats.b_frames.load(Relaxed),
                "this camera sends B-frames, which WebRTC cannot carry: they are left out, and motion looks less smooth; \
                 switch them off in the camera or encoder (x264: -tune zerolatency or -bf 0)"
            );
        }
    }

    /// What the camera sends, in bytes a second.
    pub(super) fn rate(&mut self, now: Mono) -> f64 {
        let bytes = self.stream.stats().bytes;
        let rate = &mut self.rate;
        let (at, before) = *rate.from.get_or_insert((now, bytes));
        if now.since(at) >= RATE_SPAN {
            rate.bytes_per_second =
                bytes.saturating_sub(before) as f64 / now.since(at).as_secs_f64();
            rate.from = Some((now, bytes));
        }
        rate.bytes_per_second
    }
}
