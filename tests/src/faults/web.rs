//! A Python script that sends JPEG files.

use super::{Fault, OTHER, Patient, SMALL, picture};
use crate::{
    Server, WebCamera,
    way::{Media, Mode, Way},
};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;

/// A script as people write it around Flask, behind a way that can be spoiled.
pub struct FlaskCamera {
    name: String,
    camera: Option<WebCamera>,
    port: u16,
    size: (u32, u32),
    way: Way,
}

impl FlaskCamera {
    /// On ports of the system's choice.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(name: &str) -> Result<Self> {
        let camera = WebCamera::start_at(0, None, &picture(SMALL))?;
        let (port, way) = (camera.port(), Way::start(camera.port(), Media::Files)?);
        Ok(Self { name: name.into(), camera: Some(camera), port, size: SMALL, way })
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        self.camera.as_mut().context("no camera")?.process().signal(signal)
    }
}

impl Patient for FlaskCamera {
    fn name(&self) -> &str {
        &self.name
    }

    fn source(&self) -> String {
        format!("http://127.0.0.1:{}/", self.way.port())
    }

    fn faults(&self) -> &'static [Fault] {
        use Fault::*;
        &[Killed, Stopped, Garbage, Resized, Closed]
    }

    fn strike(&mut self, fault: Fault, _: &Server) -> Result<()> {
        match fault {
            Fault::Stopped => self.signal(Signal::SIGSTOP)?,
            Fault::Garbage => self.way.set(Mode::Garbage),
            Fault::Closed => self.way.set(Mode::Closed),
            Fault::Resized => {
                self.size = if self.size == SMALL { OTHER } else { SMALL };
                self.camera = None;
            }
            _ => self.camera = None,
        }
        Ok(())
    }

    fn heal(&mut self, fault: Fault, _: &Server) -> Result<()> {
        match fault {
            Fault::Stopped => self.signal(Signal::SIGCONT)?,
            Fault::Garbage | Fault::Closed => self.way.set(Mode::Open),
            _ => self.camera = Some(WebCamera::start_at(self.port, None, &picture(self.size))?),
        }
        Ok(())
    }
}
