//! A command that writes MPEG-TS, which the server starts.

use super::{Fault, Patient};
use crate::{Server, repository, usage::is_called_with};
use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::fs;
use tempfile::TempDir;

/// `tests/peers/faulty.py` with the file that tells it what to send.
pub struct CommandCamera {
    name: String,
    directory: TempDir,
    other: bool,
    offset: u32,
}

impl CommandCamera {
    /// Nothing runs until the server runs it.
    ///
    /// # Errors
    /// If there is no place for a file.
    pub fn start(name: &str) -> Result<Self> {
        let camera = Self {
            name: name.into(),
            directory: TempDir::with_prefix("neverblink-faulty-")?,
            other: false,
            offset: 0,
        };
        camera.write()?;
        Ok(camera)
    }

    fn control(&self) -> String {
        self.directory.path().join("control.json").display().to_string()
    }

    fn write(&self) -> Result<()> {
        let size = if self.other { "480x272" } else { "320x240" };
        Ok(fs::write(
            self.control(),
            format!("{{\"size\": \"{size}\", \"offset\": {}}}", self.offset),
        )?)
    }

    fn signal(&self, server: &Server, signal: Signal) -> Result<()> {
        let ours = |pid: &Pid| is_called_with(*pid, &self.control());
        let pid = server.workers().into_iter().find(ours).context("no command runs")?;
        Ok(kill(pid, signal)?)
    }
}

impl Patient for CommandCamera {
    fn name(&self) -> &str {
        &self.name
    }

    fn source(&self) -> String {
        let script = repository().join("tests/peers/faulty.py");
        format!("exec:/usr/bin/python3 {} {}", script.display(), self.control())
    }

    fn faults(&self) -> &'static [Fault] {
        use Fault::*;
        &[Killed, Stopped, Garbage, Resized, Ahead, Back, Wrapped, Exits]
    }

    fn strike(&mut self, fault: Fault, server: &Server) -> Result<()> {
        let signal = match fault {
            Fault::Stopped => Signal::SIGSTOP,
            Fault::Garbage => Signal::SIGUSR1,
            Fault::Exits => Signal::SIGUSR2,
            Fault::Resized | Fault::Ahead | Fault::Back | Fault::Wrapped => Signal::SIGHUP,
            _ => Signal::SIGKILL,
        };
        match fault {
            Fault::Resized => self.other = !self.other,
            Fault::Ahead => self.offset += 3600,
            Fault::Back => self.offset = self.offset.saturating_sub(3600),
            Fault::Wrapped => self.offset = 95_440,
            _ => {}
        }
        self.write()?;
        self.signal(server, signal)
    }

    fn heal(&mut self, fault: Fault, server: &Server) -> Result<()> {
        // A command that stands still, or writes noise for long, was ended by the server and is
        // another one by now.
        let signal = match fault {
            Fault::Stopped => Signal::SIGCONT,
            Fault::Garbage => Signal::SIGHUP,
            _ => return Ok(()),
        };
        let _ = self.signal(server, signal);
        Ok(())
    }
}
