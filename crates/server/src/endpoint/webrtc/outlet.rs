//! The way out of a shard: packets into runs, runs into the socket, results into counters.

use super::{
    batch::{Batch, Route},
    peer::Datagram,
    socket::{Sent, Socket},
    stats::CameraStats,
};
use crate::audience::Guest;
use std::sync::atomic::Ordering::Relaxed;

/// A socket with its batch.
pub(super) struct Outlet {
    pub(super) socket: Socket,
    batch: Batch,
}

/// Whose packets they are.
#[derive(Clone, Copy)]
pub(super) struct Account<'a> {
    pub(super) camera: &'a CameraStats,
    pub(super) viewer: &'a Guest,
}

impl Outlet {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, batch: Batch::default() }
    }

    /// Adds a packet to the run, or begins a new one.
    pub(super) fn push(&mut self, datagram: &Datagram, account: Account<'_>) {
        let route = Route { destination: datagram.destination, source: datagram.source.ip() };
        if !self.batch.push(route, &datagram.contents) {
            self.flush(account);
            self.batch.push(route, &datagram.contents);
        }
    }

    /// Sends what is gathered.
    pub(super) fn flush(&mut self, account: Account<'_>) {
        let Some(run) = self.batch.run() else { return };
        let Account { camera, viewer } = account;
        match self.socket.send(&run) {
            Sent::All { calls } => {
                camera.sends.fetch_add(calls.into(), Relaxed);
                viewer.sent_bytes(run.bytes.len());
            }
            Sent::Full { packets } => drop(camera.packets_dropped.fetch_add(packets as u64, Relaxed)),
            Sent::Refused => {}
        }
        self.batch.clear();
    }
}
