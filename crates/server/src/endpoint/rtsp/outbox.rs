//! What waits to be written to a connection: answers, and at most one frame.

use bytes::Bytes;
use smallvec::SmallVec;
use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};
use tokio::net::TcpStream;

/// Slices given to one system call; two a packet, so 64 packets or about 75 kB.
const SLICES: usize = 128;

/// Bytes to write, in order. A frame is added only when nothing is left, so that it never holds
/// more than one.
#[derive(Default)]
pub(super) struct Outbox {
    /// Headers of all packets, one behind the other, so that a frame costs one allocation, and
    /// usually none.
    heads: Vec<u8>,
    parts: VecDeque<Part>,
}

/// Some bytes of `heads`, then `body`.
struct Part {
    head: std::ops::Range<usize>,
    body: Bytes,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds `head`, whose pieces are written one behind the other, and `body` behind it.
    pub(super) fn push(&mut self, head: &[&[u8]], body: Bytes) {
        let start = self.heads.len();
        head.iter().for_each(|piece| self.heads.extend_from_slice(piece));
        self.parts.push_back(Part { head: start..self.heads.len(), body });
    }

    /// Writes what the socket takes without waiting; true if it took anything.
    ///
    /// # Errors
    /// As the socket says; that it would have to wait is none.
    pub(super) fn write(&mut self, stream: &TcpStream) -> io::Result<bool> {
        let mut progress = false;
        while !self.parts.is_empty() {
            let tried = stream.try_write_vectored(&self.slices());
            match tried {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
            progress = true;
        }
        Ok(progress)
    }

    fn slices(&self) -> SmallVec<[IoSlice<'_>; SLICES]> {
        let slices = self.parts.iter().flat_map(|p| [&self.heads[p.head.clone()], &p.body[..]]);
        slices.filter(|s| !s.is_empty()).take(SLICES).map(IoSlice::new).collect()
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(part) = self.parts.front_mut() {
            let head = written.min(part.head.len());
            part.head.start += head;
            let body = (written - head).min(part.body.len());
            part.body = part.body.slice(body..);
            written -= head + body;
            if !part.head.is_empty() || !part.body.is_empty() {
                return;
            }
            self.parts.pop_front();
        }
        self.heads.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_partial_write_keeps_the_order() {
        for step in 1..12 {
            let mut outbox = Outbox::default();
            outbox.push(&[b"$\0", b"\0\x03"], Bytes::from_static(b"abc"));
            outbox.push(&[], Bytes::from_static(b"RTSP"));
            outbox.push(&[b"xy"], Bytes::new());
            let mut sent = Vec::new();
            while !outbox.is_empty() {
                let all: Vec<u8> = outbox.slices().iter().flat_map(|s| s.to_vec()).collect();
                let n = step.min(all.len());
                sent.extend_from_slice(&all[..n]);
                outbox.advance(n);
            }
            assert_eq!(sent, b"$\0\0\x03abcRTSPxy");
            assert!(outbox.heads.is_empty());
        }
    }
}
