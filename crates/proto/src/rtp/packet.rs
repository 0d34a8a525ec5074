//! One RTP packet (RFC 3550 §5.1).

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of an RTP header without CSRCs and extensions.
pub const HEADER_LEN: usize = 12;

/// The fixed part of an RTP header, as this house writes it: no CSRC, no extension, no padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// 7-bit payload type.
    pub payload_type: u8,
    /// End of a frame (video), or whatever the payload format makes of it.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Sampling instant in ticks of the track's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl Header {
    /// The header's wire form.
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0] = 2 << 6;
        out[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..].copy_from_slice(&self.ssrc.to_be_bytes());
        out
    }
}

/// A received packet without its CSRCs, header extensions and padding. The payload shares the
/// datagram's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// 7-bit payload type.
    pub payload_type: u8,
    /// End of a frame (video), or whatever the payload format makes of it.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Sampling instant in ticks of the track's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// What the payload format defines.
    pub payload: Bytes,
}

/// Why bytes are no RTP packet.
#[derive(Debug, thiserror::Error)]
#[error("not an RTP packet: {0}")]
pub struct ParseError(#[from] rtp_types::RtpParseError);

impl Packet {
    /// Reads a packet.
    ///
    /// # Errors
    /// If the version is not 2, or the lengths of CSRCs, extension or padding do not fit into
    /// `data`.
    pub fn parse(data: Bytes) -> Result<Self, ParseError> {
        let parsed = rtp_types::RtpPacket::parse(&data)?;
        Ok(Self {
            payload_type: parsed.payload_type(),
            marker: parsed.marker_bit(),
            sequence: parsed.sequence_number(),
            timestamp: parsed.timestamp(),
            ssrc: parsed.ssrc(),
            payload: data.slice_ref(parsed.payload()),
        })
    }

    /// Its header as this house would write it.
    pub fn header(&self) -> Header {
        let Self { payload_type, marker, sequence, timestamp, ssrc, .. } = *self;
        Header { payload_type, marker, sequence, timestamp, ssrc }
    }

    /// Header and payload in one piece.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER_LEN + self.payload.len());
        out.put_slice(&self.header().to_bytes());
        out.put_slice(&self.payload);
        out.freeze()
    }
}

/// Bytes of a packet's header with its CSRCs and its extension (§5.1, §5.3.1). None if it is not
/// version 2 or they do not fit.
pub fn header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first().filter(|first| **first >> 6 == 2)?;
    let fixed = HEADER_LEN + 4 * usize::from(first & 0xf);
    let extension = match first & 0x10 {
        0 => 0,
        _ => 4 + 4 * usize::from(u16::from_be_bytes(*packet.get(fixed + 2..)?.first_chunk()?)),
    };
    Some(fixed + extension).filter(|len| *len <= packet.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strips_csrc_extension_and_padding() {
        let mut bytes = vec![0b1011_0001, 0x80 | 96, 0, 7, 0, 0, 0, 9, 1, 2, 3, 4];
        bytes.extend([9; 4]); // one CSRC
        bytes.extend([0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]); // an extension of one word
        bytes.extend(b"hello");
        bytes.extend([0, 0, 3]); // padding
        let packet = Packet::parse(bytes.into()).unwrap();
        assert_eq!(
            (packet.payload_type, packet.marker, packet.sequence, packet.timestamp),
            (96, true, 7, 9)
        );
        assert_eq!((packet.ssrc, &packet.payload[..]), (0x0102_0304, &b"hello"[..]));
    }

    #[test]
    fn the_header_is_measured() {
        let mut bytes = vec![0b1001_0010, 96, 0, 7, 0, 0, 0, 9, 1, 2, 3, 4, 9, 9, 9, 9, 9, 9, 9, 9];
        bytes.extend([0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
        assert_eq!(header_len(&bytes), Some(28));
        assert_eq!(
            (header_len(&bytes[..27]), header_len(&bytes[..22]), header_len(&[])),
            (None, None, None)
        );
        bytes[0] = 0x80;
        assert_eq!(header_len(&bytes), Some(12));
        bytes[0] = 0x40;
        assert_eq!(header_len(&bytes), None);
    }

    #[test]
    fn lengths_that_do_not_fit_are_errors() {
        let whole = |b0: u8, tail: &[u8]| {
            let mut b = vec![b0, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            b.extend(tail);
            Packet::parse(b.into()).is_ok()
        };
        assert!(whole(0x80, &[]));
        assert!(!whole(0x40, &[]));
        assert!(!whole(0x8f, &[0; 59]));
        assert!(!whole(0x90, &[0, 0, 0, 2, 1, 1, 1, 1]));
        assert!(!whole(0xa0, &[1, 4]));
        assert!(!whole(0xa0, &[0]));
    }

    proptest! {
        #[test]
        fn round_trip(pt in 0u8..128, marker: bool, seq: u16, ts: u32, ssrc: u32, body in prop::collection::vec(any::<u8>(), 0..50)) {
            let packet = Packet { payload_type: pt, marker, sequence: seq, timestamp: ts, ssrc, payload: body.into() };
            prop_assert_eq!(Packet::parse(packet.to_bytes()).unwrap(), packet);
        }

        #[test]
        fn never_panics(body in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Packet::parse(body.into());
        }
    }
}
