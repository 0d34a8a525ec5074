//! One timeline across publishers that each begin at their own zero.

use media::{AccessUnit, Catalog, Mono, time::rescale};

/// Unit of the common timeline.
const NANOS: u32 = 1_000_000_000;
/// Timestamps that advance this much more than the time that passed have jumped. The other way round is no jump:
/// a network that stalls and then delivers in a burst does that.
const MAX_AHEAD: i64 = 2_000_000_000;
/// Timestamps that run back further than any reordering of B-frames have jumped.
const MAX_BACK: i64 = 1_000_000_000;

/// Maps each publisher's timestamps onto the stream's one timeline.
///
/// The timeline follows the source's clock while that runs on, and this machine's clock across gaps. The offset is
/// common to all tracks, so sound and picture stay together; whenever it changes, every track marks a discontinuity.
#[derive(Debug, Default)]
pub(crate) struct Rebase {
    /// Nanoseconds to add; `None` until the current publisher's first unit.
    offset: Option<i64>,
    newest: Option<Placed>,
    tracks: Vec<Lane>,
}

#[derive(Clone, Copy, Debug)]
struct Placed {
    /// Nanoseconds on the common timeline.
    time: i64,
    at: Mono,
}

#[derive(Clone, Default, Debug)]
struct Lane {
    last: Option<Placed>,
    last_dts: Option<i64>,
    discontinuity: bool,
}

impl Rebase {
    /// A new publisher: its first unit defines a new offset.
    pub(crate) fn restart(&mut self) {
        self.offset = None;
    }

    /// Puts a unit that is published at `now` on the common timeline.
    pub(crate) fn apply(&mut self, now: Mono, unit: &mut AccessUnit, catalog: &Catalog) {
        let Some(track) = catalog.track(unit.track) else { return };
        let lane = usize::from(unit.track.0);
        if self.tracks.len() <= lane {
            self.tracks.resize(lane + 1, Lane::default());
        }
        let source = rescale(unit.dts, track.timescale, NANOS);
        let offset = match self.offset {
            Some(offset) if self.tracks[lane].continues(source.saturating_add(offset), now) => offset,
            _ => self.begin_anew(source, now),
        };
        let time = source.saturating_add(offset);
        self.newest = self.newest.filter(|n| n.time >= time).or(Some(Placed { time, at: now }));
        self.tracks[lane].place(unit, rescale(offset, NANOS, track.timescale), Placed { time, at: now });
    }

    /// Chooses the offset that puts `source` where the timeline stands `now`.
    fn begin_anew(&mut self, source: i64, now: Mono) -> i64 {
        if self.newest.is_some() {
            self.tracks.iter_mut().for_each(|lane| lane.discontinuity = true);
        }
        let time = self.newest.map_or(0, |n| n.time.saturating_add(now.signed_since(n.at).max(1)));
        let offset = time.saturating_sub(source);
        self.offset = Some(offset);
        offset
    }
}

impl Lane {
    fn continues(&self, time: i64, now: Mono) -> bool {
        let Some(last) = self.last else { return true };
        let passed = now.signed_since(last.at).max(0);
        let advance = time.saturating_sub(last.time);
        advance >= -MAX_BACK && advance <= passed.saturating_add(MAX_AHEAD)
    }

    fn place(&mut self, unit: &mut AccessUnit, shift: i64, placed: Placed) {
        unit.pts = unit.pts.saturating_add(shift);
        unit.dts = unit.dts.saturating_add(shift);
        // Presentation may run back where frames are reordered, decoding never does.
        if let Some(last) = self.last_dts {
            unit.dts = unit.dts.max(last.saturating_add(1));
        }
        unit.discontinuity |= std::mem::take(&mut self.discontinuity);
        self.last_dts = Some(unit.dts);
        self.last = Some(placed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::{Codec, Timing, TrackId};

    const MS: u64 = 1_000_000;

    fn catalog() -> Catalog {
        Catalog::new([(Codec::H264(None), 90_000), (Codec::Opus { channels: 2 }, 48_000)])
    }

    fn place(r: &mut Rebase, ms: u64, track: u8, ts: i64) -> (i64, bool) {
        let now = Mono::from_nanos(ms * MS);
        let mut unit = AccessUnit::new(TrackId(track), ts, true, Timing::arrived(now), Default::default());
        r.apply(now, &mut unit, &catalog());
        (unit.dts, unit.discontinuity)
    }

    #[test]
    fn the_second_publisher_goes_on_where_the_clock_is() {
        let mut r = Rebase::default();
        assert_eq!(place(&mut r, 1000, 0, 777), (0, false));
        assert_eq!(place(&mut r, 1100, 0, 777 + 9000), (9000, false));
        r.restart();
        assert_eq!(place(&mut r, 11_100, 0, 5), (9000 + 900_000, true));
        assert_eq!(place(&mut r, 11_200, 0, 5 + 9000), (9000 + 909_000, false));
    }

    #[test]
    fn sound_and_picture_share_one_offset() {
        let mut r = Rebase::default();
        assert_eq!(place(&mut r, 0, 0, 90_000), (0, false));
        assert_eq!(place(&mut r, 10, 1, 48_000 + 480), (480, false));
        r.restart();
        assert_eq!(place(&mut r, 5000, 0, 0), (450_000, true));
        assert_eq!(place(&mut r, 5000, 1, 0), (240_000, true));
    }

    #[test]
    fn a_jump_by_an_hour_either_way_is_mended_and_marked() {
        for jump in [3600 * 90_000, -3600 * 90_000] {
            let mut r = Rebase::default();
            place(&mut r, 0, 0, 1 << 40);
            assert_eq!(place(&mut r, 100, 0, (1 << 40) + 9000 + jump), (9000, true));
            assert_eq!(place(&mut r, 200, 0, (1 << 40) + 18_000 + jump), (18_000, false));
        }
    }

    #[test]
    fn a_burst_after_a_stall_is_no_jump() {
        let mut r = Rebase::default();
        place(&mut r, 0, 0, 0);
        assert_eq!(place(&mut r, 30_000, 0, 3000), (3000, false));
        assert_eq!(place(&mut r, 30_001, 0, 6000), (6000, false));
    }

    #[test]
    fn reordered_pictures_keep_their_presentation_time() {
        let mut r = Rebase::default();
        let now = Mono::from_nanos(0);
        let mut unit = |ts| {
            let mut u = AccessUnit::new(TrackId(0), ts, false, Timing::arrived(now), Default::default());
            r.apply(now, &mut u, &catalog());
            (u.dts, u.pts)
        };
        assert_eq!(unit(0), (0, 0));
        assert_eq!(unit(9000), (9000, 9000));
        assert_eq!(unit(3000), (9001, 3000));
    }
}
