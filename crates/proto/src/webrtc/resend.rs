//! What is sent again, how often and how much: enough for any loss that can be repaired, but no
//! storm on a link that is simply too thin.

use media::Mono;
use std::{collections::VecDeque, time::Duration};

/// Bytes of repairs that may go out at once: a lost second of a thin stream, or half a keyframe of
/// a fat one.
const BURST: f64 = 128.0 * 1024.0;
/// What unasked repairs leave of them: a lost keyframe, repeated thrice, must not take what the next one is
/// repaired with.
const LEFT_BY_REDUNDANT: f64 = BURST / 2.0;
/// Repairs may take this much on top of what the stream itself sends; at 30 % loss pictures are
/// beyond repair.
const SHARE: f64 = 0.5;
/// And this much, in bytes a second, however thin the stream.
const FLOOR: f64 = 32.0 * 1024.0;

/// Why something is sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResendCause {
    /// The browser asked for it.
    Asked,
    /// The repair may be lost, too.
    Redundant,
}

/// A token bucket for resends, filled by what is sent the first time.
#[derive(Clone, Copy, Debug)]
pub struct ResendBudget {
    tokens: f64,
    at: Mono,
}

impl ResendBudget {
    /// A full budget.
    pub const fn new(now: Mono) -> Self {
        Self { tokens: BURST, at: now }
    }

    /// Counts bytes sent the first time.
    #[inline]
    pub fn sent(&mut self, bytes: usize) {
        self.tokens = (self.tokens + bytes as f64 * SHARE).min(BURST);
    }

    /// True if a resend of `bytes` may go out.
    #[inline]
    pub fn allow(&mut self, now: Mono, bytes: usize, cause: ResendCause) -> bool {
        self.tokens = (self.tokens + now.since(self.at).as_secs_f64() * FLOOR).min(BURST);
        self.at = now;
        let left = match cause {
            ResendCause::Asked => 0.0,
            ResendCause::Redundant => LEFT_BY_REDUNDANT,
        };
        let allowed = self.tokens >= bytes as f64 + left;
        if allowed {
            self.tokens -= bytes as f64;
        }
        allowed
    }
}

/// A browser that only receives does not know the round trip and asks again only after 100 ms, so a
/// repair that is lost freezes the picture: it is sent again unasked, twice, or three times on a
/// bad link. Browsers drop what they have already.
const REDUNDANT_AFTER: [Duration; 3] =
    [Duration::from_millis(8), Duration::from_millis(24), Duration::from_millis(48)];
/// Above this share of loss all are needed.
const BAD: f32 = 0.05;
/// Repairs that wait; more come only from a storm.
const MAX_REDUNDANT: usize = 128;

/// Repairs that will be sent once more, by the number of the packet they repair.
#[derive(Default)]
pub struct RedundantRtx {
    waiting: VecDeque<(Mono, u64)>,
}

impl RedundantRtx {
    /// Lets a repair that is sent now be repeated, given the share of packets that the link loses.
    pub fn add(&mut self, now: Mono, sequence: u64, loss: f32) {
        let times = if loss >= BAD { 3 } else { 2 };
        for after in &REDUNDANT_AFTER[..times] {
            if self.waiting.len() < MAX_REDUNDANT {
                let due = now + *after;
                let at = self.waiting.partition_point(|(other, _)| *other <= due);
                self.waiting.insert(at, (due, sequence));
            }
        }
    }

    /// The next one that is due.
    #[inline]
    pub fn take(&mut self, now: Mono) -> Option<u64> {
        self.next_at().filter(|due| *due <= now)?;
        self.waiting.pop_front().map(|(_, sequence)| sequence)
    }

    /// When [`RedundantRtx::take`] will give something.
    #[inline]
    pub fn next_at(&self) -> Option<Mono> {
        self.waiting.front().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_is_repeated_as_often_as_the_link_needs() {
        let mut redundant = RedundantRtx::default();
        redundant.add(at(0), 1, 0.1);
        redundant.add(at(1), 2, 0.01);
        let mut seen = Vec::new();
        for ms in 0..60 {
            while let Some(sequence) = redundant.take(at(ms)) {
                seen.push((ms, sequence));
            }
        }
        assert_eq!(seen, [(8, 1), (9, 2), (24, 1), (25, 2), (48, 1)]);
        (0..1000).for_each(|_| redundant.add(at(0), 3, 1.0));
        assert_eq!(redundant.waiting.len(), MAX_REDUNDANT);
    }

    const PACKET: usize = 1200;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    /// Share of resends refused when a stream of 300 packets a second loses `loss` of everything,
    /// in 20 seconds.
    fn refused(seed: u64, loss: f64) -> f64 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut budget = ResendBudget::new(at(0));
        let (mut asked, mut refused) = (0, 0);
        for ms in (0..20_000).step_by(10) {
            for _ in 0..3 {
                budget.sent(PACKET);
                while rng.f64() < loss {
                    asked += 1;
                    refused += u32::from(!budget.allow(at(ms), PACKET, ResendCause::Asked));
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
    fn echoes_leave_enough_for_what_is_asked_for() {
        let mut budget = ResendBudget::new(at(0));
        while budget.allow(at(0), PACKET, ResendCause::Redundant) {}
        let asked =
            (0..1000).take_while(|_| budget.allow(at(0), PACKET, ResendCause::Asked)).count();
        assert!((50..60).contains(&asked), "{asked}");
    }

    #[test]
    fn a_storm_is_not_fed() {
        assert!(refused(1, 0.7) > 0.5);
    }
}
