//! Header extensions of packets that came in (RFC 8285).

use super::HEADER_LEN;

/// "defined by profile" of blocks with elements of one-byte headers (RFC 8285 §4.2).
const ONE_BYTE: u16 = 0xbede;
/// The same of two-byte headers, whose last four bits are the application's (§4.3).
const TWO_BYTE: u16 = 0x1000;
/// The number of a one-byte header behind which nothing is to be read (§4.2).
const STOP: u8 = 15;

/// The extension elements of an RTP packet: number and value. What makes no sense ends them.
pub fn extensions(packet: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let (long, mut rest) = block(packet).unwrap_or_default();
    std::iter::from_fn(move || {
        loop {
            let (id, len, value) = element(rest, long)?;
            let (value, behind) = value.split_at_checked(len)?;
            rest = behind;
            if id != 0 {
                return Some((id, value));
            }
        }
    })
}

/// What is behind the block's own header, and whether its elements have two-byte headers.
fn block(packet: &[u8]) -> Option<(bool, &[u8])> {
    let first = *packet.first().filter(|first| *first & 0x10 != 0)?;
    let block = packet.get(HEADER_LEN + 4 * usize::from(first & 0xf)..)?;
    let (head, rest) = block.split_first_chunk::<4>()?;
    let words = u16::from_be_bytes([head[2], head[3]]);
    let elements = rest.get(..4 * usize::from(words))?;
    match u16::from_be_bytes([head[0], head[1]]) {
        ONE_BYTE => Some((false, elements)),
        profile if profile & 0xfff0 == TWO_BYTE => Some((true, elements)),
        _ => None,
    }
}

/// Number, length, and what begins with the value. Padding is number 0 with length 0.
fn element(rest: &[u8], long: bool) -> Option<(u8, usize, &[u8])> {
    match (rest, long) {
        ([0, behind @ ..], _) => Some((0, 0, behind)),
        ([id, len, value @ ..], true) => Some((*id, usize::from(*len), value)),
        ([head, value @ ..], false) if head >> 4 != STOP => {
            Some((head >> 4, usize::from(head & 0xf) + 1, value))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{
        CAPTURE_TIME, ExtensionIds, Extensions, Header, PLAYOUT_DELAY, TRANSPORT_SEQUENCE,
        write_packet,
    };
    use media::Wall;
    use proptest::prelude::*;
    use std::time::Duration;

    fn written(first: u8) -> Vec<u8> {
        let mut ids = ExtensionIds::default();
        ids.learn(first, CAPTURE_TIME);
        ids.learn(2, PLAYOUT_DELAY);
        ids.learn(3, TRANSPORT_SEQUENCE);
        let extensions = Extensions {
            capture_time: Some(Wall::from_ntp(0x0102_0304_0506_0708)),
            playout_delay: Some((Duration::ZERO, Duration::ZERO)),
            transport_sequence: Some(0x0a0b),
        };
        let mut out = Vec::new();
        let header = Header { payload_type: 96, marker: true, sequence: 7, timestamp: 9, ssrc: 5 };
        write_packet(&mut out, header, &ids, &extensions, &[b"payload"]);
        out
    }

    #[test]
    fn both_forms_are_read_as_they_are_written() {
        for first in [1, 20] {
            let packet = written(first);
            let read: Vec<_> = extensions(&packet).collect();
            assert_eq!(read.len(), 3);
            assert_eq!((read[0].0, read[0].1.len()), (first, 8));
            assert_eq!((read[1], read[2]), ((2, &[0; 3][..]), (3, &[0x0a, 0x0b][..])));
        }
    }

    #[test]
    fn what_is_cut_or_reserved_ends_them() {
        let packet = written(1);
        (0..packet.len()).for_each(|cut| assert!(extensions(&packet[..cut]).count() <= 3));
        let with = |block: &[u8]| [&[0x90, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], block].concat();
        assert_eq!(extensions(&with(&[0xbe, 0xde, 0, 1, 0xf0, 1, 0x10, 2])).count(), 0, "15 stops");
        assert_eq!(
            extensions(&with(&[0xbe, 0xde, 0, 1, 0, 0, 0x10, 2])).collect::<Vec<_>>(),
            [(1, &[2][..])],
            "padding"
        );
        assert_eq!(
            extensions(&with(&[1, 2, 0, 1, 0x10, 2, 0, 0])).count(),
            0,
            "of another profile"
        );
        assert_eq!(extensions(&[0x80; 20]).count(), 0, "none");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            extensions(&bytes).count();
        }
    }
}
