//! The socket to the server, without ever blocking on it.

use bytes::Buf;
use media::Mono;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};
use proto::ipc::{self, Incoming, Outgoing, ToServer, ToWorker};
use std::{
    io::{self, IoSlice, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

/// Why the conversation is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    /// The server is gone, or has had enough of this worker.
    #[error("the server closed the connection")]
    ByServer,
    /// The server broke the protocol.
    #[error("message from the server: {0}")]
    Protocol(#[from] ipc::Error),
    /// The socket failed.
    #[error("socket to the server: {0}")]
    Socket(#[from] io::Error),
}

/// One end of the conversation.
pub(crate) struct Link {
    socket: UnixStream,
    incoming: Incoming<ToWorker>,
    outgoing: Outgoing,
}

impl Link {
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        let socket = UnixStream::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self { socket, incoming: Incoming::default(), outgoing: Outgoing::default() })
    }

    /// The socket.
    pub(crate) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// True while the server has not taken everything: then nothing more should be made for it.
    pub(crate) fn is_busy(&self) -> bool {
        self.outgoing.has_remaining()
    }

    /// Sends as much as the socket takes now; the rest is kept.
    pub(crate) fn send(&mut self, message: &ToServer) -> Result<(), Closed> {
        self.outgoing.push(message)?;
        self.flush()
    }

    /// Sends the rest, waiting up to `patience`.
    pub(crate) fn finish(&mut self, patience: Duration) -> Result<(), Closed> {
        let deadline = crate::clock::mono() + patience;
        while self.is_busy() && crate::clock::mono() < deadline {
            self.wait(deadline)?;
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Closed> {
        while self.is_busy() {
            let mut parts = [IoSlice::new(&[]); 16];
            let n = self.outgoing.chunks_vectored(&mut parts);
            match self.socket.write_vectored(&parts[..n]) {
                Ok(written) => self.outgoing.advance(written),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                    ) =>
                {
                    return Err(Closed::ByServer);
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// The server's next message, if there is one.
    pub(crate) fn receive(&mut self) -> Result<Option<ToWorker>, Closed> {
        loop {
            if let Some(message) = self.incoming.poll()? {
                return Ok(Some(message));
            }
            let mut piece = [0; 4096];
            match self.socket.read(&mut piece) {
                Ok(0) => return Err(Closed::ByServer),
                Ok(n) => self.incoming.buffer().extend_from_slice(&piece[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(Closed::ByServer);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Waits until `deadline`, or until the server has said something, or takes more of what is
    /// left to send.
    pub(crate) fn wait(&mut self, deadline: Mono) -> Result<(), Closed> {
        self.wait_beside(deadline, [None; 2]).map(drop)
    }

    /// The same, or until one of two others is ready; which of them are.
    pub(crate) fn wait_beside(
        &mut self,
        deadline: Mono,
        others: [Option<(BorrowedFd<'_>, PollFlags)>; 2],
    ) -> Result<[bool; 2], Closed> {
        let left = deadline.since(crate::clock::mono());
        let wanted =
            if self.is_busy() { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let socket = self.socket.as_fd();
        // The socket again for one that is not there, asked for nothing.
        let [first, second] = others.map(|other| other.unwrap_or((socket, PollFlags::empty())));
        let mut polled =
            [(socket, wanted), first, second].map(|(fd, wanted)| PollFd::new(fd, wanted));
        match ppoll(&mut polled, Some(TimeSpec::from_duration(left)), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(io::Error::from(e).into()),
        }
        // Whatever there is, be it an error, is found out by reading.
        let is_ready = |n: usize| others[n - 1].is_some() && polled[n].any().unwrap_or(true);
        let ready = [is_ready(1), is_ready(2)];
        if self.is_busy() {
            self.flush()?;
        }
        Ok(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::ipc::Progress;

    fn pair() -> (Link, UnixStream) {
        let (a, b) = UnixStream::pair().unwrap();
        (Link::new(a.into()).unwrap(), b)
    }

    #[test]
    fn a_server_that_reads_nothing_makes_the_link_busy_and_loses_nothing() {
        let (mut link, mut server) = pair();
        let text = "x".repeat(4000);
        let mut sent = 0;
        while !link.is_busy() {
            link.send(&ToServer::Failed(text.clone())).unwrap();
            sent += 1;
        }
        let mut incoming = Incoming::<ToServer>::default();
        let mut got = 0;
        let mut piece = [0; 65_536];
        while got < sent {
            let n = server.read(&mut piece).unwrap();
            incoming.buffer().extend_from_slice(&piece[..n]);
            while let Some(message) = incoming.poll().unwrap() {
                assert_eq!(message, ToServer::Failed(text.clone()));
                got += 1;
            }
            link.wait(Mono::default()).unwrap();
        }
        assert!(!link.is_busy());
    }

    #[test]
    fn the_end_of_the_server_is_noticed_both_ways() {
        let (mut link, server) = pair();
        assert!(link.receive().unwrap().is_none());
        drop(server);
        assert!(matches!(link.receive(), Err(Closed::ByServer)));
        assert!(matches!(
            link.send(&ToServer::Heartbeat(Progress::default())),
            Err(Closed::ByServer)
        ));
    }

    #[test]
    fn messages_arrive_whole_from_pieces() {
        let (mut link, mut server) = pair();
        let mut out = Outgoing::default();
        let message = ToWorker::SetControls { order: 7, values: vec![("gain".into(), 3)] };
        out.push(&message).unwrap();
        let bytes = out.copy_to_bytes(out.remaining());
        let (head, tail) = bytes.split_at(6);
        server.write_all(head).unwrap();
        assert!(link.receive().unwrap().is_none());
        server.write_all(tail).unwrap();
        assert_eq!(link.receive().unwrap(), Some(message));
    }
}
