//! One track of a file: its decode times, without gaps as long as the source has none.

use super::{init::track_id, sample};
use crate::{
    AccessUnit, Codec, MediaKind, Track,
    aac::AudioSpecificConfig,
    dts::{DecodeTimes, Times},
    opus,
    time::rescale,
};
use smallvec::SmallVec;
use std::sync::Arc;

/// A source that pauses for longer than this many milliseconds makes a gap; less is made up by
/// longer frames.
const GAP_MS: i64 = 1000;
/// Frames a second where nothing is known yet.
const LIKELY_FPS: f64 = 30.0;
/// Distances looked at to guess the next one.
const RECENT: usize = 4;

/// A frame with its times in the file.
#[derive(Clone, Debug)]
pub(super) struct TimedUnit {
    pub(super) unit: Arc<AccessUnit>,
    pub(super) times: Times,
    /// How long it lasts: of sound exactly, of pictures by guess.
    pub(super) length: i64,
}

/// A track and its frames that are in no fragment yet.
#[derive(Debug)]
pub(super) struct MuxTrack {
    pub(super) track: Track,
    pub(super) id: u32,
    /// Ticks to subtract from the stream's times.
    pub(super) origin: i64,
    pub(super) held: Vec<TimedUnit>,
    pace: FrameLengths,
    /// Where the last fragment ended; of sound, the last frame.
    expected: Option<i64>,
}

#[derive(Debug)]
enum FrameLengths {
    Pictures { times: DecodeTimes, last: Option<i64>, likely: i64, recent: SmallVec<[i64; RECENT]> },
    Aac { frame: i64 },
    Opus,
}

/// A frame as the fragment lists it.
pub(super) struct FragmentEntry<'a> {
    pub(super) placed: &'a TimedUnit,
    pub(super) dts: i64,
    pub(super) duration: i64,
}

impl MuxTrack {
    pub(super) fn new(track: &Track) -> Self {
        let fps = track.codec.video_params().and_then(|v| v.fps).unwrap_or(LIKELY_FPS);
        let step = (f64::from(track.timescale) / fps) as i64;
        let reorder = track.codec.video_params().and_then(|v| v.max_reorder);
        let pace = match &track.codec {
            Codec::Aac(aac) => {
                let frame = AudioSpecificConfig::parse(&aac.config)
                    .map_or(1024, |c| c.frame_ticks(track.timescale));
                FrameLengths::Aac { frame: frame.max(1) }
            }
            codec if codec.kind() == MediaKind::Video => {
                let times = DecodeTimes::new(reorder, step);
                FrameLengths::Pictures {
                    times,
                    last: None,
                    likely: step.max(1),
                    recent: SmallVec::new(),
                }
            }
            _ => FrameLengths::Opus,
        };
        Self {
            track: track.clone(),
            id: track_id(track),
            origin: 0,
            held: Vec::new(),
            pace,
            expected: None,
        }
    }

    /// The timestamps begin again.
    pub(super) fn restart(&mut self) {
        if let FrameLengths::Pictures { times, last, .. } = &mut self.pace {
            times.restart();
            *last = None;
        }
        self.expected = None;
    }

    /// A frame's times on the stream's line, before [`Self::origin`] is taken off.
    pub(super) fn times(&mut self, unit: &AccessUnit) -> Times {
        let gap = self.gap();
        match &mut self.pace {
            FrameLengths::Pictures { times, last, recent, .. } => {
                let now = times.next(unit.pts);
                let step = last.replace(now.dts).map(|last| now.dts.saturating_sub(last));
                // A long pause says nothing about what comes next.
                let usual = |step: &i64| *step < gap;
                if let Some(step) = step.filter(usual) {
                    if recent.len() == RECENT {
                        recent.remove(0);
                    }
                    recent.push(step);
                }
                now
            }
            _ => Times { dts: unit.pts, pts: unit.pts },
        }
    }

    /// Gives a frame its place in the file. Sound follows on the sound before it unless it is off
    /// by half a frame; `None` if it belongs where other sound is already: its sender has moved it
    /// back, to where its picture is.
    pub(super) fn place(&mut self, unit: &Arc<AccessUnit>, times: Times) -> Option<TimedUnit> {
        let mut times = Times {
            dts: times.dts.saturating_sub(self.origin),
            pts: times.pts.saturating_sub(self.origin),
        };
        let length = self.length(unit);
        if self.is_sound() {
            let dts = match self.expected {
                Some(expected) if times.dts.saturating_sub(expected) < -length / 2 => return None,
                Some(expected) if times.dts.saturating_sub(expected) <= length / 2 => expected,
                _ => times.dts,
            };
            times = Times { dts, pts: dts };
            self.expected = Some(dts.saturating_add(length));
        }
        Some(TimedUnit { unit: unit.clone(), times, length })
    }

    /// The pause, in ticks, that is a gap.
    fn gap(&self) -> i64 {
        GAP_MS * i64::from(self.track.timescale) / 1000
    }

    pub(super) fn is_sound(&self) -> bool {
        !matches!(self.pace, FrameLengths::Pictures { .. })
    }

    fn length(&self, unit: &AccessUnit) -> i64 {
        match &self.pace {
            // Rather too short: the next frame then comes a little late and is moved forward, where
            // too long would overlap.
            FrameLengths::Pictures { recent, likely, .. } => {
                recent.iter().copied().min().unwrap_or(*likely).max(1)
            }
            FrameLengths::Aac { frame } => *frame,
            FrameLengths::Opus => {
                let ticks = unit
                    .payload
                    .first()
                    .and_then(|packet| opus::ticks(packet))
                    .unwrap_or(opus::CLOCK / 50);
                rescale(ticks.into(), opus::CLOCK, self.track.timescale).max(1)
            }
        }
    }

    /// Where a fragment that begins with a frame of decode time `dts` really begins.
    pub(super) fn begin(&self, dts: i64) -> i64 {
        let gap = self.gap();
        match self.expected {
            Some(expected)
                if !self.is_sound() && (0..gap).contains(&(dts.saturating_sub(expected))) =>
            {
                expected
            }
            _ => dts,
        }
    }

    /// Where the fragment of the frames held begins, and where it ends by guess. `None` if nothing
    /// is held.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        let (first, last) = (self.held.first()?, self.held.last()?);
        Some((self.begin(first.times.dts), last.times.dts.saturating_add(last.length)))
    }

    /// The frames held with their final times: each lasts until the next; the last until `next`
    /// comes, as far as `most` ticks for the whole fragment allow, or as long as is usual. Then the
    /// fragment's beginning and end.
    pub(super) fn entries(
        &self,
        next: Option<i64>,
        most: i64,
    ) -> (SmallVec<[FragmentEntry<'_>; 8]>, i64, i64) {
        let Some((begin, usual_end)) = self.span() else { return (SmallVec::new(), 0, 0) };
        let mut entries: SmallVec<[FragmentEntry<'_>; 8]> = SmallVec::new();
        for (i, placed) in self.held.iter().enumerate() {
            let dts = if i == 0 { begin } else { placed.times.dts };
            entries.push(FragmentEntry { placed, dts, duration: 0 });
        }
        let last = entries.last().map_or(begin, |e| e.dts);
        let end =
            next.unwrap_or(usual_end).min(begin.saturating_add(most)).max(last.saturating_add(1));
        for i in 0..entries.len() {
            let until = entries.get(i + 1).map_or(end, |e| e.dts);
            entries[i].duration = until.saturating_sub(entries[i].dts);
        }
        (entries, begin, end)
    }

    /// The frames held are in a fragment that ends at `end`.
    pub(super) fn written(&mut self, end: i64) {
        self.held.clear();
        if !self.is_sound() {
            self.expected = Some(end);
        }
    }

    pub(super) fn size(&self, placed: &TimedUnit) -> usize {
        sample(&placed.unit, &self.track.codec).iter().map(bytes::Bytes::len).sum()
    }
}
