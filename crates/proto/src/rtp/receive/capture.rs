//! When a frame was taken: the sender's word for it, if its clock can be ours (RFC 3550 §6.4.1).

use crate::rtp::rtcp::SenderReport;
use media::{CaptureClock, Captured, ClockPair, Mono, time::rescale};
use std::time::Duration;

/// A frame that would be older than this was stamped by a clock that is not set like ours.
const MAX_AGE: i64 = 10_000_000_000;

/// Maps a track's RTP timestamps to this machine's clock.
///
/// Every sender report renews the mapping with our clocks of that moment, so a step of either wall
/// clock is believed from the next report on, and harms only as long as it takes to come. A time of
/// capture in the future, or more than ten seconds past, proves that the two clocks are not set
/// alike: then the arrival of the frame's first packet has to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct CaptureMap {
    clock_rate: u32,
    report: Option<Report>,
    /// The sender's reports are known to be wrong.
    disbelieved: bool,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    ssrc: u32,
    timestamp: u32,
    at: Mono,
    /// Our wall clock minus the sender's when the report came, in nanoseconds: its way here plus
    /// the clocks' difference.
    behind: i64,
}

impl CaptureMap {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self { clock_rate, report: None, disbelieved: false }
    }

    /// Believes no report from now on.
    pub(super) fn disbelieve(&mut self) {
        *self = Self { disbelieved: true, ..Self::new(self.clock_rate) };
    }

    /// Takes a report; one without wall clock time (NTP 0) says nothing.
    pub(super) fn handle_report(&mut self, now: Mono, clocks: &ClockPair, report: &SenderReport) {
        if report.ntp == 0 || self.disbelieved {
            return;
        }
        let behind = clocks
            .wall_at(now)
            .as_micros()
            .saturating_sub(report.wall().as_micros())
            .saturating_mul(1000);
        self.report =
            Some(Report { ssrc: report.ssrc, timestamp: report.timestamp, at: now, behind });
    }

    /// When the frame was taken whose first packet, of this sender and with this timestamp, came at
    /// `arrival`.
    pub(super) fn captured(&self, ssrc: u32, timestamp: u32, arrival: Mono) -> Captured {
        let age = self
            .report
            .filter(|r| r.ssrc == ssrc)
            .map(|r| r.age(timestamp, arrival, self.clock_rate));
        match age {
            Some(age @ 0..=MAX_AGE) => Captured {
                at: arrival - Duration::from_nanos(age.unsigned_abs()),
                clock: CaptureClock::SenderReport,
            },
            _ => Captured { at: arrival, clock: CaptureClock::Arrival },
        }
    }
}

impl Report {
    /// Nanoseconds from capture to `arrival`.
    fn age(&self, timestamp: u32, arrival: Mono, clock_rate: u32) -> i64 {
        let ticks = timestamp.wrapping_sub(self.timestamp).cast_signed();
        let later = rescale(ticks.into(), clock_rate, 1_000_000_000);
        arrival.signed_since(self.at).saturating_sub(later).saturating_add(self.behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::Wall;

    const NOW: Mono = Mono::from_nanos(3_000_000_000);
    const WALL: i64 = 1_700_000_000_000_000;

    /// Our clocks at `NOW`, with the wall clock `step` µs beside the truth.
    fn clocks(step: i64) -> ClockPair {
        ClockPair { mono: NOW, wall: Wall::from_micros(WALL + step) }
    }

    /// A report that came 2 ms after it was made, by a clock set `off` µs beside ours.
    fn report(off: i64) -> SenderReport {
        let ntp = Wall::from_micros(WALL - 2000 + off).to_ntp();
        SenderReport { ssrc: 1, ntp, timestamp: 5, packets: 0, octets: 0 }
    }

    fn map(clocks: &ClockPair, report: &SenderReport) -> CaptureMap {
        let mut map = CaptureMap::new(90_000);
        map.handle_report(NOW, clocks, report);
        map
    }

    /// Age in µs of a frame taken 100 ms after the report and come 30 ms after that, if told by the
    /// sender.
    fn age(map: &CaptureMap) -> Option<i64> {
        let arrival = NOW.offset(-2_000_000 + 130_000_000);
        let captured = map.captured(1, 5 + 9000, arrival);
        (captured.clock == CaptureClock::SenderReport)
            .then(|| (arrival.signed_since(captured.at) + 500) / 1000)
    }

    #[test]
    fn a_sender_with_our_clock_is_believed() {
        assert_eq!(age(&map(&clocks(0), &report(0))), Some(30_000));
        assert_eq!(age(&map(&clocks(0), &report(-1_000_000))), Some(1_030_000));
    }

    #[test]
    fn another_clock_is_not() {
        for off in [-10_000_000, 31_000, 3_600_000_000, -3_600_000_000, i64::MIN / 4000] {
            assert_eq!(age(&map(&clocks(0), &report(off))), None, "{off}");
        }
        assert_eq!(age(&map(&clocks(0), &SenderReport { ntp: 0, ..report(0) })), None);
        assert_eq!(age(&CaptureMap::new(90_000)), None);
    }

    #[test]
    fn a_sender_that_is_known_to_be_wrong_is_not_believed() {
        let mut map = map(&clocks(0), &report(0));
        map.disbelieve();
        assert_eq!(age(&map), None);
        map.handle_report(NOW, &clocks(0), &report(0));
        assert_eq!(age(&map), None);
    }

    #[test]
    fn the_arrival_has_to_do_then() {
        let captured = CaptureMap::new(90_000).captured(1, 0, NOW);
        assert_eq!(captured, Captured { at: NOW, clock: CaptureClock::Arrival });
        assert_eq!(
            map(&clocks(0), &report(0)).captured(2, 9005, NOW).clock,
            CaptureClock::Arrival,
            "another SSRC"
        );
    }

    #[test]
    fn a_step_of_our_wall_clock_is_noticed_with_the_next_report() {
        let mut map = map(&clocks(0), &report(0));
        map.handle_report(NOW, &clocks(-3_600_000_000), &report(0));
        assert_eq!(age(&map), None);
        map.handle_report(NOW, &clocks(-3_600_000_000), &report(-3_600_000_000));
        assert_eq!(age(&map), Some(30_000), "the sender's clock followed");
    }

    #[test]
    fn timestamps_that_wrap_are_near() {
        let report = SenderReport { timestamp: u32::MAX - 3999, ..report(0) };
        let captured = map(&clocks(0), &report).captured(1, 5000, NOW.offset(128_000_000));
        assert_eq!(captured.clock, CaptureClock::SenderReport);
    }
}
