//! The trait of a viewer in a crowd.

use super::{h264::Checked, watch::Watch};
use crate::socket::{Buffers, Socket};
use std::time::Instant;

/// A viewer behind one socket. An error ends it.
pub(super) trait Viewer {
    fn socket(&self) -> &Socket;

    fn watch(&self) -> &Watch;

    fn watch_mut(&mut self) -> &mut Watch;

    /// The SDP to post.
    fn offer(&self) -> &str;

    /// Takes the server's SDP.
    fn answer(&mut self, answer: &str) -> anyhow::Result<()>;

    /// Takes all packets that wait.
    fn receive(&mut self, buffers: &mut Buffers) -> anyhow::Result<()>;

    /// Lets time pass. Returns when it wants that again at the latest.
    fn handle_timeout(&mut self, now: Instant) -> anyhow::Result<Instant>;

    /// When it wants time to pass, as told by what it last took.
    fn deadline(&self) -> Instant;

    /// What became of its frames when they were decrypted and put together; `None` if that is not
    /// done.
    fn checked(&self) -> Option<Checked> {
        None
    }
}
