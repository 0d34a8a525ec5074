//! Packets as WebRTC's receivers want them: header, extensions, payload, in one piece at the end of
//! a buffer.

use super::{HEADER_LEN, Header};
use media::Wall;
use std::{num::NonZeroU8, time::Duration};

/// URI of the extension with a frame's time of capture.
pub const CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
/// URI of the extension that bounds how long a receiver holds pictures back.
pub const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
/// URI of the extension that counts the packets of all streams of a connection.
pub const TRANSPORT_SEQUENCE: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// Most bytes that the extensions of a packet take, with their own header.
pub const MAX_EXTENSIONS_LEN: usize = 24;
/// Bytes of a repair's payload before the repaired packet's own: its sequence number (RFC 4588 §4).
pub const REPAIR_HEAD_LEN: usize = 2;

/// The X bit of a header.
const EXTENDED: u8 = 0x10;
/// "defined by profile" of blocks with elements of one-byte and of two-byte headers (RFC 8285 §4.2,
/// §4.3).
const ONE_BYTE: [u8; 2] = [0xbe, 0xde];
const TWO_BYTE: [u8; 2] = [0x10, 0x00];
/// Highest id that fits into a one-byte header; 15 is reserved.
const HIGHEST_SHORT: u8 = 14;
/// What playout delays are counted in.
const DELAY_STEP: u128 = 10;
const LONGEST_DELAY: u128 = 0xfff;

/// What the offer calls the extensions that are written here (RFC 8285 §5). One without an id is
/// left out.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ExtensionIds {
    /// Of [`CAPTURE_TIME`].
    pub capture_time: Option<NonZeroU8>,
    /// Of [`PLAYOUT_DELAY`].
    pub playout_delay: Option<NonZeroU8>,
    /// Of [`TRANSPORT_SEQUENCE`].
    pub transport_sequence: Option<NonZeroU8>,
}

impl ExtensionIds {
    /// Takes an id from the offer; false if `uri` is none of those written here, or the id is 0.
    pub fn learn(&mut self, id: u8, uri: &str) -> bool {
        let slot = match uri {
            CAPTURE_TIME => &mut self.capture_time,
            PLAYOUT_DELAY => &mut self.playout_delay,
            TRANSPORT_SEQUENCE => &mut self.transport_sequence,
            _ => return false,
        };
        *slot = NonZeroU8::new(id);
        slot.is_some()
    }

    /// One id that needs two bytes makes all packets carry such, because a stream may not mix the
    /// forms unless both sides said so (RFC 8285 §4.1.2).
    fn long(&self) -> bool {
        let ids = [self.capture_time, self.playout_delay, self.transport_sequence];
        ids.into_iter().flatten().any(|id| id.get() > HIGHEST_SHORT)
    }
}

/// What the extensions of a packet say. How long they are depends on which there are, not on their
/// values: packets of one frame that carry the same ones are equally long.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Extensions {
    /// When the frame was captured.
    pub capture_time: Option<Wall>,
    /// Least and most time to hold pictures back: in steps of 10 ms, at most 40.95 s.
    pub playout_delay: Option<(Duration, Duration)>,
    /// Number of the packet among all of the connection.
    pub transport_sequence: Option<u16>,
}

/// Appends a packet whose payload is `payload`, piece by piece, to `out`. Gives the bytes before
/// the payload, which SRTP leaves readable. Allocates nothing if `out` has room.
pub fn write_packet(
    out: &mut Vec<u8>,
    header: Header,
    ids: &ExtensionIds,
    extensions: &Extensions,
    payload: &[&[u8]],
) -> usize {
    let block = Block::new(ids, extensions);
    let mut fixed = header.to_bytes();
    fixed[0] |= if block.bytes().is_empty() { 0 } else { EXTENDED };
    out.extend_from_slice(&fixed);
    out.extend_from_slice(block.bytes());
    payload.iter().for_each(|piece| out.extend_from_slice(piece));
    HEADER_LEN + block.bytes().len()
}

/// Like [`write_packet`], for a packet that repairs the loss of `original` (RFC 4588 §4). `header`
/// has the repair stream's own source, payload type and number, and the lost packet's timestamp and
/// marker; `payload` is the lost packet's.
pub fn write_repair(
    out: &mut Vec<u8>,
    header: Header,
    original: u16,
    ids: &ExtensionIds,
    extensions: &Extensions,
    payload: &[&[u8]],
) -> usize {
    let before = write_packet(out, header, ids, extensions, &[&original.to_be_bytes()]);
    payload.iter().for_each(|piece| out.extend_from_slice(piece));
    before
}

/// All extensions of a packet, in one of the two forms of RFC 8285 §4.
struct Block {
    bytes: [u8; MAX_EXTENSIONS_LEN],
    len: usize,
    long: bool,
}

impl Block {
    fn new(ids: &ExtensionIds, extensions: &Extensions) -> Self {
        let long = ids.long();
        let mut block = Self { bytes: [0; MAX_EXTENSIONS_LEN], len: 4, long };
        if let Some((id, at)) = ids.capture_time.zip(extensions.capture_time) {
            block.put(id, at.to_ntp().to_be_bytes());
        }
        if let Some((id, delay)) = ids.playout_delay.zip(extensions.playout_delay) {
            block.put(id, playout_delay(delay));
        }
        if let Some((id, sequence)) = ids.transport_sequence.zip(extensions.transport_sequence) {
            block.put(id, sequence.to_be_bytes());
        }
        block.finish()
    }

    fn put<const N: usize>(&mut self, id: NonZeroU8, data: [u8; N]) {
        if self.long {
            self.append([id.get(), N as u8]);
        } else {
            self.append([id.get() << 4 | (N - 1) as u8]);
        }
        self.append(data);
    }

    fn append<const N: usize>(&mut self, data: [u8; N]) {
        self.bytes[self.len..self.len + N].copy_from_slice(&data);
        self.len += N;
    }

    /// Zeros up to a whole word, and the header; or nothing at all.
    fn finish(mut self) -> Self {
        self.len = if self.len > 4 { self.len.next_multiple_of(4) } else { 0 };
        self.bytes[..2].copy_from_slice(if self.long { &TWO_BYTE } else { &ONE_BYTE });
        self.bytes[3] = (self.len / 4).saturating_sub(1) as u8;
        self
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Twelve bits each, in steps of 10 ms. Rounded up, since a delay is there to wait for something.
fn playout_delay((least, most): (Duration, Duration)) -> [u8; 3] {
    let steps = |time: Duration| time.as_millis().div_ceil(DELAY_STEP).min(LONGEST_DELAY) as u32;
    let [_, bytes @ ..] = (steps(least) << 12 | steps(most)).to_be_bytes();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{Packet, header_len};
    use proptest::prelude::*;

    const HEADER: Header =
        Header { payload_type: 96, marker: true, sequence: 7, timestamp: 9, ssrc: 5 };

    fn ids(capture_time: u8, playout_delay: u8, transport_sequence: u8) -> ExtensionIds {
        let mut ids = ExtensionIds::default();
        ids.learn(capture_time, CAPTURE_TIME);
        ids.learn(playout_delay, PLAYOUT_DELAY);
        ids.learn(transport_sequence, TRANSPORT_SEQUENCE);
        ids
    }

    const fn all(micros: i64, least: u64, most: u64, sequence: u16) -> Extensions {
        Extensions {
            capture_time: Some(Wall::from_micros(micros)),
            playout_delay: Some((Duration::from_millis(least), Duration::from_millis(most))),
            transport_sequence: Some(sequence),
        }
    }

    /// Reads extensions the way RFC 8285 tells a receiver to.
    fn read(packet: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let parsed = rtp_types::RtpPacket::parse(packet).unwrap();
        let Some((profile, mut rest)) = parsed.extension() else { return Vec::new() };
        let mut found = Vec::new();
        while let Some((&first, tail)) = rest.split_first() {
            let (id, len, tail) = match (first, profile) {
                (0, _) => (0, 0, tail),
                (_, 0xbede) => (first >> 4, usize::from(first & 0xf) + 1, tail),
                (_, 0x1000) => (first, usize::from(tail[0]), &tail[1..]),
                other => panic!("{other:?}"),
            };
            let (data, tail) = tail.split_at(len);
            found.extend((id > 0).then(|| (id, data.to_vec())));
            rest = tail;
        }
        found
    }

    fn written(ids: &ExtensionIds, extensions: &Extensions, payload: &[&[u8]]) -> (Vec<u8>, usize) {
        let mut out = vec![1, 2, 3];
        let header = write_packet(&mut out, HEADER, ids, extensions, payload);
        (out.split_off(3), header)
    }

    #[test]
    fn one_byte_headers_byte_for_byte() {
        let (packet, header) =
            written(&ids(14, 5, 3), &all(1_500_000, 60, 200, 0xabcd), &[b"he", b"llo"]);
        assert_eq!(packet[..12], [0x90, 0xe0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5]);
        assert_eq!(packet[12..16], [0xbe, 0xde, 0, 4]);
        assert_eq!(
            packet[16..25],
            [0xe7, 0x83, 0xaa, 0x7e, 0x81, 0x80, 0, 0, 0],
            "1900 + 2208988801.5 s"
        );
        assert_eq!(packet[25..32], [0x52, 0x00, 0x60, 0x14, 0x31, 0xab, 0xcd]);
        assert_eq!((&packet[32..], header), (&b"hello"[..], 32));
    }

    #[test]
    fn an_id_above_14_makes_all_headers_two_bytes() {
        let (packet, header) = written(&ids(14, 15, 3), &all(0, 0, 0, 1), &[b"x"]);
        assert_eq!((&packet[12..16], header), (&[0x10, 0, 0, 5][..], 36));
        let lengths: Vec<_> =
            read(&packet).into_iter().map(|(id, data)| (id, data.len())).collect();
        assert_eq!(lengths, [(14, 8), (15, 3), (3, 2)]);
        let some = Extensions { playout_delay: None, ..all(0, 0, 0, 1) };
        assert_eq!(
            written(&ids(14, 200, 3), &some, &[]).0[12..14],
            TWO_BYTE,
            "even where only short ids are present"
        );
    }

    #[test]
    fn what_was_not_negotiated_is_left_out() {
        let (packet, header) = written(&ExtensionIds::default(), &all(0, 0, 0, 0), &[b"x"]);
        assert_eq!((packet[0], header, packet.len()), (0x80, 12, 13));
        assert_eq!(read(&written(&ids(0, 0, 4), &all(0, 0, 0, 3), &[]).0), [(4, vec![0, 3])]);
        assert_eq!(written(&ids(1, 2, 3), &Extensions::default(), &[]).1, 12);
        assert!(!ExtensionIds::default().learn(4, "urn:ietf:params:rtp-hdrext:sdes:mid"));
    }

    #[test]
    fn delays_are_rounded_up_and_bounded() {
        let ms = Duration::from_millis;
        assert_eq!(playout_delay((ms(0), ms(0))), [0, 0, 0]);
        assert_eq!(playout_delay((ms(1), ms(11))), [0, 0x10, 2]);
        assert_eq!(playout_delay((ms(40_950), Duration::MAX)), [0xff; 3]);
    }

    #[test]
    fn a_repair_names_the_lost_packet_first() {
        let mut out = Vec::new();
        let header = Header { payload_type: 97, sequence: 40, ssrc: 6, ..HEADER };
        let before = write_repair(
            &mut out,
            header,
            0x1234,
            &ids(1, 2, 3),
            &all(0, 0, 0, 9),
            &[b"he", b"llo"],
        );
        assert_eq!(
            (&out[before..before + REPAIR_HEAD_LEN], &out[before + REPAIR_HEAD_LEN..]),
            (&[0x12, 0x34][..], &b"hello"[..])
        );
        let packet = Packet::parse(out.into()).unwrap();
        assert_eq!(packet.header(), header);
    }

    proptest! {
        #[test]
        fn receivers_read_what_was_written(
            ids in [any::<u8>(), any::<u8>(), any::<u8>()], micros in 0i64..2_000_000_000_000_000, least in 0u64..50_000, most in 0u64..50_000,
            sequence: u16, present: [bool; 3], payload in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let ids = self::ids(ids[0], ids[1], ids[2]);
            let full = all(micros, least, most, sequence);
            let extensions = Extensions {
                capture_time: full.capture_time.filter(|_| present[0]),
                playout_delay: full.playout_delay.filter(|_| present[1]),
                transport_sequence: full.transport_sequence.filter(|_| present[2]),
            };
            let (packet, header) = written(&ids, &extensions, &[&payload]);
            prop_assert_eq!(header_len(&packet), Some(header));
            prop_assert!(header <= HEADER_LEN + MAX_EXTENSIONS_LEN);
            let expected: Vec<_> = [
                ids.capture_time.zip(extensions.capture_time.map(|at| at.to_ntp().to_be_bytes().to_vec())),
                ids.playout_delay.zip(extensions.playout_delay.map(|delay| playout_delay(delay).to_vec())),
                ids.transport_sequence.zip(extensions.transport_sequence.map(|n| n.to_be_bytes().to_vec())),
            ].into_iter().flatten().map(|(id, data)| (id.get(), data)).collect();
            prop_assert_eq!(read(&packet), expected);
            let packet = Packet::parse(packet.into()).unwrap();
            prop_assert_eq!((packet.header(), &packet.payload[..]), (HEADER, &payload[..]));
        }

        #[test]
        fn values_do_not_change_the_length(id in 1u8..255, micros: u32, least: u16, most: u16, sequence: u16) {
            let ids = ids(id, 2, 3);
            let header = |extensions| written(&ids, &extensions, &[]).1;
            prop_assert_eq!(header(all(micros.into(), least.into(), most.into(), sequence)), header(all(0, 0, 0, 0)));
        }
    }
}
