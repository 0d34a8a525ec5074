//! The only place of the server that reads clocks; everything else is handed a [`Clock`].

use media::{ClockPair, Mono, Wall};
use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// Reads the machine's clocks. `Copy`, so that it can be handed to every task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Both faces of the monotonic clock, read together at start-up: tokio and the handshakes of
    /// WebRTC want [`Instant`]s.
    anchor: (Instant, Mono),
}

impl Clock {
    /// A clock anchored at this moment.
    pub(crate) fn new() -> Self {
        Self { anchor: (Instant::now(), Mono::from_nanos(read(ClockId::CLOCK_MONOTONIC))) }
    }

    /// The monotonic time.
    pub(crate) fn now(&self) -> Mono {
        self.mono(Instant::now())
    }

    /// Both clocks at this moment. Read anew each time, because the wall clock may step.
    pub(crate) fn pair(&self) -> ClockPair {
        let wall = i64::try_from(read(ClockId::CLOCK_REALTIME) / 1000).unwrap_or(0);
        ClockPair { mono: self.now(), wall: Wall::from_micros(wall) }
    }

    /// An [`Instant`] as [`Mono`].
    pub(crate) fn mono(&self, at: Instant) -> Mono {
        let (instant, mono) = self.anchor;
        mono + at.saturating_duration_since(instant)
    }

    /// A [`Mono`] as [`Instant`]; times before the start of this process become its start.
    pub(crate) fn instant(&self, at: Mono) -> Instant {
        let (instant, mono) = self.anchor;
        instant + at.since(mono).min(Duration::from_secs(u32::MAX.into()))
    }
}

/// Nanoseconds of a clock that every Linux has; 0 on a machine without it.
fn read(id: ClockId) -> u64 {
    clock_gettime(id)
        .map_or(0, |t| t.tv_sec().cast_unsigned() * 1_000_000_000 + t.tv_nsec().cast_unsigned())
}
