//! A worker never outlives its server.

use nix::{
    sys::{
        prctl,
        signal::Signal,
        socket::{getsockopt, sockopt::PeerCredentials},
    },
    unistd::{Pid, getppid},
};
use std::os::fd::AsFd;

/// Why a worker must not go on.
#[derive(Debug, thiserror::Error)]
pub enum Orphan {
    /// Not started by a server.
    #[error("`neverblink worker` is started by the server, not by hand")]
    NoServer,
    /// The server died before the worker could ask to be told.
    #[error("the server (process {server}) is gone, the parent is now process {parent}")]
    Gone {
        /// Who made the socket.
        server: Pid,
        /// Who is the parent now.
        parent: Pid,
    },
}

/// Has the kernel kill this process the moment its parent dies, however it dies.
///
/// `socket` is one end of a pair that the server made, so its peer credentials name the server: if
/// that is no longer the parent, the server died before the kernel was asked.
///
/// # Errors
/// [`Orphan`] if there is no server, or not any more.
pub fn die_with_parent(socket: &impl AsFd) -> Result<(), Orphan> {
    let server = getsockopt(socket, PeerCredentials).map_err(|_| Orphan::NoServer)?.pid();
    // Where prctl does not work, the end of the socket's stream still ends the worker.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    let (server, parent) = (Pid::from_raw(server), getppid());
    // 0: the server is in another process namespace and cannot be compared.
    if server.as_raw() == 0 || parent.as_raw() == 0 || server == parent {
        Ok(())
    } else {
        Err(Orphan::Gone { server, parent })
    }
}
