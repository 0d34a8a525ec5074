//! The server's end of a worker's socket, without ever waiting for the worker.

use bytes::Buf;
use proto::ipc::{self, Incoming, Outgoing, ToServer, ToWorker};
use std::io::{self, IoSlice};
use tokio::{io::Interest, net::UnixStream};

/// The worker has closed its end, or is dead.
#[derive(Debug)]
pub(crate) struct HungUp;

/// A conversation with a worker. What the worker has not taken yet is kept; see [`Line::unsent`].
pub(crate) struct Line {
    socket: UnixStream,
    incoming: Incoming<ToServer>,
    outgoing: Outgoing,
}

impl Line {
    /// Over the server's end of the socket.
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self { socket, incoming: Incoming::default(), outgoing: Outgoing::default() }
    }

    /// Waits until [`Line::exchange`] has something to do. Cancel safe.
    pub(crate) async fn ready(&self) {
        let interest = if self.outgoing.has_remaining() {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        // A failure is found by reading.
        let _ = self.socket.ready(interest).await;
    }

    /// Moves what can be moved without waiting; true if the worker has said something, which
    /// [`Line::poll`] then yields.
    ///
    /// # Errors
    /// If the worker is gone.
    pub(crate) fn exchange(&mut self) -> Result<bool, HungUp> {
        self.flush();
        match self.socket.try_read_buf(self.incoming.buffer()) {
            Ok(0) => Err(HungUp),
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(_) => Err(HungUp),
        }
    }

    /// The next whole message.
    ///
    /// # Errors
    /// The worker's first violation of the protocol.
    pub(crate) fn poll(&mut self) -> Result<Option<ToServer>, ipc::Error> {
        self.incoming.poll()
    }

    /// Bytes that the worker has not taken yet: whoever tells it more decides by them whether it
    /// should.
    pub(crate) fn unsent(&self) -> usize {
        self.outgoing.remaining()
    }

    /// Tells the worker something, now or as soon as it listens.
    ///
    /// # Errors
    /// If the message is longer than the protocol allows; then nothing was said.
    pub(crate) fn tell(&mut self, message: &ToWorker) -> Result<(), ipc::Error> {
        self.outgoing.push(message)?;
        self.flush();
        Ok(())
    }

    fn flush(&mut self) {
        while self.outgoing.has_remaining() {
            let mut parts = [IoSlice::new(&[]); 16];
            let n = self.outgoing.chunks_vectored(&mut parts);
            match self.socket.try_write_vectored(&parts[..n]) {
                Ok(written) => self.outgoing.advance(written),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                // The worker is gone, which reading will find out.
                Err(_) => self.outgoing.advance(usize::MAX),
            }
        }
    }
}
