//! RTP and RTCP (RFC 3550): frames become packets, and packets become frames again.
//!
//! [`send`] cuts an access unit once for all readers and numbers the pieces per reader; [`receive`]
//! takes one incoming track's packets as the network delivers them and gives back whole access
//! units, in order, with their capture time; [`ingest`] does that for all tracks of a WebRTC
//! publisher, and tells it what is missing.

mod extension;
pub mod feedback;
pub mod ingest;
mod packet;
pub mod receive;
pub mod rtcp;
pub mod send;
pub mod twcc;
mod write;

pub use extension::extensions;
pub use packet::{HEADER_LEN, Header, Packet, ParseError, header_len};
pub use write::{
    CAPTURE_TIME, ExtensionIds, Extensions, MAX_EXTENSIONS_LEN, PLAYOUT_DELAY, REPAIR_HEAD_LEN,
    TRANSPORT_SEQUENCE, write_packet, write_repair,
};
