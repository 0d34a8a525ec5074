//! Decode times, derived from presentation times.
//!
//! RTP carries presentation times only. Containers want decode times as well: strictly rising, and
//! never behind the presentation. Where frames are reordered, the n-th decode time is the n-th
//! presentation time in their sorted order, moved back by as many frames as the decoder holds. That
//! needs no look-ahead, so it costs no delay.

use std::collections::VecDeque;

/// No decoder holds more frames than this (H.264 §A.3.1, H.265 §A.4.1).
const MAX_DEPTH: usize = 16;

/// The two times of a frame, in its track's timescale: `dts <= pts`, and `dts` rises strictly from
/// frame to frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// When it is to be decoded.
    pub dts: i64,
    /// When it is to be shown. Differs from what went in only where reordering came as a surprise.
    pub pts: i64,
}

/// Derives the decode times of one track, frame by frame in decode order.
///
/// How many frames are held back is taken from the stream's parameters; where these are silent or
/// wrong, it is learnt from the first frame that comes out of order.
#[derive(Clone, Debug)]
pub struct DecodeTimes {
    depth: usize,
    /// Presentation times not used as decode times yet, sorted: `depth` of them once it has begun.
    open: VecDeque<i64>,
    /// The presentation time used last, and the decode time made of it.
    used: Option<(i64, i64)>,
    /// Ticks from frame to frame, for the times before the first frame.
    step: i64,
}

impl DecodeTimes {
    /// For a track that tells to hold `max_reorder` frames and shows one every `step` ticks or so.
    pub fn new(max_reorder: Option<u32>, step: i64) -> Self {
        let depth =
            max_reorder.map_or(0, |n| usize::try_from(n).unwrap_or(MAX_DEPTH).min(MAX_DEPTH));
        Self { depth, open: VecDeque::new(), used: None, step: step.max(1) }
    }

    /// The timestamps begin again: a new publisher, or a jump. What was learnt of the depth stays.
    pub fn restart(&mut self) {
        self.open.clear();
        self.used = None;
    }

    /// The times of the next frame, whose presentation time is `pts`.
    pub fn next(&mut self, pts: i64) -> Times {
        match self.used {
            None => self.begin(pts),
            Some((used, _)) if pts < used && self.depth < MAX_DEPTH => self.learn(used),
            Some(_) => {}
        }
        self.insert(pts);
        let oldest = self.open.pop_front().unwrap_or(pts);
        let dts = self.used.map_or(oldest, |(_, last)| oldest.max(last.saturating_add(1)));
        self.used = Some((oldest, dts));
        Times { dts, pts: pts.max(dts) }
    }

    /// Fills the window with the times of frames that would have been before the first.
    fn begin(&mut self, pts: i64) {
        let before = |n: usize| pts.saturating_sub(self.step.saturating_mul(n as i64));
        self.open = (1..=self.depth).rev().map(before).collect();
    }

    /// A frame is to be shown before a time that was used already: one more should have been held.
    fn learn(&mut self, used: i64) {
        self.depth += 1;
        self.insert(used);
    }

    fn insert(&mut self, pts: i64) {
        let at = self.open.partition_point(|p| *p <= pts);
        self.open.insert(at, pts);
    }
}

#[cfg(test)]
mod tests;
