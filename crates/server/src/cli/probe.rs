//! `neverblink probe`: connects to a source as the server would, and tells what comes and what to
//! do about it.

mod advice;
mod measure;
mod profile;
mod report;

use super::USAGE;
use crate::{
    app,
    clock::Clock,
    config,
    controls::Desk,
    source::{rtsp::Observer, worker::Local},
    supervise::{Context, Exit, Source},
    telemetry::LogArgs,
    workers::Spawner,
};
use anyhow::Context as _;
use hub::{ReaderOptions, Stream, StreamOptions};
use measure::Measure;
use report::Report;
use std::{pin::pin, process::ExitCode, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

#[derive(clap::Args, Debug)]
pub(super) struct Probe {
    /// What to connect to, as in the config: rtsp://user:password@address/path, v4l2:/dev/video0,
    /// or test:
    source: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// How long to watch after the first picture; without it 5 s, or as long as two keyframe
    /// intervals take, at most 15 s.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: Option<u32>,
}

/// No picture within this time is a failure.
const FIRST_PICTURE_WITHIN: Duration = Duration::from_secs(25);
/// Watched at least, without `--seconds`.
const ENOUGH: Duration = Duration::from_secs(5);
/// Watched at most, without `--seconds`.
const TOO_LONG: Duration = Duration::from_secs(15);
/// For a source's goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

impl Probe {
    pub(super) fn run(self, log: LogArgs) -> ExitCode {
        let source: config::Source = match self.source.parse() {
            Ok(source) => source,
            Err(problem) => return usage(&problem),
        };
        let clock = Clock::new();
        log.init(clock);
        let work = async {
            let report = match source {
                config::Source::Publish => return Ok(None),
                config::Source::Rtsp(rtsp) => {
                    let observer = Observer::writing();
                    self.watch(clock, app::pull(&rtsp).observed(observer.clone()), observer).await
                }
                config::Source::Http(http) => {
                    self.watch(clock, app::ask(&http), Observer::default()).await
                }
                config::Source::Exec(exec) => {
                    self.watch(clock, app::execute(&exec), Observer::default()).await
                }
                config::Source::Rpicam(pi) => {
                    self.watch(clock, app::drive(&pi, Desk::default()), Observer::default()).await
                }
                config::Source::File(file) => {
                    self.watch(clock, app::play(&file), Observer::default()).await
                }
                config::Source::Udp(udp) => {
                    self.watch(clock, app::listen(&udp), Observer::default()).await
                }
                config::Source::V4l2(camera) => {
                    let spawner =
                        Spawner::new().context("cannot start the thread that starts workers")?;
                    self.watch(
                        clock,
                        app::capture(spawner, "probe", &camera, Local::default()),
                        Observer::default(),
                    )
                    .await
                }
                config::Source::Test(test) => {
                    let spawner =
                        Spawner::new().context("cannot start the thread that starts workers")?;
                    self.watch(
                        clock,
                        app::test_picture(spawner, "probe", &test),
                        Observer::default(),
                    )
                    .await
                }
            };
            Ok(Some(report))
        };
        match super::on_runtime(work) {
            Ok(Some(report)) => self.tell(&report),
            Ok(None) => usage(
                "a camera with `source: publish` comes to us, so there is nothing to connect to; probe its own address",
            ),
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn tell(&self, report: &Report) -> ExitCode {
        if self.json {
            println!("{}", report.json());
        } else {
            print!("{report}");
        }
        if report.error.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// Runs the source once and measures what it publishes.
    async fn watch(&self, clock: Clock, mut source: impl Source, observer: Observer) -> Report {
        let stop = CancellationToken::new();
        let stream = Stream::new("probe", StreamOptions::default(), clock.now());
        let mut reader = stream.subscribe(ReaderOptions::default());
        let label = source.label();
        let mut measure = Measure::new(clock.now());
        let mut run = pin!(source.run(Context { stream, clock, stop: stop.clone() }));
        let began = Instant::now();
        let mut first = None;
        let ended = loop {
            let deadline =
                first.map_or(began + FIRST_PICTURE_WITHIN, |at| at + self.watch_for(&measure));
            tokio::select! {
                exit = &mut run => break Some(exit),
                event = reader.next() => if measure.take(clock.now(), event) {
                    first.get_or_insert_with(Instant::now);
                },
                () = sleep_until(deadline) => break None,
            }
        };
        if ended.is_none() {
            stop.cancel();
            let _ = timeout(GOODBYE, run).await;
        }
        Report::new(label, &measure, &observer.read(), problem(ended, first.is_some()))
    }

    /// How long to watch after the first picture, from what is known so far.
    fn watch_for(&self, measure: &Measure) -> Duration {
        match self.seconds {
            Some(seconds) => Duration::from_secs(seconds.into()),
            None if measure.knows_keyframe_interval() => ENOUGH,
            None => TOO_LONG,
        }
    }
}

/// What went wrong, in words.
fn problem(ended: Option<Exit>, seen: bool) -> Option<String> {
    match ended {
        Some(exit) => Some(exit.words.to_string()),
        None if seen => None,
        None => Some(format!(
            "connected, but no picture within {} s: is the camera's encoder running?",
            FIRST_PICTURE_WITHIN.as_secs()
        )),
    }
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("{problem}");
    ExitCode::from(USAGE)
}
