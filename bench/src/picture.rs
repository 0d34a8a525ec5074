//! The test picture on stdout.
//!
//! A frame is drawn at its deadline and written at once. If the reader is late, frames are left out
//! rather than queued: what it reads is never older than one frame and what fits into the pipe.

use crate::canvas::Canvas;
use anyhow::Context as _;
use nix::fcntl::{FcntlArg, fcntl};
use std::{io::Write, time::Duration};
use worker::{clock, pace::Pacer, picture::Picture};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    canvas: Canvas,
    /// Name shown in the picture
    #[arg(long, default_value = "bench")]
    name: String,
    /// Stop after this many seconds; run until the reader goes away by default
    #[arg(long)]
    seconds: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    let Canvas { width, height, fps, .. } = arguments.canvas;
    let mut picture = Picture::new(&arguments.canvas.named(&arguments.name));
    enlarge_pipe(width * height * 3 / 2);
    let start = clock::now();
    let end = arguments.seconds.map(|s| start.mono + Duration::from_secs(s));
    let mut pacer = Pacer::new(start.mono, fps);
    loop {
        clock::sleep_until(pacer.next());
        let now = clock::now();
        if end.is_some_and(|end| now.mono >= end) {
            return Ok(());
        }
        if !pacer.take(now.mono) {
            continue;
        }
        match stdout.write_all(picture.draw(now).as_bytes()).and_then(|()| stdout.flush()) {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            result => result.context("cannot write the picture to stdout")?,
        }
    }
}

/// Room for one whole frame, so that drawing never waits for the reader within a frame. The
/// kernel's limit for users is often 1 MiB; less works too, with a little more waiting. Not a pipe:
/// nothing to do.
fn enlarge_pipe(frame: usize) {
    let sizes = [frame.next_power_of_two(), 1 << 20];
    let _ = sizes
        .into_iter()
        .find(|size| fcntl(std::io::stdout(), FcntlArg::F_SETPIPE_SZ(*size as i32)).is_ok());
}
