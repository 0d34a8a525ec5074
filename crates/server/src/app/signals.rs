//! What the system asks of the process.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals the server listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Sets the handlers.
    ///
    /// # Errors
    /// If the system refuses one.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns when the process is asked to stop.
    pub(super) async fn until_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
