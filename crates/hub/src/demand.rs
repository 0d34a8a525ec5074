//! What readers want from a publisher: the only thing that flows upstream.

use media::Mono;
use std::time::Duration;

/// Wishes of all readers together.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Demand {
    /// Readers attached now. A source that runs on demand starts with the first and stops, after a
    /// linger, with the last.
    pub readers: usize,
    /// Counts keyframe requests that passed the throttle; a publisher acts when it rises.
    pub keyframes: u64,
}

/// Lets one keyframe request pass per interval. One that comes too early is kept, and passes when
/// the interval is over unless a keyframe has come by itself meanwhile.
#[derive(Debug)]
pub(crate) struct KeyframeThrottle {
    interval: Duration,
    last: Option<Mono>,
    kept: bool,
}

impl KeyframeThrottle {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, last: None, kept: false }
    }

    /// A request: true if it passes now.
    pub(crate) fn request(&mut self, now: Mono) -> bool {
        self.kept = true;
        self.release(now)
    }

    /// True if a request that was kept passes now.
    pub(crate) fn release(&mut self, now: Mono) -> bool {
        let pass = self.kept && self.last.is_none_or(|last| now.since(last) >= self.interval);
        if pass {
            self.last = Some(now);
            self.kept = false;
        }
        pass
    }

    /// A keyframe was published: whoever asked before has it.
    pub(crate) fn served(&mut self) {
        self.kept = false;
    }
}
