//! What comes, in numbers. Pure: it is told the time.

use hub::Event;
use media::{AccessUnit, CaptureClock, Catalog, Mono};
use std::{sync::Arc, time::Duration};

/// Keyframes remembered.
const MAX_KEYS: usize = 10_000;

/// Everything published while watching.
pub(super) struct Measure {
    began: Mono,
    first: Option<Mono>,
    newest: Mono,
    pub(super) catalog: Arc<Catalog>,
    pub(super) tracks: Vec<TrackMeasure>,
}

/// One track.
#[derive(Clone, Default, Debug)]
pub(super) struct TrackMeasure {
    pub(super) units: u64,
    pub(super) bytes: u64,
    /// Frames shown before one that was decoded earlier: B-frames.
    pub(super) reordered: u64,
    pub(super) longest_gap: Duration,
    /// Frames whose capture time the camera has told.
    pub(super) told: u64,
    timescale: u32,
    first: Option<Sample>,
    /// The newest arrival, with the highest presentation time so far.
    last: Option<Sample>,
    keys: Vec<Key>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    pts: i64,
    at: Mono,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    pts: i64,
    frame: u64,
}

/// Lengths of the complete groups of pictures.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct KeyframeInterval {
    /// Typical, in seconds.
    pub(super) seconds: f64,
    /// Typical, in frames.
    pub(super) frames: u64,
    /// The shortest and the longest, in seconds.
    pub(super) range: (f64, f64),
}

impl Measure {
    pub(super) fn new(now: Mono) -> Self {
        Self { began: now, first: None, newest: now, catalog: Arc::default(), tracks: Vec::new() }
    }

    /// Takes an event; true if it is a picture, or a sound where there is no picture.
    pub(super) fn take(&mut self, now: Mono, event: Event) -> bool {
        match event {
            Event::Catalog(catalog) => {
                self.tracks
                    .resize(catalog.tracks.len().max(self.tracks.len()), TrackMeasure::default());
                for (measure, track) in self.tracks.iter_mut().zip(&catalog.tracks) {
                    measure.timescale = track.timescale;
                }
                self.catalog = catalog;
                false
            }
            Event::Unit(unit, _) => self.take_unit(now, &unit),
            Event::Skipped { .. } | Event::Status(_) | Event::Ended(_) => false,
        }
    }

    fn take_unit(&mut self, now: Mono, unit: &AccessUnit) -> bool {
        let Some(track) = self.tracks.get_mut(usize::from(unit.track.0)) else { return false };
        track.take(unit);
        let main = self.catalog.video().or(self.catalog.audio()).map(|track| track.id);
        if main != Some(unit.track) {
            return false;
        }
        self.first.get_or_insert(now);
        self.newest = now;
        true
    }

    /// From the beginning to the first picture.
    pub(super) fn first_picture(&self) -> Option<Duration> {
        self.first.map(|first| first.since(self.began))
    }

    /// From the first picture to the last.
    pub(super) fn watched(&self) -> Duration {
        self.first.map(|first| self.newest.since(first)).unwrap_or_default()
    }

    /// True once two groups of pictures are complete, or where there is no picture.
    pub(super) fn knows_keyframe_interval(&self) -> bool {
        let video = self.catalog.video().and_then(|track| self.tracks.get(usize::from(track.id.0)));
        video.is_none_or(|track| track.keys.len() > 2)
    }

    /// Measures by track, with what the catalogue says of it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&media::Track, &TrackMeasure)> {
        self.catalog.tracks.iter().zip(&self.tracks)
    }
}

impl TrackMeasure {
    fn take(&mut self, unit: &AccessUnit) {
        let at = unit.timing.received;
        if unit.key && self.keys.len() < MAX_KEYS {
            self.keys.push(Key { pts: unit.pts, frame: self.units });
        }
        self.units += 1;
        self.bytes += unit.size() as u64;
        self.told += u64::from(unit.timing.captured.clock != CaptureClock::Arrival);
        self.first.get_or_insert(Sample { pts: unit.pts, at });
        if let Some(last) = self.last {
            self.reordered += u64::from(unit.pts < last.pts);
            self.longest_gap = self.longest_gap.max(at.since(last.at));
        }
        let highest = self.last.map_or(unit.pts, |last| last.pts.max(unit.pts));
        self.last = Some(Sample { pts: highest, at });
    }

    /// Seconds from the first to the last unit: by the source's clock, and by ours.
    fn spans(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.first?, self.last?);
        let theirs = (last.pts - first.pts) as f64 / f64::from(self.timescale.max(1));
        let ours = last.at.since(first.at).as_secs_f64();
        (self.units > 1 && theirs > 0.0 && ours > 0.0).then_some((theirs, ours))
    }

    /// Units a second, by their timestamps.
    pub(super) fn rate(&self) -> Option<f64> {
        self.spans().map(|(theirs, _)| (self.units - 1) as f64 / theirs)
    }

    /// Payload bits a second.
    pub(super) fn bitrate(&self) -> Option<f64> {
        self.spans().map(|(_, ours)| self.bytes as f64 * 8.0 / ours)
    }

    /// How much faster than ours the source's clock runs: 0.01 is one second in a hundred. Short
    /// looks see large errors.
    pub(super) fn clock_error(&self) -> Option<f64> {
        self.spans().map(|(theirs, ours)| theirs / ours - 1.0)
    }

    /// Between keyframes; `None` before two were seen.
    pub(super) fn keyframe_interval(&self) -> Option<KeyframeInterval> {
        let seconds = |ticks: i64| ticks as f64 / f64::from(self.timescale.max(1));
        let mut gaps: Vec<_> =
            self.keys.windows(2).map(|k| (k[1].pts - k[0].pts, k[1].frame - k[0].frame)).collect();
        gaps.sort_unstable();
        let (least, most) = (gaps.first()?.0, gaps.last()?.0);
        let (ticks, frames) = *gaps.get(gaps.len() / 2)?;
        Some(KeyframeInterval {
            seconds: seconds(ticks),
            frames,
            range: (seconds(least), seconds(most)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::{Captured, Codec, Timing, TrackId};

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    fn measure() -> Measure {
        let mut measure = Measure::new(at(0));
        let catalog =
            Catalog::new([(Codec::H264(None), 90_000), (Codec::Opus { channels: 2 }, 48_000)]);
        assert!(!measure.take(at(0), Event::Catalog(Arc::new(catalog))));
        measure
    }

    fn frame(measure: &mut Measure, track: u8, ms: u64, pts: i64, key: bool) -> bool {
        let payload = [bytes::Bytes::from_static(&[0; 1000])].into_iter().collect();
        let mut timing = Timing::arrived(at(ms));
        timing.captured = Captured { at: at(ms), clock: CaptureClock::SenderReport };
        let unit = Arc::new(AccessUnit::new(TrackId(track), pts, key, timing, payload));
        measure.take(at(ms), Event::Unit(unit, 0))
    }

    #[test]
    fn measures_a_steady_camera() {
        let mut measure = measure();
        for n in 0..101u64 {
            assert!(frame(&mut measure, 0, 500 + n * 40, n as i64 * 3600, n % 25 == 0));
            assert!(!frame(&mut measure, 1, 500 + n * 40, n as i64 * 1920, true));
            assert_eq!(measure.knows_keyframe_interval(), n >= 50);
        }
        let video = &measure.tracks[0];
        assert_eq!((video.rate(), video.reordered, video.told), (Some(25.0), 0, 101));
        assert_eq!(video.bitrate(), Some(101_000.0 * 8.0 / 4.0));
        assert_eq!(video.clock_error(), Some(0.0));
        assert_eq!(
            video.keyframe_interval(),
            Some(KeyframeInterval { seconds: 1.0, frames: 25, range: (1.0, 1.0) })
        );
        assert_eq!(
            (measure.first_picture(), measure.watched()),
            (Some(Duration::from_millis(500)), Duration::from_secs(4))
        );
    }

    #[test]
    fn sees_b_frames_and_a_clock_that_runs_fast() {
        let mut measure = measure();
        for (n, order) in [0, 3, 1, 2, 6, 4, 5].into_iter().enumerate() {
            frame(&mut measure, 0, n as u64 * 40, order * 3636, n == 0);
        }
        let video = &measure.tracks[0];
        assert_eq!(video.reordered, 4);
        assert!((video.clock_error().unwrap() - 0.01).abs() < 1e-9);
        assert_eq!(video.keyframe_interval(), None);
    }

    #[test]
    fn nothing_is_measured_in_nothing() {
        let mut measure = measure();
        frame(&mut measure, 0, 10, 7, true);
        let video = &measure.tracks[0];
        assert_eq!((video.rate(), video.bitrate(), video.clock_error()), (None, None, None));
    }
}
