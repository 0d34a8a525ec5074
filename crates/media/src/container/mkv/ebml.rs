//! EBML (RFC 8794): numbers of variable length, and elements of them.

use bytes::Bytes;

pub(super) const SEGMENT: u32 = 0x1853_8067;
pub(super) const CLUSTER: u32 = 0x1f43_b675;
pub(super) const TRACKS: u32 = 0x1654_ae6b;
pub(super) const INFO: u32 = 0x1549_a966;
pub(super) const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
pub(super) const TIMESTAMP: u32 = 0xe7;
pub(super) const SIMPLE_BLOCK: u32 = 0xa3;
pub(super) const BLOCK_GROUP: u32 = 0xa0;
pub(super) const BLOCK: u32 = 0xa1;
pub(super) const TRACK_ENTRY: u32 = 0xae;

/// The head of an element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) id: u32,
    /// Bytes of the content; `None` where the writer did not know (§6.2).
    pub(super) size: Option<u64>,
    /// Bytes of the head itself.
    pub(super) len: usize,
}

/// The head at the beginning of `bytes`; `None` if not all of it is there.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, &'static str> {
    let Some(first) = bytes.first() else { return Ok(None) };
    let width = first.leading_zeros() as usize + 1;
    if width > 4 {
        return Err("something else than a Matroska element");
    }
    let Some(id) = bytes.get(..width) else { return Ok(None) };
    let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    match bytes.get(width) {
        None => Ok(None),
        Some(0) => Err("a Matroska element without a length"),
        Some(_) => {
            Ok(variable(&bytes[width..]).map(|(size, len)| Head { id, size, len: width + len }))
        }
    }
}

/// A number of variable length and its width (§4); the number is `None` if all its bits are set.
pub(super) fn variable(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let width = first.leading_zeros() as usize + 1;
    let taken = bytes.get(..width).filter(|_| width <= 8)?;
    let mask = u64::MAX >> (64 - 7 * width);
    let value = taken.iter().fold(0, |value: u64, byte| value << 8 | u64::from(*byte)) & mask;
    Some(((value != mask).then_some(value), width))
}

/// Whole elements within a whole element; ends at the first that makes no sense.
pub(super) fn children(body: &Bytes) -> impl Iterator<Item = (u32, Bytes)> + use<> {
    let mut rest = body.clone();
    std::iter::from_fn(move || {
        let head = head(&rest).ok()??;
        let size = usize::try_from(head.size?).ok()?;
        let end = head.len.checked_add(size).filter(|end| *end <= rest.len())?;
        let mut element = rest.split_to(end);
        Some((head.id, element.split_off(head.len)))
    })
}

/// An unsigned number (§7.2).
pub(super) fn number(body: &[u8]) -> u64 {
    body.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
}
