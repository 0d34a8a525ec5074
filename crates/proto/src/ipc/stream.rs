//! Messages to bytes and back.

use super::{Error, MAX_MESSAGE, Reader, Writer};
use bytes::{Buf, Bytes, BytesMut};
use std::{collections::VecDeque, io::IoSlice, marker::PhantomData};

/// Room kept for the next read, so that a frame usually arrives by one call.
const READ_AHEAD: usize = 32 << 10;
/// Bytes of the length field.
const LENGTH: usize = 4;

/// One direction of the conversation.
pub trait Message: Sized {
    /// Writes the body, and returns the kind that goes before it.
    fn write(&self, body: &mut Writer) -> u8;

    /// Reads a body of the kind that `body` knows.
    ///
    /// # Errors
    /// If the kind is unknown, or the body breaks its layout.
    fn read(body: Reader) -> Result<Self, Error>;
}

/// Bytes in, messages out.
pub struct Incoming<M> {
    buffer: BytesMut,
    broken: Option<Error>,
    of: PhantomData<fn() -> M>,
}

impl<M> Default for Incoming<M> {
    fn default() -> Self {
        Self { buffer: BytesMut::new(), broken: None, of: PhantomData }
    }
}

impl<M: Message> Incoming<M> {
    /// Where to append received bytes. It has spare room, enough for the rest of the message being
    /// received.
    pub fn buffer(&mut self) -> &mut BytesMut {
        let missing = self
            .length()
            .map_or(0, |n| (LENGTH + n.min(MAX_MESSAGE)).saturating_sub(self.buffer.len()));
        if self.buffer.capacity() - self.buffer.len() < missing.max(READ_AHEAD / 8) {
            self.buffer.reserve(missing.max(READ_AHEAD));
        }
        &mut self.buffer
    }

    /// The next whole message, `None` until more bytes have come.
    ///
    /// # Errors
    /// The first violation of the protocol, and the same again for ever: nobody knows where the
    /// next message begins.
    pub fn poll(&mut self) -> Result<Option<M>, Error> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.take().inspect_err(|e| self.broken = Some(*e))
    }

    fn take(&mut self) -> Result<Option<M>, Error> {
        let Some(n) = self.length() else { return Ok(None) };
        if n == 0 || n > MAX_MESSAGE {
            return Err(Error::Length(n));
        }
        if self.buffer.len() < LENGTH + n {
            return Ok(None);
        }
        self.buffer.advance(LENGTH);
        let mut body = self.buffer.split_to(n).freeze();
        let kind = body.get_u8();
        M::read(Reader::new(kind, body)).map(Some)
    }

    fn length(&self) -> Option<usize> {
        let field = self.buffer.first_chunk::<LENGTH>()?;
        usize::try_from(u32::from_le_bytes(*field)).ok()
    }
}

/// Messages in, bytes out: the queue of what the socket has not taken yet.
///
/// Its length is the caller's business: it sees [`Buf::remaining`] and decides not to produce more.
#[derive(Default, Debug)]
pub struct Outgoing {
    chunks: VecDeque<Bytes>,
    bytes: usize,
}

impl Outgoing {
    /// Appends a message.
    ///
    /// # Errors
    /// [`Error::Length`] if it is longer than [`MAX_MESSAGE`]; then nothing was appended.
    pub fn push<M: Message>(&mut self, message: &M) -> Result<(), Error> {
        let mut body = Writer::default();
        body.head_mut().extend_from_slice(&[0; LENGTH + 1]);
        let kind = message.write(&mut body);
        let (mut head, tail) = body.into_parts();
        let total = head.len() + tail.iter().map(Bytes::len).sum::<usize>();
        let length = total - LENGTH;
        let field = u32::try_from(length)
            .ok()
            .filter(|_| length <= MAX_MESSAGE)
            .ok_or(Error::Length(length))?;
        head[..LENGTH].copy_from_slice(&field.to_le_bytes());
        head[LENGTH] = kind;
        self.bytes += total;
        self.chunks.push_back(head.freeze());
        self.chunks.extend(tail.into_iter().filter(|part| !part.is_empty()));
        Ok(())
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |c| &c[..])
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let parts = self.chunks.iter().zip(dst.iter_mut());
        parts.map(|(chunk, slot)| *slot = IoSlice::new(chunk)).count()
    }

    /// Stops at the end if `n` is more than what remains.
    fn advance(&mut self, mut n: usize) {
        while let Some(front) = self.chunks.front_mut() {
            let step = n.min(front.len());
            front.advance(step);
            self.bytes -= step;
            n -= step;
            if !front.is_empty() {
                break;
            }
            self.chunks.pop_front();
        }
    }
}
