//! RTCP (RFC 3550 §6): the few packets this house speaks.

use bytes::{BufMut, Bytes, BytesMut};
use media::Wall;
use rtcp_types::{RtcpPacketParser, SenderReport as Parsed};
use std::time::Duration;

pub(super) const SENDER_REPORT: u8 = 200;
pub(super) const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
pub(super) const GOODBYE: u8 = 203;
/// RFC 3611 §2.
pub(super) const EXTENDED_REPORT: u8 = 207;
/// SDES item type of the canonical name (§6.5.1).
const CNAME: u8 = 1;

/// The link between a sender's wall clock and its RTP clock (§6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderReport {
    /// Who reports.
    pub ssrc: u32,
    /// The sender's wall clock, NTP 32.32 fixed point.
    pub ntp: u64,
    /// The same instant on its RTP clock.
    pub timestamp: u32,
    /// Packets sent so far, modulo 2³².
    pub packets: u32,
    /// Payload bytes sent so far, modulo 2³².
    pub octets: u32,
}

impl SenderReport {
    /// The sender's wall clock at the instant of the report.
    pub const fn wall(&self) -> Wall {
        Wall::from_ntp(self.ntp)
    }
}

/// What a receiver tells about one sender (§6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ReportBlock {
    /// The sender reported on.
    pub ssrc: u32,
    /// Packets lost since the last report, in 256ths of those expected.
    pub fraction_lost: u8,
    /// Packets lost altogether; negative if more came than were expected (duplicates).
    pub cumulative_lost: i32,
    /// Highest sequence number seen, with the count of its roll-overs in the high half.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks of the RTP clock.
    pub jitter: u32,
    /// The middle half of the last sender report's NTP timestamp; 0 if none was seen.
    pub last_report: u32,
    /// Time since that report, in 65536ths of a second.
    pub since_last_report: u32,
}

impl ReportBlock {
    /// The time that our last sender report took to the receiver, and this block back; None if it
    /// has seen none.
    pub fn round_trip(&self, now: Wall) -> Option<Duration> {
        round_trip(now, self.last_report, self.since_last_report)
    }
}

/// How long a report of ours and its answer were on their way (RFC 3550 §6.4.1, RFC 3611 §4.5):
/// what has passed since `last_report`, less what the other side took. None if it has seen no
/// report. Clocks of the two sides are not compared.
pub fn round_trip(now: Wall, last_report: u32, since_last_report: u32) -> Option<Duration> {
    let trip = to_report_time(now.to_ntp())
        .wrapping_sub(last_report)
        .wrapping_sub(since_last_report)
        .cast_signed();
    // The other side's rounding can make a very short way negative.
    let trip = u64::from(trip.max(0).cast_unsigned());
    (last_report != 0).then(|| Duration::from_micros((trip * 1_000_000) >> 16))
}

/// The middle half of an NTP timestamp: 65536ths of a second.
pub(super) const fn to_report_time(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// A delay in 65536ths of a second, at most 18 hours.
pub(super) fn to_report_delay(delay: Duration) -> u32 {
    u32::try_from((delay.as_micros() << 16) / 1_000_000).unwrap_or(u32::MAX)
}

/// All sender reports within a compound packet. What cannot be read is passed over: many cameras
/// build odd compounds.
pub fn sender_reports(compound: &[u8]) -> impl Iterator<Item = SenderReport> + '_ {
    packets(compound).filter(|p| p[1] == SENDER_REPORT).filter_map(|p| Parsed::parse(p).ok()).map(
        |p| SenderReport {
            ssrc: p.ssrc(),
            ntp: p.ntp_timestamp(),
            timestamp: p.rtp_timestamp(),
            packets: p.packet_count(),
            octets: p.octet_count(),
        },
    )
}

/// True if the second byte of a packet says RTCP where both share a flow (RFC 5761 §4).
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|ty| (192..=223).contains(ty))
}

/// The packets of a compound, as far as their lengths make sense. Each has at least its four header
/// bytes.
pub(super) fn packets(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let words = u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]);
        let (packet, tail) = rest.split_at_checked((usize::from(words) + 1) * 4)?;
        rest = tail;
        Some(packet)
    })
}

/// A sender report with the sender's canonical name (§6.1 wants both in one compound).
pub fn write_sender_report(report: &SenderReport, cname: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(128);
    put_sender_report(&mut out, report, cname);
    out.freeze()
}

/// Like [`write_sender_report`], appended to what is there.
pub fn put_sender_report(out: &mut impl BufMut, report: &SenderReport, cname: &str) {
    put_header(out, 0, SENDER_REPORT, 6);
    out.put_u32(report.ssrc);
    out.put_u64(report.ntp);
    out.put_u32(report.timestamp);
    out.put_u32(report.packets);
    out.put_u32(report.octets);
    put_description(out, report.ssrc, cname);
}

/// A receiver report by `ssrc`, about one sender or none, with the receiver's canonical name.
pub fn write_receiver_report(ssrc: u32, block: Option<&ReportBlock>, cname: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(128);
    put_receiver_report(&mut out, ssrc, block);
    put_description(&mut out, ssrc, cname);
    out.freeze()
}

/// The end of a stream (§6.6), behind the empty receiver report that a compound must begin with.
pub fn write_goodbye(ssrc: u32, cname: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(128);
    put_receiver_report(&mut out, ssrc, None);
    put_description(&mut out, ssrc, cname);
    put_header(&mut out, 1, GOODBYE, 1);
    out.put_u32(ssrc);
    out.freeze()
}

pub(super) fn put_header(out: &mut impl BufMut, count: u8, ty: u8, words_behind: u16) {
    out.put_u8(2 << 6 | count);
    out.put_u8(ty);
    out.put_u16(words_behind);
}

/// Appends a receiver report by `ssrc`, about one sender or none (§6.4.2).
pub fn put_receiver_report(out: &mut impl BufMut, ssrc: u32, block: Option<&ReportBlock>) {
    put_header(
        out,
        u8::from(block.is_some()),
        RECEIVER_REPORT,
        if block.is_some() { 7 } else { 1 },
    );
    out.put_u32(ssrc);
    if let Some(b) = block {
        out.put_u32(b.ssrc);
        let lost = b.cumulative_lost.clamp(-(1 << 23), (1 << 23) - 1).cast_unsigned() & 0xff_ffff;
        out.put_u32(u32::from(b.fraction_lost) << 24 | lost);
        out.put_u32(b.highest_sequence);
        out.put_u32(b.jitter);
        out.put_u32(b.last_report);
        out.put_u32(b.since_last_report);
    }
}

/// Appends the canonical name of `ssrc`: one SDES chunk with one item; at least one zero byte ends
/// the items, then it is padded to a word (§6.5).
pub fn put_description(out: &mut impl BufMut, ssrc: u32, cname: &str) {
    let name = &cname.as_bytes()[..cname.len().min(255)];
    let zeros = 4 - (2 + name.len()) % 4;
    put_header(out, 1, SOURCE_DESCRIPTION, ((4 + 2 + name.len() + zeros) / 4) as u16);
    out.put_u32(ssrc);
    out.put_u8(CNAME);
    out.put_u8(name.len() as u8);
    out.put_slice(name);
    out.put_bytes(0, zeros);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtcp_types::{Compound, Packet};

    const REPORT: SenderReport = SenderReport {
        ssrc: 7,
        ntp: 0xe000_0000_8000_0000,
        timestamp: 90_000,
        packets: 3,
        octets: 400,
    };

    fn parsed(bytes: &[u8]) -> Vec<Packet<'_>> {
        Compound::parse(bytes).unwrap().map(|p| p.unwrap()).collect()
    }

    #[test]
    fn sender_reports_are_read_back() {
        for cname in ["", "a", "neverblink", "x".repeat(300).as_str()] {
            let bytes = write_sender_report(&REPORT, cname);
            assert_eq!(sender_reports(&bytes).collect::<Vec<_>>(), [REPORT]);
            let [Packet::Sr(_), Packet::Sdes(sdes)] = &parsed(&bytes)[..] else {
                panic!("{bytes:?}")
            };
            let chunk = sdes.chunks().next().unwrap();
            assert_eq!(
                chunk.items().next().unwrap().value(),
                &cname.as_bytes()[..cname.len().min(255)]
            );
        }
    }

    #[test]
    fn receiver_reports_carry_their_block() {
        let block = ReportBlock {
            ssrc: 9,
            fraction_lost: 25,
            cumulative_lost: -2,
            jitter: 77,
            ..ReportBlock::default()
        };
        let bytes = write_receiver_report(1, Some(&block), "me");
        let [Packet::Rr(rr), Packet::Sdes(_)] = &parsed(&bytes)[..] else { panic!("{bytes:?}") };
        let got = rr.report_blocks().next().unwrap();
        assert_eq!(
            (rr.ssrc(), got.ssrc(), got.fraction_lost(), got.interarrival_jitter()),
            (1, 9, 25, 77)
        );
        assert_eq!(got.cumulative_lost(), 0xff_fffe);
    }

    #[test]
    fn the_round_trip_is_what_the_other_side_did_not_take() {
        // RFC 3550 §6.4.1, figure 2.
        let block = ReportBlock {
            last_report: 0xb705_2000,
            since_last_report: 0x0005_4000,
            ..ReportBlock::default()
        };
        let now = Wall::from_ntp(0xb44d_b710_8000_0000);
        assert_eq!(block.round_trip(now), Some(Duration::from_micros(6_125_000)));
        let hasty = ReportBlock { since_last_report: 0x000b_6001, ..block };
        assert_eq!(hasty.round_trip(now), Some(Duration::ZERO));
        assert_eq!(ReportBlock { last_report: 0, ..block }.round_trip(now), None);
        assert_eq!(
            (to_report_delay(Duration::from_millis(5250)), to_report_delay(Duration::MAX)),
            (0x0005_4000, u32::MAX)
        );
    }

    #[test]
    fn goodbye_is_a_legal_compound() {
        let bytes = write_goodbye(5, "me");
        let [Packet::Rr(_), Packet::Sdes(_), Packet::Bye(bye)] = &parsed(&bytes)[..] else {
            panic!("{bytes:?}")
        };
        assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_report_behind_something_odd_is_found_and_a_cut_one_is_not() {
        let mut odd = vec![0x80, 207, 0, 1, 1, 2, 3, 4];
        odd.extend(write_sender_report(&REPORT, "x"));
        assert_eq!(sender_reports(&odd).count(), 1);
        assert_eq!(sender_reports(&odd[..30]).count(), 0);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            sender_reports(&bytes).count();
        }
    }
}
