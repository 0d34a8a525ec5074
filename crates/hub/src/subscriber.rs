//! A reader's side of a stream.

use crate::{KeyframeRequest, ReaderKind, Start, Status, Stream, core::Core, ring::Cursor};
use media::{AccessUnit, Catalog, Mono};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// How a reader wants to read.
#[derive(Clone, Copy, Debug)]
pub struct ReaderOptions {
    /// What the reader does.
    pub kind: ReaderKind,
    /// Where to begin.
    pub start: Start,
    /// A reader further behind than this skips to the newest keyframe, if that is ahead of it.
    pub max_lag: Duration,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self {
            kind: ReaderKind::Viewer,
            start: Start::NewestKey,
            max_lag: Duration::from_secs(3600),
        }
    }
}

impl ReaderOptions {
    /// A reader of this kind that is otherwise as by default.
    pub fn of(kind: ReaderKind) -> Self {
        Self { kind, ..Self::default() }
    }
}

/// What a reader meets.
#[derive(Debug)]
pub enum Event {
    /// The tracks have changed; the units that follow belong to this catalogue.
    Catalog(Arc<Catalog>),
    /// The next unit and its position in the stream.
    Unit(Arc<AccessUnit>, u64),
    /// This reader was too slow and has lost units; it goes on at a keyframe.
    Skipped {
        /// How many units.
        units: u64,
    },
    /// The stream's state has changed.
    Status(Arc<Status>),
    /// The stream is gone for good, for the reason given; nothing else will come.
    Ended(Arc<str>),
}

/// Counters of one reader.
#[derive(Clone, Copy, Default, Debug)]
pub struct ReaderStats {
    /// Units read.
    pub units: u64,
    /// Payload bytes read.
    pub bytes: u64,
    /// Units lost for being slow.
    pub skipped: u64,
}

/// What a reader has been told already.
#[derive(Default)]
struct Seen {
    status: Option<Arc<Status>>,
    catalog: Option<Arc<Catalog>>,
    /// Found, but to be told after what came with it.
    unit: Option<(Arc<AccessUnit>, u64)>,
    skipped: u64,
}

/// A reader's place in a stream. Holds no queue; dropping it ends reading.
pub struct Subscriber {
    stream: Arc<Stream>,
    cursor: Cursor,
    options: ReaderOptions,
    /// It is one of the readers that the demand tells of.
    counted: bool,
    seen: Seen,
    stats: ReaderStats,
    changed: watch::Receiver<u64>,
}

impl Subscriber {
    pub(crate) fn new(
        stream: Arc<Stream>,
        cursor: Cursor,
        options: ReaderOptions,
        counted: bool,
    ) -> Self {
        let changed = stream.changes();
        Self {
            stream,
            cursor,
            options,
            counted,
            seen: Seen::default(),
            stats: ReaderStats::default(),
            changed,
        }
    }

    /// The next event, waiting for it as long as it takes. Cancel safe.
    pub async fn next(&mut self) -> Event {
        loop {
            self.changed.mark_unchanged();
            if let Some(event) = self.try_next() {
                return event;
            }
            if self.changed.changed().await.is_err() {
                // Cannot happen while `self.stream` lives.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next event if there is one now.
    pub fn try_next(&mut self) -> Option<Event> {
        if let Some(event) = self.pending() {
            return Some(event);
        }
        let found = {
            let mut core = self.stream.lock();
            let found = core.ring.read(&mut self.cursor, self.options.max_lag);
            core.stats.skipped += found.as_ref().filter(|_| self.counted).map_or(0, |f| f.skipped);
            if found.is_none() {
                return self.seen.news(&core);
            }
            found?
        };
        self.stats.skipped += found.skipped;
        self.seen.skipped += found.skipped;
        self.seen.unit = Some((found.unit, found.position));
        // Equal catalogues of two publishers are no change; two handles of one need no comparison.
        let known = self.seen.catalog.replace(found.catalog.clone());
        if known.as_ref() != Some(&found.catalog) {
            return Some(Event::Catalog(found.catalog));
        }
        self.pending()
    }

    fn pending(&mut self) -> Option<Event> {
        let units = std::mem::take(&mut self.seen.skipped);
        if units > 0 {
            return Some(Event::Skipped { units });
        }
        let (unit, position) = self.seen.unit.take()?;
        self.stats.units += 1;
        self.stats.bytes += unit.size() as u64;
        Some(Event::Unit(unit, position))
    }

    /// Asks the publisher for a keyframe, throttled over all readers.
    pub fn request_keyframe(&self, now: Mono) -> KeyframeRequest {
        self.stream.request_keyframe(now)
    }

    /// How far behind the newest unit this reader is.
    pub fn lag(&self) -> Duration {
        self.stream.with(|core| core.ring.lag(&self.cursor))
    }

    /// Goes to the newest keyframe if one is held, even one read before, else waits for the next.
    /// Units that this passes over are not counted as skipped: it was asked for.
    pub fn restart(&mut self) {
        self.seen.unit = None;
        self.cursor = self.stream.with(|core| core.ring.cursor(Start::NewestKey));
    }

    /// Counters of this reader.
    pub fn stats(&self) -> ReaderStats {
        self.stats
    }

    /// The stream read.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }
}

impl Seen {
    /// What has changed beside the units.
    fn news(&mut self, core: &Core) -> Option<Event> {
        if let Some(reason) = &core.ended {
            return Some(Event::Ended(reason.clone()));
        }
        if self.status.as_ref() == Some(&core.status) {
            return None;
        }
        self.status = Some(core.status.clone());
        Some(Event::Status(core.status.clone()))
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        self.stream.with(|core| core.demand.remove(self.options.kind));
        self.stream.publish_demand();
    }
}
