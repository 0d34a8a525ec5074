//! Sound and picture of one sender, kept together by its reports (RFC 3550 §6.4.1).
//!
//! Tracks begin with timestamps that have nothing to do with each other, and the first frames of
//! sound and picture arrive as their encoders please: easily a tenth of a second apart. Reports put
//! both on the sender's own wall clock. Whether that clock is right does not matter here, only that
//! it is one clock.

use crate::rtp::rtcp::SenderReport;
use media::time::rescale;
use std::sync::{Arc, Mutex, PoisonError};

const NANOS: u32 = 1_000_000_000;
/// Sound that is off by less stays: many senders' reports are no better than that.
const TOLERANCE: i64 = 30_000_000;
/// Reports that would move sound further than this are nonsense.
const MOST: i64 = 5_000_000_000;

/// What the tracks of one sender share. A cheap handle; give the same to each.
#[derive(Clone, Default, Debug)]
pub struct Together {
    /// The time of the stream when the sender's clock was zero, in nanoseconds, as its picture
    /// tells it.
    zero: Arc<Mutex<Option<i64>>>,
}

/// One track's word on the sender's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct SenderClock {
    ssrc: u32,
    timestamp: u32,
    /// In nanoseconds.
    wall: i64,
}

impl SenderClock {
    /// What a report tells; nothing if it is without wall clock time (NTP 0).
    pub(super) fn new(report: &SenderReport) -> Option<Self> {
        let wall = report.wall().as_micros().saturating_mul(1000);
        (report.ntp != 0).then_some(Self { ssrc: report.ssrc, timestamp: report.timestamp, wall })
    }

    /// The sender's clock at a timestamp, in nanoseconds.
    fn at(&self, ssrc: u32, timestamp: u32, clock_rate: u32) -> Option<i64> {
        let ticks = timestamp.wrapping_sub(self.timestamp).cast_signed();
        (ssrc == self.ssrc)
            .then(|| self.wall.saturating_add(rescale(ticks.into(), clock_rate, NANOS)))
    }
}

/// A frame's place as its timestamp and the stream tell it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) ssrc: u32,
    pub(super) timestamp: u32,
    pub(super) clock_rate: u32,
    /// Ticks.
    pub(super) pts: i64,
}

impl Together {
    /// Takes a picture for the measure of all.
    pub(super) fn lead(&self, clock: &SenderClock, place: Place) {
        let Some(wall) = clock.at(place.ssrc, place.timestamp, place.clock_rate) else { return };
        let zero = rescale(place.pts, place.clock_rate, NANOS).saturating_sub(wall);
        *self.zero.lock().unwrap_or_else(PoisonError::into_inner) = Some(zero);
    }

    /// By how many ticks sound is to be moved to be where its picture is; zero if that cannot be
    /// told, or it is near enough.
    pub(super) fn correction(&self, clock: &SenderClock, place: Place) -> i64 {
        let zero = *self.zero.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((zero, wall)) = zero.zip(clock.at(place.ssrc, place.timestamp, place.clock_rate))
        else {
            return 0;
        };
        let off =
            zero.saturating_add(wall).saturating_sub(rescale(place.pts, place.clock_rate, NANOS));
        if (TOLERANCE..MOST).contains(&off.saturating_abs()) {
            rescale(off, NANOS, place.clock_rate)
        } else {
            0
        }
    }
}
