//! Low-latency HLS (RFC 8216, draft-pantos-hls-rfc8216bis): access units in, playlists and files
//! out.
//!
//! [`Muxer`] collects frames into parts and parts into segments. What it shows to the world is a
//! [`Playlist`], an unchanging value that is made again with every part: it renders itself as text,
//! says whether a request can be answered yet, and finds files.
//!
//! Players that know nothing of low latency read the same text: to them parts are comments.

mod directives;
mod muxer;
mod playlist;
mod render;
mod segment;
mod variants;

pub use directives::{Answer, BadDirectives, Directives};
pub use muxer::{Muxer, Options};
pub use playlist::{File, Playlist};
pub use segment::{Init, Part, Segment};

#[cfg(test)]
mod checker;
#[cfg(test)]
mod tests;
