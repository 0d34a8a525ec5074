//! MPEG-TS over UDP: what ffmpeg, GStreamer and picamera2 send to an address of ours, or to a
//! multicast group.
//!
//! The port stays open for as long as the camera is configured: there is nobody to dial, so silence
//! is no reason to begin anew, and a sender that comes back is heard with its first packet. One
//! sender is heard at a time; another may follow when it is silent.

mod port;
mod sender;

use super::intake::{Intake, PAUSE};
use crate::supervise::{Context, Exit, Source};
use hub::{State, Status};
use media::{Mono, container::Demux, ts::TsDemuxer};
use sender::Sender;
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{net::UdpSocket, time::timeout};

/// After this time without anything to show, the reason is told.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest datagram.
const DATAGRAM: usize = 65_535;

/// Where to listen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    /// An address of this machine, or a multicast group.
    pub(crate) address: SocketAddr,
    /// By which interface a group is joined.
    pub(crate) interface: Option<String>,
}

/// A camera that sends to us.
pub(crate) struct UdpListen {
    target: Target,
    label: Arc<str>,
    /// Tracks left out, as last told to the log.
    ignored: Vec<String>,
}

impl UdpListen {
    /// Listens at `target`, which people know as `label`.
    pub(crate) fn new(target: Target, label: impl Into<Arc<str>>) -> Self {
        Self { target, label: label.into(), ignored: Vec::new() }
    }

    async fn listen(&mut self, ctx: &Context) -> Exit {
        let socket = match port::open(&self.target) {
            Ok(socket) => socket,
            Err(exit) => return exit,
        };
        let words = format!("waiting for MPEG-TS at {}", self.label);
        ctx.stream.report(Status::new(State::Connecting, words, ctx.clock.now()));
        let mut intake = Intake::new(ctx, &self.label, &mut self.ignored, TsDemuxer::default());
        let mut trouble = Trouble { ctx, label: &self.label, since: ctx.clock.now(), told: None };
        let Err(exit) = receive(&socket, ctx, &mut intake, &mut trouble).await;
        intake.finish(&exit);
        exit
    }
}

impl Source for UdpListen {
    fn label(&self) -> Arc<str> {
        self.label.clone()
    }

    async fn run(&mut self, ctx: Context) -> Exit {
        ctx.until_stopped(self.listen(&ctx)).await
    }
}

/// Takes datagrams until that fails.
async fn receive(
    socket: &UdpSocket,
    ctx: &Context,
    intake: &mut Intake<'_, TsDemuxer>,
    trouble: &mut Trouble<'_>,
) -> Result<Infallible, Exit> {
    let (mut buffer, mut sender) = (vec![0; DATAGRAM], Sender::new(ctx.stream.name().clone()));
    loop {
        let wait = if intake.awaits_pause() { PAUSE } else { PATIENCE };
        let received = timeout(wait, socket.recv_from(&mut buffer)).await;
        let now = ctx.clock.now();
        match received {
            Ok(Ok((length, from))) if sender.admits(from, now) => {
                intake.take(now, &buffer[..length])?;
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::debug!(camera = %ctx.stream.name(), %error, "cannot receive");
            }
            Err(_) => intake.pause(now)?,
        }
        if intake.is_nonsense(now) {
            let from = sender.address().map_or_else(String::new, |from| format!(" from {from}"));
            intake.suspend(
                now,
                &format!("what arrives at {}{from} is no MPEG-TS any more", trouble.label),
            );
        } else if !intake.has_begun() && !intake.is_suspended() {
            trouble.tell(intake.demuxer(), sender.address(), now);
        }
    }
}

/// Says why there is no picture, once for each reason.
struct Trouble<'a> {
    ctx: &'a Context,
    label: &'a Arc<str>,
    since: Mono,
    told: Option<String>,
}

impl Trouble<'_> {
    fn tell(&mut self, demuxer: &TsDemuxer, from: Option<IpAddr>, now: Mono) {
        if now.since(self.since) < PATIENCE {
            return;
        }
        let words = self.words(demuxer, from);
        if self.told.as_ref() != Some(&words) {
            tracing::warn!(camera = %self.ctx.stream.name(), "{words}");
            self.ctx.stream.report(Status::new(State::Offline, words.clone(), self.since));
            self.told = Some(words);
        }
    }

    fn words(&self, demuxer: &TsDemuxer, from: Option<IpAddr>) -> String {
        let label = self.label;
        let Some(from) = from else {
            return format!(
                "nothing has arrived at {label} so far: is the sender running, does it send to this machine and port, and does no \
                 firewall stand between?"
            );
        };
        if demuxer.stats().scrambled > 0 {
            return format!(
                "what {from} sends to {label} is scrambled: switch that off in the sender"
            );
        }
        if !demuxer.ignored().is_empty() {
            let found = demuxer.ignored().join(", ");
            return format!(
                "{from} sends {found} to {label}, which cannot be carried: send H.264 or H.265, and AAC or Opus"
            );
        }
        match demuxer.has_program() {
            true => format!("what {from} sends to {label} has tables, but no whole frame so far"),
            false => format!(
                "what {from} sends to {label} is no MPEG-TS: with ffmpeg, write -f mpegts before the address"
            ),
        }
    }
}
