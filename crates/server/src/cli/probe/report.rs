//! What a probe tells: for people, and for programs.

use super::{
    advice,
    measure::{KeyframeInterval, Measure, TrackMeasure},
    profile::profile,
};
use crate::source::rtsp::{Observation, TrackObservation};
use media::{Codec, MediaKind};
use serde::Serialize;
use std::{fmt, sync::Arc};

/// Everything a probe found out. The names of the fields are part of the interface.
#[derive(Clone, Default, Serialize, Debug)]
pub(super) struct Report {
    /// Without secrets.
    pub(super) source: Arc<str>,
    /// Why it failed, or ended early.
    pub(super) error: Option<String>,
    /// `tcp` or `udp`.
    pub(super) transport: Option<&'static str>,
    /// From the first packet sent to the first picture that can be shown.
    pub(super) first_picture_ms: Option<u64>,
    /// How long was measured.
    pub(super) seconds: f64,
    pub(super) tracks: Vec<TrackReport>,
    pub(super) clock: ClockReport,
    /// Tracks that would be left out, and why.
    pub(super) ignored: Vec<String>,
    pub(super) advice: Vec<String>,
}

/// One track.
#[derive(Clone, Default, Serialize, Debug)]
pub(super) struct TrackReport {
    pub(super) kind: &'static str,
    pub(super) codec: &'static str,
    pub(super) profile: Option<String>,
    pub(super) level: Option<String>,
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    pub(super) sample_rate: Option<u32>,
    pub(super) channels: Option<u8>,
    pub(super) units: u64,
    /// Frames a second as measured by their timestamps.
    pub(super) fps: Option<f64>,
    /// Frames a second as the stream says.
    pub(super) fps_nominal: Option<f64>,
    /// Payload bits a second.
    pub(super) bitrate: Option<u64>,
    pub(super) keyframe_interval_s: Option<f64>,
    pub(super) keyframe_interval_frames: Option<u64>,
    /// The shortest and the longest seen.
    pub(super) keyframe_interval_range_s: Option<(f64, f64)>,
    pub(super) b_frames: bool,
    pub(super) longest_gap_ms: u64,
    pub(super) packets: Option<u64>,
    pub(super) packets_lost: Option<u64>,
    pub(super) frames_dropped: Option<u64>,
    pub(super) jitter_ms: Option<f64>,
}

/// How well the camera's clock is known.
#[derive(Clone, Default, Serialize, Debug)]
pub(super) struct ClockReport {
    /// RTCP sender reports that told a time.
    pub(super) sender_reports: u64,
    /// Our clock minus the camera's, the way of the report included.
    pub(super) offset_ms: Option<f64>,
    /// The times of capture are the camera's, for this share of frames.
    pub(super) capture_told: f64,
    /// How much faster than ours the camera's media clock runs, in percent.
    pub(super) rate_error_percent: Option<f64>,
}

impl Report {
    pub(super) fn new(
        source: Arc<str>,
        measure: &Measure,
        seen: &Observation,
        error: Option<String>,
    ) -> Self {
        let none = TrackObservation::default();
        let of = |n: usize| seen.tracks.get(n).unwrap_or(&none);
        let tracks = measure.iter().enumerate();
        let mut report = Self {
            source,
            error,
            transport: Some(seen.transport).filter(|t| !t.is_empty()),
            first_picture_ms: measure.first_picture().map(|d| d.as_millis() as u64),
            seconds: round(measure.watched().as_secs_f64(), 10.0),
            tracks: tracks
                .map(|(n, (track, measured))| TrackReport::new(&track.codec, measured, of(n)))
                .collect(),
            clock: ClockReport::new(measure, seen),
            ignored: seen.ignored.clone(),
            advice: Vec::new(),
        };
        report.advice = advice::advice(&report);
        report
    }

    /// As JSON, indented.
    pub(super) fn json(&self) -> String {
        serde_json::to_string_pretty(self)
            .unwrap_or_else(|e| format!("{{\"error\":{:?}}}", e.to_string()))
    }
}

impl TrackReport {
    fn new(codec: &Codec, measured: &TrackMeasure, seen: &TrackObservation) -> Self {
        let video = codec.kind() == MediaKind::Video;
        let (profile, level) = profile(codec).unzip();
        let params = codec.video_params();
        let (sample_rate, channels) = sound(codec).unzip();
        let interval = measured.keyframe_interval().filter(|_| video);
        let stats = Some(seen.stats).filter(|stats| stats.packets > 0);
        Self {
            kind: if video { "video" } else { "audio" },
            codec: codec.name(),
            profile,
            level,
            width: params.map(|v| v.width),
            height: params.map(|v| v.height),
            sample_rate,
            channels,
            units: measured.units,
            fps: measured.rate().filter(|_| video).map(|fps| round(fps, 100.0)),
            fps_nominal: params.and_then(|v| v.fps).map(|fps| round(fps, 100.0)),
            bitrate: measured.bitrate().map(|bits| bits as u64),
            keyframe_interval_s: interval.map(|i| round(i.seconds, 100.0)),
            keyframe_interval_frames: interval.map(|i| i.frames),
            keyframe_interval_range_s: interval
                .map(|KeyframeInterval { range: (a, b), .. }| (round(a, 100.0), round(b, 100.0))),
            b_frames: video && measured.reordered > 0,
            longest_gap_ms: measured.longest_gap.as_millis() as u64,
            packets: stats.map(|s| s.packets),
            packets_lost: stats.map(|s| s.lost),
            frames_dropped: stats.map(|s| s.frames_dropped),
            jitter_ms: stats.map(|s| round(s.jitter.as_secs_f64() * 1000.0, 100.0)),
        }
    }

    pub(super) fn is_video(&self) -> bool {
        self.kind == "video"
    }
}

impl ClockReport {
    fn new(measure: &Measure, seen: &Observation) -> Self {
        let main = measure
            .iter()
            .max_by_key(|(track, _)| track.codec.kind() == MediaKind::Video)
            .map(|(_, m)| m);
        let told = seen.tracks.iter().find_map(|track| track.clock);
        Self {
            sender_reports: seen.tracks.iter().map(|track| track.reports).sum(),
            offset_ms: told.map(|(_, micros)| round(micros as f64 / 1000.0, 10.0)),
            capture_told: main.map_or(0.0, |m| round(m.told as f64 / m.units.max(1) as f64, 100.0)),
            rate_error_percent: main
                .and_then(TrackMeasure::clock_error)
                .map(|e| round(e * 100.0, 100.0)),
        }
    }
}

fn sound(codec: &Codec) -> Option<(u32, u8)> {
    match codec {
        Codec::Aac(aac) => Some((aac.rate, aac.channels)),
        Codec::Opus { channels } => Some((48_000, *channels)),
        Codec::G711 { rate, channels, .. } => Some((*rate, *channels)),
        Codec::H264(_) | Codec::H265(_) | Codec::Mjpeg(_) => None,
    }
}

fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}{}",
            self.source,
            self.transport.map(|t| format!(" over {t}")).unwrap_or_default()
        )?;
        if let Some(ms) = self.first_picture_ms {
            writeln!(f, "  first picture after {ms} ms, watched for {} s", self.seconds)?;
        }
        self.tracks.iter().try_for_each(|track| track.fmt(f))?;
        if self.transport.is_some() && !self.tracks.is_empty() {
            writeln!(f, "  clock  {}", self.clock)?;
        }
        self.ignored.iter().try_for_each(|what| writeln!(f, "  left out: {what}"))?;
        if let Some(error) = &self.error {
            writeln!(f, "failed: {error}")?;
        }
        self.advice.iter().try_for_each(|advice| writeln!(f, "advice: {advice}"))
    }
}

impl fmt::Display for TrackReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}  {}", self.kind, self.codec)?;
        if let (Some(profile), Some(level)) = (&self.profile, &self.level) {
            write!(f, " {profile} {level}")?;
        }
        if let (Some(width), Some(height)) = (self.width, self.height) {
            write!(f, ", {width}x{height}")?;
        }
        if let (Some(rate), Some(channels)) = (self.sample_rate, self.channels) {
            write!(f, ", {rate} Hz, {channels} channel{}", if channels == 1 { "" } else { "s" })?;
        }
        if let Some(fps) = self.fps {
            write!(
                f,
                ", {fps} fps{}",
                self.fps_nominal.map(|n| format!(" (says {n})")).unwrap_or_default()
            )?;
        }
        writeln!(f, ", {} kbit/s", self.bitrate.unwrap_or(0) / 1000)?;
        if self.is_video() {
            writeln!(
                f,
                "         {}, {}",
                self.keyframes(),
                if self.b_frames { "B-frames" } else { "no B-frames" }
            )?;
        }
        match (self.packets, self.packets_lost, self.jitter_ms) {
            (Some(packets), Some(lost), Some(jitter)) => {
                writeln!(f, "         {packets} packets, {lost} lost, jitter {jitter} ms")
            }
            _ => Ok(()),
        }
    }
}

impl TrackReport {
    fn keyframes(&self) -> String {
        match (self.keyframe_interval_s, self.keyframe_interval_frames) {
            (Some(seconds), Some(frames)) => {
                format!("a keyframe every {seconds} s ({frames} frames)")
            }
            _ => "no second keyframe seen".to_owned(),
        }
    }
}

impl fmt::Display for ClockReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset_ms {
            Some(offset) if offset < 0.0 => {
                write!(f, "told by sender reports, {} ms ahead of ours", -offset)
            }
            Some(offset) => write!(f, "told by sender reports, {offset} ms behind ours"),
            None => f.write_str("not told"),
        }
    }
}
