//! The kernel's structures and numbers (`linux/videodev2.h`), as far as they are used here.
//!
//! A request's number holds the size of its structure, so a structure of the wrong size is refused
//! by the kernel (`ENOTTY`) and not misread. Sizes and offsets are held by tests.

mod planes;

use nix::libc::{c_ulong, timeval};
pub(super) use planes::{Plane, SetFormatInPlanes};
use std::fmt;

/// Four letters that name a format of pictures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct FourCc(pub u32);

impl FourCc {
    /// Of its letters.
    pub const fn new(letters: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(letters))
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bit 31 says that the samples are big-endian.
        let letters = (self.0 & !(1 << 31)).to_le_bytes();
        let text: String = letters
            .iter()
            .map(|b| if b.is_ascii_graphic() { char::from(*b) } else { ' ' })
            .collect();
        f.write_str(text.trim_end())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// H.264 with start codes.
pub(super) const H264: FourCc = FourCc::new(*b"H264");
/// JPEG files.
pub(super) const MJPG: FourCc = FourCc::new(*b"MJPG");
/// JPEG files, as some drivers call them.
pub(super) const JPEG: FourCc = FourCc::new(*b"JPEG");
/// Y U Y V: a chroma sample for two columns.
pub(super) const YUYV: FourCc = FourCc::new(*b"YUYV");
/// U Y V Y.
pub(super) const UYVY: FourCc = FourCc::new(*b"UYVY");
/// A plane of Y, one of U V.
pub(super) const NV12: FourCc = FourCc::new(*b"NV12");
/// Planes of Y, U, V.
pub(super) const YU12: FourCc = FourCc::new(*b"YU12");
/// A plane of Y.
pub(super) const GREY: FourCc = FourCc::new(*b"GREY");

/// Pictures come from the device, all planes of one in one buffer.
pub(super) const BUF_TYPE_CAPTURE: u32 = 1;
/// They go to it.
pub(super) const BUF_TYPE_OUTPUT: u32 = 2;
/// The same two, by the interface for pictures whose planes may lie in several buffers.
pub(super) const BUF_TYPE_CAPTURE_MPLANE: u32 = 9;
pub(super) const BUF_TYPE_OUTPUT_MPLANE: u32 = 10;
pub(super) const MEMORY_MMAP: u32 = 1;
pub(super) const FIELD_ANY: u32 = 0;
/// Whole pictures, not every other row.
pub(super) const FIELD_NONE: u32 = 1;
/// The fields of [`PixFormat`] from `flags` on count.
pub(super) const PRIV_MAGIC: u32 = 0xfeed_cafe;

pub(super) const CAP_VIDEO_CAPTURE: u32 = 0x1;
pub(super) const CAP_VIDEO_CAPTURE_MPLANE: u32 = 0x1000;
/// From memory to memory: codecs, scalers.
pub(super) const CAP_VIDEO_M2M_MPLANE: u32 = 0x4000;
pub(super) const CAP_VIDEO_M2M: u32 = 0x8000;
pub(super) const CAP_STREAMING: u32 = 0x0400_0000;
/// `device_caps` is filled in.
pub(super) const CAP_DEVICE_CAPS: u32 = 0x8000_0000;
pub(super) const CAP_TIMEPERFRAME: u32 = 0x1000;

pub(super) const BUF_FLAG_ERROR: u32 = 0x40;
pub(super) const BUF_FLAG_TIMESTAMP_MASK: u32 = 0xe000;
pub(super) const BUF_FLAG_TIMESTAMP_MONOTONIC: u32 = 0x2000;
/// As it was when the picture went in.
pub(super) const BUF_FLAG_TIMESTAMP_COPY: u32 = 0x4000;

/// The part of a picture that is meant.
pub(super) const SELECT_CROP: u32 = 0;

pub(super) const FRMSIZE_DISCRETE: u32 = 1;
pub(super) const FRMIVAL_DISCRETE: u32 = 1;

pub(super) const CTRL_FLAG_NEXT: u32 = 0x8000_0000;
pub(super) const CTRL_FLAG_DISABLED: u32 = 0x1;
pub(super) const CTRL_FLAG_GRABBED: u32 = 0x2;
pub(super) const CTRL_FLAG_READ_ONLY: u32 = 0x4;
pub(super) const CTRL_FLAG_INACTIVE: u32 = 0x10;
pub(super) const CTRL_FLAG_WRITE_ONLY: u32 = 0x40;

pub(super) const COLORSPACE_SMPTE170M: u32 = 1;
pub(super) const COLORSPACE_REC709: u32 = 3;
pub(super) const COLORSPACE_JPEG: u32 = 7;
pub(super) const YCBCR_ENC_DEFAULT: u32 = 0;
pub(super) const YCBCR_ENC_601: u32 = 1;
pub(super) const YCBCR_ENC_709: u32 = 2;
pub(super) const QUANTIZATION_FULL: u32 = 1;
pub(super) const QUANTIZATION_LIMITED: u32 = 2;

/// Letter of all requests.
pub(crate) const LETTER: u8 = b'V';

const WRITE: u32 = 1;
const READ: u32 = 2;

/// Number of a request, as most machines put it together (`asm-generic/ioctl.h`).
const fn request<T>(direction: u32, number: u8) -> c_ulong {
    (direction << 30 | (size_of::<T>() as u32) << 16 | (LETTER as u32) << 8 | number as u32)
        as c_ulong
}

/// A structure that one request takes and gives back.
///
/// # Safety
/// The type is laid out as the kernel's structure for [`Request::NUMBER`], any bits are a value of
/// it, and it points to nothing that the kernel would write to.
#[expect(unsafe_code, reason = "declares that promise")]
pub(super) unsafe trait Request: Copy {
    const NUMBER: c_ulong;
}

macro_rules! requests {
    ($($(#[$doc:meta])* $type:ident = $direction:expr, $number:literal;)*) => {
        $(
            // SAFETY: plain numbers in the kernel's order (tests below), for this request.
            #[expect(unsafe_code, reason = "the promise that a structure is the kernel's")]
            unsafe impl Request for $type {
                const NUMBER: c_ulong = request::<$type>($direction, $number);
            }
        )*
    };
}

requests! {
    Capability = READ, 0;
    FormatDescription = READ | WRITE, 2;
    SetFormat = READ | WRITE, 5;
    SetFormatInPlanes = READ | WRITE, 5;
    RequestBuffers = READ | WRITE, 8;
    StreamOn = WRITE, 18;
    StreamOff = WRITE, 19;
    SetParameters = READ | WRITE, 22;
    GetControl = READ | WRITE, 27;
    SetControl = READ | WRITE, 28;
    QueryControl = READ | WRITE, 36;
    QueryMenu = READ | WRITE, 37;
    FrameSize = READ | WRITE, 74;
    FrameInterval = READ | WRITE, 75;
    Selection = READ | WRITE, 95;
}

/// What is asked about a buffer. These are no [`Request`]s, for a buffer may point to its planes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ask {
    /// Where it is.
    Where,
    /// To the device.
    Queue,
    /// Back from it.
    Dequeue,
}

impl Ask {
    pub(super) const fn number(self) -> c_ulong {
        let number = match self {
            Self::Where => 9,
            Self::Queue => 15,
            Self::Dequeue => 17,
        };
        request::<Buffer>(READ | WRITE, number)
    }
}

/// `v4l2_capability`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Capability {
    pub(super) driver: [u8; 16],
    pub(super) card: [u8; 32],
    pub(super) bus_info: [u8; 32],
    pub(super) version: u32,
    pub(super) capabilities: u32,
    pub(super) device_caps: u32,
    pub(super) reserved: [u32; 3],
}

/// `v4l2_fmtdesc`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct FormatDescription {
    pub(super) index: u32,
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) description: [u8; 32],
    pub(super) format: FourCc,
    pub(super) mbus_code: u32,
    pub(super) reserved: [u32; 3],
}

/// `v4l2_pix_format`.
#[derive(Clone, Copy, Default, Debug)]
#[repr(C)]
pub(super) struct PixFormat {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) format: FourCc,
    pub(super) field: u32,
    pub(super) bytesperline: u32,
    pub(super) sizeimage: u32,
    pub(super) colorspace: u32,
    pub(super) private: u32,
    pub(super) flags: u32,
    pub(super) ycbcr_enc: u32,
    pub(super) quantization: u32,
    pub(super) xfer_func: u32,
}

/// `v4l2_format`, of its union the member for pictures. The union also has members with pointers,
/// hence the alignment.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct SetFormat {
    pub(super) kind: u32,
    pub(super) pix: Aligned<PixFormat>,
    rest: [u8; 200 - size_of::<PixFormat>()],
}

/// Begins where a pointer may.
#[derive(Clone, Copy, Default)]
#[cfg_attr(target_pointer_width = "64", repr(C, align(8)))]
#[cfg_attr(target_pointer_width = "32", repr(C, align(4)))]
pub(super) struct Aligned<T>(pub(super) T);

impl SetFormat {
    pub(super) fn new(kind: u32, pix: PixFormat) -> Self {
        Self { kind, pix: Aligned(pix), rest: [0; 200 - size_of::<PixFormat>()] }
    }
}

/// `v4l2_requestbuffers`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct RequestBuffers {
    pub(super) count: u32,
    pub(super) kind: u32,
    pub(super) memory: u32,
    pub(super) capabilities: u32,
    pub(super) flags: u32,
}

/// `v4l2_buffer`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Buffer {
    pub(super) index: u32,
    kind: u32,
    pub(super) bytesused: u32,
    pub(super) flags: u32,
    pub(super) field: u32,
    pub(super) timestamp: timeval,
    timecode: [u32; 4],
    pub(super) sequence: u32,
    /// Always the device's, for of the other kinds `place` is a pointer to be written to.
    memory: u32,
    pub(super) place: Place,
    pub(super) length: u32,
    reserved: u32,
    request_fd: u32,
}

/// `m` of `v4l2_buffer` and of `v4l2_plane`: as wide as a pointer.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Place {
    /// The offset to map: its first four bytes, whatever the byte order.
    pub(super) offset: u32,
    #[cfg(target_pointer_width = "64")]
    rest: u32,
    pointer: [usize; 0],
}

impl Place {
    /// The address of planes.
    pub(super) fn of_address(address: usize) -> Self {
        let bytes = address.to_ne_bytes();
        let part = |from: usize| {
            u32::from_ne_bytes([bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]])
        };
        Self {
            offset: part(0),
            #[cfg(target_pointer_width = "64")]
            rest: part(4),
            pointer: [],
        }
    }
}

impl Buffer {
    /// One of the device's buffers of a kind (`BUF_TYPE_…`).
    pub(super) fn new(kind: u32, index: u32) -> Self {
        Self {
            index,
            kind,
            bytesused: 0,
            flags: 0,
            field: 0,
            timestamp: timeval { tv_sec: 0, tv_usec: 0 },
            timecode: [0; 4],
            sequence: 0,
            memory: MEMORY_MMAP,
            place: Place::default(),
            length: 0,
            reserved: 0,
            request_fd: 0,
        }
    }

    /// The kernel looks for its planes where `place` points to.
    pub(super) fn has_planes(&self) -> bool {
        matches!(self.kind, BUF_TYPE_CAPTURE_MPLANE | BUF_TYPE_OUTPUT_MPLANE)
    }
}

/// What several requests do with one structure.
macro_rules! wrapped {
    ($($name:ident($inner:ty);)*) => {
        $(
            #[derive(Clone, Copy)]
            #[repr(transparent)]
            pub(super) struct $name(pub(super) $inner);
        )*
    };
}

wrapped! {
    StreamOn(u32);
    StreamOff(u32);
    GetControl(Control);
    SetControl(Control);
}

/// A fraction of a second.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[repr(C)]
pub(super) struct Fraction {
    pub(super) numerator: u32,
    pub(super) denominator: u32,
}

/// `v4l2_streamparm`, of its union the members for capturing and for output, which begin alike.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct SetParameters {
    pub(super) kind: u32,
    pub(super) capability: u32,
    mode: u32,
    pub(super) interval: Fraction,
    rest: [u32; 46],
}

impl SetParameters {
    pub(super) fn new(kind: u32, interval: Fraction) -> Self {
        Self { kind, capability: 0, mode: 0, interval, rest: [0; 46] }
    }
}

/// `v4l2_control`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Control {
    pub(super) id: u32,
    pub(super) value: i32,
}

/// `v4l2_queryctrl`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct QueryControl {
    pub(super) id: u32,
    pub(super) kind: u32,
    pub(super) name: [u8; 32],
    pub(super) minimum: i32,
    pub(super) maximum: i32,
    pub(super) step: i32,
    pub(super) default: i32,
    pub(super) flags: u32,
    pub(super) reserved: [u32; 2],
}

/// `v4l2_querymenu`; its numbers are not of interest.
#[derive(Clone, Copy, Default)]
#[repr(C, packed)]
pub(super) struct QueryMenu {
    pub(super) id: u32,
    pub(super) index: u32,
    /// Or, in menus of numbers, one in its first eight bytes.
    pub(super) name: [u8; 32],
    pub(super) reserved: u32,
}

/// `v4l2_frmsizeenum`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct FrameSize {
    pub(super) index: u32,
    pub(super) format: FourCc,
    pub(super) kind: u32,
    /// Width and height, or least, most and step of the width, then of the height.
    pub(super) sizes: [u32; 6],
    pub(super) reserved: [u32; 2],
}

/// `v4l2_frmivalenum`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct FrameInterval {
    pub(super) index: u32,
    pub(super) format: FourCc,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) kind: u32,
    /// One interval, or the shortest, the longest and the step.
    pub(super) intervals: [Fraction; 3],
    pub(super) reserved: [u32; 2],
}

/// `v4l2_selection`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Selection {
    /// Of the two kinds for single planes, always.
    pub(super) kind: u32,
    pub(super) target: u32,
    pub(super) flags: u32,
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) reserved: [u32; 9],
}

/// The text in a field that is filled up with zeros.
pub(super) fn text(field: &[u8]) -> String {
    let text = field.split(|b| *b == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text)
        .chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests;
