//! The bitrate of one viewer, from what is noted once a second.

use media::Mono;

/// As many seconds and a little more are looked at: long enough for an even number, short enough to
/// show a change.
const SAMPLES: usize = 4;
/// Nothing can be said of less time than this, in seconds.
const LEAST: f64 = 0.1;

/// Bytes sent at a few moments, in a ring.
pub(super) struct SendMeter {
    samples: [(Mono, u64); SAMPLES],
    oldest: usize,
}

impl SendMeter {
    pub(super) fn new(now: Mono) -> Self {
        Self { samples: [(now, 0); SAMPLES], oldest: 0 }
    }

    /// Takes note of all bytes sent until `now`.
    pub(super) fn sample(&mut self, now: Mono, bytes: u64) {
        self.samples[self.oldest] = (now, bytes);
        self.oldest = (self.oldest + 1) % SAMPLES;
    }

    /// Bits a second from the oldest note until `now`.
    pub(super) fn bitrate(&self, now: Mono, bytes: u64) -> f64 {
        let (since, before) = self.samples[self.oldest];
        let seconds = now.since(since).as_secs_f64();
        match seconds >= LEAST {
            true => bytes.saturating_sub(before) as f64 * 8.0 / seconds,
            false => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_known_at_once_and_follows_within_seconds() {
        let at = |ms: u64| Mono::from_nanos(ms * 1_000_000);
        let mut meter = SendMeter::new(at(0));
        assert_eq!(meter.bitrate(at(0), 1000), 0.0, "too soon to tell");
        assert_eq!(meter.bitrate(at(500), 125_000), 2e6);
        (1..=20).for_each(|s| meter.sample(at(s * 1000), s * 250_000));
        assert_eq!(meter.bitrate(at(20_500), 20_500 * 250), 2e6);
        (21..=24).for_each(|s| meter.sample(at(s * 1000), 5_000_000));
        assert_eq!(meter.bitrate(at(24_500), 5_000_000), 0.0);
    }
}
