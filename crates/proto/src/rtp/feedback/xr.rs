//! The two blocks of extended reports (RFC 3611) by which a receiver that sends no media learns the
//! round trip.

use super::super::rtcp::{EXTENDED_REPORT, put_header, to_report_delay, to_report_time};
use super::{Feedback, be16, be32};
use bytes::BufMut;
use std::{slice::ChunksExact, time::Duration};

/// Receiver reference time (§4.4).
const RECEIVER_TIME: u8 = 4;
/// Delay since the last receiver reference time (§4.5), and the bytes of one of its sub-blocks.
const DLRR: u8 = 5;
const SUB_BLOCK: usize = 12;

/// When a receiver's clock came in (§4.5): with it, the receiver knows the round trip.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dlrr {
    /// The receiver.
    pub ssrc: u32,
    /// The middle half of the NTP timestamp it sent.
    pub last_report: u32,
    /// Time since that came in, in 65536ths of a second.
    pub since_last_report: u32,
}

impl Dlrr {
    /// The answer to a receiver that sent its clock, `ntp`, this long ago.
    pub fn new(ssrc: u32, ntp: u64, ago: Duration) -> Self {
        Self { ssrc, last_report: to_report_time(ntp), since_last_report: to_report_delay(ago) }
    }
}

/// Appends an extended report by `ssrc` with one answer to a compound packet.
pub fn put_dlrr(out: &mut impl BufMut, ssrc: u32, answer: &Dlrr) {
    put_header(out, 0, EXTENDED_REPORT, 5);
    out.put_u32(ssrc);
    out.put_u8(DLRR);
    out.put_u8(0);
    out.put_u16(3);
    out.put_u32(answer.ssrc);
    out.put_u32(answer.last_report);
    out.put_u32(answer.since_last_report);
}

/// The blocks of one extended report.
pub(super) struct Blocks<'a> {
    from: u32,
    rest: &'a [u8],
    /// What is left of a block with answers.
    answers: ChunksExact<'a, u8>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(from: u32, rest: &'a [u8]) -> Self {
        Self { from, rest, answers: [].chunks_exact(SUB_BLOCK) }
    }

    fn answer(&mut self) -> Option<Feedback<'a>> {
        let sub = self.answers.next()?;
        let (ssrc, last_report, since_last_report) =
            (be32(sub)?, be32(&sub[4..])?, be32(&sub[8..])?);
        Some(Feedback::Dlrr(Dlrr { ssrc, last_report, since_last_report }))
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Feedback<'a>;

    fn next(&mut self) -> Option<Feedback<'a>> {
        loop {
            if let Some(answer) = self.answer() {
                return Some(answer);
            }
            let kind = *self.rest.first()?;
            let words = be16(self.rest.get(2..)?)?;
            let (block, rest) = self.rest[4..].split_at_checked(4 * usize::from(words))?;
            self.rest = rest;
            match (kind, block.first_chunk()) {
                (RECEIVER_TIME, Some(ntp)) => {
                    return Some(Feedback::ReceiverTime {
                        from: self.from,
                        ntp: u64::from_be_bytes(*ntp),
                    });
                }
                (DLRR, _) => self.answers = block.chunks_exact(SUB_BLOCK),
                _ => {}
            }
        }
    }
}
