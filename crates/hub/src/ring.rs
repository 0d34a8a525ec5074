//! The newest access units of a stream, and cursors into them.

use media::{AccessUnit, Catalog, MediaKind, Mono};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// How much a ring may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of payload and an allowance for each unit's bookkeeping, so that tiny units cannot
    /// pile up without bound. Never exceeded, except by a single access unit that is larger than
    /// this.
    pub bytes: usize,
    /// Age of the oldest unit against the newest. The newest group of pictures stays, however old,
    /// while it fits in `bytes`.
    pub span: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 32 << 20, span: Duration::from_secs(10) }
    }
}

/// Where a new reader begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// At the newest keyframe held, so that there is a picture at once.
    NewestKey,
    /// At the first keyframe that comes from now on.
    NextKey,
    /// At the oldest keyframe held of the current publisher: for readers that show what has been,
    /// too.
    OldestKey,
}

/// A reader's place: the position of the unit it takes next, and what it waits for.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    next: u64,
    await_key: bool,
    /// Where this reader began to lose units it has not been told of.
    lost_from: Option<u64>,
}

impl Cursor {
    /// Position of the unit to be read next.
    pub const fn position(&self) -> u64 {
        self.next
    }
}

/// What a cursor finds.
#[derive(Debug)]
pub struct Found {
    /// The unit.
    pub unit: Arc<AccessUnit>,
    /// The catalogue it belongs to.
    pub catalog: Arc<Catalog>,
    /// Units that this reader lost immediately before this one.
    pub skipped: u64,
    /// Position in the stream; one more than the last unit's unless units were skipped.
    pub position: u64,
}

/// What a unit takes beside its payload: itself, its place in the ring, and its cached RTP form.
const UNIT_OVERHEAD: usize = 512;
/// The same for each piece of its payload (a NAL unit), in MP4's form as well.
const PIECE_OVERHEAD: usize = 128;

struct Entry {
    unit: Arc<AccessUnit>,
    catalog: Arc<Catalog>,
    entry_point: bool,
}

/// The newest access units, bounded in bytes and time. Pure: `now` is each unit's published time.
pub struct Ring {
    limits: Limits,
    entries: VecDeque<Entry>,
    /// Position of `entries[0]`. Positions count every unit ever pushed.
    base: u64,
    bytes: usize,
    newest_key: Option<u64>,
    /// Where the current publisher began.
    began: u64,
}

impl Ring {
    /// An empty ring.
    pub fn new(limits: Limits) -> Self {
        Self { limits, entries: VecDeque::new(), base: 0, bytes: 0, newest_key: None, began: 0 }
    }

    /// Adds the newest unit and drops what no longer fits.
    pub fn push(&mut self, unit: Arc<AccessUnit>, catalog: Arc<Catalog>) {
        let entry_point = is_entry_point(&unit, &catalog);
        if entry_point {
            self.newest_key = Some(self.head());
        }
        self.bytes += cost(&unit);
        self.entries.push_back(Entry { unit, catalog, entry_point });
        while self.must_drop_oldest() {
            self.drop_oldest();
        }
    }

    fn must_drop_oldest(&self) -> bool {
        let [Some(oldest), Some(newest)] = [self.entries.front(), self.entries.back()] else {
            return false;
        };
        if self.entries.len() == 1 {
            return false;
        }
        let age = newest.unit.timing.published.since(oldest.unit.timing.published);
        let in_newest_gop = self.newest_key.is_some_and(|key| self.base >= key);
        self.bytes > self.limits.bytes || (age > self.limits.span && !in_newest_gop)
    }

    fn drop_oldest(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= cost(&entry.unit);
            self.newest_key = self.newest_key.filter(|key| *key != self.base);
            self.base += 1;
        }
    }

    /// A cursor for a new reader.
    pub fn cursor(&self, start: Start) -> Cursor {
        let (next, await_key) = match start {
            Start::NewestKey => {
                (self.newest_key.unwrap_or_else(|| self.head()), self.newest_key.is_none())
            }
            Start::NextKey => (self.head(), true),
            Start::OldestKey => (self.base.max(self.began), true),
        };
        Cursor { next, await_key, lost_from: None }
    }

    /// The unit under the cursor, which moves on; `None` if the reader has seen everything.
    ///
    /// A cursor that fell out of the ring goes on at the newest keyframe, as does one more than
    /// `max_lag` behind the newest unit if that brings it forward.
    pub fn read(&self, cursor: &mut Cursor, max_lag: Duration) -> Option<Found> {
        self.skip_forward(cursor, max_lag);
        loop {
            let entry = self.entries.get(self.index(cursor.next)?)?;
            let position = cursor.next;
            cursor.next += 1;
            if cursor.await_key && !entry.entry_point {
                continue;
            }
            cursor.await_key = false;
            let skipped = cursor.lost_from.take().map_or(0, |from| position - from);
            return Some(Found {
                unit: entry.unit.clone(),
                catalog: entry.catalog.clone(),
                skipped,
                position,
            });
        }
    }

    fn skip_forward(&self, cursor: &mut Cursor, max_lag: Duration) {
        let fell_out = cursor.next < self.base;
        if !fell_out && self.lag(cursor) <= max_lag {
            return;
        }
        let target = self.newest_key.filter(|key| *key > cursor.next);
        if target.is_none() && !fell_out {
            return;
        }
        // One that waits for its first keyframe loses nothing; one that lost its place before is
        // counted from there.
        if !cursor.await_key {
            cursor.lost_from.get_or_insert(cursor.next);
        }
        cursor.next = target.unwrap_or(self.base);
        cursor.await_key = target.is_none();
    }

    fn index(&self, position: u64) -> Option<usize> {
        usize::try_from(position.checked_sub(self.base)?).ok()
    }

    /// How much older than the newest unit the one under the cursor is.
    pub fn lag(&self, cursor: &Cursor) -> Duration {
        let at = self.index(cursor.next.max(self.base)).and_then(|i| self.entries.get(i));
        let [Some(at), Some(newest)] = [at, self.entries.back()] else { return Duration::ZERO };
        newest.unit.timing.published.since(at.unit.timing.published)
    }

    /// The unit at `position`, if it is still held.
    pub fn get(&self, position: u64) -> Option<&Arc<AccessUnit>> {
        self.entries.get(self.index(position)?).map(|e| &e.unit)
    }

    /// Position that the next unit will get.
    pub fn head(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// Position of the newest unit at which decoding can start.
    pub fn newest_key(&self) -> Option<u64> {
        self.newest_key
    }

    /// The newest unit.
    pub fn newest(&self) -> Option<&Arc<AccessUnit>> {
        self.entries.back().map(|e| &e.unit)
    }

    /// Bytes held, counted as [`Limits::bytes`] counts them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// True if nothing is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Published time of the newest unit.
    pub fn newest_at(&self) -> Option<Mono> {
        self.newest().map(|u| u.timing.published)
    }

    /// Lets go of everything: memory, and what anybody could still read.
    pub fn clear(&mut self) {
        self.base = self.head();
        self.entries = VecDeque::new();
        self.bytes = 0;
        self.close_gop();
    }

    /// Forgets the group of pictures held for new readers: decoding must not start in what an
    /// earlier publisher left.
    pub fn close_gop(&mut self) {
        self.newest_key = None;
        self.began = self.head();
    }
}

fn cost(unit: &AccessUnit) -> usize {
    unit.size() + UNIT_OVERHEAD + PIECE_OVERHEAD * unit.payload.len()
}

/// Reading may start at a video keyframe, or anywhere if there is no video.
fn is_entry_point(unit: &AccessUnit, catalog: &Catalog) -> bool {
    let kind = |u: &AccessUnit| catalog.track(u.track).map(|t| t.codec.kind());
    unit.key && (kind(unit) == Some(MediaKind::Video) || catalog.video().is_none())
}

#[cfg(test)]
mod tests;
