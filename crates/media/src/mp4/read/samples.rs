//! The samples of a track by its index, one after the other (ISO/IEC 14496-12 §8.6, §8.7).

use super::{long, movie::Index, word};
use crate::container::file::{FileFault, Storage};

/// The place of a frame in the file, and its times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SamplePlace {
    pub(super) at: u64,
    pub(super) size: u32,
    /// Ticks of its track.
    pub(super) dts: i64,
    pub(super) pts: i64,
}

/// Walks through all tables at once.
#[derive(Debug)]
pub(super) struct Samples {
    index: Index,
    next: u32,
    dts: i64,
    durations: ValueRun,
    shifts: ValueRun,
    chunk: ChunkCursor,
}

/// A run of samples that have one value.
#[derive(Default, Debug)]
struct ValueRun {
    /// The entry that comes next.
    entry: u32,
    left: u32,
    value: u32,
}

#[derive(Default, Debug)]
struct ChunkCursor {
    /// Counted from one; zero before the first.
    number: u32,
    /// The entry in force, and the chunk from which the one behind it is.
    entry: u32,
    upto: u32,
    each: u32,
    left: u32,
    at: u64,
}

impl ValueRun {
    /// The value of the next sample; `None` behind the last.
    fn next(
        &mut self,
        storage: &mut impl Storage,
        table: &mut Option<super::table::Table>,
    ) -> Result<Option<u32>, FileFault> {
        let Some(table) = table else { return Ok(None) };
        while self.left == 0 {
            let Some(entry) = table.get(storage, self.entry)? else { return Ok(None) };
            (self.left, self.value) = word(entry, 0).zip(word(entry, 4)).unwrap_or_default();
            self.entry += 1;
        }
        self.left -= 1;
        Ok(Some(self.value))
    }
}

impl Samples {
    /// From the first on; times begin at `shift`.
    pub(super) fn new(index: Index, shift: i64) -> Self {
        let (durations, shifts) = (ValueRun::default(), ValueRun::default());
        Self { index, next: 0, dts: shift, durations, shifts, chunk: ChunkCursor::default() }
    }

    /// The next one; `None` behind the last.
    pub(super) fn next(
        &mut self,
        storage: &mut impl Storage,
    ) -> Result<Option<SamplePlace>, FileFault> {
        let Some(size) = self.size(storage)? else { return Ok(None) };
        let Some(at) = self.place(storage)? else { return Ok(None) };
        let duration = self.durations.next(storage, &mut self.index.durations)?.unwrap_or(0);
        let later = self.shifts.next(storage, &mut self.index.shifts)?.unwrap_or(0);
        self.next += 1;
        self.chunk.at = at.saturating_add(size.into());
        self.chunk.left -= 1;
        let dts = self.dts;
        self.dts = dts.saturating_add(duration.into());
        // Writers set negative values in both versions of the table.
        Ok(Some(SamplePlace { at, size, dts, pts: dts.saturating_add(later.cast_signed().into()) }))
    }

    fn size(&mut self, storage: &mut impl Storage) -> Result<Option<u32>, FileFault> {
        let Index { size, sizes: Some(sizes), .. } = &mut self.index else { return Ok(None) };
        if *size > 0 {
            return Ok((self.next < sizes.count()).then_some(*size));
        }
        Ok(sizes.get(storage, self.next)?.and_then(|entry| word(entry, 0)))
    }

    /// Where the next sample is.
    fn place(&mut self, storage: &mut impl Storage) -> Result<Option<u64>, FileFault> {
        while self.chunk.left == 0 {
            let Some(offsets) = &mut self.index.offsets else { return Ok(None) };
            let Some(entry) = offsets.get(storage, self.chunk.number)? else { return Ok(None) };
            let at = if self.index.wide_offsets {
                long(entry, 0)
            } else {
                word(entry, 0).map(u64::from)
            };
            self.chunk.at = at.unwrap_or_default();
            self.chunk.number += 1;
            if !self.enter(storage)? {
                return Ok(None);
            }
            self.chunk.left = self.chunk.each;
        }
        Ok(Some(self.chunk.at))
    }

    /// Finds out how many samples the chunk has; false if none of the entries tells.
    fn enter(&mut self, storage: &mut impl Storage) -> Result<bool, FileFault> {
        let Some(chunks) = &mut self.index.chunks else { return Ok(false) };
        while self.chunk.number >= self.chunk.upto {
            let Some(entry) = chunks.get(storage, self.chunk.entry)? else {
                return Ok(self.chunk.entry > 0);
            };
            self.chunk.each = word(entry, 4).unwrap_or_default();
            self.chunk.entry += 1;
            self.chunk.upto = match chunks.get(storage, self.chunk.entry)? {
                Some(next) => word(next, 0).unwrap_or(u32::MAX),
                None => u32::MAX,
            };
        }
        Ok(true)
    }
}
