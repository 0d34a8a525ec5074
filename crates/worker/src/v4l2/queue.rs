//! One direction of a device: its format, its buffers in our memory, and their way to and fro.

use super::{
    abi::{
        Ask, BUF_FLAG_ERROR, BUF_FLAG_TIMESTAMP_COPY, BUF_FLAG_TIMESTAMP_MASK,
        BUF_FLAG_TIMESTAMP_MONOTONIC, BUF_TYPE_CAPTURE, BUF_TYPE_CAPTURE_MPLANE, BUF_TYPE_OUTPUT,
        BUF_TYPE_OUTPUT_MPLANE, Buffer, FIELD_NONE, FormatDescription, FourCc, MEMORY_MMAP,
        PixFormat, RequestBuffers, SetFormat, SetFormatInPlanes, StreamOff, StreamOn,
    },
    device::listed,
    ioctl::{self, Mapping},
};
use nix::{errno::Errno, libc::timeval};
use std::{ops::Range, os::fd::AsFd};

/// Most buffers that a driver may give.
const MAX_BUFFERS: u32 = 32;

/// Which way pictures go, and by which of the kernel's two interfaces. They differ in nothing that
/// is of use here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Kind {
    /// To the device.
    pub(super) output: bool,
    /// By the interface for planes in several buffers, of which there is one.
    pub(super) planar: bool,
}

impl Kind {
    /// `BUF_TYPE_…`.
    pub(super) const fn number(self) -> u32 {
        match (self.output, self.planar) {
            (false, false) => BUF_TYPE_CAPTURE,
            (true, false) => BUF_TYPE_OUTPUT,
            (false, true) => BUF_TYPE_CAPTURE_MPLANE,
            (true, true) => BUF_TYPE_OUTPUT_MPLANE,
        }
    }

    /// All formats that the driver names.
    pub(super) fn formats(self, device: &impl AsFd) -> Vec<FourCc> {
        listed(|index| {
            let mut description =
                FormatDescription { index, kind: self.number(), ..FormatDescription::default() };
            ioctl::ask(device, &mut description).map(|()| description.format)
        })
    }

    /// Asks for a format and returns what the driver makes of that.
    ///
    /// # Errors
    /// The driver's; `EPROTO` if planes lie in several buffers.
    pub(super) fn set_format(self, device: &impl AsFd, pix: PixFormat) -> nix::Result<PixFormat> {
        if self.planar {
            let mut format = SetFormatInPlanes::new(self.number(), &pix);
            ioctl::ask(device, &mut format)?;
            return format.in_one_plane().ok_or(Errno::EPROTO);
        }
        let mut format = SetFormat::new(self.number(), pix);
        ioctl::ask(device, &mut format)?;
        Ok(format.pix.0)
    }
}

/// When a picture was taken, in the words of a driver.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Stamp {
    /// Microseconds.
    pub(super) micros: u64,
    /// By the monotonic clock, as the driver read it.
    pub(super) monotonic: bool,
    /// It is what was given with the picture that went in.
    pub(super) copied: bool,
}

/// A buffer that came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Taken {
    /// Its number.
    pub(super) index: u32,
    /// Where its content is; some drivers leave it out.
    pub(super) content: Range<usize>,
    /// What it holds is damaged.
    pub(super) damaged: bool,
    /// Counts pictures, those left out by the driver, too.
    pub(super) sequence: u32,
    /// `None` if it is nonsense.
    pub(super) stamp: Option<Stamp>,
}

/// Buffers of one direction.
pub(super) struct Queue {
    kind: Kind,
    buffers: Vec<Mapping>,
}

impl Queue {
    /// Has the driver make buffers for the format that is set, and maps them.
    ///
    /// # Errors
    /// The driver's.
    pub(super) fn new(device: &impl AsFd, kind: Kind, count: u32) -> nix::Result<Self> {
        let mut asked = RequestBuffers {
            count,
            kind: kind.number(),
            memory: MEMORY_MMAP,
            ..RequestBuffers::default()
        };
        ioctl::ask(device, &mut asked)?;
        let map = |index| {
            let mut buffer = Buffer::new(kind.number(), index);
            ioctl::ask_about(device, Ask::Where, &mut buffer)?;
            Mapping::new(device, buffer.place.offset, buffer.length as usize, kind.output)
        };
        let buffers =
            (0..asked.count.min(MAX_BUFFERS)).map(map).collect::<nix::Result<Vec<_>>>()?;
        if buffers.is_empty() { Err(Errno::ENOMEM) } else { Ok(Self { kind, buffers }) }
    }

    /// How many buffers there are.
    pub(super) fn len(&self) -> u32 {
        self.buffers.len() as u32
    }

    /// The memory of a buffer that is ours now.
    pub(super) fn buffer(&mut self, index: u32) -> Option<&mut Mapping> {
        self.buffers.get_mut(index as usize)
    }

    /// Gives an empty buffer to the device.
    pub(super) fn give(&self, device: &impl AsFd, index: u32) -> nix::Result<()> {
        ioctl::ask_about(device, Ask::Queue, &mut Buffer::new(self.kind.number(), index)).map(drop)
    }

    /// Gives a buffer to the device that holds so many bytes of a picture.
    pub(super) fn give_full(
        &self,
        device: &impl AsFd,
        index: u32,
        bytes: u32,
        micros: u64,
    ) -> nix::Result<()> {
        let mut buffer = Buffer::new(self.kind.number(), index);
        // Of the width that the machine has.
        let (seconds, rest) = ((micros / 1_000_000) as _, (micros % 1_000_000) as _);
        (buffer.bytesused, buffer.field) = (bytes, FIELD_NONE);
        buffer.timestamp = timeval { tv_sec: seconds, tv_usec: rest };
        ioctl::ask_about(device, Ask::Queue, &mut buffer).map(drop)
    }

    /// Takes back a buffer that the device has done with. `None` if there is none now.
    ///
    /// # Errors
    /// The driver's; `EPROTO` for a buffer that does not exist.
    pub(super) fn take(&self, device: &impl AsFd) -> nix::Result<Option<Taken>> {
        let mut buffer = Buffer::new(self.kind.number(), 0);
        match ioctl::ask_about(device, Ask::Dequeue, &mut buffer) {
            Ok(begin) if buffer.index < self.len() => Ok(Some(taken(&buffer, begin))),
            Ok(_) => Err(Errno::EPROTO),
            Err(Errno::EAGAIN | Errno::EPIPE) => Ok(None),
            Err(e) => Err(e),
        }
    }

    pub(super) fn start(&self, device: &impl AsFd) -> nix::Result<()> {
        ioctl::ask(device, &mut StreamOn(self.kind.number()))
    }

    /// A device that is gone needs no goodbye.
    pub(super) fn stop(&self, device: &impl AsFd) {
        let _ = ioctl::ask(device, &mut StreamOff(self.kind.number()));
    }
}

fn taken(buffer: &Buffer, begin: usize) -> Taken {
    let content = begin..(buffer.bytesused as usize).max(begin);
    let damaged = buffer.flags & BUF_FLAG_ERROR != 0;
    Taken { index: buffer.index, content, damaged, sequence: buffer.sequence, stamp: stamp(buffer) }
}

fn stamp(buffer: &Buffer) -> Option<Stamp> {
    let seconds = u64::try_from(buffer.timestamp.tv_sec).ok()?;
    let micros = seconds
        .checked_mul(1_000_000)?
        .checked_add(u64::try_from(buffer.timestamp.tv_usec).ok()?)?;
    let clock = buffer.flags & BUF_FLAG_TIMESTAMP_MASK;
    Some(Stamp {
        micros,
        monotonic: clock == BUF_FLAG_TIMESTAMP_MONOTONIC,
        copied: clock == BUF_FLAG_TIMESTAMP_COPY,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_from_the_right_clock_only() {
        let mut buffer = Buffer::new(1, 0);
        buffer.timestamp = timeval { tv_sec: 12, tv_usec: 345_678 };
        let told = |buffer: &Buffer| stamp(buffer).map(|s| (s.micros, s.monotonic, s.copied));
        assert_eq!(
            told(&buffer),
            Some((12_345_678, false, false)),
            "it is not said which clock this is"
        );
        buffer.flags = BUF_FLAG_TIMESTAMP_MONOTONIC;
        assert_eq!(told(&buffer), Some((12_345_678, true, false)));
        buffer.flags = BUF_FLAG_TIMESTAMP_COPY;
        assert_eq!(told(&buffer), Some((12_345_678, false, true)));
        buffer.timestamp.tv_sec = -1;
        assert_eq!(told(&buffer), None);
    }

    #[test]
    fn content_lies_between_where_it_begins_and_what_is_used() {
        let mut buffer = Buffer::new(9, 3);
        buffer.bytesused = 100;
        assert_eq!((taken(&buffer, 16).content, taken(&buffer, 200).content), (16..100, 200..200));
        buffer.flags = BUF_FLAG_ERROR;
        assert!(taken(&buffer, 0).damaged);
    }
}
