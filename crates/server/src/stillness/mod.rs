//! Whether a camera's picture stands still though frames keep coming: a hung sensor, a driver that
//! repeats a buffer, a grabber without a signal.
//!
//! Whoever sees pixels or whole files of a camera tells what its looks have found; a pure machine
//! ([`judge`]) makes of that when the camera counts as frozen, and when its source is to be started
//! anew. Nothing here sees a pixel.

mod files;
mod judge;

pub(crate) use files::Files;
pub(crate) use judge::{News, Policy, Verdict};

use judge::Judge;
use media::{ClockPair, Mono, Wall};
use proto::ipc::Look;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What is known of one camera. A cheap handle.
#[derive(Clone, Default)]
pub(crate) struct Stillness {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    judge: Judge,
    /// Since when the camera has been frozen, by both clocks.
    frozen: Option<ClockPair>,
}

/// Somebody who looks at the camera's pictures.
#[derive(Clone, Default)]
pub(crate) struct Eye {
    stillness: Stillness,
    /// It looks for this alone, and not because somebody watches.
    own: bool,
}

impl Stillness {
    /// From now on it is judged like this; `None`: not at all. What is known is forgotten.
    pub(crate) fn expect(&self, policy: Option<Policy>) {
        *self.lock() = Shared { judge: Judge::new(policy), frozen: None };
    }

    /// As [`Stillness::expect`], but what is known of the picture stays, as long as it is judged.
    pub(crate) fn adjust(&self, policy: Option<Policy>) {
        match policy {
            Some(policy) => self.lock().judge.set_policy(policy),
            None => self.expect(None),
        }
    }

    /// Somebody who looks because the pictures pass anyway, or (`own`) for this alone.
    pub(crate) fn eye(&self, own: bool) -> Eye {
        Eye { stillness: self.clone(), own }
    }

    /// True if somebody should look who would not otherwise.
    pub(crate) fn wants_look(&self, now: Mono) -> bool {
        self.lock().judge.wants_look(now)
    }

    /// What has become of it. To be called a few times a second; `live` tells whether frames come.
    pub(crate) fn tick(&self, now: ClockPair, live: bool) -> Verdict {
        let mut shared = self.lock();
        let verdict = shared.judge.tick(now.mono, live);
        let before = shared.frozen.map(|frozen| frozen.mono);
        let since = shared.judge.frozen_since();
        if before != since {
            shared.frozen = since.map(|mono| ClockPair { mono, wall: now.wall_at(mono) });
        }
        verdict
    }

    /// Since when the picture has not changed, by both clocks, while the camera counts as frozen:
    /// as of the last tick.
    pub(crate) fn frozen(&self) -> Option<(Mono, Wall)> {
        self.lock().frozen.map(|frozen| (frozen.mono, frozen.wall))
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Eye {
    /// This was found. It may come from a process that nobody trusts: times later than `now` are
    /// moved there.
    pub(crate) fn tell(&self, now: Mono, look: Look) {
        self.stillness.lock().judge.look(now, look, self.own);
    }
}

/// A time as people say it.
pub(crate) fn in_words(time: Duration) -> String {
    match time.as_secs() {
        0..120 => format!("{} s", (time.as_secs_f64() * 10.0).round() / 10.0),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests;
