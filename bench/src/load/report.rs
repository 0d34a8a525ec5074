//! The report of a measurement, for people and for programs.

use super::{
    h264::Checked,
    metrics::LeftOut,
    promise::{self, Growth},
    watch::Totals,
};
use crate::{
    process::{Reading, Shares},
    spread::Spread,
};
use serde::Serialize;
use std::{collections::HashMap, io::Write};

/// Frames by which counts of two viewers of one stream may differ at one moment. Who is further
/// back gets nothing any more.
const IN_FLIGHT: u64 = 15;

/// Processors that others may use in a measurement that is to be believed.
const DISTURBING: f64 = 0.3;

/// A whole measurement.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) viewers: usize,
    /// Viewers that still play at the end.
    pub(super) playing: usize,
    pub(super) faults: Vec<String>,
    pub(super) seconds: f64,
    /// From the beginning of joining to encrypted media.
    pub(super) join_ms: Spread,
    /// From the beginning of joining to the first whole frame.
    pub(super) first_frame_ms: Spread,
    /// Complete frames a second, one value a viewer.
    pub(super) frames_each_second: Spread,
    pub(super) delivered: Delivered,
    pub(super) sample: Sample,
    /// The longest time in which the client read no viewer. Packets wait in sockets meanwhile,
    /// and are lost if it takes too long.
    pub(super) longest_client_pause_ms: f64,
    /// From a frame's last byte in to its first packet out, as the server tells it; absent if it
    /// does not.
    pub(super) ingest_to_send_ms: Option<Spread>,
    /// What the server says it did not send; absent if it does not.
    pub(super) left_out: Option<LeftOut>,
    pub(super) server: Option<Server>,
    pub(super) processors: Shares,
    /// Only when viewers leave and join while others watch.
    pub(super) churn: Option<Churn>,
}

/// The frames that arrived at viewers that watched from beginning to end.
#[derive(Serialize)]
pub(super) struct Delivered {
    /// At all viewers, also those who came and went.
    pub(super) gbit: f64,
    pub(super) mbit_per_second: f64,
    pub(super) packets: u64,
    pub(super) complete_frames: u64,
    pub(super) complete_percent: f64,
    /// Frames with a hole.
    pub(super) broken_frames: u64,
    /// Frames of which a viewer saw nothing, beyond those that no viewer saw.
    pub(super) absent_frames: u64,
    /// Viewers with a broken or absent frame.
    pub(super) viewers_that_missed_frames: usize,
    pub(super) lost_packets: u64,
    pub(super) duplicate_packets: u64,
}

/// The counts of the viewers that decrypt and check everything.
#[derive(Serialize)]
pub(super) struct Sample {
    pub(super) viewers: usize,
    pub(super) access_units: Checked,
    /// From capture to the arrival of a frame's last packet; empty unless the server tells the
    /// capture time.
    pub(super) capture_to_received_ms: Spread,
}

/// The cost to the server.
#[derive(Serialize)]
pub(crate) struct Server {
    pub(crate) cpu_seconds: f64,
    pub(crate) cpu_seconds_per_gbit: f64,
    pub(crate) rss_mib: f64,
    pub(crate) rss_kib_per_viewer: f64,
}

/// Viewers that leave and join while others watch.
#[derive(Serialize)]
pub(super) struct Churn {
    pub(super) percent_per_second: f64,
    pub(super) staying: usize,
    pub(super) left: usize,
    pub(super) joined: usize,
    /// Joined and never saw a picture, or lost it.
    pub(super) failed: usize,
    pub(super) join_ms: Spread,
    pub(super) first_frame_ms: Spread,
    /// Frames with a hole at those who came and went.
    pub(super) broken_frames_of_others: u64,
    /// Every 10 s, and at the beginning and the end.
    pub(super) server: Vec<Sight>,
    /// Absent if the run was too short to tell.
    pub(super) growth: Option<Growth>,
}

/// The server at one moment.
#[derive(Serialize)]
pub(super) struct Sight {
    pub(super) after_seconds: f64,
    pub(super) rss_mib: f64,
    pub(super) descriptors: Option<usize>,
}

impl Delivered {
    /// `bytes` are those of all viewers; frames are counted at those who watched from `before` to
    /// `after`.
    pub(super) fn between(
        before: &HashMap<u64, Totals>,
        after: &HashMap<u64, Totals>,
        packets: u64,
        bytes: u64,
        seconds: f64,
    ) -> Self {
        let each: Vec<[u64; 5]> = after
            .iter()
            .map(|(id, t)| difference(before.get(id).copied().unwrap_or_default(), *t))
            .collect();
        // A frame that no viewer got was never made.
        let never = each.iter().map(|e| e[2]).min().unwrap_or(0);
        let sum = |n: usize| each.iter().map(|e| e[n]).sum::<u64>();
        let most = each.iter().map(frames).max().unwrap_or(0);
        let cut =
            |e: &[u64; 5]| Some(most - frames(e)).filter(|short| *short > IN_FLIGHT).unwrap_or(0);
        let absent = sum(2) - never * each.len() as u64 + each.iter().map(cut).sum::<u64>();
        let (complete, broken) = (sum(0), sum(1));
        let gbit = bytes as f64 * 8.0 / 1e9;
        Self {
            gbit,
            mbit_per_second: gbit * 1000.0 / seconds,
            packets,
            complete_frames: complete,
            complete_percent: complete as f64 * 100.0
                / ((complete + broken + absent) as f64).max(1.0),
            broken_frames: broken,
            absent_frames: absent,
            viewers_that_missed_frames: each
                .iter()
                .filter(|e| e[1] > 0 || e[2] > never || cut(e) > 0)
                .count(),
            lost_packets: sum(3),
            duplicate_packets: sum(4),
        }
    }
}

fn frames(difference: &[u64; 5]) -> u64 {
    difference[..3].iter().sum()
}

/// Complete, broken and absent frames, lost and repeated packets.
fn difference(before: Totals, after: Totals) -> [u64; 5] {
    let (b, a) = (before.frames, after.frames);
    [
        a.complete - b.complete,
        a.broken - b.broken,
        a.absent - b.absent,
        a.lost - b.lost,
        a.duplicates - b.duplicates,
    ]
}

impl Server {
    /// `None` if the server's process is not known.
    pub(crate) fn between(
        empty: &Reading,
        start: &Reading,
        end: &Reading,
        viewers: usize,
        gbit: f64,
    ) -> Option<Self> {
        let (empty, start, end) = (empty.server?, start.server?, end.server?);
        let cpu_seconds = end.cpu_seconds - start.cpu_seconds;
        Some(Self {
            cpu_seconds,
            cpu_seconds_per_gbit: cpu_seconds / gbit.max(1e-9),
            rss_mib: end.rss as f64 / f64::from(1 << 20),
            rss_kib_per_viewer: end.rss.saturating_sub(empty.rss) as f64
                / 1024.0
                / (viewers as f64).max(1.0),
        })
    }
}

impl Sight {
    pub(super) fn of(reading: &Reading, after_seconds: f64) -> Option<Self> {
        let server = reading.server?;
        Some(Self {
            after_seconds,
            rss_mib: server.rss as f64 / f64::from(1 << 20),
            descriptors: server.descriptors,
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

    /// What a server promises to viewers who stay while others come and go, and was not kept.
    pub(super) fn broken_promises(&self) -> Vec<String> {
        let Some(churn) = &self.churn else { return Vec::new() };
        let broken: Vec<String> = promise::broken(churn, &self.delivered)
            .into_iter()
            .chain(self.faults.clone())
            .collect();
        let others = self.processors.others;
        let disturbed = (!broken.is_empty() && others > DISTURBING)
            .then(|| format!("but other processes used {others:.1} processors meanwhile, try again on an idle machine"));
        broken.into_iter().chain(disturbed).collect()
    }

    fn table(&self, out: &mut impl Write) -> std::io::Result<()> {
        let (d, s) = (&self.delivered, &self.sample);
        let mut row = |name: &str, value: String| writeln!(out, "{name:<34} {value}");
        row("viewers playing", format!("{} of {}", self.playing, self.viewers))?;
        self.faults.iter().try_for_each(|fault| row("fault", fault.clone()))?;
        row("joined after", self.join_ms.show("ms"))?;
        row("first frame after", self.first_frame_ms.show("ms"))?;
        row(
            "complete frames",
            format!(
                "{:.3} % of {}",
                d.complete_percent,
                d.complete_frames + d.broken_frames + d.absent_frames
            ),
        )?;
        row("frames a second a viewer", self.frames_each_second.show(""))?;
        row(
            "delivered",
            format!(
                "{:.2} Gbit in {:.1} s ({:.0} Mbit/s)",
                d.gbit, self.seconds, d.mbit_per_second
            ),
        )?;
        row("packets lost / twice", format!("{} / {}", d.lost_packets, d.duplicate_packets))?;
        let a = s.access_units;
        let units = format!(
            "{} whole, {} lost, {} nonsense at {} viewers",
            a.whole, a.lost, a.nonsense, s.viewers
        );
        row("access units decrypted", units)?;
        row("client's longest pause", format!("{:.0} ms", self.longest_client_pause_ms))?;
        row("capture to received", s.capture_to_received_ms.show("ms"))?;
        row(
            "ingest to send",
            self.ingest_to_send_ms.as_ref().map_or("not told".into(), quantiles),
        )?;
        self.left_out
            .as_ref()
            .map_or(Ok(()), |left_out| row("server left out", left_out.show()))?;
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
        row("processors", shares(&self.processors))?;
        self.churn.as_ref().map_or(Ok(()), |churn| churn.table(self, row))
    }
}

impl Churn {
    fn table(
        &self,
        report: &Report,
        mut row: impl FnMut(&str, String) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        row(
            "left / joined / failed",
            format!("{} / {} / {}", self.left, self.joined, self.failed),
        )?;
        row("those joined after", self.join_ms.show("ms"))?;
        row("those saw a frame after", self.first_frame_ms.show("ms"))?;
        let missed = report.delivered.viewers_that_missed_frames;
        row("staying viewers that missed a frame", format!("{missed} of {}", self.staying))?;
        for s in &self.server {
            let descriptors = s.descriptors.map_or("?".into(), |n| n.to_string());
            row(
                "server then",
                format!(
                    "{:>4.0} s: {:.1} MiB, {descriptors} descriptors",
                    s.after_seconds, s.rss_mib
                ),
            )?;
        }
        let growth = self
            .growth
            .as_ref()
            .map_or("unknown: three minutes are the least to tell it by".into(), Growth::told);
        row("server's growth", growth)
    }
}

/// In milliseconds.
pub(super) fn quantiles(spread: &Spread) -> String {
    let show = |value: Option<f64>| value.map_or("–".into(), |v| format!("{v:.2}"));
    format!("p50 {}, p99 {}, p99.9 {} ms", show(spread.p50), show(spread.p99), show(spread.p999))
}

/// The processes that used the processors.
pub(crate) fn shares(s: &Shares) -> String {
    let Shares { server, children, client, others, idle } = s;
    format!(
        "server {server:.2}, its children {children:.2}, client {client:.2}, others {others:.2}, idle {idle:.2}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::continuity::Frames;

    fn totals(complete: u64, broken: u64, absent: u64) -> Totals {
        Totals {
            frames: Frames { complete, broken, absent, ..Frames::default() },
            ..Totals::default()
        }
    }

    #[test]
    fn what_nobody_got_was_never_made() {
        let before = (0..3).map(|id| (id, totals(10, 0, 1))).collect();
        let after =
            HashMap::from([(0, totals(110, 0, 3)), (1, totals(109, 1, 3)), (2, totals(108, 0, 5))]);
        let d = Delivered::between(&before, &after, 0, 1_000_000_000 / 8, 2.0);
        assert_eq!((d.complete_frames, d.broken_frames, d.absent_frames), (297, 1, 2));
        assert_eq!((d.complete_percent, d.viewers_that_missed_frames), (99.0, 2));
        assert_eq!((d.gbit, d.mbit_per_second), (1.0, 500.0));
    }

    #[test]
    fn a_picture_that_ends_is_missed() {
        let before = (0..3).map(|id| (id, totals(0, 0, 0))).collect();
        let after =
            HashMap::from([(0, totals(300, 0, 0)), (1, totals(299, 0, 0)), (2, totals(200, 0, 0))]);
        let d = Delivered::between(&before, &after, 0, 0, 10.0);
        assert_eq!((d.absent_frames, d.viewers_that_missed_frames), (100, 1));
    }
}
