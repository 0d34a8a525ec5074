//! Cameras at the ribbon connector of a Raspberry Pi.
//!
//! The system's picamera2 drives them through a helper of ours, which tells when the sensor saw each frame, makes a keyframe when
//! one is wanted, and changes controls while it runs. It is a
//! child whose standard error is understood.
//! What is absent on purpose: restarts (see [`crate::supervise`]), and libcamera itself, which is linked by neither.

#![allow(dead_code, reason = "rpicam-vid is about to come")]

mod ear;
mod feed;
mod helper;
mod panel;
mod wire;
mod words;

use crate::{
    controls::Desk,
    supervise::{Context, Exit, Fault, Source},
};
use helper::End;
use std::sync::Arc;

/// What the programs need of the server's environment, beside what all need.
const ENVIRONMENT: [&str; 5] =
    ["PYTHONPATH", "LIBCAMERA_LOG_LEVELS", "LIBCAMERA_RPI_CONFIG_FILE", "LIBCAMERA_RPI_TUNING_FILE", "LIBCAMERA_IPA_MODULE_PATH"];

/// What drives a camera.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Driver {
    /// picamera2 if it is there, else rpicam-vid.
    Auto,
    /// picamera2.
    Picamera2,
    /// rpicam-vid, or libcamera-vid as it was called.
    RpicamVid,
}

/// Which camera, and how it is to be.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Its number.
    pub(crate) camera: u32,
    /// Columns.
    pub(crate) width: u32,
    /// Rows.
    pub(crate) height: u32,
    /// Frames a second.
    pub(crate) fps: u32,
    /// Frames from one keyframe to the next.
    pub(crate) gop: u32,
    /// Bits a second at the start.
    pub(crate) bitrate: u32,
    /// Left and right are exchanged.
    pub(crate) hflip: bool,
    /// Top and bottom are exchanged.
    pub(crate) vflip: bool,
    /// What drives it.
    pub(crate) driver: Driver,
    /// Controls at the start, as written in the config.
    pub(crate) controls: Vec<(String, String)>,
}

/// A camera of a Raspberry Pi.
pub(crate) struct Rpicam {
    options: Options,
    label: Arc<str>,
    desk: Desk,
}

impl Rpicam {
    /// Lays its controls out on `desk` while it runs.
    pub(crate) fn new(options: Options, desk: Desk, label: impl Into<Arc<str>>) -> Self {
        Self { options, label: label.into(), desk }
    }

    async fn watch(&mut self, ctx: &Context) -> Exit {
        match helper::run(&self.options, ctx, &self.label, &self.desk).await {
            End::Exit(exit) => exit,
            End::Missing(words) => Exit::new(Fault::Unreachable, format!("{words}: sudo apt install -y python3-picamera2")),
        }
    }
}

impl Source for Rpicam {
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
