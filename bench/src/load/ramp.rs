//! How many viewers a server holds: steps up, then halving the distance to the first number it does
//! not hold. What was found is measured again for longer, and less is tried until that is held.

use super::{
    Client, SETTLE, measure,
    report::{Report, quantiles, shares},
};
use crate::process::Reading;
use anyhow::Context as _;
use serde::Serialize;
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// A number of viewers is held if this much arrives complete …
const COMPLETE_PERCENT: f64 = 99.9;
/// … and not later than this in 99 of 100 frames.
const ADDED_P99_MS: f64 = 20.0;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    client: Client,
    /// Viewers of the first step
    #[arg(long, default_value_t = 200)]
    from: usize,
    /// Viewers to stop at
    #[arg(long, default_value_t = 3000)]
    to: usize,
    /// Percent more in each step up
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(5..))]
    step: u16,
    /// Stop when it is known to this many percent
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    precision: u16,
    /// Seconds to measure each number
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds to measure the number found, and half of it
    #[arg(long, default_value_t = 30)]
    confirm: u64,
}

/// The state of a search: the most that was held, and the least that was not.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Search {
    held: usize,
    failed: Option<usize>,
}

impl Search {
    /// The next number to try; `None` when it is known well enough.
    fn next(
        self,
        from: usize,
        to: usize,
        step_percent: usize,
        precision_percent: usize,
    ) -> Option<usize> {
        let next = match self.failed {
            None if self.held == 0 => from,
            None => (self.held * (100 + step_percent)).div_ceil(100).min(to),
            Some(failed) if failed - self.held <= (self.held * precision_percent / 100).max(1) => {
                return None;
            }
            Some(failed) => (self.held + failed) / 2,
        };
        (next > self.held).then_some(next)
    }

    fn note(&mut self, viewers: usize, held: bool) {
        match held {
            true => self.held = viewers,
            false => self.failed = Some(viewers),
        }
    }

    /// The most was not held for longer: the next number to try, which is 0 when there is none.
    fn fewer(self, precision_percent: usize) -> usize {
        self.held - (self.held * precision_percent).div_ceil(100).min(self.held)
    }
}

#[derive(Serialize)]
struct Outcome {
    /// The most viewers that were held; 0 if not even the first number was.
    held: usize,
    /// The least number that was not held, and why.
    not_held: Option<usize>,
    reason: Option<String>,
    /// The measurement there; absent if it could not be measured.
    at_not_held: Option<Report>,
    /// Measured for longer at the most, and at half of it.
    at_most: Option<Report>,
    at_half: Option<Report>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let outcome = search(arguments)?;
    if !arguments.client.json {
        outcome.table(&mut std::io::stderr().lock())?;
    }
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &outcome)?;
    writeln!(out)?;
    Ok(())
}

fn search(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments { from, to, step, precision, seconds, confirm, .. } = arguments;
    let (step, precision) = (usize::from(*step), usize::from(*precision));
    let mut steps = Steps::new(arguments)?;
    let (mut search, mut failure) = (Search { held: 0, failed: None }, None);
    while let Some(viewers) = search.next(*from, *to, step, precision) {
        let (report, verdict) = steps.take(viewers, *seconds);
        search.note(viewers, verdict.is_ok());
        failure = verdict.err().map(|why| (why, report)).or(failure);
    }
    let mut at_most = None;
    while search.held > 0 && at_most.is_none() {
        let (report, verdict) = steps.take(search.held, *confirm);
        match verdict {
            Ok(()) => at_most = report,
            Err(why) => {
                failure = Some((why, report));
                search = Search { held: search.fewer(precision), failed: Some(search.held) };
            }
        }
    }
    let at_half = (search.held > 1).then(|| steps.take(search.held / 2, *confirm).0).flatten();
    steps.crowd.shrink(0);
    let (reason, at_not_held) = failure.unzip();
    Ok(Outcome {
        held: search.held,
        not_held: search.failed,
        reason,
        at_not_held: at_not_held.flatten(),
        at_most,
        at_half,
    })
}

/// One number of viewers after the other.
struct Steps<'a> {
    arguments: &'a Arguments,
    crowd: super::crowd::Crowd,
    empty: Reading,
}

impl<'a> Steps<'a> {
    fn new(arguments: &'a Arguments) -> anyhow::Result<Self> {
        let client = &arguments.client;
        Ok(Self { arguments, crowd: client.crowd()?, empty: Reading::take(client.server_pid)? })
    }

    /// Measures, and says why the number is not held if it is not.
    fn take(&mut self, viewers: usize, seconds: u64) -> (Option<Report>, Result<(), String>) {
        let (report, verdict) = match self.measure(viewers, Duration::from_secs(seconds)) {
            Ok(report) => {
                let verdict = verdict(&report);
                (Some(report), verdict)
            }
            Err(e) => {
                // Who lost the connection does not find it again: begin again.
                self.crowd.shrink(0);
                (None, Err(format!("{e:#}")))
            }
        };
        if !self.arguments.client.json {
            let verdict = verdict.as_ref().err().map_or("held", |why| why);
            let seen = report.as_ref().map(|r| format!("; {}", brief(r))).unwrap_or_default();
            eprintln!("{viewers:>6} viewers, {seconds} s: {verdict}{seen}");
        }
        (report, verdict)
    }

    fn measure(&mut self, viewers: usize, time: Duration) -> anyhow::Result<Report> {
        let client = &self.arguments.client;
        if self.crowd.playing() < self.crowd.len() {
            self.crowd.shrink(0);
        }
        self.crowd.shrink(viewers);
        self.crowd.grow(viewers, client.sample, viewers, client.join_rate)?;
        self.crowd.run_until(Instant::now() + SETTLE)?;
        measure(&mut self.crowd, client, &self.empty, time, None).context("cannot measure")
    }
}

fn verdict(report: &Report) -> Result<(), String> {
    let told = report.ingest_to_send_ms.as_ref().and_then(|s| s.p99);
    let added = told.or(report.sample.capture_to_received_ms.p99);
    let delivered = &report.delivered;
    let percent = delivered.complete_percent;
    if report.playing < report.viewers {
        return Err(format!("{} lost the picture", report.viewers - report.playing));
    }
    if percent < COMPLETE_PERCENT {
        let (broken, absent, pause) =
            (delivered.broken_frames, delivered.absent_frames, report.longest_client_pause_ms);
        let left_out = report
            .left_out
            .as_ref()
            .map(|l| format!("; the server left out {}", l.show()))
            .unwrap_or_default();
        return Err(format!(
            "{percent:.2} % of the frames complete, {broken} broken, {absent} absent (the client paused for {pause:.0} ms){left_out}"
        ));
    }
    match added.filter(|ms| *ms > ADDED_P99_MS) {
        Some(ms) => Err(format!("p99 of the latency {ms:.1} ms")),
        None => Ok(()),
    }
}

/// What was seen, in a line.
fn brief(report: &Report) -> String {
    let latency = report.ingest_to_send_ms.as_ref().map_or("not told".into(), quantiles);
    format!("ingest to send {latency}; processors: {}", shares(&report.processors))
}

impl Outcome {
    fn table(&self, out: &mut impl Write) -> std::io::Result<()> {
        let why = self.reason.as_deref().unwrap_or("not tried");
        let more =
            self.not_held.map_or("more was not tried".to_owned(), |n| format!("not {n}: {why}"));
        writeln!(out, "held: {} viewers; {more}", self.held)?;
        let reports = [
            ("not held", &self.at_not_held),
            ("at the most", &self.at_most),
            ("at half of it", &self.at_half),
        ];
        for (name, report) in
            reports.into_iter().filter_map(|(name, report)| Some((name, report.as_ref()?)))
        {
            let latency = report.ingest_to_send_ms.as_ref().map_or("not told".into(), quantiles);
            writeln!(out, "{name}: {} viewers", report.viewers)?;
            writeln!(out, "    ingest to send {latency}")?;
            writeln!(out, "    processors: {}", shares(&report.processors))?;
            writeln!(out, "    most of them: {}", report.processors.most())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(limit: usize, to: usize) -> (Search, usize) {
        let (mut search, mut tries) = (Search { held: 0, failed: None }, 0);
        while let Some(n) = search.next(200, to, 40, 5) {
            search.note(n, n <= limit);
            tries += 1;
        }
        (search, tries)
    }

    #[test]
    fn the_limit_is_found_to_five_percent() {
        for limit in [200, 437, 999, 1500, 2900] {
            let (search, tries) = find(limit, 3000);
            assert!(search.held <= limit && limit < search.failed.unwrap(), "{search:?}");
            assert!(
                search.failed.unwrap() - search.held <= search.held / 20 + 1 && tries < 15,
                "{search:?} {tries}"
            );
        }
    }

    #[test]
    fn fewer_are_tried_until_none_is_left() {
        let mut search = Search { held: 1000, failed: Some(1040) };
        assert_eq!(search.fewer(5), 950);
        let mut tries = 0;
        while search.held > 0 {
            search.held = search.fewer(5);
            tries += 1;
        }
        assert!(tries < 200, "{tries}");
    }

    #[test]
    fn too_few_and_more_than_wanted() {
        assert_eq!(find(100, 3000).0, Search { held: 100, failed: Some(103) });
        assert_eq!(find(0, 3000).0.held, 0);
        assert_eq!(find(9000, 3000).0, Search { held: 3000, failed: None });
    }
}
