//! The camera of a Raspberry Pi: a stand-in for picamera2, driven by the server's own helper.

use super::{Fault, Patient};
use crate::{Server, repository, usage::is_called_with};
use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::fs;
use tempfile::TempDir;

/// `tests/peers/picamera2`.
pub struct PiCamera {
    stage: TempDir,
}

impl PiCamera {
    /// Nothing runs until the server runs it, with [`PiCamera::environment`].
    ///
    /// # Errors
    /// If there is no place for files.
    pub fn start() -> Result<Self> {
        let stage = TempDir::with_prefix("neverblink-pi-")?;
        fs::write(stage.path().join("fault"), "")?;
        Ok(Self { stage })
    }

    /// What the server must be started with.
    pub fn environment(&self) -> (String, String) {
        let stand_in = repository().join("tests/peers/picamera2");
        ("PYTHONPATH".to_owned(), format!("{}:{}", stand_in.display(), self.stage.path().display()))
    }

    /// The one child that is given its program on the command line.
    fn helper(server: &Server) -> Result<Pid> {
        server
            .workers()
            .into_iter()
            .find(|pid| is_called_with(*pid, "-c"))
            .context("no helper runs")
    }
}

impl Patient for PiCamera {
    fn name(&self) -> &'static str {
        "pi"
    }

    fn source(&self) -> String {
        "rpicam:0?width=320&height=240&gop=15".to_owned()
    }

    fn faults(&self) -> &'static [Fault] {
        &[Fault::Killed, Fault::Stopped, Fault::Exits]
    }

    fn strike(&mut self, fault: Fault, server: &Server) -> Result<()> {
        let signal = if fault == Fault::Stopped { Signal::SIGSTOP } else { Signal::SIGKILL };
        if fault == Fault::Exits {
            fs::write(self.stage.path().join("fault"), "busy")?;
        }
        Ok(kill(Self::helper(server)?, signal)?)
    }

    fn heal(&mut self, _: Fault, _: &Server) -> Result<()> {
        Ok(fs::write(self.stage.path().join("fault"), "")?)
    }
}
