//! When to make which frame.

use media::Mono;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// Frame deadlines at a constant rate that never drift, however late a frame was: deadline `n` is
/// the start plus `n` / fps.
///
/// After a stall, the frames that should have been made meanwhile are left out; they are never made
/// in a bunch.
#[derive(Debug)]
pub struct Pacer {
    start: Mono,
    fps: u64,
    /// Number of the frame to make next.
    frame: u64,
    skipped: u64,
}

impl Pacer {
    /// Deadlines from `start` on; a rate of 0 counts as 1.
    pub fn new(start: Mono, fps: u16) -> Self {
        Self { start, fps: u64::from(fps.max(1)), frame: 0, skipped: 0 }
    }

    /// When the next frame is due.
    pub fn next(&self) -> Mono {
        self.deadline(self.frame)
    }

    /// True if a frame is to be made now; then it counts as made.
    pub fn take(&mut self, now: Mono) -> bool {
        if now < self.next() {
            return false;
        }
        let due = self.due(now);
        self.skipped += due - self.frame;
        self.frame = due + 1;
        true
    }

    /// Leaves out the frames that are due: there is nowhere to put them.
    pub fn skip(&mut self, now: Mono) {
        if now >= self.next() {
            let due = self.due(now) + 1;
            self.skipped += due - self.frame;
            self.frame = due;
        }
    }

    /// Frames left out so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Number of the newest frame whose deadline has come.
    fn due(&self, now: Mono) -> u64 {
        let passed = now.since(self.start).as_nanos() * u128::from(self.fps) / u128::from(SECOND);
        let due = u64::try_from(passed).unwrap_or(u64::MAX - 1);
        // The division above may be one too low, as deadlines are rounded down to whole
        // nanoseconds.
        if self.deadline(due + 1) <= now { due + 1 } else { due }
    }

    fn deadline(&self, frame: u64) -> Mono {
        let (seconds, rest) = (frame / self.fps, frame % self.fps);
        self.start + Duration::from_secs(seconds) + Duration::from_nanos(rest * SECOND / self.fps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: u64 = 77;

    fn at(nanos: u64) -> Mono {
        Mono::from_nanos(START + nanos)
    }

    #[test]
    fn an_hour_at_30_fps_has_all_its_frames_and_no_drift() {
        let mut pacer = Pacer::new(at(0), 30);
        for _ in 0..3600 * 30 {
            assert!(pacer.take(pacer.next()));
        }
        assert_eq!((pacer.next(), pacer.skipped()), (at(3600 * SECOND), 0));
    }

    #[test]
    fn a_stall_costs_its_frames_and_then_the_rhythm_goes_on() {
        let mut pacer = Pacer::new(at(0), 10);
        assert!(pacer.take(at(0)));
        assert!(!pacer.take(at(SECOND / 10 - 1)));
        assert!(pacer.take(at(SECOND * 57 / 100)));
        assert!(!pacer.take(at(SECOND * 58 / 100)));
        assert_eq!((pacer.next(), pacer.skipped()), (at(SECOND * 6 / 10), 4));
        pacer.skip(at(SECOND * 75 / 100));
        assert_eq!((pacer.next(), pacer.skipped()), (at(SECOND * 8 / 10), 6));
    }

    proptest! {
        #[test]
        fn however_late_the_caller_no_two_frames_share_a_period(fps in 1u16..=240, waits in prop::collection::vec(0u64..SECOND / 4, 1..200)) {
            let mut pacer = Pacer::new(at(0), fps);
            let (mut now, mut taken) = (at(0), 0);
            for wait in waits {
                now = now.max(pacer.next()) + Duration::from_nanos(wait);
                prop_assert!(pacer.take(now));
                prop_assert!(!pacer.take(now));
                prop_assert!(pacer.next() > now);
                prop_assert!(pacer.next().since(now) <= Duration::from_nanos(SECOND / u64::from(fps) + 1));
                taken += 1;
            }
            prop_assert_eq!(pacer.frame, taken + pacer.skipped());
        }
    }
}
