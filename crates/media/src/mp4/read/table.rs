//! A table of an index, of which a piece is held at a time.

use super::{BoxPlace, exactly, word};
use crate::container::file::{FileFault, Storage};
use bytes::Bytes;

/// Entries held.
const WINDOW: u32 = 1024;

/// Entries of a fixed width somewhere in a file.
#[derive(Clone, Debug)]
pub(super) struct Table {
    at: u64,
    count: u32,
    width: usize,
    /// The number of the first entry held.
    first: u32,
    window: Bytes,
}

impl Table {
    /// The entries of `place`, whose number stands in the last four bytes of its `head` bytes.
    pub(super) fn read(
        storage: &mut impl Storage,
        place: BoxPlace,
        head: usize,
        width: usize,
    ) -> Result<Self, FileFault> {
        let short = || {
            FileFault::broken(
                place.begin,
                format!("an index ({}) cut short", super::shown(place.name)),
            )
        };
        let bytes = exactly(storage, place.body, head)?.ok_or_else(short)?;
        let count = word(&bytes, head - 4).ok_or_else(short)?;
        if u64::from(count) * width as u64 > place.len().saturating_sub(head as u64) {
            return Err(short());
        }
        Ok(Self { at: place.body + head as u64, count, width, first: 0, window: Bytes::new() })
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// The entry of this number; `None` behind the last.
    pub(super) fn get(
        &mut self,
        storage: &mut impl Storage,
        index: u32,
    ) -> Result<Option<&[u8]>, FileFault> {
        if index >= self.count {
            return Ok(None);
        }
        if self.held(index).is_none() {
            let length = (self.count - index).min(WINDOW) as usize * self.width;
            let at = self.at + u64::from(index) * self.width as u64;
            self.window = exactly(storage, at, length)?
                .ok_or_else(|| FileFault::broken(at, "an index cut short"))?;
            self.first = index;
        }
        Ok(self.held(index).and_then(|place| self.window.get(place)))
    }

    fn held(&self, index: u32) -> Option<std::ops::Range<usize>> {
        let at = index.checked_sub(self.first)? as usize * self.width;
        (at + self.width <= self.window.len()).then(|| at..at + self.width)
    }
}
