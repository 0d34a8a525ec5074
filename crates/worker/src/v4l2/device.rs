//! A camera as its driver describes it.

use super::{
    abi::{
        CAP_DEVICE_CAPS, CAP_STREAMING, CAP_VIDEO_CAPTURE, CAP_VIDEO_CAPTURE_MPLANE, Capability,
        FRMIVAL_DISCRETE, FRMSIZE_DISCRETE, FourCc, FrameInterval, FrameSize, text,
    },
    ioctl,
    modes::{Format, Interval, Intervals, Mode, Sizes},
    queue::Kind,
};
use nix::{errno::Errno, libc::O_NONBLOCK};
use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
};

/// Drivers that never end a list are not waited for.
const MAX_LISTED: u32 = 256;

/// Who a device is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The name on the box, more or less.
    pub name: String,
    /// Name of its driver.
    pub driver: String,
    /// Where it is plugged in.
    pub bus: String,
}

/// Why a device is no camera for us.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be opened.
    #[error("{0}")]
    Closed(#[from] io::Error),
    /// It is no V4L2 device, or one that is gone.
    #[error("it is no camera ({0})")]
    NotV4l2(Errno),
    /// It is a V4L2 device of another kind, such as the second node that most USB cameras have.
    #[error("it gives no pictures (it is another part of {0})")]
    NoCapture(String),
    /// It gives pictures in a way that is not understood.
    #[error("{0} gives its pictures without buffers, which is not supported")]
    Unsupported(String),
}

/// An open device.
pub struct Device {
    file: File,
    identity: Identity,
    planar: bool,
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Device {
    /// Opens a camera. Opening does not disturb a program that uses it.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn open(path: &Path) -> Result<Self, Unusable> {
        let (file, identity, can) = identify(path)?;
        let planar = can & CAP_VIDEO_CAPTURE == 0;
        match can {
            _ if can & (CAP_VIDEO_CAPTURE | CAP_VIDEO_CAPTURE_MPLANE) == 0 => {
                Err(Unusable::NoCapture(identity.name))
            }
            _ if can & CAP_STREAMING == 0 => Err(Unusable::Unsupported(identity.name)),
            _ => Ok(Self { file, identity, planar }),
        }
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// By which interface it gives its pictures.
    pub(super) fn kind(&self) -> Kind {
        Kind { output: false, planar: self.planar }
    }

    /// All it says it can, of the formats that are understood here.
    pub fn modes(&self) -> Vec<Mode> {
        let formats = self.kind().formats(self);
        let known = formats.into_iter().filter_map(|code| Some((code, Format::of(code)?)));
        known
            .flat_map(|(code, format)| {
                self.sizes(code).into_iter().map(move |sizes| Mode { code, format, sizes })
            })
            .collect()
    }

    fn sizes(&self, format: FourCc) -> Vec<Sizes> {
        let sizes = sizes(self, format, |width, height| self.intervals(format, width, height));
        // Drivers without a list take what they are told or tell what they made of it.
        if sizes.is_empty() { vec![Sizes::Unknown] } else { sizes }
    }

    fn intervals(&self, format: FourCc, width: u32, height: u32) -> Intervals {
        let mut range = None;
        let all = listed(|index| {
            let mut interval =
                FrameInterval { index, format, width, height, ..FrameInterval::default() };
            ioctl::ask(self, &mut interval)?;
            let [first, last, _] = interval.intervals.map(Interval::from);
            if interval.kind != FRMIVAL_DISCRETE {
                range = Some(Intervals::Range { shortest: first, longest: last });
            }
            Ok(first)
        });
        range.unwrap_or(Intervals::These(all))
    }
}

/// Opens a device of any kind: with who it is, and what it can (`CAP_…`).
pub(super) fn identify(path: &Path) -> Result<(File, Identity, u32), Unusable> {
    let file = OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(path)?;
    let mut capability = Capability::default();
    ioctl::ask(&file, &mut capability).map_err(Unusable::NotV4l2)?;
    let identity = Identity {
        name: text(&capability.card),
        driver: text(&capability.driver),
        bus: text(&capability.bus_info),
    };
    let all = capability.capabilities;
    Ok((file, identity, if all & CAP_DEVICE_CAPS == 0 { all } else { capability.device_caps }))
}

/// The sizes of a format, as far as the driver lists them.
pub(super) fn sizes(
    device: &impl AsFd,
    format: FourCc,
    intervals: impl Fn(u32, u32) -> Intervals,
) -> Vec<Sizes> {
    listed(|index| {
        let mut size = FrameSize { index, format, ..FrameSize::default() };
        ioctl::ask(device, &mut size)?;
        Ok(if size.kind == FRMSIZE_DISCRETE {
            let [width, height, ..] = size.sizes;
            Sizes::One { width, height, intervals: intervals(width, height) }
        } else {
            let [least_width, width, step, least_height, height, rows] = size.sizes;
            let (least, most, step) = ((least_width, least_height), (width, height), (step, rows));
            Sizes::Range { least, most, step, intervals: intervals(width, height) }
        })
    })
}

/// Asks for one after the other until there is no more.
pub(super) fn listed<T>(mut one: impl FnMut(u32) -> nix::Result<T>) -> Vec<T> {
    (0..MAX_LISTED).map_while(|index| one(index).ok()).collect()
}
