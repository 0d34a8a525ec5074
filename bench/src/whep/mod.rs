//! Many WHEP viewers of one camera in one process.
//!
//! Every viewer is a whole one: full ICE, DTLS and SRTP with keys of its own, every packet decrypted and every frame
//! checked for completeness. What they cost the server is read from `/proc`.

mod continuity;
mod http;
mod report;
mod server;
mod socket;
mod viewer;

use crate::spread::Spread;
use anyhow::{Context as _, bail};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use report::Report;
use server::ServerUse;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use viewer::{Totals, Viewer};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The WHEP address: http://HOST:PORT/live/CAMERA/whep
    url: http::Url,
    /// How many watch at once
    #[arg(long, default_value_t = 100)]
    viewers: usize,
    /// Seconds to measure, after all have joined
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Viewers that join a second
    #[arg(long, default_value_t = 50)]
    join_rate: u32,
    /// Process of the server, to read what it uses
    #[arg(long)]
    server_pid: Option<u32>,
    /// Let the kernel hand over packets in bunches. Browsers do not; it makes sending to this machine's own viewers cheaper
    #[arg(long)]
    gro: bool,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

/// How long a viewer may take to join.
const JOIN_WITHIN: Duration = Duration::from_secs(10);
/// Between joining and measuring: join bursts are over, and delays back to normal.
const SETTLE: Duration = Duration::from_secs(3);
/// How often the timers of viewers are looked at; they are in the tens of milliseconds.
const TICK: Duration = Duration::from_millis(5);

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    str0m::crypto::from_feature_flags().install_process_default();
    let server = |what| arguments.server_pid.map(ServerUse::read).transpose().context(what);
    let empty = server("cannot read what the server uses")?;
    let mut crowd = Crowd::new(arguments.gro)?;
    let joined = crowd.join(arguments);
    let result = joined.and_then(|()| {
        crowd.run_for(SETTLE)?;
        measure(&mut crowd, arguments, empty)
    });
    crowd.leave();
    let report = result?;
    report.print(arguments.json)?;
    Ok(())
}

fn measure(crowd: &mut Crowd, arguments: &Arguments, empty: Option<ServerUse>) -> anyhow::Result<Report> {
    let read = || arguments.server_pid.map(ServerUse::read).transpose();
    crowd.viewers.iter_mut().for_each(Viewer::begin_measuring);
    let (before, cpu, start) = (crowd.totals(), read()?, Instant::now());
    crowd.run_for(Duration::from_secs(arguments.seconds))?;
    let (seconds, after, cpu_after) = (start.elapsed().as_secs_f64(), crowd.totals(), read()?);
    let delays = crowd.viewers.iter().flat_map(|v| v.delays()).copied().collect();
    Ok(Report {
        viewers: crowd.viewers.len(),
        playing: crowd.viewers.iter().filter(|v| v.is_playing()).count(),
        seconds,
        join_ms: Spread::of(crowd.viewers.iter().filter_map(Viewer::connect_time).map(millis).collect()),
        first_frame_ms: Spread::of(crowd.viewers.iter().filter_map(Viewer::first_frame_time).map(millis).collect()),
        frames_each_second: Spread::of(rates(&before, &after, seconds)),
        capture_to_received_ms: Spread::of(delays),
        delivered: report::Delivered::between(&before, &after, seconds),
        server: report::Server::between(empty, cpu, cpu_after, crowd.viewers.len(), &before, &after),
    })
}

fn rates(before: &[Totals], after: &[Totals], seconds: f64) -> Vec<f64> {
    before.iter().zip(after).map(|(b, a)| (a.frames.complete - b.frames.complete) as f64 / seconds).collect()
}

fn millis(d: Duration) -> f64 {
    d.as_secs_f64() * 1000.0
}

/// All viewers and what they wait for.
struct Crowd {
    viewers: Vec<Viewer>,
    epoll: Epoll,
    gro: bool,
    buffers: socket::Buffers,
    ticked: Instant,
}

impl Crowd {
    fn new(gro: bool) -> anyhow::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { viewers: Vec::new(), epoll, gro, buffers: socket::Buffers::new(), ticked: Instant::now() })
    }

    /// Joins all, one after the other at the rate asked for, and waits until everyone is connected.
    fn join(&mut self, arguments: &Arguments) -> anyhow::Result<()> {
        let (start, url) = (Instant::now(), Arc::new(arguments.url.clone()));
        for n in 0..arguments.viewers {
            let due = start + Duration::from_secs(1) * u32::try_from(n)? / arguments.join_rate.max(1);
            self.run_for(due.saturating_duration_since(Instant::now()))?;
            let viewer = Viewer::join(&url, self.gro).with_context(|| format!("viewer {} cannot join", n + 1))?;
            self.epoll.add(viewer.socket(), EpollEvent::new(EpollFlags::EPOLLIN, n as u64))?;
            self.viewers.push(viewer);
        }
        let deadline = Instant::now() + JOIN_WITHIN;
        while !self.viewers.iter().all(Viewer::is_playing) {
            if Instant::now() > deadline {
                let missing = self.viewers.iter().filter(|v| !v.is_playing()).count();
                bail!("{missing} of {} viewers see no picture {} s after joining", self.viewers.len(), JOIN_WITHIN.as_secs());
            }
            self.run_for(TICK)?;
        }
        Ok(())
    }

    /// Receives for this long.
    fn run_for(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let left = end.saturating_duration_since(Instant::now()).min(TICK);
            let n = self.epoll.wait(&mut events, EpollTimeout::try_from(left)?)?;
            for event in &events[..n] {
                self.viewers[event.data() as usize].receive(&mut self.buffers)?;
            }
            let now = Instant::now();
            if now.duration_since(self.ticked) >= TICK {
                self.ticked = now;
                self.viewers.iter_mut().try_for_each(|v| v.handle_timeout(now))?;
            }
            if now >= end {
                return Ok(());
            }
        }
    }

    fn totals(&self) -> Vec<Totals> {
        self.viewers.iter().map(Viewer::totals).collect()
    }

    /// Ends all sessions, so that the server need not wait for time-outs.
    fn leave(&mut self) {
        self.viewers.drain(..).for_each(Viewer::leave);
    }
}
