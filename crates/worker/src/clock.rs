//! Reading clocks and waiting for them.

use media::{ClockPair, Mono, Wall};
use nix::{
    errno::Errno,
    sys::time::TimeSpec,
    time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep},
};

/// Both clocks now, read one right after the other.
pub fn now() -> ClockPair {
    let wall = i64::try_from(read(ClockId::CLOCK_REALTIME) / 1000).unwrap_or(0);
    ClockPair { mono: mono(), wall: Wall::from_micros(wall) }
}

/// The monotonic clock now.
pub fn mono() -> Mono {
    Mono::from_nanos(read(ClockId::CLOCK_MONOTONIC))
}

/// Sleeps until the monotonic clock shows `deadline`. Absolute, so that time spent before the call
/// is not slept again.
pub fn sleep_until(deadline: Mono) {
    let nanos = i64::try_from(deadline.as_nanos()).unwrap_or(i64::MAX);
    let deadline = TimeSpec::new(nanos / 1_000_000_000, nanos % 1_000_000_000);
    while let Err(Errno::EINTR) =
        clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &deadline)
    {
    }
}

/// Nanoseconds of a clock that every Linux has; 0 on a machine without it.
fn read(id: ClockId) -> u64 {
    clock_gettime(id)
        .map_or(0, |t| t.tv_sec().cast_unsigned() * 1_000_000_000 + t.tv_nsec().cast_unsigned())
}
