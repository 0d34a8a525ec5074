//! A picture as all who want it share it.

use bytes::Bytes;
use media::{ClockPair, Mono, Wall};
use proto::ipc::Picture;
use std::sync::OnceLock;

/// A JPEG file and its story. Immutable, shared by `Arc`.
#[derive(Debug)]
pub(crate) struct Jpeg {
    /// Counts the pictures of its kind.
    pub(crate) number: u64,
    /// The file.
    pub(crate) file: Bytes,
    /// When the light fell on the sensor, as well as it is known.
    pub(crate) captured: Mono,
    /// When the coded frame reached the server.
    pub(crate) received: Mono,
    /// When it was decoded.
    pub(crate) decoded: Mono,
    /// When the JPEG was ready.
    pub(crate) encoded: Mono,
    wall: OnceLock<Wall>,
    parts: [OnceLock<Bytes>; FORMS],
}

/// Forms in which a picture may be derived.
const FORMS: usize = 2;

impl Jpeg {
    /// From what the worker says, of which no time is later than `now`: both processes read the
    /// same clock.
    pub(super) fn new(picture: Picture, number: u64, now: Mono) -> Self {
        let encoded = picture.encoded.min(now);
        let decoded = picture.decoded.min(encoded);
        let received = picture.received.min(decoded);
        let captured = picture.captured.min(received);
        Self {
            number,
            file: picture.jpeg,
            captured,
            received,
            decoded,
            encoded,
            wall: OnceLock::new(),
            parts: Default::default(),
        }
    }

    /// [`Self::captured`] by the wall clock, the same for all who ask: another reading of the
    /// clocks is another microsecond.
    pub(crate) fn captured_by_wall(&self, now: &ClockPair) -> Wall {
        *self.wall.get_or_init(|| now.wall_at(self.captured))
    }

    /// The picture as a protocol sends it, in one of two forms: made by `make` for the first who
    /// asks, and kept for all others.
    pub(crate) fn form(&self, alternative: bool, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.parts[usize::from(alternative)].get_or_init(|| make(self)).clone()
    }
}
