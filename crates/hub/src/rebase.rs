//! One timeline across publishers that each begin at their own zero.

use media::{AccessUnit, Catalog, Mono, time::rescale};

/// Unit of the common timeline.
const NANOS: u32 = 1_000_000_000;
/// Timestamps that advance this much more than the time that passed have jumped. The other way
/// round is no jump: a network that stalls and then delivers in a burst does that.
const MAX_AHEAD: i64 = 2_000_000_000;
/// Timestamps that run back further than any reordering of B-frames have jumped.
const MAX_BACK: i64 = 1_000_000_000;
/// A track whose timestamps would put it further than this from the others counts from an epoch of
/// its own.
const MAX_APART: i64 = 10_000_000_000;

/// Maps each publisher's timestamps onto the stream's one timeline.
///
/// The timeline follows the source's clock while that runs on, and this machine's clock across
/// gaps. Tracks that count from the same epoch share one offset, so sound and picture stay
/// together, also after both have jumped; a track with an epoch of its own is placed where it
/// arrives. A track marks a discontinuity whenever its offset changes.
#[derive(Debug, Default)]
pub(crate) struct Rebase {
    /// Nanoseconds to add, as last chosen for any track; `None` until the current publisher's first
    /// unit.
    common: Option<i64>,
    newest: Option<Placed>,
    tracks: Vec<Lane>,
    /// There was a publisher before this one.
    resumed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Placed {
    /// Nanoseconds on the common timeline.
    time: i64,
    at: Mono,
}

impl Placed {
    /// Where the timeline has come to by `now`.
    fn grown(self, now: Mono) -> i64 {
        self.time.saturating_add(now.signed_since(self.at).max(1))
    }
}

#[derive(Clone, Default, Debug)]
struct Lane {
    /// `None` until the current publisher's first unit of this track.
    offset: Option<i64>,
    timescale: u32,
    last: Option<Placed>,
    last_dts: Option<i64>,
    discontinuity: bool,
}

impl Rebase {
    /// A new publisher: its first unit defines a new offset.
    pub(crate) fn restart(&mut self) {
        self.common = None;
        self.resumed = self.newest.is_some();
        self.tracks.iter_mut().for_each(|lane| lane.offset = None);
    }

    /// Puts a unit that is published at `now` on the common timeline.
    pub(crate) fn apply(&mut self, now: Mono, unit: &mut AccessUnit, catalog: &Catalog) {
        let Some(track) = catalog.track(unit.track) else { return };
        let lane = usize::from(unit.track.0);
        if self.tracks.len() <= lane {
            self.tracks.resize(lane + 1, Lane::default());
        }
        let source = rescale(unit.dts, track.timescale, NANOS);
        let offset = self.offset(lane, source, now);
        let placed = Placed { time: source.saturating_add(offset), at: now };
        self.newest = self.newest.filter(|n| n.time >= placed.time).or(Some(placed));
        self.tracks[lane].place(unit, track.timescale, offset, placed);
    }

    fn offset(&mut self, lane: usize, source: i64, now: Mono) -> i64 {
        let track = &self.tracks[lane];
        if let Some(offset) =
            track.offset.filter(|own| track.continues(source.saturating_add(*own), now))
        {
            return offset;
        }
        let joins = track.offset.is_none() && self.common.is_some();
        // The offset by which this very track has just jumped is no help.
        let others = self.common.filter(|common| track.offset != Some(*common));
        let shared = others.filter(|common| self.fits(source.saturating_add(*common), now));
        let offset = shared
            .unwrap_or_else(|| self.newest.map_or(0, |n| n.grown(now)).saturating_sub(source));
        // A track that joins with an epoch of its own does not speak for the others.
        if !joins {
            self.common = Some(offset);
        }
        let track = &mut self.tracks[lane];
        track.discontinuity = track.last.is_some() || self.resumed;
        track.offset = Some(offset);
        offset
    }

    /// True if `time` is near where the timeline stands.
    fn fits(&self, time: i64, now: Mono) -> bool {
        self.newest.is_some_and(|n| n.grown(now).saturating_sub(time).saturating_abs() <= MAX_APART)
    }
}

impl Lane {
    fn continues(&self, time: i64, now: Mono) -> bool {
        let Some(last) = self.last else { return true };
        let passed = now.signed_since(last.at).max(0);
        let advance = time.saturating_sub(last.time);
        advance >= -MAX_BACK && advance <= passed.saturating_add(MAX_AHEAD)
    }

    fn place(&mut self, unit: &mut AccessUnit, timescale: u32, offset: i64, placed: Placed) {
        if self.timescale != timescale {
            self.last_dts = self.last_dts.map(|dts| rescale(dts, self.timescale, timescale));
            self.timescale = timescale;
        }
        let shift = rescale(offset, NANOS, timescale);
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
mod tests;
