//! A program that publishes by WHIP.

use super::{Fault, Patient};
use crate::{Server, WhipCamera, wait_until};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use std::time::Duration;

/// It is known within the stall time.
const TRIES: Duration = Duration::from_secs(30);

/// GStreamer's webrtcbin.
pub struct WhipPatient {
    name: String,
    camera: Option<WhipCamera>,
}

impl WhipPatient {
    /// Publishes once it may begin. `None` on a machine without what it needs.
    pub fn new(name: &str) -> Option<Self> {
        (!WhipCamera::unavailable()).then(|| Self { name: name.into(), camera: None })
    }

    fn publish(&mut self, server: &Server) -> Result<()> {
        self.camera = None;
        let url = server.url(&format!("/live/{}/whip", self.name));
        // Refused as long as the one that was killed is not known to be gone: the
        // publisher tries again.
        let start = || WhipCamera::start(&url, 30).ok();
        self.camera = Some(wait_until("a WHIP publisher being welcome", TRIES, start)?);
        Ok(())
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        self.camera.as_mut().context("no publisher")?.process().signal(signal)
    }
}

impl Patient for WhipPatient {
    fn name(&self) -> &str {
        &self.name
    }

    fn source(&self) -> String {
        "publish".to_owned()
    }

    fn begin(&mut self, server: &Server) -> Result<()> {
        self.publish(server)
    }

    fn faults(&self) -> &'static [Fault] {
        &[Fault::Killed, Fault::Stopped]
    }

    fn strike(&mut self, fault: Fault, _: &Server) -> Result<()> {
        match fault {
            Fault::Stopped => self.signal(Signal::SIGSTOP),
            _ => {
                self.camera = None;
                Ok(())
            }
        }
    }

    fn heal(&mut self, fault: Fault, server: &Server) -> Result<()> {
        match fault {
            Fault::Stopped => self.signal(Signal::SIGCONT),
            _ => self.publish(server),
        }
    }
}
