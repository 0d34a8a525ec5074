//! Thin handles around the core: one mutex and one wake-up a stream. This side publishes and
//! manages.

use crate::{
    Demand, KeyframeRequest, PublishError, ReaderOptions, Status, StreamOptions, StreamStats,
    Subscriber,
    core::{Core, Turn},
};
use media::{AccessUnit, Catalog, Mono};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// A named live stream that outlives its publishers and readers.
pub struct Stream {
    name: Arc<str>,
    /// Held for a few hundred nanoseconds at a time and never across an await: readers only clone
    /// an `Arc` under it.
    core: Mutex<Core>,
    /// Counts changes: units and states. Readers wait on it.
    changed: watch::Sender<u64>,
    demand: watch::Sender<Demand>,
    /// Counts how often it was disabled.
    disabled_count: AtomicU64,
}

impl Stream {
    /// A stream that nobody publishes yet.
    pub fn new(name: impl Into<Arc<str>>, options: StreamOptions, now: Mono) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            core: Mutex::new(Core::new(options, now)),
            changed: watch::Sender::new(0),
            demand: watch::Sender::new(Demand::default()),
            disabled_count: AtomicU64::new(0),
        })
    }

    /// Its name: `front`, or `front/sd` for a rendition.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Begins publishing. `by` names the publisher to others and must hold no secret.
    ///
    /// # Errors
    /// [`PublishError::Busy`] while another publisher's frames arrive; one that has been silent for
    /// the stall time is replaced. [`PublishError::Disabled`] while the stream is disabled.
    pub fn publish(
        self: &Arc<Self>,
        now: Mono,
        by: impl Into<Arc<str>>,
        catalog: Catalog,
    ) -> Result<Publisher, PublishError> {
        let catalog = Arc::new(catalog);
        let turn = self.change(|core| core.begin(now, by.into(), catalog))?;
        Ok(Publisher { stream: self.clone(), turn })
    }

    /// Gives readers something to see while the camera has nothing: what is pushed changes neither
    /// state nor counters. It ends with the camera's next frame, or its next publisher.
    ///
    /// # Errors
    /// [`PublishError::Busy`] while frames arrive, [`PublishError::Disabled`] while the stream is
    /// disabled.
    pub fn stand_in(self: &Arc<Self>, catalog: Catalog) -> Result<Publisher, PublishError> {
        let turn = self.change(|core| core.begin_stand_in(Arc::new(catalog)))?;
        Ok(Publisher { stream: self.clone(), turn })
    }

    /// Begins reading.
    pub fn subscribe(self: &Arc<Self>, options: ReaderOptions) -> Subscriber {
        let cursor = self.with(|core| {
            core.demand.add(options.kind);
            core.ring.cursor(options.start)
        });
        self.publish_demand();
        Subscriber::new(self.clone(), cursor, options, true)
    }

    /// Reads without being counted: nothing runs for such a reader, and nobody hears of it.
    pub fn observe(self: &Arc<Self>, options: ReaderOptions) -> Subscriber {
        let cursor = self.with(|core| core.ring.cursor(options.start));
        Subscriber::new(self.clone(), cursor, options, false)
    }

    /// The state in words.
    pub fn status(&self) -> Arc<Status> {
        self.with(|core| core.status.clone())
    }

    /// The states since the last call, oldest first and the present one last, for one caller that
    /// tells of them. The sixteen newest are kept.
    pub fn take_transitions(&self) -> Vec<Arc<Status>> {
        self.with(Core::take_transitions)
    }

    /// Sets the state while nobody publishes: a supervisor's word on why, and when it tries next.
    pub fn report(&self, status: Status) {
        if self.with(|core| core.report(status)) {
            self.wake();
        }
    }

    /// Ends the stream for good, for its publisher and its readers: the camera was removed.
    pub fn end(&self, now: Mono, reason: impl Into<Arc<str>>) {
        self.change(|core| core.end_stream(now, reason.into()));
    }

    /// Ends the current publisher's turn, who learns of it at its next push; readers stay. True if
    /// there was one.
    pub fn kick_publisher(&self, now: Mono, reason: impl Into<Arc<str>>) -> bool {
        self.change(|core| core.kick_publisher(now, reason.into()))
    }

    /// Stops the stream: its publisher's turn ends, all it holds is let go, and nobody can publish
    /// until it is enabled. Readers stay; those that keep something of what they have read see by
    /// [`Stream::disabled_count`] that it belongs to the past.
    pub fn disable(&self, now: Mono, reason: impl Into<Arc<str>>) {
        self.change(|core| {
            core.disable(now, reason.into());
            self.disabled_count.fetch_add(1, Ordering::Release);
        });
    }

    /// Ends [`Stream::disable`]; the state stays as it is until a publisher begins or a supervisor
    /// reports another. True if it was disabled.
    pub fn enable(&self) -> bool {
        let enabled = self.with(Core::enable);
        if enabled {
            self.wake();
        }
        enabled
    }

    /// True while nobody may publish.
    pub fn is_disabled(&self) -> bool {
        self.with(|core| core.is_disabled())
    }

    /// How often the stream was disabled: where this differs, what was read before is of another
    /// run. One load of an atomic.
    pub fn disabled_count(&self) -> u64 {
        self.disabled_count.load(Ordering::Acquire)
    }

    /// True if a new reader sees a picture at once: frames arrive, and a keyframe of the present
    /// publisher is held.
    pub fn is_watchable(&self) -> bool {
        self.with(|core| core.is_watchable())
    }

    /// Changes [`StreamOptions::stall_after`] from now on.
    pub fn set_stall_after(&self, stall_after: Duration) {
        self.with(|core| core.set_stall_after(stall_after));
    }

    /// Notices a publisher that has gone silent; true if the stream has just become stalled. To be
    /// called a few times a second.
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

    /// Wakes at every new unit and every new state. For readers that serve many viewers of a stream
    /// with one wake-up.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The unit at `position`, if the ring still holds it: for retransmission without a cache per
    /// viewer.
    pub fn unit_at(&self, position: u64) -> Option<Arc<AccessUnit>> {
        self.with(|core| core.ring.get(position).cloned())
    }

    /// Bytes in the ring, bookkeeping included.
    pub fn ring_bytes(&self) -> usize {
        self.with(|core| core.ring.bytes())
    }

    /// Asks the publisher for a keyframe, throttled.
    pub fn request_keyframe(&self, now: Mono) -> KeyframeRequest {
        let request = self.with(|core| core.request_keyframe(now));
        if request == KeyframeRequest::Sent {
            self.publish_demand();
        }
        request
    }

    pub(crate) fn publish_demand(&self) {
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

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Core) -> T) -> T {
        f(&mut self.lock())
    }

    /// A panic while the core was locked is contained: every operation leaves it consistent enough
    /// to go on.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to publish. Dropping it turns the stream offline; its readers stay.
pub struct Publisher {
    stream: Arc<Stream>,
    turn: Turn,
}

impl Publisher {
    /// Gives a unit to all readers. Never waits for them.
    ///
    /// # Errors
    /// [`PublishError::Replaced`] if another publisher took over while this one was silent.
    pub fn push(&self, now: Mono, unit: AccessUnit) -> Result<(), PublishError> {
        if self.stream.change(|core| core.push(now, self.turn, unit))? {
            self.stream.publish_demand();
        }
        Ok(())
    }

    /// Changes what the stream consists of, from the next unit on.
    ///
    /// # Errors
    /// [`PublishError::Replaced`] as with [`Publisher::push`].
    pub fn set_catalog(&self, catalog: Catalog) -> Result<(), PublishError> {
        self.stream.with(|core| core.set_catalog(self.turn, Arc::new(catalog)))
    }

    /// Declares that this publisher asks its encoder for a keyframe whenever
    /// [`Demand::keyframes`] rises. Without this, requests are answered with
    /// [`KeyframeRequest::Unsupported`].
    pub fn serve_keyframes(&self) {
        self.stream.with(|core| core.serve_keyframes(self.turn));
    }

    /// The stream published to.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Ends publishing with a reason in words, free of secrets.
    pub fn finish(self, now: Mono, reason: impl Into<Arc<str>>) {
        self.stream.change(|core| core.end(Some(now), self.turn, reason.into()));
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let turn = self.turn;
        // `finish` has usually said more; then the turn is over and this does nothing.
        let ended = self.stream.with(|core| core.end(None, turn, "the publisher went away".into()));
        if ended {
            self.stream.wake();
        }
    }
}

#[cfg(test)]
mod tests;
