//! How fast a viewer is sent to: a bucket that lets a whole frame through at once and spreads a
//! backlog.

use media::Mono;
use std::time::Duration;

/// Bytes that may go out at once: an ordinary keyframe.
const BURST: f64 = 96.0 * 1024.0;
/// What the bucket never falls below, so that the pace recovers from any number of losses.
const SLOWEST: f64 = 0.5e6;
/// Where it begins, and what it never exceeds, in bytes a second: 100 Mbit/s.
const FASTEST: f64 = 12.5e6;
/// However many packets are lost, this many times what the stream needs is sent: repairs take half
/// of it on top, every packet some, and what had to wait is to be caught up with. A link that
/// carries less is known by its limit, not by its losses.
const LEAST_PACE: f64 = 3.0;
/// How long after a loss the pace begins to rise again.
const CALM: Duration = Duration::from_secs(1);
/// Losses within this time of each other count once: they were in flight together.
const ROUND: Duration = Duration::from_millis(100);
/// Bytes that may go out at once on a link that is known to carry little: some routers hold no more
/// than a few packets.
const LIMITED_BURST: f64 = 3000.0;
/// Or what it carries in this time.
const LIMITED_SPAN: Duration = Duration::from_millis(5);
/// However little is said to be carried, it is tried with this many bytes a second.
const SLOWEST_LIMIT: f64 = 8e3;
/// A pause shorter than this is not worth a wake-up.
const LEAST: Duration = Duration::from_millis(1);

/// A token bucket whose rate halves when the link loses packets and doubles every second without
/// loss.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    /// Bytes a second.
    rate: f64,
    tokens: f64,
    at: Mono,
    lost_at: Option<Mono>,
    /// What the stream itself needs, in bytes a second; the pace stays above it, or the viewer
    /// would fall behind for good.
    need: f64,
    /// What the link is known to carry, in bytes a second.
    limit: Option<f64>,
}

impl Pacer {
    /// A full bucket.
    pub const fn new(now: Mono) -> Self {
        Self { rate: FASTEST, tokens: BURST, at: now, lost_at: None, need: 0.0, limit: None }
    }

    /// Bytes that may be sent now.
    #[inline]
    pub fn budget(&mut self, now: Mono) -> usize {
        let passed = now.since(self.at).as_secs_f64();
        if self.lost_at.is_some_and(|at| now.since(at) >= CALM) {
            self.rate *= passed.min(1.0).exp2();
        }
        self.rate =
            self.rate.clamp(SLOWEST.max(self.need * LEAST_PACE), FASTEST.max(self.need * 4.0));
        let burst = match self.limit {
            Some(limit) => LIMITED_BURST.max(limit * LIMITED_SPAN.as_secs_f64()),
            None => BURST.max(self.rate * LEAST.as_secs_f64()),
        };
        self.tokens = (self.tokens + passed * self.pace()).min(burst);
        self.at = now;
        self.tokens.max(0.0) as usize
    }

    /// Counts bytes sent. More than the budget may be sent when a packet does not fit; the debt is
    /// paid later.
    #[inline]
    pub fn sent(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }

    /// When at least a packet may be sent.
    #[inline]
    pub fn ready_at(&self) -> Mono {
        let missing = (1600.0 - self.tokens).max(0.0) / self.pace();
        self.at + Duration::from_secs_f64(missing).max(LEAST)
    }

    /// The browser asked for lost packets again.
    pub fn handle_loss(&mut self, now: Mono) {
        if self.lost_at.is_none_or(|at| now.since(at) >= ROUND) {
            self.rate *= 0.5;
            self.lost_at = Some(now);
        }
    }

    /// Bytes a second: a limit that is known counts more than losses.
    #[inline]
    fn pace(&self) -> f64 {
        self.limit.unwrap_or(self.rate)
    }

    /// Tells how fast packets may leave, in bit/s, if the link is known to carry little.
    #[inline]
    pub fn set_limit(&mut self, bits_per_second: Option<u64>) {
        self.limit = bits_per_second.map(|bits| (bits as f64 / 8.0).max(SLOWEST_LIMIT));
    }

    /// Tells what the stream needs, in bytes a second.
    #[inline]
    pub fn set_need(&mut self, bytes_per_second: f64) {
        self.need = bytes_per_second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * MS)
    }

    /// Milliseconds until `bytes` are out.
    fn drain(pacer: &mut Pacer, from: u64, mut bytes: usize) -> u64 {
        let mut ms = from;
        loop {
            let now = pacer.budget(at(ms)).min(bytes);
            pacer.sent(now);
            bytes -= now;
            if bytes == 0 {
                return ms - from;
            }
            assert!(pacer.ready_at() > at(ms));
            ms += 1;
        }
    }

    #[test]
    fn a_frame_goes_at_once_and_a_two_second_backlog_within_a_tenth() {
        let mut pacer = Pacer::new(at(0));
        assert_eq!(drain(&mut pacer, 0, 90_000), 0);
        let backlog = drain(&mut pacer, 1000, 625_000);
        assert!((30..100).contains(&backlog), "{backlog} ms");
    }

    #[test]
    fn losses_slow_it_down_once_a_round_and_calm_speeds_it_up() {
        let mut pacer = Pacer::new(at(0));
        (0..50).for_each(|i| pacer.handle_loss(at(i)));
        assert_eq!(pacer.rate, FASTEST / 2.0);
        (1..20).for_each(|i| pacer.handle_loss(at(i * 100)));
        pacer.budget(at(2000));
        assert_eq!(pacer.rate, SLOWEST);
        (0..8000).for_each(|i| assert!(pacer.budget(at(2000 + i)) > 0));
        assert!(pacer.rate > 10e6, "{}", pacer.rate);
    }

    #[test]
    fn a_known_limit_leaves_no_bursts() {
        let mut pacer = Pacer::new(at(0));
        pacer.set_limit(Some(1_600_000));
        let backlog = drain(&mut pacer, 0, 100_000);
        assert!((450..520).contains(&backlog), "{backlog} ms");
        assert!(pacer.budget(at(10_000)) <= 3000);
        pacer.set_limit(None);
        assert_eq!(drain(&mut pacer, 20_000, 90_000), 0);
    }

    #[test]
    fn it_never_falls_below_what_the_stream_needs() {
        let mut pacer = Pacer::new(at(0));
        pacer.set_need(4e6);
        (0..50).for_each(|i| pacer.handle_loss(at(i * 100)));
        pacer.budget(at(5000));
        assert!(pacer.rate >= 12e6);
    }
}
