//! RTSP 1.0 (RFC 2326) as a server speaks it: one [`Server`] for each client connection, without
//! I/O.
//!
//! Bytes and the time go in ([`Server::handle_input`], [`Server::handle_timeout`]); answers
//! ([`Server::poll_output`]) and events ([`Server::poll_event`]) come out. What needs a decision
//! (does this camera exist, may it be published, which ports) is a [`Question`] that the host
//! answers with [`Server::answer`]; until then nothing further is read from the client.
//!
//! Deliberately absent: sessions that outlive their connection (a lost connection is the soonest
//! and surest sign that the peer is gone), several sessions on one connection, multicast, RTSP 2.0,
//! tunnelling through HTTP.

mod message;
mod server;
mod target;
mod transport;
mod wire;

pub use message::{METHODS, Refusal, StatusCode};
pub use server::{Answer, Ask, Event, MAX_TRACKS, Options, Question, Server, StreamInfo, Usage};
pub use target::Target;
pub use transport::{Lower, Transport};
pub use wire::{Malformed, interleaved_header};
