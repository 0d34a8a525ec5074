//! One live stream to many readers.
//!
//! The contract in one sentence: a [`Publisher`] never waits for anybody, and a [`Subscriber`] that
//! is slow loses only its own frames, is told how many, and is never disconnected, neither for
//! being slow nor because its publisher went away.
//!
//! The core ([`ring`], `core`) is pure and takes the time as an argument; the handles in `stream`
//! and `subscriber` add one mutex and one wake-up. Nothing is spawned here.
#![forbid(unsafe_code)]

mod core;
mod demand;
mod rebase;
mod registry;
pub mod ring;
mod status;
mod stream;
mod subscriber;

pub use crate::core::{PublishError, StreamOptions, StreamStats};
pub use demand::{Demand, KeyframeRequest, ReaderKind};
pub use registry::Hub;
pub use ring::{Limits, Start};
pub use status::{State, Status};
pub use stream::{Publisher, Stream};
pub use subscriber::{Event, ReaderOptions, ReaderStats, Subscriber};
