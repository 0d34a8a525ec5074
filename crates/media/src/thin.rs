//! Leaving out frames of a stream, so that at most so many a second remain.

use crate::Mono;
use std::time::Duration;

/// How much too early a frame may be, at most: cameras do not keep their rhythm to the millisecond.
const SLACK: Duration = Duration::from_millis(10);

/// Chooses frames by their capture times, evenly spaced, and in the mean as many as allowed.
#[derive(Clone, Debug)]
pub struct Thin {
    interval: Duration,
    due: Option<Mono>,
}

impl Thin {
    /// At most one frame an interval; zero takes all.
    pub fn new(interval: Duration) -> Self {
        Self { interval, due: None }
    }

    /// Takes more or fewer frames from now on, in the same rhythm as far as possible.
    pub fn set_interval(&mut self, interval: Duration) {
        if std::mem::replace(&mut self.interval, interval) > interval {
            // The one that is due was chosen for a slower rhythm.
            self.due = None;
        }
    }

    /// True if the frame captured `at` is one to take; then it counts as taken.
    pub fn take(&mut self, at: Mono) -> bool {
        if self.interval.is_zero() {
            return true;
        }
        let slack = SLACK.min(self.interval / 4);
        match self.due {
            // A capture clock that was set back must not silence the stream.
            Some(due) if at + slack < due && due.since(at) <= self.interval * 2 => false,
            Some(due) if due.since(at) <= slack && at.since(due) < self.interval => {
                self.due = Some(due + self.interval);
                true
            }
            _ => {
                self.due = Some(at + self.interval);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    fn taken(interval: u64, frames: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut thin = Thin::new(Duration::from_millis(interval));
        frames.filter(|at| thin.take(millis(*at))).collect()
    }

    #[test]
    fn ten_a_second_of_thirty_are_every_third() {
        let frames = || (0..90).map(|i| 1000 + i * 1000 / 30);
        assert_eq!(taken(100, frames()).len(), 30);
        assert_eq!(taken(0, frames()).len(), 90);
        assert_eq!(taken(33, frames()).len(), 90, "as many as there are");
        assert!((35..=38).contains(&taken(80, frames()).len()), "12.5 of 30 in the mean");
    }

    #[test]
    fn after_a_gap_nothing_is_made_up_for_and_a_clock_set_back_is_no_silence() {
        assert_eq!(taken(100, [0, 50, 1000, 1050, 1100, 1150].into_iter()), [0, 1000, 1100]);
        assert_eq!(taken(100, [90_000, 1000, 1050, 1100].into_iter()), [90_000, 1000, 1100]);
    }

    #[test]
    fn a_faster_rhythm_begins_at_once() {
        let mut thin = Thin::new(Duration::from_secs(10));
        assert!(thin.take(millis(0)) && !thin.take(millis(100)));
        thin.set_interval(Duration::from_millis(100));
        assert!(thin.take(millis(200)));
    }

    proptest! {
        #[test]
        fn never_more_than_allowed(interval in 20u64..500, jitter in prop::collection::vec(0u64..60, 50..300)) {
            let mut at = 0;
            let frames: Vec<u64> = jitter.into_iter().map(|j| { at += j; at }).collect();
            let most = frames.last().unwrap() / interval + 2;
            let got = taken(interval, frames.into_iter()).len() as u64;
            // The slack of the last one, and rounding.
            prop_assert!(got <= most + most / 4, "{got} of {most}");
        }
    }
}
