//! What an endpoint may wish of the connection that a request came by.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// A connection, as the handlers of its requests see it: an extension of every request.
#[derive(Clone, Default, Debug)]
pub(crate) struct Connection {
    live: Arc<AtomicBool>,
}

impl Connection {
    /// From the next write on it carries live pictures: the kernel is to hold only a moment of
    /// them, because what waits there can no longer be skipped.
    pub(crate) fn carry_live(&self) {
        self.live.store(true, Relaxed);
    }

    /// Whether that was wished.
    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Relaxed)
    }
}
