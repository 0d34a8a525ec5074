//! What is told about a track: counters for people, receiver reports for the sender.

use super::order;
use crate::rtp::rtcp::{ReportBlock, SenderReport};
use media::{Mono, time::rescale};
use std::time::Duration;

/// Counters of one incoming track since it began.
#[derive(Clone, Copy, Default, Debug)]
pub struct Stats {
    /// Packets of this track that came, duplicates included.
    pub packets: u64,
    /// Bytes of those packets, headers included.
    pub bytes: u64,
    /// Packets that never came, or not within the reordering window.
    pub lost: u64,
    /// Packets that came behind a later one, but in time.
    pub reordered: u64,
    /// Packets that came when they were no longer waited for; they are counted as lost too.
    pub late: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Bytes that are no RTP packet, and packets that break their payload format.
    pub malformed: u64,
    /// Packets of another payload type, or of a sender not believed in.
    pub foreign: u64,
    /// How often the sender began anew: another SSRC, or sequence numbers from elsewhere.
    pub restarts: u64,
    /// How often the sender's timestamps jumped.
    pub jumps: u64,
    /// Frames delivered.
    pub frames: u64,
    /// Frames not delivered because a part was missing or they were too large.
    pub frames_dropped: u64,
    /// Frames delivered between a loss and the next keyframe: their decoder had to conceal
    /// something.
    pub frames_after_loss: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Duration,
}

impl Stats {
    pub(super) fn set_order(&mut self, counters: order::Counters) {
        let order::Counters { lost, reordered, late, duplicates, restarts } = counters;
        (self.lost, self.reordered, self.late, self.duplicates, self.restarts) =
            (lost, reordered, late, duplicates, restarts);
    }
}

/// One sender's reception, as receiver reports want it (RFC 3550 appendices A.3 and A.8).
#[derive(Clone, Debug)]
pub(super) struct Reception {
    ssrc: u32,
    clock_rate: u32,
    /// Extended number of the first packet.
    base: u64,
    received: u64,
    /// Expected and received packets at the time of the last report.
    prior: (u64, u64),
    /// Arrival minus timestamp of the last packet, in ticks.
    transit: Option<u32>,
    /// 16 times the jitter in ticks.
    jitter_16: u64,
    /// Middle half of the last sender report's NTP time, and when it came.
    last_report: Option<(u32, Mono)>,
}

impl Reception {
    pub(super) fn new(ssrc: u32, clock_rate: u32, base: u64) -> Self {
        let (transit, last_report) = (None, None);
        Self {
            ssrc,
            clock_rate,
            base,
            received: 0,
            prior: (0, 0),
            transit,
            jitter_16: 0,
            last_report,
        }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn handle_packet(&mut self, now: Mono, timestamp: u32) {
        self.received += 1;
        let nanos = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let transit =
            (rescale(nanos, 1_000_000_000, self.clock_rate) as u32).wrapping_sub(timestamp);
        if let Some(last) = self.transit.replace(transit) {
            let d = u64::from(transit.wrapping_sub(last).cast_signed().unsigned_abs());
            self.jitter_16 = self.jitter_16 - ((self.jitter_16 + 8) >> 4) + d;
        }
    }

    pub(super) fn handle_report(&mut self, now: Mono, report: &SenderReport) {
        self.last_report = Some(((report.ntp >> 16) as u32, now));
    }

    pub(super) fn jitter(&self) -> Duration {
        let ticks = i64::try_from(self.jitter_16 >> 4).unwrap_or(i64::MAX);
        Duration::from_nanos(rescale(ticks, self.clock_rate, 1_000_000_000).unsigned_abs())
    }

    /// The block of the next report, which begins a new interval.
    pub(super) fn report(&mut self, now: Mono, highest: u64) -> ReportBlock {
        let expected = (highest + 1).saturating_sub(self.base);
        let (prior_expected, prior_received) =
            std::mem::replace(&mut self.prior, (expected, self.received));
        let interval = expected - prior_expected.min(expected);
        let lost = interval.saturating_sub(self.received - prior_received);
        let since =
            |at| (now.since(at).as_micros() * 65_536 / 1_000_000).min(u128::from(u32::MAX)) as u32;
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: (lost * 256).checked_div(interval).unwrap_or(0).min(255) as u8,
            cumulative_lost: (expected as i64 - self.received as i64).clamp(-0x80_0000, 0x7f_ffff)
                as i32,
            highest_sequence: highest as u32,
            jitter: (self.jitter_16 >> 4).min(u64::from(u32::MAX)) as u32,
            last_report: self.last_report.map_or(0, |(ntp, _)| ntp),
            since_last_report: self.last_report.map_or(0, |(_, at)| since(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn losses_of_the_interval_and_of_all_time() {
        let mut r = Reception::new(1, 90_000, 10);
        (0..75).for_each(|i| r.handle_packet(ms(i), 0));
        let block = r.report(ms(100), 109);
        assert_eq!(
            (block.fraction_lost, block.cumulative_lost, block.highest_sequence),
            (64, 25, 109)
        );
        (0..110).for_each(|i| r.handle_packet(ms(i), 0));
        let block = r.report(ms(200), 209);
        assert_eq!(
            (block.fraction_lost, block.cumulative_lost),
            (0, 15),
            "duplicates count as received (A.3)"
        );
    }

    #[test]
    fn steady_packets_have_no_jitter_and_wobbling_ones_have() {
        let mut r = Reception::new(1, 90_000, 0);
        (0..100).for_each(|i| r.handle_packet(ms(10 * i), 900 * i as u32));
        assert_eq!(r.jitter(), Duration::ZERO);
        (100..400).for_each(|i| r.handle_packet(ms(10 * i + i % 2 * 4), 900 * i as u32));
        assert!(
            r.jitter().abs_diff(Duration::from_millis(4)) < Duration::from_micros(100),
            "{:?}",
            r.jitter()
        );
    }

    #[test]
    fn delay_since_the_sender_report() {
        let mut r = Reception::new(1, 90_000, 0);
        r.handle_packet(ms(0), 0);
        let report = SenderReport {
            ssrc: 1,
            ntp: 0x1122_3344_5566_7788,
            timestamp: 0,
            packets: 0,
            octets: 0,
        };
        r.handle_report(ms(1000), &report);
        let block = r.report(ms(1500), 0);
        assert_eq!((block.last_report, block.since_last_report), (0x3344_5566, 32_768));
    }
}
