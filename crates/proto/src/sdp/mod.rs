//! Session descriptions (RFC 8866): which tracks a peer offers, and how their packets are to be
//! read.

mod attributes;
mod describe;
mod format;
mod parse;

pub use describe::{control, describe, payload_type};
pub use format::{AuHeaders, Format, Unsupported};
pub use parse::{Error, Kind, MAX_LEN, Media, parse, parse_announce};

#[cfg(test)]
mod tests;
