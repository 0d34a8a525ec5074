//! The few calls that cannot be made without `unsafe`: requests to a device, and its buffers in our memory.

use super::abi::Request;
use nix::{
    errno::Errno,
    libc::{MAP_FAILED, MAP_SHARED, PROT_READ, ioctl, mmap, munmap, off_t},
};
use std::{
    os::fd::{AsFd, AsRawFd},
    ptr::{self, NonNull},
    slice,
};

/// Asks the device; its answer is in the same structure.
///
/// # Errors
/// What the kernel says: `ENOTTY` if the device knows no such request, `EINVAL` if it does not like its content.
#[expect(unsafe_code, reason = "there is no safe wrapper for the requests of devices")]
pub(super) fn ask<T: Request>(device: &impl AsFd, request: &mut T) -> nix::Result<()> {
    loop {
        // SAFETY: `T` is laid out as the kernel's structure for this number, which holds its size, so the kernel reads and writes
        // `*request` alone, during the call (promised by `Request`). A descriptor that is no camera's refuses the number.
        let code = unsafe { ioctl(device.as_fd().as_raw_fd(), T::NUMBER as _, ptr::from_mut(request)) };
        match Errno::result(code) {
            Err(Errno::EINTR) => {}
            result => return result.map(drop),
        }
    }
}

/// A device's buffer in our memory, to be read only.
pub(super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    /// Maps what the device keeps at `offset`.
    ///
    /// # Errors
    /// What the kernel says.
    #[expect(unsafe_code, reason = "there is no safe wrapper for memory that a device writes")]
    pub(super) fn new(device: &impl AsFd, offset: u32, length: usize) -> nix::Result<Self> {
        let fd = device.as_fd().as_raw_fd();
        // Fails on some 32-bit machines only.
        #[allow(clippy::unnecessary_fallible_conversions, reason = "the type is not as wide everywhere")]
        let offset = off_t::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
        // SAFETY: no address is asked for, so nothing that is mapped already is replaced.
        let start = unsafe { mmap(ptr::null_mut(), length, PROT_READ, MAP_SHARED, fd, offset) };
        match NonNull::new(start.cast::<u8>()) {
            Some(start) if start.as_ptr().cast() != MAP_FAILED => Ok(Self { start, length }),
            _ => Err(Errno::last()),
        }
    }

    /// What is in it. Call it only while the buffer is ours, that is between taking it from the device's queue and giving it back,
    /// and end the borrow before that: `&mut` keeps callers in this module's parent from doing so by accident.
    #[expect(unsafe_code, reason = "the memory is the kernel's, so a slice of it is made by hand")]
    pub(super) fn bytes(&mut self) -> &[u8] {
        // SAFETY: `length` bytes are mapped from `start` on until `drop`, which the borrow outlives not. Any bytes are `u8`. A
        // well-behaved driver does not write to a buffer that is out of its queue; were one to, bytes would change under a decoder
        // or encoder, whose results are pictures, and which run where nothing but pictures can be spoilt.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    #[expect(unsafe_code, reason = "the counterpart of mapping")]
    fn drop(&mut self) {
        // SAFETY: mapped by `new` at this place with this length, and no slice of it is left, since they borrow from `self`.
        unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}
