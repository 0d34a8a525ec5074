//! One camera: its stream, and what is known about it beyond the stream.

use super::meter::{Meter, Rates};
use hub::{State, Stream};
use media::{Catalog, Mono};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Where a camera's picture comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    /// The source in words, without secrets: `rtsp://192.0.2.10/stream1`, `publish`.
    pub(crate) text: Arc<str>,
    /// The camera waits for somebody to publish.
    pub(crate) publishable: bool,
}

/// How often, and why, a camera's source had to be started again.
#[derive(Clone, Default, Debug)]
pub(crate) struct Restarts {
    /// All together.
    pub(crate) total: u64,
    /// By reason: one of a few fixed words, because it is a label of a metric.
    pub(crate) by_reason: BTreeMap<&'static str, u64>,
    /// When, and why in words.
    pub(crate) last: Option<(Mono, Arc<str>)>,
}

/// A camera as the directory knows it.
pub(crate) struct Camera {
    stream: Arc<Stream>,
    origin: Origin,
    /// Held for a moment, never across an await.
    notes: Mutex<Notes>,
    /// Rises when somebody asks for a restart of the source.
    restart: watch::Sender<u64>,
}

#[derive(Default)]
struct Notes {
    meter: Meter,
    restarts: Restarts,
    seen: Option<Seen>,
}

/// What the last tick saw, to notice changes.
#[derive(PartialEq)]
struct Seen {
    state: State,
    reason: Arc<str>,
    next_try: Option<Mono>,
    publisher: Option<Arc<str>>,
    catalog: Option<Arc<Catalog>>,
    restarts: u64,
}

impl Camera {
    pub(super) fn new(stream: Arc<Stream>, origin: Origin) -> Self {
        Self { stream, origin, notes: Mutex::default(), restart: watch::Sender::new(0) }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.stream.name()
    }

    /// Its stream.
    pub(crate) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Where its picture comes from.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Frame rate and bit rate over the last seconds.
    pub(crate) fn rates(&self) -> Rates {
        self.notes().meter.rates()
    }

    /// How often the source had to be started again.
    pub(crate) fn restarts(&self) -> Restarts {
        self.notes().restarts.clone()
    }

    /// Counts a restart of the source. `reason` is one of a few fixed words, `detail` the cause in words without secrets.
    pub(crate) fn count_restart(&self, now: Mono, reason: &'static str, detail: impl Into<Arc<str>>) {
        let restarts = &mut self.notes().restarts;
        restarts.total += 1;
        *restarts.by_reason.entry(reason).or_default() += 1;
        restarts.last = Some((now, detail.into()));
    }

    /// Asks whoever runs the source to start it anew.
    pub(crate) fn request_restart(&self) {
        self.restart.send_modify(|n| *n += 1);
    }

    /// Changes when somebody asks for a restart of the source.
    pub(crate) fn restart_requests(&self) -> watch::Receiver<u64> {
        self.restart.subscribe()
    }

    /// Notices what has happened since the last tick; true if users should be told.
    pub(super) fn tick(&self, now: Mono) -> bool {
        self.stream.check_stall(now);
        let (stats, status) = (self.stream.stats(), self.stream.status());
        let mut notes = self.notes();
        notes.meter.sample(now, stats.frames, stats.bytes);
        let seen = Seen {
            state: status.state,
            reason: status.reason.clone(),
            next_try: status.next_try,
            publisher: self.stream.publisher(),
            catalog: self.stream.catalog(),
            restarts: notes.restarts.total,
        };
        let changed = notes.seen.as_ref() != Some(&seen);
        notes.seen = Some(seen);
        changed
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
