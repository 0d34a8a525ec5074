//! How much may be sent again: enough for any loss that can be repaired, but no storm on a link that is simply too thin.

use media::Mono;

/// Bytes of repairs that may go out at once: a lost second of a thin stream, or half a keyframe of a fat one.
const BURST: f64 = 128.0 * 1024.0;
/// Repairs may take this much on top of what the stream itself sends; at 30 % loss pictures are beyond repair.
const SHARE: f64 = 0.5;
/// And this much, in bytes a second, however thin the stream.
const FLOOR: f64 = 32.0 * 1024.0;

/// A token bucket for resends, filled by what is sent the first time.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResendBudget {
    tokens: f64,
    at: Mono,
}

impl ResendBudget {
    /// A full budget.
    pub(super) const fn new(now: Mono) -> Self {
        Self { tokens: BURST, at: now }
    }

    /// Counts bytes sent the first time.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.tokens = (self.tokens + bytes as f64 * SHARE).min(BURST);
    }

    /// True if a resend of `bytes` may go out.
    pub(super) fn allow(&mut self, now: Mono, bytes: usize) -> bool {
        self.tokens = (self.tokens + now.since(self.at).as_secs_f64() * FLOOR).min(BURST);
        self.at = now;
        let allowed = self.tokens >= bytes as f64;
        if allowed {
            self.tokens -= bytes as f64;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1200;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    /// Share of resends refused when a stream of 300 packets a second loses `loss` of everything, in 20 seconds.
    fn refused(seed: u64, loss: f64) -> f64 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut budget = ResendBudget::new(at(0));
        let (mut asked, mut refused) = (0, 0);
        for ms in (0..20_000).step_by(10) {
            for _ in 0..3 {
                budget.sent(PACKET);
                while rng.f64() < loss {
                    asked += 1;
                    refused += u32::from(!budget.allow(at(ms), PACKET));
                }
            }
        }
        f64::from(refused) / f64::from(asked.max(1))
    }

    #[test]
    fn ordinary_losses_are_always_repaired() {
        for seed in 0..20 {
            assert_eq!(refused(seed, 0.03), 0.0);
            assert_eq!(refused(seed, 0.10), 0.0);
            assert_eq!(refused(seed, 0.25), 0.0);
        }
    }

    #[test]
    fn a_storm_is_not_fed() {
        assert!(refused(1, 0.7) > 0.5);
    }
}
