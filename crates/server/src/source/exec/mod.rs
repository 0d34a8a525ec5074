//! Commands that write a stream to their standard output: ffmpeg, GStreamer, and whatever else
//! knows an odd camera.
//!
//! A command is started as it is written, without a shell, in a process group of its own, which
//! ends with it. What it last said is the reason that people see when it ends. What it writes is
//! recognised by its first bytes. What is absent on purpose: restarts (see [`crate::supervise`]),
//! and the server's environment, which may hold passwords.

mod parts;

use super::{
    child::{Child, How},
    intake::{Intake, quiet},
};
use crate::supervise::{Context, Exit, Fault, Source};
use media::container::{Demux, Format};
use parts::Parts;
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// Read at once.
const READ: usize = 64 << 10;
/// A stream shows what it is within this many bytes.
const TELLING: u64 = 1 << 20;

/// What runs, and what it writes.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
    /// What it writes; recognised by its first bytes if that is not told.
    pub(crate) format: Option<Format>,
}

/// A camera that a command brings.
pub(crate) struct ExecSource {
    program: Program,
    label: Arc<str>,
    /// Tracks left out, as last told to the log.
    ignored: Vec<String>,
}

impl ExecSource {
    /// Starts `program`, whose first word names it; `{camera}` in the words is the camera's name.
    /// `label` holds no secret.
    pub(crate) fn new(program: Program, label: impl Into<Arc<str>>) -> Self {
        Self { program, label: label.into(), ignored: Vec::new() }
    }

    async fn watch(&mut self, ctx: &Context) -> Exit {
        let words: Vec<_> = self
            .program
            .words
            .iter()
            .map(|word| word.replace("{camera}", ctx.stream.name()))
            .collect();
        let mut child = match Child::start(&words, How::default()) {
            Ok(child) => child,
            Err(exit) => return exit,
        };
        tracing::info!(camera = %ctx.stream.name(), source = %self.label, process = child.id(), "started");
        match self.follow(&mut child, ctx).await {
            Ok(exit) | Err(exit) => exit,
        }
    }

    /// Publishes what the command writes, until it ends.
    async fn follow(&mut self, child: &mut Child, ctx: &Context) -> Result<Exit, Exit> {
        let mut head = Vec::with_capacity(READ);
        while head.len() < Format::TELLING {
            if child.stdout().read_buf(&mut head).await.unwrap_or(0) == 0 {
                return Ok(child.ended().await);
            }
        }
        let format = self.program.format.or_else(|| Format::recognise(&head));
        tracing::debug!(camera = %ctx.stream.name(), ?format, "writes");
        // A transport stream may begin with anything.
        let demuxer = demuxer(format.unwrap_or(Format::Ts));
        let mut intake = Intake::new(ctx, &self.label, &mut self.ignored, demuxer);
        let ended = read(child, ctx, &mut intake, format, head).await;
        let exit = match ended {
            Ok(()) => child.ended().await,
            Err(exit) => exit,
        };
        intake.finish(&exit);
        Ok(exit)
    }
}

fn demuxer(format: Format) -> Box<dyn Demux> {
    format.demuxer().unwrap_or_else(|| Box::new(Parts::default()))
}

impl Source for ExecSource {
    fn label(&self) -> Arc<str> {
        self.label.clone()
    }

    async fn run(&mut self, ctx: Context) -> Exit {
        ctx.until_stopped(self.watch(&ctx)).await
    }
}

type Any<'a> = Intake<'a, Box<dyn Demux>>;

/// Reads until the command closes its output; it began with `head`.
async fn read(
    child: &mut Child,
    ctx: &Context,
    intake: &mut Any<'_>,
    format: Option<Format>,
    head: Vec<u8>,
) -> Result<(), Exit> {
    intake.take(ctx.clock.now(), &head)?;
    check(child, intake, format)?;
    let mut buffer = vec![0; READ];
    loop {
        let length = tokio::select! {
            read = child.stdout().read(&mut buffer) => read.unwrap_or(0),
            () = quiet(intake.awaits_pause()) => {
                intake.pause(ctx.clock.now())?;
                continue;
            }
        };
        if length == 0 {
            return Ok(());
        }
        let now = ctx.clock.now();
        intake.take(now, &buffer[..length])?;
        check(child, intake, format)?;
        if intake.is_nonsense(now) {
            return Err(Exit::new(
                Fault::Refused,
                format!(
                    "{} writes noise in place of {}",
                    child.name(),
                    format.unwrap_or(Format::Ts)
                ),
            ));
        }
    }
}

/// Gives up where nothing can come of it.
fn check(child: &Child, intake: &Any<'_>, format: Option<Format>) -> Result<(), Exit> {
    let (name, demuxer) = (child.name(), intake.demuxer());
    if !intake.has_begun() && demuxer.garbage() > TELLING {
        let words = match format {
            Some(format) => format!("{name} writes no {format} that could be read"),
            None => format!(
                "{name} writes nothing that is known here: with ffmpeg, end the command with -f mpegts -"
            ),
        };
        return Err(Exit::new(Fault::Refused, words));
    }
    if demuxer.is_hopeless() {
        let found = demuxer.ignored().join(", ");
        let words = format!(
            "{name} writes {found}, which cannot be carried: write H.264 or H.265, and AAC or Opus"
        );
        return Err(Exit::new(Fault::Refused, words));
    }
    match demuxer.broken() {
        Some(broken) => Err(Exit::new(
            Fault::Refused,
            format!("{name} writes broken {}: {broken}", format.unwrap_or(Format::Ts)),
        )),
        None => Ok(()),
    }
}
