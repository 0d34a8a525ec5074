//! Datagrams over a stream: each behind its length in two bytes (RFC 4571 §2), as ICE over TCP
//! wants it (RFC 6544 §3).

/// Longest frame taken from the other side, in bytes. What browsers send to who only sends media
/// fits an Ethernet packet.
pub const MAX_FRAME: usize = 2000;
/// Of the length.
const HEAD: usize = 2;

/// The other side speaks something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a frame of {0} bytes, more than {MAX_FRAME}")]
pub struct TooLong(pub usize);

/// Appends a packet with its length to `out`; a packet that no length can tell is left out.
pub fn write_frame(out: &mut Vec<u8>, packet: &[u8]) {
    if let Ok(length) = u16::try_from(packet.len()) {
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(packet);
    }
}

/// Cuts a stream into frames. Holds no more than one incomplete frame beyond what was handed in
/// since the last `None`.
#[derive(Default, Debug)]
pub struct Deframer {
    held: Vec<u8>,
    /// Up to here it was given out.
    taken: usize,
}

impl Deframer {
    /// Takes what was read. Call [`Deframer::next_frame`] until it has no more, before there is
    /// more to hand in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.taken);
        self.taken = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next complete frame; empty ones mean nothing (RFC 4571 §2) and are passed over.
    ///
    /// # Errors
    /// If the stream announces a frame longer than [`MAX_FRAME`]: nothing behind it can be
    /// understood.
    pub fn next_frame(&mut self) -> Result<Option<&mut [u8]>, TooLong> {
        loop {
            let Some(&[high, low]) =
                self.held.get(self.taken..).and_then(<[u8]>::first_chunk::<HEAD>)
            else {
                return Ok(None);
            };
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length > MAX_FRAME {
                return Err(TooLong(length));
            }
            let from = self.taken + HEAD;
            if self.held.len() < from + length {
                return Ok(None);
            }
            self.taken = from + length;
            if length > 0 {
                return Ok(self.held.get_mut(from..from + length));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(deframer: &mut Deframer) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut out = Vec::new();
        while let Some(frame) = deframer.next_frame()? {
            out.push(frame.to_vec());
        }
        Ok(out)
    }

    #[test]
    fn a_byte_at_a_time_is_enough() {
        let mut stream = Vec::new();
        [&b"one"[..], b"", b"three"].iter().for_each(|packet| write_frame(&mut stream, packet));
        assert_eq!(stream, b"\0\x03one\0\0\0\x05three");
        let (mut deframer, mut out) = (Deframer::default(), Vec::new());
        for byte in stream {
            deframer.push(&[byte]);
            out.extend(all(&mut deframer).unwrap());
        }
        assert_eq!(out, [&b"one"[..], b"three"]);
    }

    #[test]
    fn another_protocol_is_found_out_by_its_first_bytes() {
        for words in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01\x02\0", b"SSH-2.0-x\r\n"] {
            let mut deframer = Deframer::default();
            deframer.push(words);
            assert!(all(&mut deframer).is_err(), "{words:?}");
        }
    }

    #[test]
    fn what_is_too_long_to_be_told_is_not_sent() {
        let mut out = Vec::new();
        write_frame(&mut out, &[0; 65_536]);
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..MAX_FRAME), 0..20), cuts in prop::collection::vec(1usize..5000, 1..50)) {
            let mut stream = Vec::new();
            packets.iter().for_each(|packet| write_frame(&mut stream, packet));
            let (mut deframer, mut out, mut cuts) = (Deframer::default(), Vec::new(), cuts.into_iter().cycle());
            while !stream.is_empty() {
                let cut = cuts.next().unwrap_or(1).min(stream.len());
                deframer.push(&stream[..cut]);
                stream.drain(..cut);
                out.extend(all(&mut deframer).unwrap());
                prop_assert!(deframer.held.len() - deframer.taken < HEAD + MAX_FRAME);
            }
            prop_assert_eq!(out, packets);
        }

        #[test]
        fn noise_is_bounded(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..20)) {
            let mut deframer = Deframer::default();
            for piece in pieces {
                deframer.push(&piece);
                if all(&mut deframer).is_err() {
                    break;
                }
                prop_assert!(deframer.held.len() - deframer.taken < HEAD + MAX_FRAME);
            }
        }
    }
}
