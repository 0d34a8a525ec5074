//! What is counted of a camera's viewers beyond what every protocol counts ([`crate::viewers`]).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Upper bounds of the histogram's buckets, in microseconds.
pub(crate) const BUCKETS: [u64; 12] =
    [50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 500_000];

/// Everything counted about WebRTC viewers.
#[derive(Default)]
pub(crate) struct Stats {
    /// TCP connections ended by this side: strangers, and browsers that fell silent.
    pub(crate) tcp_refused: AtomicU64,
    /// Datagrams lost between media threads, because one of them is far behind.
    pub(crate) datagrams_dropped: AtomicU64,
    cameras: Mutex<BTreeMap<Arc<str>, Arc<CameraStats>>>,
}

/// Counters of one camera (or rendition); they only rise.
#[derive(Default, Debug)]
pub(crate) struct CameraStats {
    /// NACK messages received.
    pub(crate) nacks: AtomicU64,
    /// Packets not sent again because too many were asked for.
    pub(crate) retransmits_refused: AtomicU64,
    /// Keyframe requests received (PLI and FIR).
    pub(crate) plis: AtomicU64,
    /// Frames left out because browsers cannot show B-frames, and ones sent although they come out
    /// of order.
    pub(crate) b_frames: AtomicU64,
    /// The camera sends B-frames.
    pub(crate) has_b_frames: AtomicBool,
    /// Packets dropped because the send buffer was full.
    pub(crate) packets_dropped: AtomicU64,
    /// Calls into the kernel for sending.
    pub(crate) sends: AtomicU64,
    /// Packets that publishers were asked to send again.
    pub(crate) asked_again: AtomicU64,
    /// Packets that publishers sent again, and that were still of use.
    pub(crate) repaired: AtomicU64,
    /// Keyframes that publishers were asked for.
    pub(crate) keyframes_asked: AtomicU64,
    /// From a frame's last byte in to its first packet out.
    pub(crate) ingest_to_send: Histogram,
}

/// Counts durations in buckets.
#[derive(Default, Debug)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Stats {
    /// The counters of a camera, made if there are none.
    pub(super) fn camera(&self, name: &Arc<str>) -> Arc<CameraStats> {
        self.lock().entry(name.clone()).or_default().clone()
    }

    /// All cameras that have ever had a viewer.
    pub(crate) fn cameras(&self) -> Vec<(Arc<str>, Arc<CameraStats>)> {
        self.lock().iter().map(|(name, stats)| (name.clone(), stats.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<CameraStats>>> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Histogram {
    pub(super) fn observe(&self, value: Duration) {
        let us = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        if let Some(i) = BUCKETS.iter().position(|bound| us <= *bound) {
            self.buckets[i].fetch_add(1, Relaxed);
        }
        self.count.fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// Observations at or below each of [`BUCKETS`], then of all, and their sum in microseconds.
    pub(crate) fn read(&self) -> ([u64; BUCKETS.len()], u64, u64) {
        let mut below = 0;
        let buckets = std::array::from_fn(|i| {
            below += self.buckets[i].load(Relaxed);
            below
        });
        (buckets, self.count.load(Relaxed), self.sum_us.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let h = Histogram::default();
        [10, 60, 60, 1_000_000].into_iter().for_each(|us| h.observe(Duration::from_micros(us)));
        let (buckets, count, sum) = h.read();
        assert_eq!((buckets[0], buckets[1], buckets[11], count, sum), (1, 3, 3, 4, 1_000_130));
    }
}
