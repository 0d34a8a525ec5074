//! Pictures and sound in the order of their times: files store them further apart than viewers can
//! wait.

use media::{AccessUnit, Catalog, time::rescale};
use std::collections::VecDeque;

const NANOS: u32 = 1_000_000_000;
/// What is held until the other track has come so far.
const MAX_UNITS: usize = 256;
const MAX_BYTES: usize = 16 << 20;
/// Times that differ more than this from the ones before have jumped: what was before comes first.
const JUMP: i64 = 3 * NANOS as i64;

/// A frame with its decode time in nanoseconds.
pub(super) type Timed = (i64, AccessUnit);

/// Merges two tracks.
#[derive(Default, Debug)]
pub(super) struct Order {
    lanes: Vec<(u32, VecDeque<Timed>)>,
    /// The newest time.
    last: Option<i64>,
    bytes: usize,
    /// All that is held may go.
    flushing: bool,
}

impl Order {
    /// From here on the tracks are these. Everything is to be taken out before.
    pub(super) fn set_catalog(&mut self, catalog: &Catalog) {
        self.lanes =
            catalog.tracks.iter().map(|track| (track.timescale, VecDeque::new())).collect();
    }

    /// True if a frame of this time has to wait until all is taken out that is held.
    pub(super) fn jumps(&self, unit: &AccessUnit) -> bool {
        self.bytes > 0
            && self
                .last
                .zip(self.time(unit))
                .is_some_and(|(last, time)| time.abs_diff(last) > JUMP.unsigned_abs())
    }

    fn time(&self, unit: &AccessUnit) -> Option<i64> {
        let (timescale, _) = self.lanes.get(usize::from(unit.track.0))?;
        Some(rescale(unit.dts, *timescale, NANOS))
    }

    /// Takes a frame; one of an unknown track is dropped.
    pub(super) fn push(&mut self, unit: AccessUnit) {
        let Some(time) = self.time(&unit) else { return };
        self.last = Some(time);
        self.bytes += unit.size();
        self.lanes[usize::from(unit.track.0)].1.push_back((time, unit));
    }

    /// Lets all out that is held.
    pub(super) fn flush(&mut self) {
        self.flushing = true;
    }

    /// The next frame, if it is known to be that.
    pub(super) fn pop(&mut self) -> Option<Timed> {
        let held: usize = self.lanes.iter().map(|(_, lane)| lane.len()).sum();
        let complete = self.lanes.iter().all(|(_, lane)| !lane.is_empty());
        if !complete && !self.flushing && held <= MAX_UNITS && self.bytes <= MAX_BYTES {
            return None;
        }
        let lanes = self.lanes.iter_mut().filter(|(_, lane)| !lane.is_empty());
        let first = lanes.min_by_key(|(_, lane)| lane.front().map(|(time, _)| *time));
        let next = first.and_then(|(_, lane)| lane.pop_front());
        match &next {
            Some((_, unit)) => self.bytes -= unit.size(),
            None => self.flushing = false,
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::{Codec, Mono, Timing, TrackId, VideoParams};

    fn order() -> Order {
        let video = VideoParams { width: 64, height: 64, fps: None, max_reorder: None };
        let mut order = Order::default();
        order.set_catalog(&Catalog::new([
            (Codec::Mjpeg(video), 1000),
            (Codec::Opus { channels: 1 }, 1000),
        ]));
        order
    }

    fn unit(track: u8, ms: i64) -> AccessUnit {
        let payload = [bytes::Bytes::from_static(&[1; 10])].into_iter().collect();
        AccessUnit::new(TrackId(track), ms, true, Timing::arrived(Mono::default()), payload)
    }

    fn drain(order: &mut Order) -> Vec<(u8, i64)> {
        std::iter::from_fn(|| order.pop()).map(|(_, unit)| (unit.track.0, unit.dts)).collect()
    }

    #[test]
    fn sound_that_is_stored_a_second_later_comes_with_its_picture() {
        let mut order = order();
        (0..30).for_each(|i| order.push(unit(0, i * 40)));
        assert!(drain(&mut order).is_empty(), "the sound may still come");
        (0..60).for_each(|i| order.push(unit(1, i * 20)));
        let mut got = drain(&mut order);
        order.flush();
        got.extend(drain(&mut order));
        assert_eq!(got.len(), 90);
        assert!(got.windows(2).all(|w| w[0].1 <= w[1].1), "{got:?}");
    }

    #[test]
    fn a_track_that_ends_holds_nothing_up_for_ever() {
        let mut order = order();
        (0..1000).for_each(|i| order.push(unit(0, i * 40)));
        assert_eq!(drain(&mut order).len(), 1000 - MAX_UNITS);
        assert!(!order.jumps(&unit(0, 41_000)) && order.jumps(&unit(0, 0)));
    }
}
