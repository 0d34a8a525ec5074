//! Packets that the kernel has not taken yet, framed.

use proto::webrtc::write_frame;
use std::io;

/// Of one connection. A packet more than that is dropped: the kernel holds some, too, and all of it
/// is delay.
const MAX: usize = 128 << 10;
/// What is kept for next time.
const KEEP: usize = 32 << 10;

/// Bounded; holds nothing as long as the browser reads as fast as it is sent to.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// Up to here it is written; in the middle of a packet, perhaps.
    written: usize,
}

impl Outbox {
    /// Adds a packet as a whole, or not at all; false in the latter case.
    pub(super) fn push(&mut self, packet: &[u8]) -> bool {
        let fits = self.bytes.len() - self.written + packet.len() + 2 <= MAX;
        if fits {
            write_frame(&mut self.bytes, packet);
        }
        fits
    }

    /// Gives to `write` what there is, until that would block; how often it was called.
    ///
    /// # Errors
    /// What `write` says but that it would block.
    pub(super) fn flush(&mut self, write: impl Fn(&[u8]) -> io::Result<usize>) -> io::Result<u32> {
        let mut calls = 0;
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            calls += 1;
            match write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.written += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        self.bytes.drain(..self.written);
        self.written = 0;
        if self.bytes.is_empty() {
            self.bytes.shrink_to(KEEP);
        }
        Ok(calls)
    }

    /// True if the kernel has everything.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[test]
    fn packets_come_out_whole_and_in_order_however_little_is_taken_at_once() {
        let (mut outbox, got, room) = (Outbox::default(), RefCell::new(Vec::new()), Cell::new(0));
        let take = |bytes: &[u8]| {
            let n = bytes.len().min(room.get()).min(3);
            room.set(room.get() - n);
            got.borrow_mut().extend_from_slice(&bytes[..n]);
            if n == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(n) }
        };
        assert!(outbox.push(b"hello"));
        assert_eq!(outbox.flush(take).unwrap(), 1);
        assert!(!outbox.is_empty() && outbox.push(b"you"));
        room.set(4);
        outbox.flush(take).unwrap();
        room.set(100);
        outbox.flush(take).unwrap();
        assert!(outbox.is_empty());
        assert_eq!(got.into_inner(), b"\0\x05hello\0\x03you");
    }

    #[test]
    fn who_reads_nothing_holds_a_bounded_amount() {
        let mut outbox = Outbox::default();
        let blocked = |_: &[u8]| Err(io::ErrorKind::WouldBlock.into());
        let taken = (0..1000).filter(|_| outbox.push(&[7; 1200])).count();
        outbox.flush(blocked).unwrap();
        assert!(taken < 120 && outbox.bytes.len() <= MAX, "{taken}");
        outbox.flush(|bytes| Ok(bytes.len())).unwrap();
        assert!(outbox.push(&[7; 1200]) && outbox.bytes.capacity() <= KEEP);
    }

    #[test]
    fn a_broken_connection_is_told() {
        let mut outbox = Outbox::default();
        outbox.push(b"x");
        assert!(outbox.flush(|_| Ok(0)).is_err());
        assert!(outbox.flush(|_| Err(io::ErrorKind::BrokenPipe.into())).is_err());
    }
}
