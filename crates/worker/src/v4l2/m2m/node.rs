//! Encoders as devices of this machine: finding them, and speaking to them.

use super::session::{Driver, Piece};
use crate::v4l2::{
    Identity, Intervals, Sizes, Unusable,
    abi::{
        self, BUF_TYPE_OUTPUT, CAP_STREAMING, CAP_VIDEO_M2M, CAP_VIDEO_M2M_MPLANE, Control, FourCc,
        Fraction, PixFormat, SELECT_CROP, Selection, SetControl, SetParameters,
    },
    device::{identify, sizes},
    ioctl, list,
    queue::{Kind, Queue, Taken},
};
use bytes::Bytes;
use nix::errno::Errno;
use std::{
    fmt, fs,
    fs::File,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
};

/// What is known of an encoder without using it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// `/dev/video11`.
    pub path: PathBuf,
    /// Who it is.
    pub identity: Identity,
    /// The raw formats that it takes, of those that are understood here.
    pub takes: Vec<FourCc>,
    /// Most columns and rows, if the driver tells.
    pub largest: Option<(u32, u32)>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, identity, .. } = self;
        write!(f, "{} ({}, {})", identity.name, identity.driver, path.display())
    }
}

/// An open encoder.
pub struct Encoder {
    /// Who it is.
    pub found: Found,
    pub(in crate::v4l2) coded: FourCc,
    pub(in crate::v4l2) driver: Box<dyn Driver>,
}

/// Why a device is no encoder for us.
#[derive(Debug)]
enum Other {
    /// It is something else altogether, such as a camera.
    Kind,
    /// It might be one; in words.
    Told(String),
}

/// What a search has found.
#[derive(Default)]
pub struct Looked {
    /// Encoders, in the order of their devices.
    pub encoders: Vec<Encoder>,
    /// What else of that kind there is, each in words.
    pub others: Vec<String>,
}

/// All devices of this machine that make H.264 of raw pictures.
pub fn look() -> Looked {
    let mut looked = Looked::default();
    for path in list::nodes().into_iter().filter(|path| !is_usb(path)) {
        match open(&path, abi::H264) {
            Ok(encoder) => looked.encoders.push(encoder),
            Err(Other::Told(words)) => looked.others.push(words),
            Err(Other::Kind) => {}
        }
    }
    looked
}

/// What is known of them.
pub fn encoders() -> Vec<Found> {
    look().encoders.into_iter().map(|encoder| encoder.found).collect()
}

/// Cameras at the USB are not bothered: opening one wakes it up.
fn is_usb(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    let subsystem = Path::new("/sys/class/video4linux").join(name).join("device/subsystem");
    fs::read_link(subsystem).is_ok_and(|to| to.file_name().is_some_and(|name| name == "usb"))
}

impl Encoder {
    /// Opens a device that makes this of raw pictures.
    ///
    /// # Errors
    /// What it is instead.
    pub fn open(path: &Path, coded: FourCc) -> Result<Self, String> {
        open(path, coded).map_err(|other| match other {
            Other::Kind => format!("{} does not go from memory to memory", path.display()),
            Other::Told(words) => words,
        })
    }
}

fn open(path: &Path, coded: FourCc) -> Result<Encoder, Other> {
    let (file, identity, can) = match identify(path) {
        Ok(opened) => opened,
        Err(Unusable::Closed(e)) => return Err(Other::Told(format!("{} ({e})", path.display()))),
        Err(_) => return Err(Other::Kind),
    };
    if can & (CAP_VIDEO_M2M | CAP_VIDEO_M2M_MPLANE) == 0 || can & CAP_STREAMING == 0 {
        return Err(Other::Kind);
    }
    let mut node = Node { file, planar: can & CAP_VIDEO_M2M == 0, pictures: None, coded: None };
    let gives = node.kind(false).formats(&node.file);
    let other =
        |what: String| Err(Other::Told(format!("{} ({}) {what}", path.display(), identity.name)));
    if !gives.contains(&coded) {
        let gives: Vec<_> = gives.iter().take(4).map(FourCc::to_string).collect();
        return other(format!("makes {}", gives.join(", ")));
    }
    // What it takes depends on what it makes. Both belong to the program that opened it and change
    // nothing for others.
    let pix = PixFormat {
        width: 640,
        height: 480,
        format: coded,
        field: abi::FIELD_NONE,
        ..PixFormat::default()
    };
    let _ = node.set_format(false, pix);
    let takes: Vec<_> =
        node.raw_formats().into_iter().filter(|f| [abi::YU12, abi::NV12].contains(f)).collect();
    if takes.is_empty() {
        return other(format!("makes {coded}, but takes neither YU12 nor NV12"));
    }
    let largest = sizes(&node.file, coded, |_, _| Intervals::These(Vec::new()))
        .into_iter()
        .filter_map(|s| match s {
            Sizes::One { width, height, .. } => Some((width, height)),
            Sizes::Range { most, .. } => Some(most),
            Sizes::Unknown => None,
        });
    let largest = largest.max_by_key(|(w, h)| u64::from(*w) * u64::from(*h));
    let found = Found { path: path.to_owned(), identity, takes, largest };
    Ok(Encoder { found, coded, driver: Box::new(node) })
}

/// The device.
struct Node {
    file: File,
    planar: bool,
    pictures: Option<Queue>,
    coded: Option<Queue>,
}

impl Node {
    fn kind(&self, output: bool) -> Kind {
        Kind { output, planar: self.planar }
    }

    fn queue(&self, output: bool) -> nix::Result<&Queue> {
        if output { &self.pictures } else { &self.coded }.as_ref().ok_or(Errno::EINVAL)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        [&self.pictures, &self.coded]
            .into_iter()
            .flatten()
            .for_each(|queue| queue.stop(&self.file));
    }
}

impl Driver for Node {
    fn set_control(&mut self, id: u32, value: i32) -> nix::Result<()> {
        ioctl::ask(&self.file, &mut SetControl(Control { id, value }))
    }

    fn set_format(&mut self, output: bool, pix: PixFormat) -> nix::Result<PixFormat> {
        self.kind(output).set_format(&self.file, pix)
    }

    fn raw_formats(&mut self) -> Vec<FourCc> {
        self.kind(true).formats(&self.file)
    }

    fn set_interval(&mut self, interval: Fraction) -> nix::Result<()> {
        ioctl::ask(&self.file, &mut SetParameters::new(self.kind(true).number(), interval))
    }

    fn crop(&mut self, width: u32, height: u32) -> nix::Result<(u32, u32)> {
        let mut selection = Selection {
            kind: BUF_TYPE_OUTPUT,
            target: SELECT_CROP,
            width,
            height,
            ..Selection::default()
        };
        ioctl::ask(&self.file, &mut selection)?;
        let at_the_corner = (selection.left, selection.top) == (0, 0);
        if at_the_corner { Ok((selection.width, selection.height)) } else { Err(Errno::ERANGE) }
    }

    fn allocate(&mut self, output: bool, count: u32) -> nix::Result<u32> {
        let queue = Queue::new(&self.file, self.kind(output), count)?;
        if !output {
            (0..queue.len()).try_for_each(|index| queue.give(&self.file, index))?;
        }
        let count = queue.len();
        *(if output { &mut self.pictures } else { &mut self.coded }) = Some(queue);
        Ok(count)
    }

    fn start(&mut self, output: bool) -> nix::Result<()> {
        self.queue(output)?.start(&self.file)
    }

    fn put(
        &mut self,
        index: u32,
        bytes: u32,
        micros: u64,
        write: &mut dyn FnMut(&mut [u8]) -> bool,
    ) -> nix::Result<bool> {
        let Some(queue) = &mut self.pictures else { return Err(Errno::EINVAL) };
        let Some(mapping) = queue.buffer(index) else { return Err(Errno::EINVAL) };
        let memory = mapping.bytes_mut();
        if memory.len() < bytes as usize || !write(memory) {
            return Ok(false);
        }
        queue.give_full(&self.file, index, bytes, micros)?;
        Ok(true)
    }

    fn take_back(&mut self) -> nix::Result<Option<u32>> {
        Ok(self.queue(true)?.take(&self.file)?.map(|taken| taken.index))
    }

    fn take(&mut self) -> nix::Result<Option<Piece>> {
        let Some(queue) = &mut self.coded else { return Err(Errno::EINVAL) };
        let Some(Taken { index, content, damaged, stamp, .. }) = queue.take(&self.file)? else {
            return Ok(None);
        };
        let all = queue.buffer(index).ok_or(Errno::EPROTO)?.bytes();
        let end = content.end.min(all.len());
        let bytes = Bytes::copy_from_slice(&all[content.start.min(end)..end]);
        queue.give(&self.file, index)?;
        Ok(Some(Piece { bytes, micros: stamp.filter(|s| s.copied).map(|s| s.micros), damaged }))
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}
