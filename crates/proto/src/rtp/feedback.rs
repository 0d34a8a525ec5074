//! What receivers of our streams say by RTCP: what they lack, what they want, how the link is.
//!
//! [`read`] walks a compound packet (RFC 3550 §6.1), or a reduced-size one (RFC 5506), and
//! allocates nothing. What is unknown or makes no sense is passed over.

#[cfg(test)]
mod tests;
mod write;
mod xr;

pub use write::{put_nack, put_picture_loss};
pub use xr::{Dlrr, put_dlrr};

use super::rtcp::{EXTENDED_REPORT, GOODBYE, RECEIVER_REPORT, ReportBlock, SENDER_REPORT, packets};
use std::slice::ChunksExact;

/// Transport-layer feedback (RFC 4585 §6.2), and its formats.
const TRANSPORT: u8 = 205;
const NACK: u8 = 1;
const TRANSPORT_WIDE: u8 = 15;
/// Payload-specific feedback (RFC 4585 §6.3), and its formats.
const PAYLOAD: u8 = 206;
const PLI: u8 = 1;
const FIR: u8 = 4;
const APPLICATION: u8 = 15;

/// Bytes of a sender report before its blocks, of a block, and of a request in a FIR.
const SENDER_INFO: usize = 20;
const BLOCK: usize = 24;
const REQUEST: usize = 8;
/// Numbers taken from one NACK. A browser gives up, and asks for a keyframe, before it lacks as
/// many.
const MAX_LOST: usize = 1024;

/// One thing said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feedback<'a> {
    /// How one of our streams arrives (RFC 3550 §6.4.1). It comes in receiver reports and in sender
    /// reports.
    Report {
        /// Who says so.
        from: u32,
        /// What.
        block: ReportBlock,
    },
    /// Packets are lost (RFC 4585 §6.2.1).
    Nack(Nack<'a>),
    /// Pictures of this source cannot be decoded until there is a keyframe (RFC 4585 §6.3.1).
    PictureLoss {
        /// Our stream.
        media: u32,
    },
    /// A keyframe is wanted (RFC 5104 §4.3.1).
    KeyframeRequest {
        /// Our stream.
        media: u32,
        /// Rises with each request: one that repeats the number before is the same request, sent
        /// again.
        sequence: u8,
    },
    /// The receiver's estimate of what the link carries (draft-alvestrand-rmcat-remb-03).
    Bitrate {
        /// Bits a second.
        bits: u64,
    },
    /// A source has gone (RFC 3550 §6.6).
    Goodbye {
        /// Of the other side.
        ssrc: u32,
    },
    /// The clock of a receiver that sends nothing, to be answered by [`put_dlrr`] (RFC 3611 §4.4).
    ReceiverTime {
        /// Who asks.
        from: u32,
        /// Its wall clock, NTP 32.32 fixed point.
        ntp: u64,
    },
    /// The answer to a [`ReceiverTime`](Self::ReceiverTime) (RFC 3611 §4.5).
    Dlrr(Dlrr),
    /// A whole transport-wide congestion feedback packet, header and all, as `rtp::twcc` reads it.
    TransportWide(&'a [u8]),
}

/// Which packets of a stream are lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nack<'a> {
    /// Our stream.
    pub media: u32,
    entries: &'a [u8],
}

impl Nack<'_> {
    /// Their sequence numbers, in the order of asking, at most 1024.
    pub fn lost(&self) -> impl Iterator<Item = u16> + '_ {
        let entries = self.entries.chunks_exact(4).filter_map(|e| Some((be16(e)?, be16(&e[2..])?)));
        let lost = entries.flat_map(|(first, more)| {
            let behind = (0..16).filter(move |bit| more >> bit & 1 != 0);
            std::iter::once(first).chain(behind.map(move |bit| first.wrapping_add(bit + 1)))
        });
        lost.take(MAX_LOST)
    }
}

/// All that a compound packet says, in order.
pub fn read(compound: &[u8]) -> impl Iterator<Item = Feedback<'_>> {
    packets(compound).filter_map(Items::of).flatten()
}

/// What one packet says.
enum Items<'a> {
    Blocks { from: u32, blocks: ChunksExact<'a, u8> },
    Requests(ChunksExact<'a, u8>),
    Goodbyes(ChunksExact<'a, u8>),
    Extended(xr::Blocks<'a>),
    One(Option<Feedback<'a>>),
}

impl<'a> Items<'a> {
    /// `packet` has at least its four header bytes.
    fn of(packet: &'a [u8]) -> Option<Self> {
        let (count, body) = (usize::from(packet[0] & 0x1f), body(packet)?);
        match packet[1] {
            SENDER_REPORT => Self::blocks(body, count, SENDER_INFO),
            RECEIVER_REPORT => Self::blocks(body, count, 0),
            GOODBYE => Some(Self::Goodbyes(body.get(..4 * count)?.chunks_exact(4))),
            EXTENDED_REPORT => Some(Self::Extended(xr::Blocks::new(be32(body)?, body.get(4..)?))),
            TRANSPORT => transport(packet, count as u8, body).map(|one| Self::One(Some(one))),
            PAYLOAD if count == usize::from(FIR) => {
                Some(Self::Requests(body.get(8..)?.chunks_exact(REQUEST)))
            }
            PAYLOAD => payload(count as u8, body).map(|one| Self::One(Some(one))),
            _ => None,
        }
    }

    /// As many blocks as are announced and there: what is behind them is a profile's own.
    fn blocks(body: &'a [u8], count: usize, before: usize) -> Option<Self> {
        let (from, blocks) = (be32(body)?, body.get(4 + before..)?);
        let blocks = blocks[..blocks.len().min(BLOCK * count)].chunks_exact(BLOCK);
        Some(Self::Blocks { from, blocks })
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Feedback<'a>;

    fn next(&mut self) -> Option<Feedback<'a>> {
        match self {
            Self::Blocks { from, blocks } => {
                Some(Feedback::Report { from: *from, block: block(blocks.next()?)? })
            }
            Self::Requests(requests) => {
                let request = requests.next()?;
                Some(Feedback::KeyframeRequest { media: be32(request)?, sequence: request[4] })
            }
            Self::Goodbyes(sources) => Some(Feedback::Goodbye { ssrc: be32(sources.next()?)? }),
            Self::Extended(blocks) => blocks.next(),
            Self::One(one) => one.take(),
        }
    }
}

/// What is behind the four header bytes, without padding. None if the version or the padding is
/// wrong.
fn body(packet: &[u8]) -> Option<&[u8]> {
    let body = packet.get(4..).filter(|_| packet[0] >> 6 == 2)?;
    if packet[0] & 0x20 == 0 {
        return Some(body);
    }
    let padding = usize::from(*body.last()?);
    if padding == 0 { None } else { body.get(..body.len().checked_sub(padding)?) }
}

fn transport<'a>(packet: &'a [u8], format: u8, body: &'a [u8]) -> Option<Feedback<'a>> {
    match format {
        NACK => {
            Some(Feedback::Nack(Nack { media: be32(body.get(4..)?)?, entries: body.get(8..)? }))
        }
        TRANSPORT_WIDE => Some(Feedback::TransportWide(packet)),
        _ => None,
    }
}

fn payload(format: u8, body: &[u8]) -> Option<Feedback<'_>> {
    match (format, body.get(8..)?) {
        (PLI, _) => Some(Feedback::PictureLoss { media: be32(&body[4..])? }),
        (APPLICATION, [b'R', b'E', b'M', b'B', _, a, b, c, ..]) => {
            let mantissa = u64::from(a & 3) << 16 | u64::from(*b) << 8 | u64::from(*c);
            Some(Feedback::Bitrate { bits: mantissa.saturating_mul(1 << (a >> 2)) })
        }
        _ => None,
    }
}

fn block(bytes: &[u8]) -> Option<ReportBlock> {
    let word = |i: usize| be32(bytes.get(4 * i..)?);
    let lost = word(1)?;
    Some(ReportBlock {
        ssrc: word(0)?,
        fraction_lost: (lost >> 24) as u8,
        cumulative_lost: (lost << 8).cast_signed() >> 8,
        highest_sequence: word(2)?,
        jitter: word(3)?,
        last_report: word(4)?,
        since_last_report: word(5)?,
    })
}

fn be16(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|two| u16::from_be_bytes(*two))
}

fn be32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|four| u32::from_be_bytes(*four))
}
