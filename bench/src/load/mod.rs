//! Many WHEP viewers of one camera in one process.
//!
//! Every viewer is real to the server: ICE with consent, DTLS, SRTP with keys of its own, receiver
//! reports and transport-wide feedback. A sample also decrypts everything, asks for what is lost,
//! and looks at every access unit. What all of them cost the server is read from `/proc`.

mod continuity;
mod crowd;
mod h264;
mod http;
mod metrics;
mod plain;
mod promise;
pub(crate) mod ramp;
pub(crate) mod report;
mod rtcp;
mod sampled;
mod sdp;
mod signalling;
mod srtcp;
mod viewer;
mod watch;

use crate::{process::Reading, socket, spread::Spread};
use anyhow::bail;
use crowd::{Crowd, Gone};
use metrics::Told;
use report::{Churn, Report, Sample, Sight};
use std::time::{Duration, Instant};
use viewer::Viewer;

/// Between joining and measuring: join bursts are over, and delays back to normal.
const SETTLE: Duration = Duration::from_secs(3);
/// How often memory and descriptors are read while viewers come and go.
const SIGHT_EVERY: Duration = Duration::from_secs(10);

/// The options of a crowd of viewers.
#[derive(clap::Args)]
pub(crate) struct Client {
    /// The WHEP address: http://HOST:PORT/live/CAMERA/whep
    url: http::Url,
    /// Viewers that decrypt and check everything; the others count packets and frames
    #[arg(long, default_value_t = 5)]
    sample: usize,
    /// Viewers that join a second
    #[arg(long, default_value_t = 50)]
    join_rate: u32,
    /// Frames a second of the camera, to see frames that were never sent
    #[arg(long, default_value_t = 30)]
    fps: u16,
    /// Milliseconds between transport-wide feedback messages, if the server agrees to them;
    /// Chromium sends them every 50 to 100
    #[arg(long, default_value_t = 50)]
    feedback: u64,
    /// Process of the server, to read what it uses
    #[arg(long)]
    server_pid: Option<u32>,
    /// The server's metrics (http://HOST:PORT/metrics), to read from them how long frames wait in
    /// it
    #[arg(long)]
    metrics: Option<http::Url>,
    /// Let the kernel hand over packets in bunches. Browsers do not; it makes sending to this
    /// machine's own viewers cheaper
    #[arg(long)]
    gro: bool,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    client: Client,
    /// How many watch at once
    #[arg(long, default_value_t = 100)]
    viewers: usize,
    /// Seconds to measure, after all have joined
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Percent of the viewers that leave each second of the measurement, while as many join
    #[arg(long, default_value_t = 0.0)]
    churn: f64,
    /// With --churn: percent of the viewers that never leave, and must not notice
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=100))]
    stay: u16,
}

impl Arguments {
    /// Viewers that never leave.
    fn staying(&self) -> usize {
        let share = if self.churn > 0.0 { usize::from(self.stay) } else { 100 };
        (self.viewers * share / 100).max(self.client.sample)
    }
}

impl Client {
    fn crowd(&self) -> anyhow::Result<Crowd> {
        str0m::crypto::from_feature_flags().install_process_default();
        socket::allow_many()?;
        Crowd::new(self.url.clone(), self.fps, self.gro, Duration::from_millis(self.feedback))
    }

    fn told(&self) -> anyhow::Result<Option<Told>> {
        self.metrics.as_ref().map(Told::read).transpose()
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let client = &arguments.client;
    if arguments.churn > 0.0 && arguments.staying() >= arguments.viewers {
        bail!(
            "no viewer may leave: --stay and --sample leave none of {} viewers",
            arguments.viewers
        );
    }
    let mut crowd = client.crowd()?;
    let empty = Reading::take(client.server_pid)?;
    let joined =
        crowd.grow(arguments.viewers, client.sample, arguments.staying(), client.join_rate);
    let result = joined.and_then(|()| {
        crowd.run_until(Instant::now() + SETTLE)?;
        let seconds = Duration::from_secs(arguments.seconds);
        measure(
            &mut crowd,
            client,
            &empty,
            seconds,
            (arguments.churn > 0.0).then_some(arguments.churn),
        )
    });
    crowd.shrink(0);
    let report = result?;
    report.print(client.json)?;
    match report.broken_promises() {
        broken if broken.is_empty() => Ok(()),
        broken => bail!("not as it should be: {}", broken.join("; ")),
    }
}

/// Lets the crowd watch for some time. With `churn` percent of it a second leaving and joining.
fn measure(
    crowd: &mut Crowd,
    client: &Client,
    empty: &Reading,
    time: Duration,
    churn: Option<f64>,
) -> anyhow::Result<Report> {
    let figures = |crowd: &Crowd, figure: fn(&dyn Viewer) -> Option<Duration>| {
        // The engine of the sample waits longer than a browser before it tries again.
        let plain = crowd.each(|v| v.checked().is_none().then(|| figure(v)).flatten());
        Spread::of(plain.into_iter().flatten().map(millis).collect())
    };
    let join_ms = figures(crowd, |v| v.watch().connect_time());
    let first_frame_ms = figures(crowd, |v| v.watch().first_frame_time());
    crowd.begin_measuring();
    let (viewers, before, (packets, bytes)) = (crowd.len(), crowd.staying(), crowd.delivered());
    let (told, reading, start) =
        (client.told()?, Reading::take(client.server_pid)?, Instant::now());
    let churn = match churn {
        Some(percent) => Some(come_and_go(crowd, client, &reading, start, time, percent)?),
        None => crowd.run_until(start + time).map(|()| None)?,
    };
    let (seconds, after, end) =
        (start.elapsed().as_secs_f64(), crowd.staying(), Reading::take(client.server_pid)?);
    let told = told.zip(client.told()?);
    let (packets, bytes) = (crowd.delivered().0 - packets, crowd.delivered().1 - bytes);
    let delivered = report::Delivered::between(&before, &after, packets, bytes, seconds);
    let rates = after
        .iter()
        .map(|(id, a)| (a.frames.complete - before[id].frames.complete) as f64 / seconds)
        .collect();
    let (sampled, access_units) = crowd.checked();
    let delays = crowd.each(|v| v.watch().delays().to_vec()).concat();
    Ok(Report {
        viewers,
        playing: crowd.playing(),
        faults: crowd.faults(),
        seconds,
        join_ms,
        first_frame_ms,
        frames_each_second: Spread::of(rates),
        sample: Sample {
            viewers: sampled,
            access_units,
            capture_to_received_ms: Spread::of(delays),
        },
        longest_client_pause_ms: millis(crowd.longest_pause()),
        ingest_to_send_ms: told.as_ref().map(|(before, after)| after.ingest_to_send_since(before)),
        left_out: told.map(|(before, after)| after.left_out_since(&before)),
        server: report::Server::between(empty, &reading, &end, viewers, delivered.gbit),
        processors: end.shares_since(&reading, seconds),
        delivered,
        churn,
    })
}

fn come_and_go(
    crowd: &mut Crowd,
    client: &Client,
    first: &Reading,
    start: Instant,
    time: Duration,
    percent: f64,
) -> anyhow::Result<Churn> {
    let mut server: Vec<Sight> = Sight::of(first, 0.0).into_iter().collect();
    let every = Duration::from_secs_f64(100.0 / (percent * crowd.len() as f64));
    let (mut next, mut sight, mut left, mut joined) = (start, start + SIGHT_EVERY, 0, 0);
    while next < start + time {
        crowd.run_until(next)?;
        next += every;
        if crowd.let_one_leave() {
            left += 1;
            crowd.begin_joining(false, false)?;
            joined += 1;
        }
        if Instant::now() >= sight {
            sight = Instant::now() + SIGHT_EVERY;
            server.extend(Sight::of(
                &Reading::take(client.server_pid)?,
                start.elapsed().as_secs_f64(),
            ));
        }
    }
    crowd.run_until(start + time)?;
    server.extend(Sight::of(&Reading::take(client.server_pid)?, start.elapsed().as_secs_f64()));
    let all: Gone = crowd.gone.and(crowd.joined_since(start));
    Ok(Churn {
        percent_per_second: percent,
        staying: crowd.staying().len(),
        left,
        joined,
        failed: all.failed,
        join_ms: Spread::of(all.connect),
        first_frame_ms: Spread::of(all.first_frame),
        broken_frames_of_others: all.broken_frames,
        growth: promise::Growth::of(&server),
        server,
    })
}

fn millis(d: Duration) -> f64 {
    d.as_secs_f64() * 1000.0
}
