//! Sources: cameras that the server reaches by itself.

pub(crate) mod http;
pub(crate) mod rtsp;
pub(crate) mod worker;
