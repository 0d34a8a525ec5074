//! The report of a measurement, for people and for programs.

use crate::{
    load::report::{Server, shares},
    process::Shares,
    spread::Spread,
};
use serde::Serialize;
use std::io::Write;

/// A whole measurement.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) viewers: usize,
    /// Viewers that still play at the end.
    pub(super) playing: usize,
    /// Some of them.
    pub(super) faults: Vec<String>,
    pub(super) seconds: f64,
    /// From the first request of a viewer to its first part.
    pub(super) first_part_ms: Spread,
    /// One value a viewer.
    pub(super) parts_each_second: Spread,
    /// From the request for a part to its last byte.
    pub(super) part_ms: Spread,
    /// Times that a part was no longer listed when its viewer came to it.
    pub(super) missed_parts: u64,
    /// Times that a player would have stood still.
    pub(super) stalls: u64,
    pub(super) viewers_that_stalled: usize,
    pub(super) delivered: Delivered,
    pub(super) server: Option<Server>,
    pub(super) processors: Shares,
}

/// What arrived: heads and bodies of answers.
#[derive(Serialize)]
pub(super) struct Delivered {
    pub(super) gbit: f64,
    pub(super) mbit_per_second: f64,
}

impl Delivered {
    pub(super) fn new(bytes: u64, seconds: f64) -> Self {
        let gbit = bytes as f64 * 8.0 / 1e9;
        Self { gbit, mbit_per_second: gbit * 1000.0 / seconds }
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
        let mut row = |name: &str, value: String| writeln!(out, "{name:<34} {value}");
        row("viewers playing", format!("{} of {}", self.playing, self.viewers))?;
        self.faults.iter().try_for_each(|fault| row("fault", fault.clone()))?;
        row("first part after", self.first_part_ms.show("ms"))?;
        row("parts a second a viewer", self.parts_each_second.show(""))?;
        row("a part is answered after", self.part_ms.show("ms"))?;
        row("parts missed", self.missed_parts.to_string())?;
        row("stalls", format!("{} at {} viewers", self.stalls, self.viewers_that_stalled))?;
        let d = &self.delivered;
        row(
            "delivered",
            format!(
                "{:.2} Gbit in {:.1} s ({:.0} Mbit/s)",
                d.gbit, self.seconds, d.mbit_per_second
            ),
        )?;
        if let Some(server) = &self.server {
            row(
                "server CPU-seconds a Gbit",
                format!("{:.3} ({:.2} s)", server.cpu_seconds_per_gbit, server.cpu_seconds),
            )?;
            row(
                "server memory a viewer",
                format!(
                    "{:.0} KiB (resident {:.1} MiB)",
                    server.rss_kib_per_viewer, server.rss_mib
                ),
            )?;
        }
        row("processors", shares(&self.processors))
    }
}
