//! Encoders in hardware: memory-to-memory devices
//! (`Documentation/userspace-api/media/v4l/dev-encoder.rst` of the kernel) that take raw pictures
//! at one end and give coded ones at the other, as `bcm2835-codec` on a Raspberry Pi.
//!
//! An encoder is found by what it can do, never by its number. `node` is the device, `session` the
//! conversation with it, behind a trait so that a scripted device can answer in tests; what is
//! said, and in which order, is in `settings`.

#[cfg(test)]
pub(crate) mod fake;
mod node;
mod placing;
mod session;
mod settings;
#[cfg(test)]
mod tests;

pub use node::{Encoder, Found, Looked, encoders, look};
pub use session::{Done, Failed, Session};

use media::h264::Colour;

/// What is wanted of an encoder.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Columns, an even number.
    pub width: u32,
    /// Rows, an even number.
    pub height: u32,
    /// Pictures a second.
    pub fps: u16,
    /// Pictures from one keyframe to the next.
    pub gop: u16,
    /// Bits a second.
    pub bitrate: u32,
    /// What the samples mean.
    pub colour: Colour,
}
