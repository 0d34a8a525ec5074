#![forbid(unsafe_code)]
//! Conversations as machines without I/O: bytes and the time go in, bytes and events come out.

pub mod congestion;
pub mod hls;
pub mod ipc;
pub mod multipart;
pub mod rtp;
pub mod rtsp;
pub mod sdp;
pub mod srtp;
pub mod stun;
pub mod webrtc;
