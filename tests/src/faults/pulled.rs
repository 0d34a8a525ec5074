//! An RTSP camera that the server dials.

use super::{Fault, HOUR, OTHER, Patient, SMALL, picture};
use crate::{
    Camera, Server,
    way::{Media, Mode, Way},
};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;

/// GStreamer's RTSP server behind a way that can be spoiled.
pub struct PulledCamera {
    name: String,
    camera: Option<Camera>,
    port: u16,
    size: (u32, u32),
    way: Way,
}

impl PulledCamera {
    /// `None` on a machine without GStreamer's RTSP server.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(name: &str) -> Result<Option<Self>> {
        let Some(camera) = Camera::start(&picture(SMALL))? else { return Ok(None) };
        let (port, way) = (camera.port(), Way::start(camera.port(), Media::Down)?);
        Ok(Some(Self { name: name.into(), camera: Some(camera), port, size: SMALL, way }))
    }

    fn restart(&mut self) -> Result<()> {
        self.camera = None;
        self.camera = Camera::start_at(self.port, None, &picture(self.size))?;
        Ok(())
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        self.camera.as_mut().context("no camera")?.process().signal(signal)
    }
}

impl Patient for PulledCamera {
    fn name(&self) -> &str {
        &self.name
    }

    fn source(&self) -> String {
        format!("rtsp://127.0.0.1:{}/camera", self.way.port())
    }

    fn faults(&self) -> &'static [Fault] {
        use Fault::*;
        &[Killed, Stopped, Garbage, Resized, Ahead, Back, Wrapped, Closed]
    }

    fn strike(&mut self, fault: Fault, _: &Server) -> Result<()> {
        match fault {
            Fault::Stopped => self.signal(Signal::SIGSTOP)?,
            Fault::Garbage => self.way.set(Mode::Garbage),
            Fault::Ahead => self.way.shift(HOUR),
            Fault::Back => self.way.shift(HOUR.wrapping_neg()),
            Fault::Wrapped => self.way.wrap_soon(),
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
            Fault::Ahead | Fault::Back | Fault::Wrapped => {}
            _ => self.restart()?,
        }
        Ok(())
    }
}
