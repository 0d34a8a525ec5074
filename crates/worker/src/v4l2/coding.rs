//! Cameras that encode by themselves, as far as their drivers can be told how.

use super::{
    Device,
    abi::{Control, SetControl},
    ioctl,
};

/// Numbers of controls (`linux/v4l2-controls.h`), from the class of codecs.
pub(super) const CODEC: u32 = 0x0099_0900;
pub(super) const GOP_SIZE: u32 = CODEC + 203;
pub(super) const BITRATE: u32 = CODEC + 207;
pub(super) const REPEAT_HEADERS: u32 = CODEC + 226;
pub(super) const FORCE_KEYFRAME: u32 = CODEC + 229;
pub(super) const H264_I_PERIOD: u32 = CODEC + 358;

/// Asks for a keyframe. Few cameras can.
pub(crate) fn force_keyframe(device: &Device) {
    tell(device, FORCE_KEYFRAME, 1);
}

/// Frames from one keyframe to the next, and bits a second.
pub(crate) fn set_coding(device: &Device, gop: u16, bitrate: u32) {
    tell(device, REPEAT_HEADERS, 1);
    tell(device, GOP_SIZE, gop.into());
    tell(device, H264_I_PERIOD, gop.into());
    tell(device, BITRATE, i32::try_from(bitrate).unwrap_or(i32::MAX));
}

/// Cameras that cannot are as they are.
fn tell(device: &Device, id: u32, value: i32) {
    let _ = ioctl::ask(device, &mut SetControl(Control { id, value }));
}
