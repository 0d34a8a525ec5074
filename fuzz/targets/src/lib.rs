#![forbid(unsafe_code)]
//! What the fuzzers run: one function a target, each of which takes bytes, makes a sequence of operations of them, and panics
//! where a promise is broken. `fuzz/fuzz_targets` hands them to libFuzzer; `tests/replay.rs` calls them with the committed
//! corpora on every test run.

mod input;
mod parameters;
mod rtcp;
mod rtp;
mod rtsp;
mod sdp;

pub use input::Input;
pub use parameters::parameters;
pub use rtcp::rtcp;
pub use rtp::rtp;
pub use rtsp::rtsp;
pub use sdp::sdp;

/// A target's body.
pub type Target = fn(&[u8]);

/// All targets by the names of their corpora.
pub const ALL: [(&str, Target); 5] = [("rtp", rtp), ("rtcp", rtcp), ("sdp", sdp), ("parameters", parameters), ("rtsp", rtsp)];
