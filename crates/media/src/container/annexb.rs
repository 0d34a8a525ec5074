//! H.264 and H.265 as byte streams (Annex B of either), as encoders write them to a pipe: no times,
//! no lengths.
//!
//! A frame ends where the next begins: with a delimiter, parameter sets, a message before its
//! pictures, or the first slice of another picture (H.264 §7.4.1.2.3, H.265 §7.4.2.4.4). So that
//! none waits for the next, a few milliseconds of silence end it, too; where more of it comes
//! afterwards, that is noticed and silence is not believed again. Times are those of arrival.

use super::{Demux, Demuxed, MAX_FRAME, nals::Nals};
use crate::{AccessUnit, Catalog, Codec, Mono, Timing, TrackId, bits::split_annex_b, h264, h265};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;

/// Ticks a second.
const CLOCK: u32 = 90_000;
/// So many bytes of a unit tell whether it begins a picture.
const TELLING: usize = 3;

/// Takes a byte stream apart.
#[derive(Debug)]
pub struct AnnexBDemuxer {
    h265: bool,
    nals: Nals,
    /// The frame at hand, from its first start code on, and what came behind it.
    held: BytesMut,
    /// All before this is known to be of the frame at hand.
    seen: usize,
    /// The frame at hand has a slice.
    has_slice: bool,
    /// When the first byte of the frame at hand came.
    began: Mono,
    /// Silence has ended the last frame, and no other has begun.
    paused: bool,
    trusts_pauses: bool,
    /// Something is missing before the next frame.
    gap: bool,
    last: Option<i64>,
    announced: Option<Codec>,
    garbage: u64,
    out: VecDeque<Demuxed>,
}

/// The role of a NAL unit in its frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum UnitRole {
    /// Begins a frame if the one at hand has a slice.
    Begins,
    /// The first slice of a picture, or a later one.
    Slice { first: bool },
    /// Belongs to what is before it.
    Follows,
}

impl AnnexBDemuxer {
    /// For H.264.
    pub fn h264() -> Self {
        Self::new(false)
    }

    /// For H.265.
    pub fn h265() -> Self {
        Self::new(true)
    }

    fn new(h265: bool) -> Self {
        Self {
            h265,
            nals: Nals::new(h265),
            held: BytesMut::new(),
            seen: 0,
            has_slice: false,
            began: Mono::default(),
            paused: false,
            trusts_pauses: true,
            gap: false,
            last: None,
            announced: None,
            garbage: 0,
            out: VecDeque::new(),
        }
    }

    /// Looks at what is new, frame by frame.
    fn cut(&mut self, now: Mono) {
        while let Some(start) = start_code(&self.held, self.seen) {
            let unit = start + 3;
            if self.held.len() < unit + TELLING {
                self.seen = start;
                return;
            }
            match self.role(&self.held[unit..]) {
                UnitRole::Begins | UnitRole::Slice { first: true } if self.has_slice => {
                    // The zero before a start code of four bytes is cut off with the units.
                    let frame = self.held.split_to(start).freeze();
                    self.finish(now, frame);
                    (self.seen, self.began) = (0, now);
                    continue;
                }
                UnitRole::Slice { first } => {
                    if self.paused && !first && !self.has_slice {
                        self.mistrust(unit);
                        continue;
                    }
                    (self.has_slice, self.paused) = (true, false);
                }
                UnitRole::Begins | UnitRole::Follows => {}
            }
            self.seen = unit;
        }
        // A start code may be cut in two.
        self.seen = self.seen.max(self.held.len().saturating_sub(2));
        if self.held.len() > MAX_FRAME {
            self.lose();
        }
    }

    /// More of a picture that silence was taken to have ended. It is passed over with its start
    /// code, so it belongs to no frame.
    fn mistrust(&mut self, upto: usize) {
        self.garbage += upto as u64;
        self.held.advance(upto);
        self.seen = 0;
        (self.trusts_pauses, self.gap) = (false, true);
    }

    fn lose(&mut self) {
        self.garbage += self.held.len() as u64;
        self.held.clear();
        (self.seen, self.has_slice, self.gap) = (0, false, true);
    }

    fn role(&self, nal: &[u8]) -> UnitRole {
        if self.h265 {
            return match h265::nal_type(nal) {
                0..32 => UnitRole::Slice { first: nal[2] & 0x80 != 0 },
                // Parameter sets, delimiters, messages before the picture, and reserved types of
                // the same meaning.
                32..=35 | 39 | 41..=44 | 48..=55 => UnitRole::Begins,
                _ => UnitRole::Follows,
            };
        }
        match h264::nal_type(nal) {
            // Partitions B and C are never the first; a picture begins with the macroblock of
            // number zero.
            h264::nal::SLICE | 2 | h264::nal::IDR => UnitRole::Slice { first: nal[1] & 0x80 != 0 },
            h264::nal::SEI | h264::nal::SPS | h264::nal::PPS | h264::nal::AUD | 14..=18 => {
                UnitRole::Begins
            }
            _ => UnitRole::Follows,
        }
    }

    fn finish(&mut self, now: Mono, frame: Bytes) {
        self.has_slice = false;
        let Some((payload, key)) = self.nals.unit(split_annex_b(&frame)) else { return };
        if self.announced.as_ref() != Some(self.nals.codec()) {
            self.announced = Some(self.nals.codec().clone());
            self.out
                .push_back(Demuxed::Catalog(Catalog::new([(self.nals.codec().clone(), CLOCK)])));
        }
        let ticks =
            i64::try_from(u128::from(self.began.as_nanos()) * u128::from(CLOCK) / 1_000_000_000)
                .unwrap_or_default();
        let pts = self.last.map_or(ticks, |last| ticks.max(last + 1));
        self.last = Some(pts);
        let mut unit = AccessUnit::new(TrackId(0), pts, key, Timing::arrived(now), payload);
        unit.discontinuity = std::mem::take(&mut self.gap);
        self.out.push_back(Demuxed::Unit(unit));
    }
}

impl Demux for AnnexBDemuxer {
    fn push(&mut self, now: Mono, bytes: &[u8]) {
        if self.held.is_empty() {
            self.began = now;
            if self.paused && !begins_unit(bytes) {
                self.mistrust(0);
            }
        }
        self.held.extend_from_slice(bytes);
        self.cut(now);
    }

    fn pause(&mut self, now: Mono) {
        if self.awaits_pause() {
            let frame = self.held.split().freeze();
            self.seen = 0;
            self.finish(now, frame);
            self.paused = true;
        }
    }

    fn awaits_pause(&self) -> bool {
        self.has_slice && self.trusts_pauses
    }

    fn poll(&mut self) -> Option<Demuxed> {
        self.out.pop_front()
    }

    fn ignored(&self) -> &[String] {
        &[]
    }

    fn is_hopeless(&self) -> bool {
        false
    }

    fn garbage(&self) -> u64 {
        self.garbage
    }
}

/// As far as it can be told.
fn begins_unit(bytes: &[u8]) -> bool {
    matches!(bytes, [] | [0] | [0, 0] | [0, 0, 1, ..] | [0, 0, 0] | [0, 0, 0, 0 | 1, ..])
}

/// Where the next `00 00 01` stands, at or behind `from`.
fn start_code(bytes: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.windows(3).position(|w| w == [0, 0, 1]).map(|at| from + at)
}

#[cfg(test)]
mod tests;
