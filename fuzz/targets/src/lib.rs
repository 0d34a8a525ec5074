#![forbid(unsafe_code)]
//! What the fuzzers run: one function a target, each of which takes bytes, makes a sequence of
//! operations of them, and panics where a promise is broken. `fuzz/fuzz_targets` hands them to
//! libFuzzer; `tests/replay.rs` calls them with the committed corpora on every test run.

mod congestion;
mod containers;
mod feedback;
mod ingest;
mod input;
mod negotiation;
mod parameters;
mod rtcp;
mod rtp;
mod rtsp;
mod sdp;
mod session;
mod srtp;
mod stun;

pub use congestion::congestion;
pub use containers::{containers, file, mpegts, multipart};
pub use feedback::feedback;
pub use ingest::ingest;
pub use input::Input;
pub use negotiation::{framing, negotiation};
pub use parameters::parameters;
pub use rtcp::rtcp;
pub use rtp::rtp;
pub use rtsp::rtsp;
pub use sdp::sdp;
pub use session::session;
pub use srtp::srtp;
pub use stun::stun;

/// A target's body.
pub type Target = fn(&[u8]);

/// All targets by the names of their corpora.
pub const ALL: [(&str, Target); 17] = [
    ("rtp", rtp),
    ("rtcp", rtcp),
    ("feedback", feedback),
    ("ingest", ingest),
    ("sdp", sdp),
    ("parameters", parameters),
    ("rtsp", rtsp),
    ("stun", stun),
    ("negotiation", negotiation),
    ("framing", framing),
    ("srtp", srtp),
    ("session", session),
    ("congestion", congestion),
    ("mpegts", mpegts),
    ("multipart", multipart),
    ("containers", containers),
    ("file", file),
];
