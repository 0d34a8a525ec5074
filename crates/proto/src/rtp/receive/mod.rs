//! Packets into frames.
//!
//! A [`TrackReceiver`] takes one track's packets as they come and gives back access units in
//! decoding order, whole, with their time of capture. Inside, each step is a machine of its own:
//! `order` undoes what the network did, the depacketisers (`video`, `audio`) collect frames,
//! `timeline` and `capture` tell when they were taken, `together` keeps sound beside its picture.

mod audio;
mod capture;
mod h264;
mod h265;
mod order;
mod parameters;
mod statistics;
mod timeline;
mod together;
mod track;
mod video;

pub use statistics::Stats;
pub use together::Together;
pub use track::{Received, TrackReceiver, Transport};

use media::{Mono, Payload};

/// A frame as a depacketiser delivers it.
#[derive(Debug)]
struct Frame {
    /// RTP timestamp of the packet the frame began in.
    timestamp: u32,
    /// Ticks behind `timestamp`, for the later frames of a packet.
    ticks: i64,
    /// When its first packet came.
    first_at: Mono,
    /// When its last packet came.
    last_at: Mono,
    key: bool,
    /// Something before it is missing.
    after_loss: bool,
    payload: Payload,
}

/// What depacketisers count.
#[derive(Clone, Copy, Default, Debug)]
struct Counters {
    /// Packets that break their payload format.
    malformed: u64,
    /// Frames of which a part was missing or too large.
    dropped: u64,
}

#[cfg(test)]
mod tests;
