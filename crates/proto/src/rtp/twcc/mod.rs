//! Transport-wide congestion feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01): when
//! each packet of all streams of a connection arrived, by a sequence number that all of them share.
//!
//! [`Feedback`] reads a message without allocating; [`write`](write()) makes one, [`Arrivals`]
//! those of a receiver.

mod arrivals;
mod chunks;
#[cfg(test)]
mod tests;
mod write;

pub use arrivals::Arrivals;
pub use chunks::{Packet, Packets};
pub use write::write;

use chunks::{Chunk, Symbol};

/// RTCP packet type of transport-layer feedback (RFC 4585 §6.1).
const TRANSPORT_FEEDBACK: u8 = 205;
/// Its format number (§3.1).
const FORMAT: u8 = 15;
/// Header, two SSRCs and the fixed fields.
const FIXED: usize = 20;
/// What [`Packet::arrival`] counts in: 250 µs.
pub const TICK_MICROS: i64 = 250;
/// Ticks in a unit of the reference time, 64 ms.
const TICKS_PER_REFERENCE: i64 = 256;

/// Why a message cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Another kind of RTCP packet.
    #[error("not a transport-wide feedback message")]
    Kind,
    /// It ends before what it announces.
    #[error("transport-wide feedback is cut short")]
    Short,
    /// It uses the reserved packet status symbol (§3.1.1), or tells of no packet.
    #[error("transport-wide feedback is malformed")]
    Malformed,
}

/// One feedback message (§3.1), checked: its [`packets`](Feedback::packets) can all be read.
#[derive(Clone, Copy, Debug)]
pub struct Feedback<'a> {
    /// Who reports.
    pub sender: u32,
    /// A stream that the report is about; it covers all of them.
    pub media: u32,
    /// Transport sequence number of the first packet told of.
    pub base: u16,
    /// Number of packets told of, at least 1.
    pub packets: u16,
    /// Reference time in units of 64 ms of the receiver's clock, signed 24 bits.
    pub reference: i32,
    /// Counts feedback messages, modulo 256.
    pub count: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> Feedback<'a> {
    /// Reads one RTCP packet, from its header on. Takes time and space bounded by the packet's
    /// length.
    ///
    /// # Errors
    /// If it is something else, cut short or malformed.
    pub fn parse(packet: &'a [u8]) -> Result<Self, Error> {
        if !is_feedback(packet) {
            return Err(Error::Kind);
        }
        let (fixed, rest) = without_padding(packet)
            .ok_or(Error::Short)?
            .split_at_checked(FIXED)
            .ok_or(Error::Short)?;
        let packets = u16::from_be_bytes([fixed[14], fixed[15]]);
        let (chunks, deltas) =
            rest.split_at_checked(measure(packets, rest)?).ok_or(Error::Short)?;
        Ok(Self {
            sender: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            media: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            base: u16::from_be_bytes([fixed[12], fixed[13]]),
            packets,
            reference: i32::from_be_bytes([fixed[16], fixed[17], fixed[18], 0]) >> 8,
            count: fixed[19],
            chunks,
            deltas,
        })
    }

    /// What it tells of each packet, in order of the sequence numbers.
    pub const fn packets(&self) -> Packets<'a> {
        let time = self.reference as i64 * TICKS_PER_REFERENCE;
        Packets::new(self.base, self.packets, time, self.chunks, self.deltas)
    }
}

/// All feedback messages of a compound packet. What cannot be read is passed over.
pub fn feedbacks(compound: &[u8]) -> impl Iterator<Item = Feedback<'_>> {
    super::rtcp::packets(compound).filter_map(|packet| Feedback::parse(packet).ok())
}

fn is_feedback(packet: &[u8]) -> bool {
    matches!(packet, [first, TRANSPORT_FEEDBACK, ..] if first >> 6 == 2 && first & 0x1f == FORMAT)
}

/// As long as the header says, less the padding (RFC 3550 §6.4.1).
fn without_padding(packet: &[u8]) -> Option<&[u8]> {
    let words = u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]);
    let packet = packet.get(..(usize::from(words) + 1) * 4)?;
    let padding = if packet[0] & 0x20 == 0 { 0 } else { usize::from(*packet.last()?) };
    packet.get(..packet.len().checked_sub(padding)?)
}

/// Length of the chunks in bytes, once it is sure that they and their deltas are all there.
fn measure(packets: u16, rest: &[u8]) -> Result<usize, Error> {
    let (mut left, mut chunk_bytes, mut delta_bytes) = (packets, 0, 0);
    while left > 0 {
        let bytes = rest.get(chunk_bytes..chunk_bytes + 2).ok_or(Error::Short)?;
        let chunk = Chunk::new(u16::from_be_bytes([bytes[0], bytes[1]]));
        let told = chunk.len().min(left);
        delta_bytes += chunk.delta_bytes(told).ok_or(Error::Malformed)?;
        left -= told;
        chunk_bytes += 2;
    }
    match rest.len().checked_sub(chunk_bytes) {
        _ if packets == 0 => Err(Error::Malformed),
        Some(behind) if behind >= delta_bytes => Ok(chunk_bytes),
        _ => Err(Error::Short),
    }
}
