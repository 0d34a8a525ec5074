//! The muxer: frames into parts, parts into segments.

use super::{
    playlist::{Playlist, Window},
    segment::{Init, Micros, Part, Segment},
};
use media::{
    AccessUnit, Catalog, ClockPair, Track, TrackId,
    mp4::{self, Admitted, Fragmenter},
    time::rescale,
};
use std::{sync::Arc, time::Duration};

const MICROS: u32 = 1_000_000;
/// Frames of the leading track after which their rate is taken for known.
const RATE_KNOWN: usize = 5;
/// Frames that may wait for that: sound runs on while pictures stand still.
const MAX_EARLY: usize = 1024;
/// Room above what parts usually last, so that a little jitter does not cut them short, in
/// hundredths.
const PART_ROOM: i64 = 5;
/// A source away for longer begins again: what was before it leaves the playlist.
const FORGET_AFTER_MS: i64 = 10_000;
/// A source away for longer than this breaks the time line.
const BREAK_MS: i64 = 1000;
/// Segments are rounded to whole seconds when compared with the target; a part less than half a
/// second above it still fits.
const ROUNDING: Micros = 400_000;

/// How to cut.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a part should last. As many frames as fit; one frame at least.
    pub part: Duration,
    /// Segments end at the first keyframe behind this.
    pub segment: Duration,
    /// The longest segment where the source's keyframes are not known to be further apart.
    pub target: Duration,
    /// Target durations that the playlist reaches back.
    pub window: u32,
    /// Bytes held, beyond which the playlist gets shorter, down to three target durations.
    pub max_bytes: usize,
    /// Part of all file names: different for each run, since files are cached for ever.
    pub run: Arc<str>,
    /// The first media sequence number: larger than any of the runs before, so that a player that
    /// slept notices.
    pub first_sequence: u64,
}

/// Collects the frames of one stream.
#[derive(Debug)]
pub struct Muxer {
    options: Options,
    current: Option<Current>,
    /// Frames that wait for the frame rate to be known.
    early: Vec<Admitted>,
    /// Seconds; fixed once the first playlist is shown.
    target: Option<u64>,
    part_target: Option<Micros>,
    /// The part target is that of the tracks of now.
    rate_known: bool,
    open: Option<Segment>,
    window: Window,
    next_sequence: u64,
    next_part: u64,
    /// The next segment begins after a discontinuity.
    broken: bool,
}

/// What belongs to the tracks of now.
#[derive(Debug)]
struct Current {
    tracks: Vec<Track>,
    leading: TrackId,
    timescale: u32,
    fragmenter: Fragmenter,
    init: Arc<Init>,
    /// Presentation time of the last leading frame, in its ticks.
    last: Option<i64>,
    /// Decode time at which the open segment begins.
    begin: i64,
    clocks: ClockPair,
}

impl Muxer {
    /// An empty one.
    pub fn new(options: Options) -> Self {
        let next_sequence = options.first_sequence;
        let window = Window::new(options.window, options.max_bytes);
        Self {
            options,
            current: None,
            early: Vec::new(),
            target: None,
            part_target: None,
            rate_known: false,
            open: None,
            window,
            next_sequence,
            next_part: 0,
            broken: false,
        }
    }

    /// Takes a frame. True if there is something new to be shown.
    pub fn push(&mut self, clocks: &ClockPair, catalog: &Catalog, unit: &Arc<AccessUnit>) -> bool {
        let before = (self.next_part, self.next_sequence);
        self.follow(catalog, clocks);
        self.note_break(unit);
        let Some(current) = &mut self.current else { return false };
        current.clocks = *clocks;
        if let Some(frame) = current.fragmenter.admit(unit).filter(|_| self.early.len() < MAX_EARLY)
        {
            self.early.push(frame);
            self.take_early();
        }
        before != (self.next_part, self.next_sequence)
    }

    /// What was already there when the muxer started has been pushed: from now on it is live. Fixes
    /// the target duration, for which `keyframe_interval` is a hint, and lets the first segment end
    /// early so that there is something to play.
    pub fn settle(&mut self, keyframe_interval: Option<Duration>) {
        let hint =
            keyframe_interval.map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX));
        let open = self.open.as_ref().map_or(0, |s| s.duration);
        let longest = self.window.longest().max(open).max(hint);
        // Keyframes that come every two seconds come every 2.03 now and then.
        let seconds = (longest.saturating_add(ROUNDING)).div_ceil(1_000_000);
        let known = self.window.longest() > 0 || hint > 0;
        let least = if known { 2 } else { self.options.target.as_secs().max(2) };
        self.target.get_or_insert(seconds.clamp(least, 60));
    }

    /// What can be shown; `None` until a segment is complete and [`Muxer::settle`] was called.
    pub fn playlist(&self) -> Option<Playlist> {
        let (target, part_target) = (self.target?, self.part_target?);
        let name = self.options.run.clone();
        // What an earlier source made longer is still listed.
        let listed = self.open.iter().flat_map(|s| &s.parts).map(|p| p.duration).max().unwrap_or(0);
        let part_target = part_target.max(listed).max(self.window.longest_part());
        self.window.playlist(
            name,
            target,
            part_target,
            self.open.clone(),
            self.next_sequence,
            self.next_part,
        )
    }

    /// True if the tracks of now cannot be put into MP4.
    pub fn cannot_carry(catalog: &Catalog) -> bool {
        mp4::tracks(catalog).is_empty() && !is_incomplete(catalog)
    }

    /// Changes with the tracks.
    fn follow(&mut self, catalog: &Catalog, clocks: &ClockPair) {
        let same = |c: &Current| c.tracks.iter().eq(mp4::tracks(catalog).iter());
        if is_incomplete(catalog) || self.current.as_ref().is_some_and(same) {
            return;
        }
        self.close_all();
        let number = self.current.take().map_or(0, |c| c.init.number + 1);
        // It may come at another rate.
        self.rate_known = false;
        let tracks = mp4::tracks(catalog);
        self.current = Fragmenter::new(&tracks).map(|fragmenter| Current {
            leading: fragmenter.leading().id,
            timescale: fragmenter.leading().timescale,
            init: Arc::new(Init::new(number, &tracks)),
            fragmenter,
            tracks,
            last: None,
            begin: 0,
            clocks: *clocks,
        });
        self.broken = !self.window.is_empty();
    }

    /// A source that was away goes on with a keyframe, in a segment of its own.
    fn note_break(&mut self, unit: &AccessUnit) {
        let Some(current) = self.current.as_mut().filter(|c| c.leading == unit.track) else {
            return;
        };
        let ms = |ticks: i64| rescale(ticks, current.timescale, 1000);
        let away = current
            .last
            .replace(unit.pts)
            .map_or(0, |last| ms(unit.pts.saturating_sub(last)).saturating_abs());
        if !(unit.discontinuity && unit.key && away > BREAK_MS) {
            return;
        }
        self.close_all();
        if let Some(current) = &mut self.current {
            current.fragmenter.restart();
        }
        self.broken = true;
        if away > FORGET_AFTER_MS {
            self.window.forget();
        }
    }

    fn close_all(&mut self) {
        if !self.rate_known {
            // The length of parts is not known yet: what is there is not worth a part.
            self.early.clear();
        }
        self.close_part(None);
        self.close_segment(None);
    }

    /// Once the frame rate is known, lets the frames in that waited for it.
    fn take_early(&mut self) {
        let Some(current) = &self.current else { return };
        if !self.rate_known {
            let leading: Vec<_> =
                self.early.iter().filter(|f| current.fragmenter.leads(f)).collect();
            if leading.len() < RATE_KNOWN {
                return;
            }
            let frame =
                if current.init.size.is_some() { usual_gap(&leading) } else { leading[0].length() };
            self.part_target =
                Some(part_target(self.options.part, frame.max(1), current.timescale));
            self.rate_known = true;
        }
        for frame in std::mem::take(&mut self.early) {
            self.take(frame);
        }
    }

    fn take(&mut self, frame: Admitted) {
        let most = self.most_ticks();
        let Some(current) = &mut self.current else { return };
        if !current.fragmenter.leads(&frame) {
            return current.fragmenter.add(frame);
        }
        let most = if frame.length() > most { self.slow_down(frame.length()) } else { most };
        let Some(current) = &mut self.current else { return };
        let full = current.fragmenter.held() > 0 && current.fragmenter.span_with(&frame) > most;
        let length = rescale(frame.dts().saturating_sub(current.begin), current.timescale, MICROS);
        let shortest = i64::try_from(self.options.segment.as_micros()).unwrap_or(i64::MAX);
        let half = rescale(frame.length() / 2, current.timescale, MICROS);
        let ends =
            frame.unit().key && self.open.is_some() && length.saturating_add(half) >= shortest;
        if ends {
            self.close_part(Some(&frame));
            let next = self.current.as_ref().map(|c| c.fragmenter.begin_with(&frame));
            self.close_segment(next);
        } else if full {
            self.close_part(Some(&frame));
            self.cut_if_long();
        }
        self.add(frame, most);
    }

    /// A part must hold a frame, even of a source that has become slower than parts are long.
    fn slow_down(&mut self, frame: i64) -> i64 {
        let timescale = self.current.as_ref().map_or(1, |c| c.timescale);
        self.part_target = Some(part_target(self.options.part, frame, timescale));
        self.most_ticks()
    }

    /// Adds a leading frame, and closes the part if one more would not fit: nothing waits for that
    /// one to come.
    fn add(&mut self, frame: Admitted, most: i64) {
        self.begin_segment(&frame);
        let Some(current) = &mut self.current else { return };
        let length = frame.length();
        current.fragmenter.add(frame);
        let span = current.fragmenter.span().map_or(0, |(begin, end)| end.saturating_sub(begin));
        if let Some(open) = &mut self.open {
            open.frames += 1;
        }
        if span.saturating_add(length) > most {
            self.close_part(None);
            self.cut_if_long();
        }
    }

    fn begin_segment(&mut self, frame: &Admitted) {
        let Some(current) = &mut self.current else { return };
        if self.open.is_some() {
            return;
        }
        current.begin = frame.dts();
        self.open = Some(Segment {
            sequence: self.next_sequence,
            discontinuity: std::mem::take(&mut self.broken),
            init: current.init.clone(),
            date: current.clocks.wall_at(frame.unit().timing.captured.at),
            parts: Vec::new(),
            frames: 0,
            duration: 0,
        });
    }

    fn close_part(&mut self, next: Option<&Admitted>) {
        let most = self.most_ticks();
        let (Some(current), Some(open)) = (&mut self.current, &mut self.open) else { return };
        if current.fragmenter.held() == 0 {
            return;
        }
        let pictures = current.init.size.map_or(0, |_| current.fragmenter.held() as u64);
        let Some(fragment) = current.fragmenter.cut(next, most) else { return };
        let (begin, end) = fragment.span;
        if open.parts.is_empty() {
            current.begin = begin;
        }
        let duration = micros(end.saturating_sub(begin), current.timescale);
        open.duration += duration;
        let (independent, bytes) = (fragment.independent, fragment.concat());
        open.parts.push(Arc::new(Part {
            number: self.next_part,
            duration,
            independent,
            frames: pictures,
            bytes,
        }));
        self.next_part += 1;
    }

    /// Ends the open segment; `next` is where the one behind it begins, if that is known.
    fn close_segment(&mut self, next: Option<i64>) {
        let Some(mut segment) = self.open.take() else { return };
        let begin = self.current.as_ref().map_or(0, |c| c.begin);
        let timescale = self.current.as_ref().map_or(MICROS, |c| c.timescale);
        if segment.parts.is_empty() {
            self.broken |= segment.discontinuity;
            return;
        }
        // Exactly, where it can be told: the parts end by guess, and many small errors make a large
        // one.
        let exact = next.map(|next| micros(next.saturating_sub(begin), timescale));
        let near = |exact: &Micros| exact.abs_diff(segment.duration) < segment.duration / 20;
        segment.duration = exact.filter(near).unwrap_or(segment.duration);
        self.next_sequence += 1;
        self.window.push(Arc::new(segment), self.target);
    }

    /// Ends a segment without a keyframe: it is as long as the playlist allows, or it is the first,
    /// for which a player waits.
    fn cut_if_long(&mut self) {
        let (Some(target), Some(part), Some(open)) = (self.target, self.part_target, &self.open)
        else {
            return;
        };
        let next = open.duration + part;
        let too_long = next > target * 1_000_000 + ROUNDING;
        let awaited =
            self.window.is_empty() && u128::from(open.duration) >= self.options.segment.as_micros();
        let too_large = open.bytes() > self.options.max_bytes / 4;
        if too_long || awaited || too_large {
            self.close_segment(None);
        }
    }

    /// What a part may last at most, in ticks of the leading track.
    fn most_ticks(&self) -> i64 {
        let timescale = self.current.as_ref().map_or(1, |c| c.timescale);
        let most = self.part_target.unwrap_or(Micros::MAX).min(i64::MAX.cast_unsigned());
        rescale(most.cast_signed(), MICROS, timescale).max(1)
    }
}

/// The median of the distances in the order of presentation: decode times of the first frames may
/// be made up.
fn usual_gap(frames: &[&Admitted]) -> i64 {
    let mut shown: Vec<_> = frames.iter().map(|f| f.pts()).collect();
    shown.sort_unstable();
    let mut gaps: Vec<_> = shown.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied().unwrap_or(1)
}

/// As many whole frames of `frame` ticks as come nearest to `part`, and some room.
fn part_target(part: Duration, frame: i64, timescale: u32) -> Micros {
    let wanted = rescale(i64::try_from(part.as_micros()).unwrap_or(i64::MAX), MICROS, timescale);
    let frames = (wanted + frame / 2) / frame;
    let ticks = frames.max(1).saturating_mul(frame);
    let micros = rescale(ticks.saturating_add(ticks / 100 * PART_ROOM), timescale, MICROS);
    // Whole milliseconds read better.
    (micros.cast_unsigned()).div_ceil(1000).saturating_mul(1000)
}

fn micros(ticks: i64, timescale: u32) -> Micros {
    rescale(ticks.max(0), timescale, MICROS).cast_unsigned()
}

/// A picture is announced whose parameter sets have not been seen yet.
fn is_incomplete(catalog: &Catalog) -> bool {
    catalog.video().is_some_and(|track| track.codec.video_params().is_none())
}
