//! What is counted of a stream's pictures.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one stream.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    decoded: AtomicU64,
    undecodable: AtomicU64,
    encoded: AtomicU64,
    restarts: AtomicU64,
    workers: AtomicU64,
}

/// What they say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    /// Frames decoded.
    pub(crate) decoded: u64,
    /// Frames that could not be decoded.
    pub(crate) undecodable: u64,
    /// JPEGs made.
    pub(crate) encoded: u64,
    /// Times that a worker ended that should not have.
    pub(crate) restarts: u64,
    /// Workers of now: one or none.
    pub(crate) workers: u64,
}

impl Tally {
    /// All at once.
    pub(crate) fn counts(&self) -> Counts {
        let [decoded, undecodable, encoded, restarts, workers] =
            [&self.decoded, &self.undecodable, &self.encoded, &self.restarts, &self.workers]
                .map(|c| c.load(Relaxed));
        Counts { decoded, undecodable, encoded, restarts, workers }
    }

    pub(super) fn decoded(&self, frames: u64, undecodable: u64) {
        self.decoded.fetch_add(frames, Relaxed);
        self.undecodable.fetch_add(undecodable, Relaxed);
    }

    pub(super) fn encoded(&self) {
        self.encoded.fetch_add(1, Relaxed);
    }

    pub(super) fn restarted(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    pub(super) fn set_working(&self, working: bool) {
        self.workers.store(working.into(), Relaxed);
    }
}
