//! A camera whose pixels a worker process of the server makes.

use super::{Fault, Patient};
use crate::{Server, usage::is_called_with};
use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The test picture.
pub struct MadeCamera;

impl MadeCamera {
    /// The first process of that kind: nothing on its command line tells whose it is, and this one
    /// is the oldest.
    fn worker(server: &Server) -> Option<Pid> {
        server.workers().into_iter().find(|pid| is_called_with(*pid, "worker"))
    }
}

impl Patient for MadeCamera {
    fn name(&self) -> &'static str {
        "made"
    }

    fn source(&self) -> String {
        "test:?width=320&height=240&gop=15".to_owned()
    }

    fn faults(&self) -> &'static [Fault] {
        &[Fault::Killed, Fault::Stopped]
    }

    fn strike(&mut self, fault: Fault, server: &Server) -> Result<()> {
        let signal = if fault == Fault::Stopped { Signal::SIGSTOP } else { Signal::SIGKILL };
        Ok(kill(Self::worker(server).context("no worker")?, signal)?)
    }

    fn heal(&mut self, _: Fault, _: &Server) -> Result<()> {
        Ok(())
    }
}
