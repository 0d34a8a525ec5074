//! What is counted: per camera for metrics, per viewer for the API.

use media::Wall;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Upper bounds of the histogram's buckets, in microseconds.
pub(crate) const BUCKETS: [u64; 12] = [50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 500_000];

/// Everything counted about WebRTC viewers.
#[derive(Default)]
pub(crate) struct Stats {
    cameras: Mutex<BTreeMap<Arc<str>, Arc<CameraStats>>>,
    viewers: Mutex<BTreeMap<u64, Arc<ViewerStats>>>,
}

/// Counters of one camera (or rendition); they only rise, except for `viewers`.
#[derive(Default, Debug)]
pub(crate) struct CameraStats {
    /// Viewers attached now, connected or about to be.
    pub(crate) viewers: AtomicU64,
    /// NACK messages received.
    pub(crate) nacks: AtomicU64,
    /// Packets sent again.
    pub(crate) retransmits: AtomicU64,
    /// Packets not sent again because too many were asked for.
    pub(crate) retransmits_refused: AtomicU64,
    /// Keyframe requests received (PLI and FIR).
    pub(crate) plis: AtomicU64,
    /// Video frames sent, all viewers together.
    pub(crate) frames_sent: AtomicU64,
    /// Units that a viewer did not get because it was behind.
    pub(crate) frames_skipped: AtomicU64,
    /// Frames left out because browsers cannot show B-frames, and ones sent although they come out of order.
    pub(crate) b_frames: AtomicU64,
    /// The camera sends B-frames.
    pub(crate) has_b_frames: AtomicBool,
    /// UDP payload bytes sent.
    pub(crate) bytes_sent: AtomicU64,
    /// Packets dropped because the kernel's send buffer was full.
    pub(crate) packets_dropped: AtomicU64,
    /// Calls into the kernel for sending.
    pub(crate) sends: AtomicU64,
    /// From a frame's last byte in to its first packet out.
    pub(crate) ingest_to_send: Histogram,
}

/// One viewer.
#[derive(Debug)]
pub(crate) struct ViewerStats {
    /// The last part of the session's URL is secret; this number is not.
    pub(crate) id: u64,
    /// What it plays.
    pub(crate) camera: Arc<str>,
    /// When it came.
    pub(crate) since: Wall,
    /// Video frames sent.
    pub(crate) frames_sent: AtomicU64,
    /// Units it did not get because it was behind.
    pub(crate) frames_skipped: AtomicU64,
    /// UDP payload bytes sent.
    pub(crate) bytes_sent: AtomicU64,
    /// Packets sent again.
    pub(crate) retransmits: AtomicU64,
    /// Round-trip time in microseconds; 0 while unknown.
    pub(crate) rtt_us: AtomicU64,
    /// Share of packets lost before repair, in thousandths.
    pub(crate) loss_permille: AtomicU64,
    /// Least delay asked of the browser, in milliseconds.
    pub(crate) playout_ms: AtomicU64,
    /// Keys are agreed and media flows.
    pub(crate) connected: AtomicBool,
    remote: Mutex<Option<SocketAddr>>,
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
        self.lock_cameras().entry(name.clone()).or_default().clone()
    }

    /// All cameras that have ever had a viewer.
    pub(crate) fn cameras(&self) -> Vec<(Arc<str>, Arc<CameraStats>)> {
        self.lock_cameras().iter().map(|(name, stats)| (name.clone(), stats.clone())).collect()
    }

    /// All viewers of now.
    pub(crate) fn viewers(&self) -> Vec<Arc<ViewerStats>> {
        self.lock_viewers().values().cloned().collect()
    }

    pub(super) fn add_viewer(&self, viewer: Arc<ViewerStats>) {
        self.camera(&viewer.camera).viewers.fetch_add(1, Relaxed);
        self.lock_viewers().insert(viewer.id, viewer);
    }

    pub(super) fn remove_viewer(&self, viewer: &ViewerStats) {
        if self.lock_viewers().remove(&viewer.id).is_some() {
            self.camera(&viewer.camera).viewers.fetch_sub(1, Relaxed);
        }
    }

    fn lock_cameras(&self) -> std::sync::MutexGuard<'_, BTreeMap<Arc<str>, Arc<CameraStats>>> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_viewers(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<ViewerStats>>> {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ViewerStats {
    pub(super) fn new(id: u64, camera: Arc<str>, since: Wall) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            id,
            camera,
            since,
            frames_sent: zero(),
            frames_skipped: zero(),
            bytes_sent: zero(),
            retransmits: zero(),
            rtt_us: zero(),
            loss_permille: zero(),
            playout_ms: zero(),
            connected: AtomicBool::new(false),
            remote: Mutex::new(None),
        }
    }

    /// Where media is sent to, once connected.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        *self.remote.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_remote(&self, remote: Option<SocketAddr>) {
        *self.remote.lock().unwrap_or_else(PoisonError::into_inner) = remote;
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

    #[test]
    fn a_viewer_counts_once() {
        let stats = Stats::default();
        let viewer = Arc::new(ViewerStats::new(1, "front".into(), Wall::default()));
        stats.add_viewer(viewer.clone());
        assert_eq!(stats.cameras()[0].1.viewers.load(Relaxed), 1);
        stats.remove_viewer(&viewer);
        stats.remove_viewer(&viewer);
        assert_eq!((stats.cameras()[0].1.viewers.load(Relaxed), stats.viewers().len()), (0, 0));
    }
}
