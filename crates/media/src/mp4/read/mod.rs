//! MP4 on its way in: as a stream in fragments ([`Mp4Demuxer`]), or as a file by its index
//! ([`Indexed`]).

mod entry;
mod fragment;
mod indexed;
mod movie;
mod samples;
mod stream;
mod table;

pub use indexed::Indexed;
pub use stream::Mp4Demuxer;

use crate::container::file::{FileFault, Storage};
use bytes::Bytes;

/// Length and name of a box, and the length where that is of 64 bits (ISO/IEC 14496-12 §4.2).
const HEAD: usize = 8;
const LONG_HEAD: usize = 16;

/// The name and the place of a box.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct BoxPlace {
    name: [u8; 4],
    begin: u64,
    body: u64,
    end: u64,
}

impl BoxPlace {
    /// The box whose head stands at the beginning of `head`, which lies at `at`; it ends at `end`
    /// where it tells no length. `None` if the head is not whole.
    fn read(head: &[u8], at: u64, end: u64) -> Option<Result<Self, FileFault>> {
        let (length, rest) = head.split_first_chunk::<4>()?;
        let name = *rest.first_chunk::<4>()?;
        let (length, width) = match u32::from_be_bytes(*length) {
            0 => (end.saturating_sub(at), HEAD),
            1 => (u64::from_be_bytes(*head.get(HEAD..)?.first_chunk()?), LONG_HEAD),
            length => (length.into(), HEAD),
        };
        if length < width as u64 {
            return Some(Err(FileFault::broken(
                at,
                format!("a box {} of {length} bytes", shown(name)),
            )));
        }
        Some(Ok(Self { name, begin: at, body: at + width as u64, end: at.saturating_add(length) }))
    }

    fn len(&self) -> u64 {
        self.end - self.body
    }

    /// All that is inside, if that is not too much.
    fn whole(&self, storage: &mut impl Storage, most: usize) -> Result<Bytes, FileFault> {
        let length = usize::try_from(self.len()).ok().filter(|length| *length <= most);
        let length = length.ok_or_else(|| {
            FileFault::broken(self.begin, format!("a box {} of absurd length", shown(self.name)))
        })?;
        exactly(storage, self.body, length)?.ok_or_else(|| {
            FileFault::broken(self.begin, format!("a box {} cut short", shown(self.name)))
        })
    }
}

/// The box at `at` if there is one before `end`.
fn place(storage: &mut impl Storage, at: u64, end: u64) -> Result<Option<BoxPlace>, FileFault> {
    let mut head = [0; LONG_HEAD];
    let room = usize::try_from(end.saturating_sub(at)).unwrap_or(LONG_HEAD).min(LONG_HEAD);
    let length = storage.read_at(at, &mut head[..room])?;
    BoxPlace::read(&head[..length], at, end).transpose()
}

/// All boxes inside of a place.
fn inside(storage: &mut impl Storage, outer: BoxPlace) -> Result<Vec<BoxPlace>, FileFault> {
    /// More boxes than this in another are absurd; a memory bound.
    const MOST: usize = 4096;
    let (mut found, mut at) = (Vec::new(), outer.body);
    while let Some(place) = place(storage, at, outer.end)? {
        if place.end > outer.end || found.len() == MOST {
            return Err(FileFault::broken(
                at,
                format!("a box {} that leaves its frame", shown(place.name)),
            ));
        }
        at = place.end;
        found.push(place);
    }
    Ok(found)
}

/// So many bytes at `at`; `None` if there are fewer.
fn exactly(storage: &mut impl Storage, at: u64, length: usize) -> Result<Option<Bytes>, FileFault> {
    let mut bytes = vec![0; length];
    let read = storage.read_at(at, &mut bytes)?;
    Ok((read == length).then(|| bytes.into()))
}

/// Boxes in memory; ends at the first that makes no sense.
fn boxes(body: &Bytes) -> impl Iterator<Item = ([u8; 4], Bytes)> + use<> {
    let (body, mut at) = (body.clone(), 0);
    std::iter::from_fn(move || {
        let place = BoxPlace::read(body.get(at..)?, at as u64, body.len() as u64)?.ok()?;
        let (begin, end) = (usize::try_from(place.body).ok()?, usize::try_from(place.end).ok()?);
        let inside = (end <= body.len()).then(|| body.slice(begin..end))?;
        at = end;
        Some((place.name, inside))
    })
}

/// A name for people.
fn shown(name: [u8; 4]) -> String {
    name.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
}

/// The number at `at`, of 32 and of 64 bits.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
