//! What was measured, for people and for programs.

use super::{server::ServerUse, viewer::Totals};
use crate::spread::Spread;
use serde::Serialize;
use std::io::Write;

/// A whole measurement.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) viewers: usize,
    /// Viewers that still play at the end.
    pub(super) playing: usize,
    pub(super) seconds: f64,
    /// From the beginning of joining to encrypted media.
    pub(super) join_ms: Spread,
    /// From the beginning of joining to the first whole frame.
    pub(super) first_frame_ms: Spread,
    /// Complete frames a second, one value a viewer.
    pub(super) frames_each_second: Spread,
    /// From capture to the arrival of a frame's last packet; empty unless the server tells the capture time.
    pub(super) capture_to_received_ms: Spread,
    pub(super) delivered: Delivered,
    pub(super) server: Option<Server>,
}

/// What arrived, all viewers together.
#[derive(Serialize)]
pub(super) struct Delivered {
    pub(super) gbit: f64,
    pub(super) mbit_per_second: f64,
    pub(super) packets: u64,
    pub(super) complete_frames: u64,
    pub(super) complete_percent: f64,
    pub(super) lost_packets: u64,
    pub(super) duplicate_packets: u64,
}

/// What it cost.
#[derive(Serialize)]
pub(super) struct Server {
    pub(super) cpu_seconds: f64,
    pub(super) cpu_seconds_per_gbit: f64,
    pub(super) rss_mib: f64,
    pub(super) rss_kib_per_viewer: f64,
}

fn gbit(before: &[Totals], after: &[Totals]) -> f64 {
    let bytes = |totals: &[Totals]| totals.iter().map(|t| t.bytes).sum::<u64>();
    (bytes(after) - bytes(before)) as f64 * 8.0 / 1e9
}

impl Delivered {
    pub(super) fn between(before: &[Totals], after: &[Totals], seconds: f64) -> Self {
        let difference = |field: fn(&Totals) -> u64| after.iter().map(field).sum::<u64>() - before.iter().map(field).sum::<u64>();
        let (complete, broken) = (difference(|t| t.frames.complete), difference(|t| t.frames.broken));
        let gbit = gbit(before, after);
        Self {
            gbit,
            mbit_per_second: gbit * 1000.0 / seconds,
            packets: difference(|t| t.packets),
            complete_frames: complete,
            complete_percent: complete as f64 * 100.0 / ((complete + broken) as f64).max(1.0),
            lost_packets: difference(|t| t.frames.lost),
            duplicate_packets: difference(|t| t.frames.duplicates),
        }
    }
}

impl Server {
    /// `None` if the server's process is not known.
    pub(super) fn between(
        empty: Option<ServerUse>,
        start: Option<ServerUse>,
        end: Option<ServerUse>,
        viewers: usize,
        before: &[Totals],
        after: &[Totals],
    ) -> Option<Self> {
        let (empty, start, end) = (empty?, start?, end?);
        let cpu_seconds = end.cpu_seconds - start.cpu_seconds;
        Some(Self {
            cpu_seconds,
            cpu_seconds_per_gbit: cpu_seconds / gbit(before, after).max(1e-9),
            rss_mib: end.rss as f64 / f64::from(1 << 20),
            rss_kib_per_viewer: end.rss.saturating_sub(empty.rss) as f64 / 1024.0 / (viewers as f64).max(1.0),
        })
    }
}

impl Report {
    /// JSON on standard output, and a table on standard error unless only the former is wanted.
    pub(super) fn print(&self, json_only: bool) -> std::io::Result<()> {
        if !json_only {
            self.table(&mut std::io::stderr().lock())?;
        }
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, self)?;
        writeln!(out)
    }

    fn table(&self, out: &mut impl Write) -> std::io::Result<()> {
        let d = &self.delivered;
        let mut row = |name: &str, value: String| writeln!(out, "{name:<34} {value}");
        row("viewers playing", format!("{} of {}", self.playing, self.viewers))?;
        row("joined after", self.join_ms.show("ms"))?;
        row("first frame after", self.first_frame_ms.show("ms"))?;
        row("complete frames", format!("{:.3} % of {}", d.complete_percent, d.complete_frames))?;
        row("frames a second a viewer", self.frames_each_second.show(""))?;
        row("capture to received", self.capture_to_received_ms.show("ms"))?;
        row("delivered", format!("{:.2} Gbit in {:.1} s ({:.0} Mbit/s)", d.gbit, self.seconds, d.mbit_per_second))?;
        row("packets lost / twice", format!("{} / {}", d.lost_packets, d.duplicate_packets))?;
        let Some(server) = &self.server else { return Ok(()) };
        row("server CPU-seconds a Gbit", format!("{:.2} ({:.2} s)", server.cpu_seconds_per_gbit, server.cpu_seconds))?;
        row("server memory a viewer", format!("{:.0} KiB (resident {:.1} MiB)", server.rss_kib_per_viewer, server.rss_mib))
    }
}
