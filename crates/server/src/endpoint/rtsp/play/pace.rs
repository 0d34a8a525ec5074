//! Holds back what is sent faster than live: at the beginning from the last keyframe, and after
//! skipping.

use media::Mono;
use std::time::Duration;

/// A backlog is sent this much faster than it was published: fast enough to be live soon, slow
/// enough for a client that decodes what it gets before it reads on, with a receive buffer of some
/// 200 packets.
const SPEED: u32 = 3;
/// Bytes that may leave at once whatever their times; smaller than the usual receive buffer with
/// its overhead.
const BURST: u64 = 96 << 10;
/// Bytes a second beyond that.
const RATE: u64 = 6 << 20;

/// Delays what is behind live: the newest frame never waits.
#[derive(Default)]
pub(super) struct Pace {
    /// When everything sent so far would have left at [`RATE`].
    drained: Mono,
    /// Published time of the last frame sent.
    published: Option<Mono>,
    resume_at: Option<Mono>,
}

impl Pace {
    /// A frame of `bytes` that was published at `published` leaves at `now`; `behind` if newer ones
    /// wait already.
    pub(super) fn sent(&mut self, now: Mono, bytes: usize, published: Mono, behind: bool) {
        let cost = Duration::from_nanos(bytes as u64 * 1_000_000_000 / RATE);
        self.drained = self.drained.max(now) + cost;
        let too_much = self.drained.since(now + Duration::from_nanos(BURST * 1_000_000_000 / RATE));
        let gap =
            self.published.replace(published).map_or(Duration::ZERO, |last| published.since(last));
        self.resume_at = behind.then(|| now + too_much.max(gap / SPEED));
    }

    pub(super) fn resume_at(&self) -> Option<Mono> {
        self.resume_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds it takes to send 120 frames that wait already.
    fn time_for(bytes: usize, gap_ms: u64) -> f64 {
        let (mut pace, begin) = (Pace::default(), Mono::from_nanos(1_000_000_000));
        let mut now = begin;
        for i in 0..120 {
            pace.sent(now, bytes, Mono::from_nanos(i * gap_ms * 1_000_000), true);
            now = pace.resume_at().unwrap();
        }
        pace.sent(now, 500_000, Mono::from_nanos(1 << 40), false);
        assert_eq!(pace.resume_at(), None, "the newest frame waits for nothing");
        now.since(begin).as_secs_f64()
    }

    #[test]
    fn a_backlog_is_sent_at_three_times_its_pace() {
        assert!((1.3..1.34).contains(&time_for(1000, 33)), "{}", time_for(1000, 33));
    }

    #[test]
    fn a_burst_is_spread_by_its_size() {
        let floor = (120.0 * 10_000.0 - BURST as f64) / RATE as f64;
        assert!(
            (floor * 0.99..floor * 1.1).contains(&time_for(10_000, 0)),
            "{}",
            time_for(10_000, 0)
        );
    }
}
