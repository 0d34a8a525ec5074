//! Sources: cameras that the server reaches by itself.

mod child;
pub(crate) mod exec;
pub(crate) mod file;
pub(crate) mod http;
mod intake;
pub(crate) mod rpicam;
pub(crate) mod rtsp;
pub(crate) mod udp;
pub(crate) mod worker;
