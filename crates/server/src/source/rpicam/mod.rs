//! Cameras at the ribbon connector of a Raspberry Pi.
//!
//! The system's picamera2 drives them through a helper of ours, which tells when the sensor saw
//! each frame, makes a keyframe when one is wanted, and changes controls while it runs. Where there
//! is no picamera2, `rpicam-vid` does what it can. Both are children whose standard error is
//! understood. What is absent on purpose: restarts (see [`crate::supervise`]), and libcamera
//! itself, which is linked by neither.

mod annexb;
mod arguments;
mod feed;
mod helper;
mod list;
mod messages;
mod panel;
mod sink;
mod stderr_parser;
mod vid;
mod wire;

use crate::{
    controls::{Access, Control, Desk, Setting, Wishes, check},
    supervise::{Context, Exit, Fault, Source},
};
pub(crate) use list::{Found, cameras};

use helper::End;
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};
use vid::Vid;

/// What the programs need of the server's environment, beside what all need.
const ENVIRONMENT: [&str; 5] = [
    "PYTHONPATH",
    "LIBCAMERA_LOG_LEVELS",
    "LIBCAMERA_RPI_CONFIG_FILE",
    "LIBCAMERA_RPI_TUNING_FILE",
    "LIBCAMERA_IPA_MODULE_PATH",
];

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

/// What encodes where rpicam-vid drives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Encoder {
    /// What the board has.
    Auto,
    /// That of the Pis up to the fourth.
    Hardware,
    /// The processors.
    Software,
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
    /// What encodes.
    pub(crate) encoder: Encoder,
    /// Controls at the start, as written in the config.
    pub(crate) controls: Vec<(String, String)>,
}

/// A camera of a Raspberry Pi.
pub(crate) struct Rpicam {
    options: Options,
    label: Arc<str>,
    desk: Desk,
    /// Options that this system's rpicam-vid does not know.
    lacks: BTreeSet<String>,
}

impl Rpicam {
    /// Lays its controls out on `desk` while it runs.
    pub(crate) fn new(options: Options, desk: Desk, label: impl Into<Arc<str>>) -> Self {
        Self { options, label: label.into(), desk, lacks: BTreeSet::new() }
    }

    async fn watch(&mut self, ctx: &Context) -> Exit {
        if self.options.driver != Driver::RpicamVid {
            match (
                helper::run(&self.options, ctx, &self.label, &self.desk).await,
                self.options.driver,
            ) {
                (End::Exit(exit), _) => return exit,
                (End::Missing(words), Driver::Picamera2) => {
                    return Exit::new(
                        Fault::Unreachable,
                        format!("{words}: sudo apt install -y python3-picamera2"),
                    );
                }
                (End::Missing(words), _) => {
                    tracing::info!(camera = %ctx.stream.name(), reason = words, "no picamera2; trying rpicam-vid");
                }
            }
        }
        let Self { options, label, desk, lacks } = self;
        Vid { options, ctx, label, desk, lacks }.run().await
    }
}

impl Source for Rpicam {
    fn label(&self) -> Arc<str> {
        self.label.clone()
    }

    async fn run(&mut self, ctx: Context) -> Exit {
        ctx.until_stopped(self.watch(&ctx)).await
    }
}

/// What the config says of controls, as far as this camera takes it; the rest is told.
fn from_config(controls: &[Control], config: &[(String, String)], ctx: &Context) -> Vec<Setting> {
    let understood = |(name, text): &(String, String)| {
        let value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        // What is inactive may become active with others: they are looked at together below.
        let wishes = Wishes::from_iter([(name.clone(), value)]);
        let mut one: Vec<_> =
            controls.iter().filter(|control| *control.name == **name).cloned().collect();
        one.iter_mut().for_each(|control| control.access = Access::Settable);
        let checked = if one.is_empty() { check(controls, &wishes) } else { check(&one, &wishes) };
        let told = checked.inspect_err(|error| {
            tracing::warn!(camera = %ctx.stream.name(), %error, hint = error.hint(), "what the config says of a control is left out");
        });
        told.ok()
    };
    config.iter().filter_map(understood).flatten().collect()
}
