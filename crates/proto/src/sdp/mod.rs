//! Session descriptions (RFC 8866): which tracks somebody offers, and how their packets are to be read.

mod aac;
mod format;

pub use aac::AudioSpecificConfig;
pub use format::{AuHeaders, Format};
