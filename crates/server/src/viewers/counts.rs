//! Numbers that one thread writes and any thread reads.

use std::{
    ops::{AddAssign, Sub},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// What a viewer was sent, or all of a picture; only rises.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct ViewerCounts {
    /// Video frames.
    pub(crate) frames: u64,
    /// Bytes: of WebRTC the payload of UDP, repairs included; of other protocols the media alone.
    pub(crate) bytes: u64,
    /// Units not sent because the viewer was behind.
    pub(crate) slow: u64,
    /// Units not sent because the viewer's link carries less than the stream.
    pub(crate) congested: u64,
    /// Packets sent again.
    pub(crate) retransmits: u64,
    /// Times that a link began to carry less than the stream.
    pub(crate) link_limits: u64,
}

impl ViewerCounts {
    /// Units not sent, for whatever reason.
    pub(crate) fn skipped(&self) -> u64 {
        self.slow + self.congested
    }
}

impl AddAssign for ViewerCounts {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.slow += other.slow;
        self.congested += other.congested;
        self.retransmits += other.retransmits;
        self.link_limits += other.link_limits;
    }
}

impl Sub for ViewerCounts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            frames: self.frames.saturating_sub(earlier.frames),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            slow: self.slow.saturating_sub(earlier.slow),
            congested: self.congested.saturating_sub(earlier.congested),
            retransmits: self.retransmits.saturating_sub(earlier.retransmits),
            link_limits: self.link_limits.saturating_sub(earlier.link_limits),
        }
    }
}

/// [`ViewerCounts`] being counted.
#[derive(Default, Debug)]
pub(super) struct ViewerCounters {
    pub(super) frames: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) slow: AtomicU64,
    pub(super) congested: AtomicU64,
    pub(super) retransmits: AtomicU64,
    pub(super) link_limits: AtomicU64,
}

impl ViewerCounters {
    pub(super) fn read(&self) -> ViewerCounts {
        ViewerCounts {
            frames: self.frames.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            slow: self.slow.load(Relaxed),
            congested: self.congested.load(Relaxed),
            retransmits: self.retransmits.load(Relaxed),
            link_limits: self.link_limits.load(Relaxed),
        }
    }
}

/// Something that not every protocol knows of its viewers.
#[derive(Debug)]
pub(crate) struct Fact(AtomicU64);

/// The value of what is not known.
const UNKNOWN: u64 = u64::MAX;

impl Default for Fact {
    fn default() -> Self {
        Self(AtomicU64::new(UNKNOWN))
    }
}

impl Fact {
    /// Makes it known.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Makes it known, or unknown.
    pub(crate) fn update(&self, value: Option<u64>) {
        self.set(value.unwrap_or(UNKNOWN));
    }

    /// Makes a duration known, in microseconds.
    pub(crate) fn set_time(&self, value: Duration) {
        self.set(u64::try_from(value.as_micros()).unwrap_or(UNKNOWN));
    }

    /// Makes a share of 1 known, in millionths.
    pub(crate) fn set_share(&self, value: f32) {
        self.set((f64::from(value.clamp(0.0, 1.0)) * 1e6) as u64);
    }

    /// What was set last; `None` if nothing was.
    pub(crate) fn get(&self) -> Option<u64> {
        Some(self.0.load(Relaxed)).filter(|value| *value != UNKNOWN)
    }
}
