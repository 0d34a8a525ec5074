//! An RTSP publisher, started again each time it ends, as service managers do.

use super::{Fault, HOUR, OTHER, Patient, SMALL, picture};
use crate::{
    Publisher, Server,
    way::{Media, Mode, Way},
};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;

/// ffmpeg behind a way that can be spoiled.
pub struct PushedCamera {
    name: String,
    ffmpeg: Option<Publisher>,
    way: Option<Way>,
    other: bool,
}

impl PushedCamera {
    /// Publishes once it may begin.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), ffmpeg: None, way: None, other: false }
    }

    fn way(&self) -> Result<&Way> {
        self.way.as_ref().context("it has not begun")
    }

    fn start(&mut self) -> Result<()> {
        self.ffmpeg = None;
        let url = format!("rtsp://127.0.0.1:{}/{}", self.way()?.port(), self.name());
        self.ffmpeg =
            Some(Publisher::start_with(&url, &picture(if self.other { OTHER } else { SMALL }))?);
        Ok(())
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        self.ffmpeg.as_mut().context("no publisher")?.process().signal(signal)
    }

    fn is_gone(&mut self) -> bool {
        !self.ffmpeg.as_mut().is_some_and(|ffmpeg| ffmpeg.process().is_running())
    }
}

impl Patient for PushedCamera {
    fn name(&self) -> &str {
        &self.name
    }

    fn source(&self) -> String {
        "publish".to_owned()
    }

    fn begin(&mut self, server: &Server) -> Result<()> {
        self.way = Some(Way::start(server.rtsp().port(), Media::Up)?);
        self.start()
    }

    fn faults(&self) -> &'static [Fault] {
        use Fault::*;
        &[Killed, Stopped, Garbage, Resized, Ahead, Back, Wrapped, Closed]
    }

    fn strike(&mut self, fault: Fault, _: &Server) -> Result<()> {
        match fault {
            Fault::Stopped => self.signal(Signal::SIGSTOP)?,
            Fault::Garbage => self.way()?.set(Mode::Garbage),
            Fault::Ahead => self.way()?.shift(HOUR),
            Fault::Back => self.way()?.shift(HOUR.wrapping_neg()),
            Fault::Wrapped => self.way()?.wrap_soon(),
            Fault::Closed => self.way()?.set(Mode::Closed),
            Fault::Resized => {
                self.other = !self.other;
                self.ffmpeg = None;
            }
            _ => self.ffmpeg = None,
        }
        Ok(())
    }

    fn heal(&mut self, fault: Fault, _: &Server) -> Result<()> {
        match fault {
            Fault::Stopped => self.signal(Signal::SIGCONT)?,
            Fault::Garbage | Fault::Closed => self.way()?.set(Mode::Open),
            _ => {}
        }
        let jumped = matches!(fault, Fault::Ahead | Fault::Back);
        if !jumped && fault != Fault::Stopped || self.is_gone() { self.start() } else { Ok(()) }
    }
}
