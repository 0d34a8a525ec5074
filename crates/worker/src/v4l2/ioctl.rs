//! The few calls that cannot be made without `unsafe`: requests to a device, and its buffers in our
//! memory.

use super::abi::{Ask, Buffer, Place, Plane, Request};
use nix::{
    errno::Errno,
    libc::{MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, ioctl, mmap, munmap, off_t},
};
use std::{
    os::fd::{AsFd, AsRawFd},
    ptr::{self, NonNull},
    slice,
};

/// Asks the device; its answer is in the same structure.
///
/// # Errors
/// What the kernel says: `ENOTTY` if the device knows no such request, `EINVAL` if it does not like
/// its content.
#[expect(unsafe_code, reason = "there is no safe wrapper for the requests of devices")]
pub(super) fn ask<T: Request>(device: &impl AsFd, request: &mut T) -> nix::Result<()> {
    loop {
        // SAFETY: `T` is laid out as the kernel's structure for this number, which holds its size,
        // so the kernel reads and writes `*request` alone, during the call (promised by `Request`).
        // A descriptor that is no camera's refuses the number.
        let code =
            unsafe { ioctl(device.as_fd().as_raw_fd(), T::NUMBER as _, ptr::from_mut(request)) };
        match Errno::result(code) {
            Err(Errno::EINTR) => {}
            result => return result.map(drop),
        }
    }
}

/// Asks about one of the device's buffers; the answer is in `buffer`, for both of the kernel's
/// interfaces in the same fields: of a buffer with planes `bytesused`, `length` and `place` are
/// those of its only plane. Returns where its content begins.
///
/// # Errors
/// What the kernel says: `EAGAIN` if none comes back now, `EPIPE` if none will.
#[expect(unsafe_code, reason = "there is no safe wrapper for the requests of devices")]
pub(super) fn ask_about(device: &impl AsFd, what: Ask, buffer: &mut Buffer) -> nix::Result<usize> {
    let mut asked = *buffer;
    let mut plane =
        Plane { bytesused: buffer.bytesused, length: buffer.length, ..Plane::default() };
    if asked.has_planes() {
        asked.place = Place::of_address(ptr::from_mut(&mut plane).expose_provenance());
        asked.length = 1;
    }
    loop {
        // SAFETY: `Buffer` is laid out as the kernel's structure for this number, which holds its
        // size. Its memory is the device's own, for which `place` is a number and no pointer,
        // except for the kinds with planes: then it was just set to `plane`, of which there is one,
        // as `length` says, and which lives until the end of this function. The kernel keeps no
        // pointer.
        let code = unsafe {
            ioctl(device.as_fd().as_raw_fd(), what.number() as _, ptr::from_mut(&mut asked))
        };
        match Errno::result(code) {
            Err(Errno::EINTR) => {}
            result => break result.map(drop)?,
        }
    }
    if asked.has_planes() {
        (asked.bytesused, asked.length, asked.place) = (plane.bytesused, plane.length, plane.place);
    }
    *buffer = asked;
    Ok(plane.data_offset as usize)
}

/// A device's buffer in our memory.
pub(super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
    writable: bool,
}

impl Mapping {
    /// Maps what the device keeps at `offset`, to be read or, if `writable`, written as well.
    ///
    /// # Errors
    /// What the kernel says.
    #[expect(unsafe_code, reason = "there is no safe wrapper for memory that a device writes")]
    pub(super) fn new(
        device: &impl AsFd,
        offset: u32,
        length: usize,
        writable: bool,
    ) -> nix::Result<Self> {
        let fd = device.as_fd().as_raw_fd();
        // Fails on some 32-bit machines only.
        #[allow(
            clippy::unnecessary_fallible_conversions,
            reason = "the type is not as wide everywhere"
        )]
        let offset = off_t::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
        // SAFETY: no address is asked for, so nothing that is mapped already is replaced.
        let start = unsafe {
            let protection = if writable { PROT_READ | PROT_WRITE } else { PROT_READ };
            mmap(ptr::null_mut(), length, protection, MAP_SHARED, fd, offset)
        };
        match NonNull::new(start.cast::<u8>()) {
            Some(start) if start.as_ptr().cast() != MAP_FAILED => {
                Ok(Self { start, length, writable })
            }
            _ => Err(Errno::last()),
        }
    }

    /// What is in it. Call it only while the buffer is ours, that is between taking it from the
    /// device's queue and giving it back, and end the borrow before that: `&mut` keeps callers in
    /// this module's parent from doing so by accident.
    #[expect(unsafe_code, reason = "the memory is the kernel's, so a slice of it is made by hand")]
    pub(super) fn bytes(&mut self) -> &[u8] {
        // SAFETY: `length` bytes are mapped from `start` on until `drop`, which the borrow outlives
        // not. Any bytes are `u8`. A well-behaved driver does not write to a buffer that is out of
        // its queue; were one to, bytes would change under a decoder or encoder, whose results are
        // pictures, and which run where nothing but pictures can be spoilt.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// The same, to be filled; nothing of a buffer that is to be read only.
    #[expect(unsafe_code, reason = "the memory is the kernel's, so a slice of it is made by hand")]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let length = if self.writable { self.length } else { 0 };
        // SAFETY: as of `bytes`; it was mapped to be written, and `&mut self` is the only way to it
        // in this process. A device only reads what goes to it.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), length) }
    }
}

impl Drop for Mapping {
    #[expect(unsafe_code, reason = "the counterpart of mapping")]
    fn drop(&mut self) {
        // SAFETY: mapped by `new` at this place with this length, and no slice of it is left, since
        // they borrow from `self`.
        unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}
