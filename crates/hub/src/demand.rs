//! What readers want from a publisher: the only thing that flows upstream.

use media::Mono;
use std::time::Duration;

/// Wishes of all readers together.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Demand {
    /// Readers attached now. A source that runs on demand starts with the first and stops, after a linger, with the last.
    pub readers: usize,
    /// Counts keyframe requests that passed the throttle; a publisher acts when it rises.
    pub keyframes: u64,
}

/// Lets one keyframe request pass per interval; one that comes too early is not lost but served by the one before.
#[derive(Debug)]
pub(crate) struct KeyframeThrottle {
    interval: Duration,
    last: Option<Mono>,
}

impl KeyframeThrottle {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    pub(crate) fn pass(&mut self, now: Mono) -> bool {
        let due = self.last.is_none_or(|last| now.since(last) >= self.interval);
        if due {
            self.last = Some(now);
        }
        due
    }
}
