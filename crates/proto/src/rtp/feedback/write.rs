//! What a receiver asks of a sender: lost packets, and keyframes.

use super::{NACK, PAYLOAD, PLI, TRANSPORT};
use crate::rtp::rtcp::put_header;
use bytes::BufMut;

/// Entries of one NACK: each asks for up to seventeen packets.
const MAX_ENTRIES: usize = 64;

/// Asks for a keyframe of `media` (RFC 4585 §6.3.1).
pub fn put_picture_loss(out: &mut impl BufMut, sender: u32, media: u32) {
    put_header(out, PLI, PAYLOAD, 2);
    out.put_u32(sender);
    out.put_u32(media);
}

/// Asks for packets of `media` to be sent again (RFC 4585 §6.2.1); `lost` are their numbers in the
/// order of sending. What does not fit into one message (64 runs of up to 17) is left out.
pub fn put_nack(out: &mut impl BufMut, sender: u32, media: u32, lost: &[u16]) {
    let mut entries: Vec<(u16, u16)> = Vec::new();
    for number in lost {
        let full = entries.len() == MAX_ENTRIES;
        match entries.last_mut() {
            Some((first, more)) if (1..=16).contains(&number.wrapping_sub(*first)) => {
                *more |= 1 << (number.wrapping_sub(*first) - 1);
            }
            _ if !full => entries.push((*number, 0)),
            _ => break,
        }
    }
    put_header(out, NACK, TRANSPORT, 2 + entries.len() as u16);
    out.put_u32(sender);
    out.put_u32(media);
    for (first, more) in entries {
        out.put_u16(first);
        out.put_u16(more);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Feedback, read};
    use super::*;

    #[test]
    fn what_is_asked_is_read() {
        let lost = [5, 6, 21, 22, 23, 40, 65_535, 0, 14];
        let mut out = Vec::new();
        put_nack(&mut out, 1, 2, &lost);
        put_picture_loss(&mut out, 1, 3);
        let said: Vec<_> = read(&out).collect();
        let Feedback::Nack(nack) = said[0] else { panic!("{said:?}") };
        assert_eq!((nack.media, nack.lost().collect::<Vec<_>>()), (2, lost.to_vec()));
        assert_eq!(said[1], Feedback::PictureLoss { media: 3 });
    }

    #[test]
    fn one_message_is_bounded() {
        let far: Vec<u16> = (0..200).map(|n| n * 100).collect();
        let mut out = Vec::new();
        put_nack(&mut out, 1, 2, &far);
        assert_eq!(out.len(), 12 + 4 * MAX_ENTRIES);
    }
}
