//! Sources: cameras that the server reaches by itself.

pub(crate) mod exec;
pub(crate) mod http;
mod intake;
pub(crate) mod rtsp;
pub(crate) mod udp;
pub(crate) mod worker;
