//! Boxes (ISO/IEC 14496-12 §4.2): a length, four letters, and whatever is inside.

use bytes::BufMut;

/// Appends a box; `inside` writes its content.
pub(super) fn put(out: &mut Vec<u8>, name: [u8; 4], inside: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.put_u32(0);
    out.put_slice(&name);
    inside(out);
    let length = (out.len() - begin) as u32;
    out[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a box with version and flags.
pub(super) fn put_full(
    out: &mut Vec<u8>,
    name: [u8; 4],
    version: u8,
    flags: u32,
    inside: impl FnOnce(&mut Vec<u8>),
) {
    put(out, name, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        inside(out);
    });
}

/// A number with 16 bits behind the point.
pub(super) fn fixed(whole: u32) -> u32 {
    whole.min(0xffff) << 16
}
