//! Many viewers of one camera by low-latency HLS.
//!
//! Each behaves as hls.js does: a blocking request for the playlist that will hold the next part,
//! compressed and as a delta update where the server offers them, and meanwhile requests for the
//! parts listed, over two connections that it keeps. Nothing is decoded; whether a player would
//! have stood still is reckoned from durations and times.

mod connection;
mod playlist;
mod report;
mod viewer;

use crate::{load::report::Server, process::Reading, socket, spread::Spread};
use anyhow::Context as _;
use report::{Delivered, Report};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use viewer::{Seen, Viewer};

/// Between joining and measuring.
const SETTLE: Duration = Duration::from_secs(3);
/// A viewer needs little of it.
const STACK: usize = 256 << 10;
/// Faults told in words.
const FAULTS: usize = 5;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The multivariant playlist: http://HOST:PORT/live/CAMERA/index.m3u8
    url: String,
    /// How many watch at once
    #[arg(long, default_value_t = 100)]
    viewers: usize,
    /// Seconds to measure, after all have joined
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Viewers that join a second
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    join_rate: u32,
    /// Process of the server, to read what it uses
    #[arg(long)]
    server_pid: Option<u32>,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

/// The state that all viewers share.
struct Shared {
    authority: String,
    path: String,
    measuring: AtomicBool,
    stop: AtomicBool,
    /// Received by all together.
    bytes: AtomicU64,
}

impl Shared {
    fn new(url: &str) -> anyhow::Result<Self> {
        let rest = url.strip_prefix("http://").context("write http://HOST:PORT/PATH")?;
        let (authority, path) = rest.split_once('/').context("the address has no path")?;
        let port = if authority.contains(':') { "" } else { ":80" };
        let (authority, path) = (format!("{authority}{port}"), format!("/{path}"));
        let [measuring, stop] = [(); 2].map(|()| AtomicBool::new(false));
        Ok(Self { authority, path, measuring, stop, bytes: AtomicU64::new(0) })
    }

    fn measures(&self) -> bool {
        self.measuring.load(Relaxed)
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    socket::allow_many()?;
    let shared = Arc::new(Shared::new(&arguments.url)?);
    let empty = Reading::take(arguments.server_pid)?;
    let viewers = join(&shared, arguments)?;
    thread::sleep(SETTLE);
    let (before, bytes, start) =
        (Reading::take(arguments.server_pid)?, shared.bytes.load(Relaxed), Instant::now());
    shared.measuring.store(true, Relaxed);
    thread::sleep(Duration::from_secs(arguments.seconds));
    shared.measuring.store(false, Relaxed);
    let (seconds, bytes) = (start.elapsed().as_secs_f64(), shared.bytes.load(Relaxed) - bytes);
    let after = Reading::take(arguments.server_pid)?;
    let playing = viewers.iter().filter(|viewer| !viewer.is_finished()).count();
    shared.stop.store(true, Relaxed);
    let seen: Vec<Seen> = viewers.into_iter().filter_map(|viewer| viewer.join().ok()).collect();
    let delivered = Delivered::new(bytes, seconds);
    let report = Report {
        viewers: arguments.viewers,
        playing,
        faults: seen.iter().filter_map(|s| s.fault.clone()).take(FAULTS).collect(),
        seconds,
        first_part_ms: Spread::of(seen.iter().filter_map(|s| s.first_part).map(millis).collect()),
        parts_each_second: Spread::of(
            seen.iter().map(|s| s.answers.len() as f64 / seconds).collect(),
        ),
        part_ms: Spread::of(seen.iter().flat_map(|s| &s.answers).copied().map(millis).collect()),
        missed_parts: seen.iter().map(|s| s.missed).sum(),
        stalls: seen.iter().map(|s| s.stalls).sum(),
        viewers_that_stalled: seen.iter().filter(|s| s.stalls > 0).count(),
        server: Server::between(&empty, &before, &after, arguments.viewers, delivered.gbit),
        processors: after.shares_since(&before, seconds),
        delivered,
    };
    report.print(arguments.json)?;
    anyhow::ensure!(
        playing == arguments.viewers,
        "{} of {} viewers play",
        playing,
        arguments.viewers
    );
    Ok(())
}

fn join(shared: &Arc<Shared>, arguments: &Arguments) -> anyhow::Result<Vec<JoinHandle<Seen>>> {
    let (begun, gap) = (Instant::now(), Duration::from_secs(1) / arguments.join_rate);
    let mut viewers = Vec::new();
    for number in 0..u32::try_from(arguments.viewers)? {
        thread::sleep((begun + gap * number).saturating_duration_since(Instant::now()));
        let shared = shared.clone();
        let thread = thread::Builder::new().stack_size(STACK).name("viewer".to_owned());
        viewers
            .push(thread.spawn(move || Viewer::new(&shared).watch()).context("no more threads")?);
    }
    Ok(viewers)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
