//! Commands that write MPEG-TS to their standard output: ffmpeg, GStreamer, and whatever else knows an odd camera.
//!
//! A command is started as it is written, without a shell, in a process group of its own, which ends with it. What it last said is
//! the reason that people see when it ends.
//! What is absent on purpose: restarts (see [`crate::supervise`]), and the server's environment, which may hold passwords.

use super::{
    child::{Child, How},
    intake::{Intake, PAUSE},
};
use crate::supervise::{Context, Exit, Fault, Source};
use std::{future::pending, sync::Arc};
use tokio::{io::AsyncReadExt, time::timeout};

/// Read at once.
const READ: usize = 64 << 10;
/// A transport stream shows what it is within this many bytes.
const TELLING: u64 = 1 << 20;

/// A camera that a command brings.
pub(crate) struct ExecSource {
    /// The program and its arguments.
    words: Vec<String>,
    label: Arc<str>,
    /// Tracks left out, as last told to the log.
    ignored: Vec<String>,
}

impl ExecSource {
    /// Starts `words`, the first of which names the program; `{camera}` in them is the camera's name. `label` holds no secret.
    pub(crate) fn new(words: Vec<String>, label: impl Into<Arc<str>>) -> Self {
        Self { words, label: label.into(), ignored: Vec::new() }
    }

    async fn watch(&mut self, ctx: &Context) -> Exit {
        let words: Vec<_> = self.words.iter().map(|word| word.replace("{camera}", ctx.stream.name())).collect();
        let mut child = match Child::start(&words, How::default()) {
            Ok(child) => child,
            Err(exit) => return exit,
        };
        tracing::info!(camera = %ctx.stream.name(), source = %self.label, process = child.id(), "started");
        let mut intake = Intake::new(ctx, &self.label, &mut self.ignored);
        let ended = read(&mut child, ctx, &mut intake).await;
        let exit = match ended {
            Ok(()) => child.ended().await,
            Err(exit) => exit,
        };
        intake.finish(&exit);
        exit
    }
}

impl Source for ExecSource {
    fn label(&self) -> Arc<str> {
        self.label.clone()
    }

    async fn run(&mut self, ctx: Context) -> Exit {
        let stop = ctx.stop.clone();
        tokio::select! {
            () = stop.cancelled() => Exit::stopped(),
            exit = self.watch(&ctx) => exit,
        }
    }
}

/// Reads until the command closes its output.
async fn read(child: &mut Child, ctx: &Context, intake: &mut Intake<'_>) -> Result<(), Exit> {
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
        intake.take(ctx.clock.now(), &buffer[..length])?;
        let demuxer = intake.demuxer();
        if !demuxer.has_program() && demuxer.stats().garbage > TELLING {
            let words =
                format!("{} writes something else than MPEG-TS: with ffmpeg, end the command with -f mpegts -", child.name());
            return Err(Exit::new(Fault::Refused, words));
        }
        if !demuxer.has_video_or_sound() {
            let found = demuxer.ignored().join(", ");
            let words =
                format!("{} writes {found}, which cannot be carried: write H.264 or H.265, and AAC or Opus", child.name());
            return Err(Exit::new(Fault::Refused, words));
        }
    }
}

/// Completes after a pause, if one is waited for.
async fn quiet(awaited: bool) {
    if awaited {
        let _ = timeout(PAUSE, pending::<()>()).await;
    } else {
        pending::<()>().await;
    }
}
