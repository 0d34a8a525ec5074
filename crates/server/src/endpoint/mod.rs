//! Whoever opens a connection to us is served here.

pub(crate) mod hls;
pub(crate) mod http;
pub(crate) mod mjpeg;
pub(crate) mod progressive;
pub(crate) mod rtsp;
pub(crate) mod webrtc;
pub(crate) mod ws;
