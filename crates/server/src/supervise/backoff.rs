//! How long to wait before the next try.

use std::time::Duration;

/// Upper bound of the first delay; each further one doubles it.
const FIRST: Duration = Duration::from_millis(250);
/// No delay is longer.
pub(super) const CAP: Duration = Duration::from_secs(30);
/// Share of each delay that chance may take away, so that cameras that failed together do not
/// return together.
const JITTER: f64 = 0.6;

/// Exponential delays with jitter: 100–250 ms first, 12–30 s at last.
#[derive(Debug)]
pub(super) struct Backoff {
    tries: u32,
    rng: fastrand::Rng,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self { tries: 0, rng: fastrand::Rng::with_seed(seed) }
    }

    /// The delay before the next try.
    pub(super) fn next(&mut self) -> Duration {
        let full = FIRST.saturating_mul(1 << self.tries.min(16)).min(CAP);
        self.tries = self.tries.saturating_add(1);
        full.mul_f64(1.0 - JITTER * self.rng.f64())
    }

    /// Begins with the small delay again.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_cap_and_starts_over() {
        for seed in 0..200 {
            let mut b = Backoff::new(seed);
            for n in 0..12 {
                let full = (0.25 * f64::from(1 << n)).min(30.0);
                let got = b.next().as_secs_f64();
                assert!(got <= full + 1e-9 && got >= full * 0.4 - 1e-9, "try {n}: {got}");
            }
            b.reset();
            assert!(b.next() <= FIRST);
        }
    }

    #[test]
    fn cameras_that_failed_together_return_apart() {
        let delays: std::collections::BTreeSet<_> =
            (0..50).map(|seed| Backoff::new(seed).next().as_micros()).collect();
        assert!(delays.len() > 45);
    }
}
