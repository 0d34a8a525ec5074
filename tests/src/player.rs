//! ffmpeg and GStreamer as RTSP players that decode and count.

use crate::{Process, process, wait_until};
use anyhow::{Context, Result};
use std::{ffi::OsStr, time::Duration};

/// A playing program. It has decoded what it counts.
pub struct Player {
    process: Process,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Ffmpeg,
    Gstreamer,
}

impl Player {
    /// ffmpeg; `transport` is `tcp` or `udp`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn ffmpeg(url: &str, transport: &str) -> Result<Self> {
        let input = [
            "-hide_banner",
            "-nostdin",
            "-nostats",
            "-loglevel",
            "warning",
            "-rtsp_transport",
            transport,
            "-i",
            url,
        ];
        // Times are kept as they came: on a time base of one frame two frames that jitter would
        // fall together.
        let output = [
            "-map",
            "0:v:0",
            "-enc_time_base",
            "-1",
            "-f",
            "null",
            "-progress",
            "pipe:1",
            "-stats_period",
            "0.1",
            "-",
        ];
        Self::start(Kind::Ffmpeg, "ffmpeg", input.into_iter().chain(output))
    }

    /// GStreamer; `transport` is `tcp` or `udp`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn gstreamer(url: &str, transport: &str) -> Result<Self> {
        let line = format!(
            "-v rtspsrc location={url} protocols={transport} latency=50 ! rtph264depay ! h264parse ! avdec_h264 \
             ! fakesink name=shown sync=false silent=false"
        );
        Self::start(Kind::Gstreamer, "gst-launch-1.0", line.split_whitespace())
    }

    fn start<A: AsRef<OsStr>>(
        kind: Kind,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Self> {
        let process =
            Process::spawn(&format!("{kind:?} player"), &mut process::command(program, args))?;
        Ok(Self { process, kind })
    }

    /// Frames decoded so far.
    pub fn frames(&self) -> u64 {
        let lines = self.process.log().lines();
        match self.kind {
            Kind::Ffmpeg => lines
                .iter()
                .rev()
                .find_map(|l| l.strip_prefix("frame=")?.trim().parse().ok())
                .unwrap_or(0),
            Kind::Gstreamer => lines.iter().filter(|l| is_frame(l)).count() as u64,
        }
    }

    /// Waits until it has decoded `count` more frames than now.
    ///
    /// # Errors
    /// If it does not within `limit`.
    pub fn wait_for_frames(&self, count: u64, limit: Duration) -> Result<()> {
        let goal = self.frames() + count;
        let reached = wait_until(&format!("{goal} frames decoded"), limit, || {
            (self.frames() >= goal).then_some(())
        });
        reached.with_context(|| {
            format!("{} decoded; it said\n{}", self.frames(), self.complaints().join("\n"))
        })
    }

    /// The lines of its output that are no progress.
    pub fn complaints(&self) -> Vec<String> {
        let lines = self.process.log().lines().into_iter();
        match self.kind {
            Kind::Ffmpeg => lines.filter(|l| !is_progress(l)).collect(),
            Kind::Gstreamer => lines
                .filter(|l| ["ERROR", "WARN", "CRITICAL"].iter().any(|w| l.contains(w)))
                .collect(),
        }
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn is_frame(line: &str) -> bool {
    line.contains("GstFakeSink:shown: last-message = chain")
}

/// Tells when keyframes arrive at an RTSP player.
pub struct KeyframeWatch(Process);

impl KeyframeWatch {
    /// Watches `url`, which is played over TCP.
    ///
    /// # Errors
    /// If ffprobe cannot be started.
    pub fn start(url: &str) -> Result<Self> {
        let args = [
            "-oL",
            "ffprobe",
            "-v",
            "error",
            "-fflags",
            "nobuffer",
            "-rtsp_transport",
            "tcp",
            "-select_streams",
            "v:0",
        ];
        let args = args.into_iter().chain(["-show_entries", "packet=flags", "-of", "csv", url]);
        Process::spawn("keyframe watch", &mut process::command("stdbuf", args)).map(Self)
    }

    /// Waits for the next one.
    ///
    /// # Errors
    /// If none comes within `limit`.
    pub fn wait_for_next(&self, limit: Duration) -> Result<()> {
        let count = || self.0.log().lines().iter().filter(|l| l.starts_with("packet,K")).count();
        let before = count();
        wait_until("the next keyframe", limit, || (count() > before).then_some(()))
    }
}

/// `key=value` as `-progress` writes it, or nothing.
fn is_progress(line: &str) -> bool {
    let key = line.split('=').next().unwrap_or_default();
    line.is_empty()
        || line.contains('=')
            && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
