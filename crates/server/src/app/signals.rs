//! What the system asks of the process.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals the server listens to.
pub(super) struct Signals {
    /// Asks to stop.
    pub(super) terminate: Signal,
    /// Ctrl-C.
    pub(super) interrupt: Signal,
    /// Asks to load the config again; taken by whoever does that.
    pub(super) hangup: Signal,
}

impl Signals {
    /// Sets the handlers.
    ///
    /// # Errors
    /// If the system refuses one.
    pub(super) fn new() -> io::Result<Self> {
        let [terminate, interrupt, hangup] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        Ok(Self { terminate: terminate?, interrupt: interrupt?, hangup: hangup? })
    }
}

/// Returns when the process is asked to stop.
pub(super) async fn until_stop(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
