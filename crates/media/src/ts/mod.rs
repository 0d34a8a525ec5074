//! MPEG transport streams (ISO/IEC 13818-1): access units in, packets of 188 bytes out, and the
//! other way round.
//!
//! H.264 and H.265 as byte streams with delimiters, AAC as ADTS, Opus in the way that ffmpeg and
//! GStreamer read. A muxer is small and makes packets in one pass over the frame, which costs no
//! more than copying packets made elsewhere and counting them again; so each reader has a muxer of
//! its own, and one that skips frames needs no special care.

mod demux;
mod elementary;
mod mux;
mod packet;
mod pes;
mod section;
mod tables;

pub use demux::{TsDemuxer, TsStats};
pub use mux::TsMuxer;
pub use packet::PACKET;

#[cfg(test)]
mod demux_tests;
#[cfg(test)]
mod tests;
