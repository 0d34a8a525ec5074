//! What came in for viewers of another media thread: the first one reads the port for all.

use super::{Shard, ViewerId};
use proto::webrtc::{Deframer, Path};
use std::sync::atomic::Ordering::Relaxed;

/// Something that a media thread is handed by the first one.
pub(in crate::endpoint::webrtc) struct Mail {
    id: ViewerId,
    path: Path,
    contents: Contents,
}

enum Contents {
    Datagram(Vec<u8>),
    /// A connection, what came over it first, and what came behind that.
    Connection(std::net::TcpStream, Vec<u8>, Deframer),
}

impl Shard {
    pub(super) fn is_mine(&self, id: ViewerId) -> bool {
        self.shared.directory.shard_of(id) == self.index
    }

    /// Hands a datagram on. Without room it is lost, as it would be if the kernel had none.
    pub(super) fn forward(&self, id: ViewerId, path: Path, data: &[u8]) {
        if !self.post(Mail { id, path, contents: Contents::Datagram(data.to_vec()) }) {
            self.shared.stats.datagrams_dropped.fetch_add(1, Relaxed);
        }
    }

    /// Hands a connection on, whose first frame told whose it is; false if it was lost on the way.
    pub(super) fn hand_over(
        &self,
        id: ViewerId,
        path: Path,
        stream: std::net::TcpStream,
        rest: (Vec<u8>, Deframer),
    ) -> bool {
        self.post(Mail { id, path, contents: Contents::Connection(stream, rest.0, rest.1) })
    }

    fn post(&self, mail: Mail) -> bool {
        let mailbox = self.shared.mailboxes.get(self.shared.directory.shard_of(mail.id));
        mailbox.is_some_and(|mailbox| mailbox.try_send(mail).is_ok())
    }

    pub(super) fn handle_mail(&mut self, mail: Mail) {
        let Mail { id, path, contents } = mail;
        match contents {
            Contents::Datagram(mut data) => self.handle_datagram(id, path, &mut data),
            Contents::Connection(stream, frame, deframer) => {
                self.handle_connection(id, path, stream, (frame, deframer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        endpoint::webrtc::{
            directory::Directory,
            outlet::Outlet,
            shard::Shared,
            socket::{Port, Sender},
            tcp::Tcp,
        },
    };
    use proto::webrtc::Transport;
    use std::{net::UdpSocket, sync::Arc};
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn what_finds_no_room_is_lost_and_counted() {
        let (mailbox, mut mail) = mpsc::channel(1);
        let (gone, _left) = mpsc::unbounded_channel();
        let directory = Arc::new(Directory::new(2));
        let shared = Shared {
            directory,
            mailboxes: vec![mailbox.clone(), mailbox],
            stats: Arc::default(),
            gone,
        };
        let (clock, port) =
            (Clock::new(), Port::new(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap());
        let shard = Shard::new(
            clock,
            0,
            shared,
            Outlet::new(clock, Sender::new(port), Tcp::new(clock, None).unwrap()),
        );
        let address = ([127, 0, 0, 1], 9).into();
        let path = Path { transport: Transport::Udp, local: address, remote: address };
        assert!(shard.is_mine(4) && !shard.is_mine(5));
        shard.forward(5, path, b"kept");
        shard.forward(5, path, b"lost");
        assert_eq!(shard.shared.stats.datagrams_dropped.load(Relaxed), 1);
        let Contents::Datagram(data) = mail.try_recv().unwrap().contents else {
            panic!("a datagram is one")
        };
        assert!(data == b"kept" && mail.try_recv().is_err());
    }
}
