//! The way out of a shard: packets into runs, runs into the socket or a connection, results into
//! counters.

use super::{
    socket::{Sender, Sent},
    stats::CameraStats,
    tcp::Tcp,
};
use crate::{clock::Clock, viewers::ViewerInfo};
use media::Mono;
use proto::webrtc::Transport;
use proto::webrtc::batch::{Batch, Route};
use std::sync::atomic::Ordering::Relaxed;

/// The sockets with their batch.
pub(super) struct Outlet {
    socket: Sender,
    pub(super) tcp: Tcp,
    batch: Batch,
    clock: Clock,
    /// When the first call into the kernel was made since somebody asked.
    begun: Option<Mono>,
}

/// Whose packets they are.
#[derive(Clone, Copy)]
pub(super) struct Account<'a> {
    pub(super) camera: &'a CameraStats,
    /// Nobody, for what is sent to a publisher.
    pub(super) viewer: Option<&'a ViewerInfo>,
}

impl Outlet {
    pub(super) fn new(clock: Clock, socket: Sender, tcp: Tcp) -> Self {
        Self { socket, tcp, batch: Batch::default(), clock, begun: None }
    }

    /// Adds a packet to the run, or begins a new one.
    pub(super) fn push(&mut self, route: Route, packet: &[u8], account: Account<'_>) {
        self.write(route, account, |out| out.extend_from_slice(packet));
    }

    /// Lets `write` append one packet (or nothing) right where it is sent from.
    pub(super) fn write(
        &mut self,
        route: Route,
        account: Account<'_>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        if !self.batch.write(route, write) {
            self.send(account);
        }
    }

    /// Sends what is gathered.
    pub(super) fn flush(&mut self, account: Account<'_>) {
        while self.batch.run().is_some() {
            self.send(account);
        }
    }

    /// When the first call into the kernel since the last time was made. Not when it came back:
    /// whoever waited for the packet on this machine may be given the processor first, which made 2
    /// ms of 0.05.
    pub(super) fn take_begun(&mut self) -> Option<Mono> {
        self.begun.take()
    }

    /// Bytes that may be sent along `route` at once. A connection over TCP that does not get rid of
    /// what it has takes none: the rest had better wait in the stream, where it can be passed over.
    pub(super) fn room(&mut self, route: Route, account: Account<'_>) -> usize {
        if route.transport == Transport::Udp {
            return usize::MAX;
        }
        self.flush(account);
        self.tcp.room(route)
    }

    fn send(&mut self, account: Account<'_>) {
        let Some(run) = self.batch.run() else { return };
        let Account { camera, viewer } = account;
        self.begun.get_or_insert_with(|| self.clock.now());
        let sent = match run.route.transport {
            Transport::Udp => self.socket.send(&run),
            Transport::Tcp => self.tcp.send(&run),
        };
        match sent {
            Sent::All { calls } => {
                camera.sends.fetch_add(calls.into(), Relaxed);
                viewer.into_iter().for_each(|viewer| viewer.sent_bytes(run.bytes.len()));
            }
            Sent::Full { packets } => {
                camera.packets_dropped.fetch_add(packets as u64, Relaxed);
            }
            Sent::Refused => {}
        }
        self.batch.clear();
    }
}
