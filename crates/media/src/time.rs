//! Time without a clock: instants are values that callers pass in.
//!
//! [`Mono`] orders everything inside the house; [`Wall`] exists only at its edges (NTP, pictures,
//! people).

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// An instant of this machine's `CLOCK_MONOTONIC`, in nanoseconds.
///
/// Unlike [`std::time::Instant`] it has a value, so it crosses to worker processes on the same
/// machine unharmed and can be made up by tests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Mono(u64);

impl Mono {
    /// The instant `nanos` nanoseconds after the clock's own origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's own origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to `self`, zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Signed nanoseconds from `other` to `self`.
    pub const fn signed_since(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// `self` moved by a signed number of nanoseconds, stopping at the clock's origin.
    pub const fn offset(self, nanos: i64) -> Self {
        Self(self.0.saturating_add_signed(nanos))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Mono {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// UTC, in microseconds since 1970-01-01T00:00:00Z. It may step; nothing inside the house is
/// ordered by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Wall(i64);

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970), RFC 5905 §6.
const NTP_UNIX: i64 = 2_208_988_800;

impl Wall {
    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Day and time to the minute: `YYYY-MM-DD` and `hh:mm`, for words that must not change from
    /// one look to the next.
    pub fn day_and_minute(self) -> (String, String) {
        let (days, minutes) =
            (self.0.div_euclid(86_400_000_000), self.0.rem_euclid(86_400_000_000) / 60_000_000);
        let (y, m, d) = civil(days);
        (format!("{y:04}-{m:02}-{d:02}"), format!("{:02}:{:02}", minutes / 60, minutes % 60))
    }

    /// As an NTP timestamp in 32.32 fixed point (RFC 5905 §6), the form RTCP and `abs-capture-time`
    /// carry.
    pub const fn to_ntp(self) -> u64 {
        let secs = self.0.div_euclid(1_000_000).wrapping_add(NTP_UNIX).cast_unsigned();
        let frac = ((self.0.rem_euclid(1_000_000) as u64) << 32) / 1_000_000;
        (secs << 32) | frac
    }

    /// From an NTP timestamp of era 0 (until 2036).
    pub const fn from_ntp(ntp: u64) -> Self {
        let secs = (ntp >> 32).cast_signed() - NTP_UNIX;
        let micros = ((ntp & 0xffff_ffff) * 1_000_000 + (1 << 31)) >> 32;
        Self(secs * 1_000_000 + micros.cast_signed())
    }
}

/// One reading of both clocks at once: the bridge between [`Mono`] and [`Wall`] at the edges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockPair {
    /// The monotonic clock.
    pub mono: Mono,
    /// The wall clock at the same moment.
    pub wall: Wall,
}

impl ClockPair {
    /// The wall clock's time (past or future, if it does not step) at `mono`.
    pub const fn wall_at(&self, mono: Mono) -> Wall {
        Wall(self.wall.0.saturating_add(mono.signed_since(self.mono).div_euclid(1000)))
    }

    /// The monotonic instant at which the wall clock said `wall`.
    pub const fn mono_at(&self, wall: Wall) -> Mono {
        self.mono.offset(wall.0.saturating_sub(self.wall.0).saturating_mul(1000))
    }
}

/// `ticks` of a clock of `from` Hz, in ticks of a clock of `to` Hz, rounded down.
///
/// Saturates instead of overflowing; a rate of zero counts as one.
pub fn rescale(ticks: i64, from: u32, to: u32) -> i64 {
    let scaled = (i128::from(ticks) * i128::from(to.max(1))).div_euclid(i128::from(from.max(1)));
    i64::try_from(scaled).unwrap_or(if scaled < 0 { i64::MIN } else { i64::MAX })
}

/// Turns 32-bit RTP timestamps, which roll over every 13 h at 90 kHz, into 64-bit ones that do not
/// (RFC 3550 §5.1).
#[derive(Clone, Copy, Default, Debug)]
pub struct RtpUnroll {
    last: Option<i64>,
}

impl RtpUnroll {
    /// The timestamp nearest to the last one that has these low 32 bits. The first is returned as
    /// it is.
    pub fn unroll(&mut self, rtp: u32) -> i64 {
        let next = match self.last {
            None => i64::from(rtp),
            Some(last) => last + i64::from(rtp.wrapping_sub(last as u32).cast_signed()),
        };
        self.last = Some(next);
        next
    }
}

impl fmt::Display for Wall {
    /// `YYYY-MM-DDThh:mm:ss.mmmZ` (RFC 3339).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.div_euclid(86_400_000_000), self.0.rem_euclid(86_400_000_000));
        let (y, m, d) = civil(days);
        let (secs, ms) = (rest / 1_000_000, rest / 1000 % 1000);
        write!(
            f,
            "{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}.{ms:03}Z",
            secs / 3600,
            secs / 60 % 60,
            secs % 60
        )
    }
}

/// Year, month, day of a day number counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// Years are counted from March so that the leap day is a year's last; 719 468 days lie between
/// 0000-03-01 and 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, doe) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let march_month = (5 * doy + 2) / 153;
    let day = doy - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + yoe + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates() {
        assert_eq!(Wall(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Wall(951_827_696_789_000).to_string(), "2000-02-29T12:34:56.789Z");
        assert_eq!(Wall(-1_000).to_string(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Wall(-1_000).day_and_minute(), ("1969-12-31".to_owned(), "23:59".to_owned()));
        assert_eq!(
            Wall(951_827_696_789_000).day_and_minute(),
            ("2000-02-29".to_owned(), "12:34".to_owned())
        );
    }

    #[test]
    fn rtp_timestamps_roll_over_and_step_back() {
        let mut u = RtpUnroll::default();
        assert_eq!(u.unroll(0xffff_fff0), 0xffff_fff0);
        assert_eq!(u.unroll(0x10), 0x1_0000_0010);
        assert_eq!(u.unroll(0xffff_ffff), 0xffff_ffff);
    }

    proptest! {
        #[test]
        fn ntp_round_trip(us in 0i64..4_000_000_000_000_000) {
            prop_assume!(us < (i64::from(u32::MAX) - NTP_UNIX) * 1_000_000);
            prop_assert_eq!(Wall::from_ntp(Wall(us).to_ntp()), Wall(us));
        }

        #[test]
        fn clock_pair_round_trip(m in 0u64..1 << 60, w in 0i64..1 << 50, d in -(1i64 << 40)..1 << 40) {
            let pair = ClockPair { mono: Mono(m.max(1 << 51)), wall: Wall(w) };
            let at = Wall(w + d / 1000);
            prop_assert_eq!(pair.wall_at(pair.mono_at(at)), at);
        }
    }
}
