//! Thin handles around the core: one mutex and one wake-up a stream.

use crate::{
    Demand, PublishError, Start, Status, StreamOptions, StreamStats,
    core::{Core, Turn},
    ring::Cursor,
};
use media::{AccessUnit, Catalog, Mono};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// A named live stream that outlives its publishers and readers.
pub struct Stream {
    name: Arc<str>,
    /// Held for a few hundred nanoseconds at a time and never across an await: readers only clone an `Arc` under it.
    core: Mutex<Core>,
    /// Counts changes: units and states. Readers wait on it.
    changed: watch::Sender<u64>,
    demand: watch::Sender<Demand>,
}

impl Stream {
    /// A stream that nobody publishes yet.
    pub fn new(name: impl Into<Arc<str>>, options: StreamOptions, now: Mono) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            core: Mutex::new(Core::new(options, now)),
            changed: watch::Sender::new(0),
            demand: watch::Sender::new(Demand::default()),
        })
    }

    /// Its name: `front`, or `front/sd` for a rendition.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Begins publishing. `by` names the publisher to others and must hold no secret.
    ///
    /// # Errors
    /// [`PublishError::Busy`] while another publisher's frames arrive; one that has been silent for the stall time is replaced.
    pub fn publish(self: &Arc<Self>, now: Mono, by: impl Into<Arc<str>>, catalog: Catalog) -> Result<Publisher, PublishError> {
        let catalog = Arc::new(catalog);
        let turn = self.change(|core| core.begin(now, by.into(), catalog))?;
        Ok(Publisher { stream: self.clone(), turn, demand: self.demand.subscribe() })
    }

    /// Begins reading.
    pub fn subscribe(self: &Arc<Self>, options: ReaderOptions) -> Subscriber {
        let cursor = self.with(|core| {
            core.add_reader();
            core.ring.cursor(options.start)
        });
        self.publish_demand();
        let seen = Seen::default();
        Subscriber {
            stream: self.clone(),
            cursor,
            options,
            seen,
            stats: ReaderStats::default(),
            changed: self.changed.subscribe(),
        }
    }

    /// The state in words.
    pub fn status(&self) -> Arc<Status> {
        self.with(|core| core.status.clone())
    }

    /// Sets the state while nobody publishes: a supervisor's word on why, and when it tries next.
    pub fn report(&self, status: Status) {
        self.change(|core| core.report(status));
    }

    /// Ends the stream for good, for its publisher and its readers: the camera was removed.
    pub fn end(&self, now: Mono, reason: impl Into<Arc<str>>) {
        self.change(|core| core.end_stream(now, reason.into()));
    }

    /// Notices a publisher that has gone silent; true if the stream has just become stalled. To be called a few times a second.
    pub fn check_stall(&self, now: Mono) -> bool {
        let stalled = self.with(|core| core.check_stall(now));
        if stalled {
            self.wake();
        }
        stalled
    }

    /// What the current publisher's stream consists of; `None` while nobody publishes.
    pub fn catalog(&self) -> Option<Arc<Catalog>> {
        self.with(|core| core.catalog().cloned())
    }

    /// Who publishes.
    pub fn publisher(&self) -> Option<Arc<str>> {
        self.with(|core| core.publisher().cloned())
    }

    /// Counters.
    pub fn stats(&self) -> StreamStats {
        self.with(|core| core.stats)
    }

    /// What readers want, and a way to wait for changes of it.
    pub fn demand(&self) -> watch::Receiver<Demand> {
        self.demand.subscribe()
    }

    /// Wakes at every new unit and every new state. For readers that serve many viewers of a stream with one wake-up.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The unit at `position`, if the ring still holds it: for retransmission without a cache per viewer.
    pub fn unit_at(&self, position: u64) -> Option<Arc<AccessUnit>> {
        self.with(|core| core.ring.get(position).cloned())
    }

    /// Payload bytes in the ring.
    pub fn ring_bytes(&self) -> usize {
        self.with(|core| core.ring.bytes())
    }

    /// Asks the publisher for a keyframe, throttled; true if the wish was passed on.
    pub fn request_keyframe(&self, now: Mono) -> bool {
        let passed = self.with(|core| core.request_keyframe(now));
        if passed {
            self.publish_demand();
        }
        passed
    }

    fn publish_demand(&self) {
        self.demand.send_if_modified(|seen| {
            let now = self.with(|core| core.demand);
            std::mem::replace(seen, now) != now
        });
    }

    fn change<T>(&self, f: impl FnOnce(&mut Core) -> T) -> T {
        let out = self.with(f);
        self.wake();
        out
    }

    fn wake(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    fn with<T>(&self, f: impl FnOnce(&mut Core) -> T) -> T {
        f(&mut self.lock())
    }

    /// A panic while the core was locked is contained: every operation leaves it consistent enough to go on.
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to publish. Dropping it turns the stream offline; its readers stay.
pub struct Publisher {
    stream: Arc<Stream>,
    turn: Turn,
    demand: watch::Receiver<Demand>,
}

impl Publisher {
    /// Gives a unit to all readers. Never waits for them.
    ///
    /// # Errors
    /// [`PublishError::Replaced`] if another publisher took over while this one was silent.
    pub fn push(&self, now: Mono, unit: AccessUnit) -> Result<(), PublishError> {
        self.stream.change(|core| core.push(now, self.turn, unit))
    }

    /// Changes what the stream consists of, from the next unit on.
    ///
    /// # Errors
    /// [`PublishError::Replaced`] as with [`Publisher::push`].
    pub fn set_catalog(&self, catalog: Catalog) -> Result<(), PublishError> {
        self.stream.with(|core| core.set_catalog(self.turn, Arc::new(catalog)))
    }

    /// What readers want, and a way to wait for changes of it.
    pub fn demand(&mut self) -> &mut watch::Receiver<Demand> {
        &mut self.demand
    }

    /// The stream published to.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Ends publishing with a reason in words, free of secrets.
    pub fn finish(self, now: Mono, reason: impl Into<Arc<str>>) {
        self.stream.change(|core| core.end(now, self.turn, reason.into()));
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let turn = self.turn;
        // `finish` has usually said more; then the turn is over and this does nothing.
        let ended = self.stream.with(|core| {
            let now = core.stats.newest_at.unwrap_or(core.status.since);
            core.end(now, turn, "the publisher went away".into())
        });
        if ended {
            self.stream.wake();
        }
    }
}

/// How a reader wants to read.
#[derive(Clone, Copy, Debug)]
pub struct ReaderOptions {
    /// Where to begin.
    pub start: Start,
    /// A reader further behind than this skips to the newest keyframe, if that is ahead of it.
    pub max_lag: Duration,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self { start: Start::NewestKey, max_lag: Duration::from_secs(3600) }
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
    seen: Seen,
    stats: ReaderStats,
    changed: watch::Receiver<u64>,
}

impl Subscriber {
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
        if let Some(event) = self.seen.pending() {
            return Some(event);
        }
        let found = {
            let mut core = self.stream.lock();
            let found = core.ring.read(&mut self.cursor, self.options.max_lag);
            core.stats.skipped += found.as_ref().map_or(0, |f| f.skipped);
            if found.is_none() {
                return self.seen.news(&core);
            }
            found?
        };
        self.stats.units += 1;
        self.stats.bytes += found.unit.size() as u64;
        self.stats.skipped += found.skipped;
        let new_catalog = self.seen.catalog.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, &found.catalog));
        self.seen.unit = Some((found.unit, found.position));
        self.seen.skipped = found.skipped;
        if new_catalog {
            self.seen.catalog = Some(found.catalog.clone());
            return Some(Event::Catalog(found.catalog));
        }
        self.seen.pending()
    }

    /// Asks the publisher for a keyframe, throttled over all readers; true if the wish was passed on.
    pub fn request_keyframe(&self, now: Mono) -> bool {
        self.stream.request_keyframe(now)
    }

    /// How far behind the newest unit this reader is.
    pub fn lag(&self) -> Duration {
        self.stream.with(|core| core.ring.lag(&self.cursor))
    }

    /// Goes to the newest keyframe if one is held, else waits for the next, and forgets what was found but not yet told.
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

    fn pending(&mut self) -> Option<Event> {
        match std::mem::take(&mut self.skipped) {
            0 => self.unit.take().map(|(unit, position)| Event::Unit(unit, position)),
            units => Some(Event::Skipped { units }),
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.stream.with(Core::remove_reader);
        self.stream.publish_demand();
    }
}

#[cfg(test)]
mod tests;
