//! What `neverblink probe` wants to know of reception, and the server does not.

use media::{ClockPair, Mono};
use proto::rtp::{receive::Stats, rtcp};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Reception so far.
#[derive(Clone, Default, Debug)]
pub(crate) struct Observation {
    /// `tcp` or `udp`; empty before the session plays.
    pub(crate) transport: &'static str,
    /// Tracks of the camera that are left out, and why.
    pub(crate) ignored: Vec<String>,
    /// By track.
    pub(crate) tracks: Vec<TrackObservation>,
}

/// Reception of one track.
#[derive(Clone, Default, Debug)]
pub(crate) struct TrackObservation {
    /// Counters of its packets.
    pub(crate) stats: Stats,
    /// RTCP sender reports that told the camera's time.
    pub(crate) reports: u64,
    /// The newest of them: when it came, and our wall clock minus the camera's, in microseconds.
    pub(crate) clock: Option<(Mono, i64)>,
}

/// Writes down what is received, if anybody wants to know.
#[derive(Clone, Default)]
pub(crate) struct Observer(Option<Arc<Mutex<Observation>>>);

impl Observer {
    /// One that writes.
    pub(crate) fn writing() -> Self {
        Self(Some(Arc::default()))
    }

    /// What was written so far.
    pub(crate) fn read(&self) -> Observation {
        self.0.as_ref().map(|shared| lock(shared).clone()).unwrap_or_default()
    }

    pub(super) fn note(&self, write: impl FnOnce(&mut Observation)) {
        if let Some(shared) = &self.0 {
            write(&mut lock(shared));
        }
    }

    pub(super) fn note_stats(&self, track: usize, stats: impl FnOnce() -> Stats) {
        self.note(|seen| {
            if let Some(track) = seen.tracks.get_mut(track) {
                track.stats = stats();
            }
        });
    }

    pub(super) fn note_rtcp(&self, track: usize, clocks: &ClockPair, bytes: &[u8]) {
        self.note(|seen| {
            let Some(track) = seen.tracks.get_mut(track) else { return };
            for report in rtcp::sender_reports(bytes).filter(|report| report.ntp != 0) {
                track.reports += 1;
                track.clock = Some((
                    clocks.mono,
                    clocks.wall.as_micros().saturating_sub(report.wall().as_micros()),
                ));
            }
        });
    }
}

fn lock(shared: &Mutex<Observation>) -> MutexGuard<'_, Observation> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
