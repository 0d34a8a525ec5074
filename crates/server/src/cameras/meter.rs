//! Rates over the last seconds, from counters that only rise.

use media::Mono;
use std::{collections::VecDeque, time::Duration};

/// How far back a rate looks: long enough to be steady at 5 fps, short enough to show a drop at
/// once.
const WINDOW: Duration = Duration::from_secs(3);
/// Bounds the memory however often samples come.
const MAX_SAMPLES: usize = 64;

/// What is counted.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(crate) struct Rates {
    /// Video frames a second.
    pub(crate) fps: f64,
    /// Payload bits a second.
    pub(crate) bitrate: f64,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Mono,
    frames: u64,
    bytes: u64,
}

/// Samples of the last [`WINDOW`].
#[derive(Default, Debug)]
pub(super) struct Meter {
    samples: VecDeque<Sample>,
}

impl Meter {
    /// Takes note of the counters at `now`.
    pub(super) fn sample(&mut self, now: Mono, frames: u64, bytes: u64) {
        // The oldest sample kept is the newest one that is a whole window old.
        while self.samples.get(1).is_some_and(|s| now.since(s.at) >= WINDOW)
            || self.samples.len() >= MAX_SAMPLES
        {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at: now, frames, bytes });
    }

    /// Rates over the window, or over as much of it as there is.
    pub(super) fn rates(&self) -> Rates {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return Rates::default();
        };
        let seconds = last.at.since(first.at).as_secs_f64();
        if seconds <= 0.0 {
            return Rates::default();
        }
        let rate = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
        Rates { fps: rate(first.frames, last.frames), bitrate: rate(first.bytes, last.bytes) * 8.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_steady_stream_has_a_steady_rate_and_silence_shows_within_the_window() {
        let mut meter = Meter::default();
        assert_eq!(meter.rates(), Rates::default());
        let frames = |ms: u64| ms.min(10_000) * 30 / 1000;
        for ms in (0..=10_000).step_by(100) {
            meter.sample(at(ms), frames(ms), frames(ms) * 1000);
        }
        assert!((meter.rates().fps - 30.0).abs() < 0.5, "{:?}", meter.rates());
        assert!((meter.rates().bitrate - 240_000.0).abs() < 4000.0);
        for ms in (10_100..=13_100).step_by(100) {
            meter.sample(at(ms), frames(ms), 0);
        }
        assert_eq!(meter.rates(), Rates::default());
    }

    #[test]
    fn samples_are_bounded() {
        let mut meter = Meter::default();
        (0..10_000).for_each(|ms| meter.sample(at(ms), ms, ms));
        assert!(meter.samples.len() <= MAX_SAMPLES);
    }
}
