//! The byte stream of an RTSP connection, cut into messages and interleaved frames (RFC 2326
//! §10.12).

use bytes::{Buf, Bytes, BytesMut};
use rtsp_types::{Message, Request};

/// Longest request line with headers, in bytes.
const MAX_HEAD: usize = 16 << 10;
/// Longest message body, in bytes.
const MAX_BODY: usize = 64 << 10;
/// Marker, channel and length of an interleaved frame.
const FRAME_HEADER: usize = 4;

/// One thing a client sent.
#[derive(Debug)]
pub(super) enum Item {
    Request(Request<Bytes>),
    /// An answer to a request. This server asks nothing, so there is nothing to do with it.
    Response,
    Data {
        channel: u8,
        payload: Bytes,
    },
}

/// Why a byte stream is not RTSP. Nothing behind such a place can be understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// No end of the headers in sight.
    #[error("request headers are larger than {MAX_HEAD} bytes")]
    HeadTooLarge,
    /// `Content-Length` is beyond the limit.
    #[error("request body of {0} bytes, at most {MAX_BODY} are accepted")]
    BodyTooLarge(usize),
    /// Neither a request nor a response nor an interleaved frame.
    #[error("not an RTSP message")]
    Syntax,
}

/// Cuts a byte stream into items. Holds at most one incomplete item and what was pushed behind it.
#[derive(Default)]
pub(super) struct Decoder {
    buffer: BytesMut,
    /// No end of headers begins before this offset, so that a head arriving byte by byte is
    /// searched once.
    searched: usize,
}

impl Decoder {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes not yet understood.
    pub(super) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn next(&mut self) -> Result<Option<Item>, Malformed> {
        if self.searched == 0 {
            self.skip_blank_lines();
        }
        match self.buffer.first() {
            None => Ok(None),
            Some(b'$') => Ok(self.next_frame()),
            Some(first) if first.is_ascii_alphabetic() => self.next_message(),
            Some(_) => Err(Malformed::Syntax),
        }
    }

    /// Some clients send a stray line end behind a body.
    fn skip_blank_lines(&mut self) {
        let blank = self.buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        self.buffer.advance(blank);
    }

    fn next_frame(&mut self) -> Option<Item> {
        let &[_, channel, high, low] = self.buffer.first_chunk::<FRAME_HEADER>()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if self.buffer.len() < FRAME_HEADER + length {
            return None;
        }
        self.buffer.advance(FRAME_HEADER);
        Some(Item::Data { channel, payload: self.buffer.split_to(length).freeze() })
    }

    fn next_message(&mut self) -> Result<Option<Item>, Malformed> {
        let Some(head) = self.find_head()? else { return Ok(None) };
        let body = content_length(&self.buffer[..head])?;
        if body > MAX_BODY {
            return Err(Malformed::BodyTooLarge(body));
        }
        if self.buffer.len() < head + body {
            return Ok(None);
        }
        self.searched = 0;
        parse(&self.buffer.split_to(head + body).freeze(), head).map(Some)
    }

    /// Length of the headers with the empty line that ends them.
    fn find_head(&mut self) -> Result<Option<usize>, Malformed> {
        const END: &[u8] = b"\r\n\r\n";
        let found = self.buffer[self.searched..].windows(END.len()).position(|w| w == END);
        let head = found.map(|at| self.searched + at + END.len());
        if head.unwrap_or(self.buffer.len()) > MAX_HEAD {
            return Err(Malformed::HeadTooLarge);
        }
        // When the head is complete and only the body is missing, the next search begins at the
        // head's end mark.
        self.searched = head.unwrap_or(self.buffer.len() + 1).saturating_sub(END.len());
        Ok(head)
    }
}

/// Gives `rtsp_types` exactly one complete message, so that its parser never sees partial input.
fn parse(message: &Bytes, head: usize) -> Result<Item, Malformed> {
    let parsed = Message::<NoBody>::parse(message.as_ref());
    let Ok((parsed, consumed)) = parsed else { return Err(Malformed::Syntax) };
    if consumed != message.len() {
        return Err(Malformed::Syntax);
    }
    match parsed {
        Message::Request(request) => Ok(Item::Request(request.map_body(|_| message.slice(head..)))),
        Message::Response(_) => Ok(Item::Response),
        Message::Data(_) => Err(Malformed::Syntax),
    }
}

/// A body that is not copied while parsing: it is taken from the buffer afterwards.
struct NoBody;

impl From<&[u8]> for NoBody {
    fn from(_: &[u8]) -> Self {
        Self
    }
}

impl AsRef<[u8]> for NoBody {
    fn as_ref(&self) -> &[u8] {
        &[]
    }
}

/// The first `Content-Length` of a head, 0 without one.
fn content_length(head: &[u8]) -> Result<usize, Malformed> {
    for line in head.split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        if line[..colon].eq_ignore_ascii_case(b"content-length") {
            let value = std::str::from_utf8(&line[colon + 1..]).map_err(|_| Malformed::Syntax)?;
            return value.trim().parse().map_err(|_| Malformed::Syntax);
        }
    }
    Ok(0)
}

/// The four bytes before an interleaved frame of `length` bytes (RFC 2326 §10.12).
pub const fn interleaved_header(channel: u8, length: u16) -> [u8; FRAME_HEADER] {
    let [high, low] = length.to_be_bytes();
    [b'$', channel, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtsp_types::Method;

    const ANNOUNCE: &[u8] =
        b"ANNOUNCE rtsp://h/cam RTSP/1.0\r\nCSeq: 2\r\ncontent-length: 5\r\n\r\nv=0\r\n";

    fn all(stream: &[u8]) -> (Vec<String>, Result<(), Malformed>) {
        let mut d = Decoder::default();
        d.push(stream);
        drain(&mut d)
    }

    fn drain(d: &mut Decoder) -> (Vec<String>, Result<(), Malformed>) {
        let mut items = Vec::new();
        loop {
            match d.next() {
                Ok(Some(item)) => items.push(format!("{item:?}")),
                Ok(None) => return (items, Ok(())),
                Err(e) => return (items, Err(e)),
            }
        }
    }

    #[test]
    fn cuts_requests_and_frames() {
        let mut d = Decoder::default();
        d.push(ANNOUNCE);
        d.push(b"\r\n$\x01\x00\x03abcOPTIONS * RTSP/1.0\r\nCSeq: 3\r\n\r\n");
        let Some(Item::Request(r)) = d.next().unwrap() else { panic!() };
        assert_eq!((r.method(), &r.body()[..]), (&Method::Announce, &b"v=0\r\n"[..]));
        let Some(Item::Data { channel: 1, payload }) = d.next().unwrap() else { panic!() };
        assert_eq!(&payload[..], b"abc");
        assert!(matches!(d.next(), Ok(Some(Item::Request(r))) if r.method() == Method::Options));
        assert!(matches!(d.next(), Ok(None)));
    }

    #[test]
    fn refuses_what_is_too_large() {
        let mut endless = b"OPTIONS * RTSP/1.0\r\nX: ".to_vec();
        endless.resize(MAX_HEAD + 1, b'x');
        assert_eq!(all(&endless).1, Err(Malformed::HeadTooLarge));
        let body = b"ANNOUNCE rtsp://h/cam RTSP/1.0\r\nContent-Length: 70000\r\n\r\n";
        assert_eq!(all(body).1, Err(Malformed::BodyTooLarge(70_000)));
        let huge =
            b"ANNOUNCE rtsp://h/cam RTSP/1.0\r\nContent-Length: 99999999999999999999999\r\n\r\n";
        assert_eq!(all(huge).1, Err(Malformed::Syntax));
    }

    #[test]
    fn refuses_other_protocols() {
        for bytes in [
            &b"\x16\x03\x01\x02\x00"[..],
            b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"SSH-2.0-x\r\n\r\n",
        ] {
            assert_eq!(all(bytes).1, Err(Malformed::Syntax), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            chunks in prop::collection::vec(prop_oneof![
                Just(ANNOUNCE.to_vec()), Just(b"$\x00\x00\x05OPTIO".to_vec()), Just(b"PLAY rtsp://h/c RTSP/1.0\r\n\r\n".to_vec()),
                Just(b"\r\n".to_vec()), Just(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n".to_vec()),
                prop::collection::vec(any::<u8>(), 0..9),
            ], 0..6),
            cuts in prop::collection::vec(1usize..20, 1..40),
        ) {
            let stream = chunks.concat();
            let (mut items, mut end) = (Vec::new(), Ok(()));
            let (mut d, mut rest, mut cuts) = (Decoder::default(), &stream[..], cuts.iter().cycle());
            while !rest.is_empty() && end.is_ok() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                d.push(now);
                rest = later;
                let (more, e) = drain(&mut d);
                items.extend(more);
                end = e;
            }
            prop_assert_eq!((items, end), all(&stream));
        }

        #[test]
        fn never_panics(noise in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = all(&noise);
            let _ = all(&[b"SETUP rtsp://h/ RTSP/1.0\r\n".to_vec(), noise.clone(), b"\r\n\r\n".to_vec()].concat());
            let _ = all(&[b"SETUP rtsp://h/ RTSP/1.0\r\nX: ".to_vec(), noise, b"\r\n\r\n".to_vec()].concat());
        }
    }
}
