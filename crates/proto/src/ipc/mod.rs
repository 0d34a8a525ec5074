//! The conversation between the server and its worker processes, over a Unix stream socket.
//!
//! Every message is a 4-byte length (little-endian, of what follows), one byte that names its kind,
//! and a body. The worker speaks first, with [`ToServer::Hello`]; then the server gives it a
//! [`Job`] and frames flow: from a worker that makes a camera's stream, or to one that makes
//! pictures of it.
//!
//! Nothing here reads or writes a socket: [`Incoming`] is given bytes as they come, in pieces of
//! any size, and yields whole messages; [`Outgoing`] is given messages and yields bytes. A worker
//! handles pixels and codecs, so the server trusts no byte of what it says: every length is
//! checked, a message is at most [`MAX_MESSAGE`] long, and the first violation ends the
//! conversation.
//!
//! The units of a frame are never copied: on the way in they are slices of the receive buffer, on
//! the way out they are handed on by reference.

mod capture;
mod catalog;
mod pictures;
mod stream;
mod to_server;
mod to_worker;
mod wire;

pub use capture::{
    Capture, Control, ControlKind, EncoderChoice, Loss, MAX_CONTROLS, MAX_ITEMS, PictureFormat,
};
pub use pictures::{Coded, MAX_WANTS, Picture, Want};
pub use stream::{Incoming, Message, Outgoing};
pub use to_server::{Frame, Level, Look, Progress, Stats, ToServer};
pub use to_worker::{Job, Slate, TestPicture, ToWorker};
pub use wire::{Reader, Writer};

/// Version of this conversation. Both ends are the same binary, so a difference means a broken
/// installation.
pub const VERSION: u16 = 4;

/// Longest message, counted behind its length field. A 4K keyframe at the lowest quantiser stays
/// below it.
pub const MAX_MESSAGE: usize = 16 << 20;

/// Longest text, in bytes; longer ones are cut when written.
pub const MAX_TEXT: usize = 4096;

/// Why the conversation cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// A message longer than [`MAX_MESSAGE`], or without a kind.
    #[error("message of {0} bytes; 1 to {MAX_MESSAGE} are allowed")]
    Length(usize),
    /// No message of this kind exists.
    #[error("unknown kind of message {0}")]
    Kind(u8),
    /// A body that ends too early, or goes on after its end.
    #[error("body of a message of kind {0} has the wrong length")]
    Body(u8),
    /// A field with a value that is not allowed.
    #[error("bad {field} in a message of kind {kind}")]
    Field {
        /// Kind of the message.
        kind: u8,
        /// Name of the field.
        field: &'static str,
    },
    /// The other end speaks another version.
    #[error(
        "the worker speaks version {0} of the worker protocol, this server {VERSION}; install one version of neverblink only"
    )]
    Version(u16),
}

#[cfg(test)]
mod tests;
