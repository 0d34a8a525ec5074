//! GStreamer as a camera that publishes by WHIP.

use crate::{DEADLINE, Process, process, repository, skip_without};
use anyhow::{Context, Result};
use std::{
    io::Write,
    process::{ChildStdin, Stdio},
};

/// A test picture as H.264, 1280x720 at 30 fps, and a tone as Opus.
pub struct WhipCamera {
    process: Process,
    questions: ChildStdin,
    asked: u64,
}

impl WhipCamera {
    /// True, said loudly, on a machine that cannot run it.
    pub fn unavailable() -> bool {
        skip_without(&["gst-launch-1.0", "openssl", "/usr/bin/python3"])
    }

    /// Publishes to `url`, with a keyframe every `gop` frames, and waits until it is connected.
    ///
    /// # Errors
    /// If it is refused, or never connected.
    pub fn start(url: &str, gop: u32) -> Result<Self> {
        let script = repository().join("tests/peers/whip_publisher.py");
        let mut command = process::command("/usr/bin/python3", [script]);
        command.arg(url).args(["--gop", &gop.to_string()]).stdin(Stdio::piped());
        let mut process = Process::spawn("WHIP camera", &mut command)?;
        let questions = process.take_input().context("no input")?;
        process
            .log()
            .wait_for("the camera to be connected", DEADLINE, |e| e["message"] == "connected")?;
        Ok(Self { process, questions, asked: 0 })
    }

    /// How many frames it has sent so far.
    ///
    /// # Errors
    /// If it is gone.
    pub fn frames(&mut self) -> Result<u64> {
        self.asked += 1;
        let asked = self.asked;
        writeln!(self.questions)?;
        let answer = self
            .process
            .log()
            .wait_for("its count", DEADLINE, |e| e["message"] == "sent" && e["nth"] == asked)?;
        answer["frames"].as_u64().context("no number")
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
