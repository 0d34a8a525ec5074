//! The bus: events are emitted here, lie in a bounded ring, and are read from any id on.

use super::{Event, EventFilter, EventKind, history::History};
use crate::stream_name::parts;
use media::Wall;
use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::sync::watch;

/// Events in memory. The disk has seconds to take them before one is lost.
const RING: usize = 4096;

/// The bus of events. A cheap handle.
///
/// A subscriber is an id: [`EventBus::after`] gives what came since, from memory or from disk, so
/// that a slow subscriber costs nothing and misses nothing that the history holds.
#[derive(Clone)]
pub(crate) struct EventBus(Arc<Shared>);

struct Shared {
    ring: Mutex<Ring>,
    /// The newest id.
    newest: watch::Sender<u64>,
    /// Where the history is, once there is one.
    directory: Mutex<Option<PathBuf>>,
    /// Events that left the ring before the disk took them.
    lost: AtomicU64,
}

struct Ring {
    events: VecDeque<Event>,
    /// The id of the next event.
    next: u64,
    /// Events up to this id are on disk, or never will be.
    written: u64,
}

/// What a subscriber gets.
#[derive(Default, PartialEq, Debug)]
pub(crate) struct EventPage {
    /// Oldest first.
    pub(crate) events: Vec<Event>,
    /// Ask again from this id on: nothing that is wanted lies between the last event and it.
    pub(crate) upto: u64,
}

impl EventBus {
    /// A bus without a history yet, whose first event has the id `next`.
    pub(crate) fn new(next: u64) -> Self {
        let next = next.max(1);
        let ring = Ring { events: VecDeque::new(), next, written: next - 1 };
        Self(Arc::new(Shared {
            ring: Mutex::new(ring),
            newest: watch::Sender::new(next - 1),
            directory: Mutex::default(),
            lost: AtomicU64::new(0),
        }))
    }

    /// Older events are read from this directory from now on.
    pub(super) fn set_directory(&self, directory: PathBuf) {
        *self.0.directory.lock().unwrap_or_else(PoisonError::into_inner) = Some(directory);
    }

    /// Emits an event, about the stream of this name if about one. Never waits for a reader or the
    /// disk.
    pub(crate) fn emit(
        &self,
        at: Wall,
        kind: EventKind,
        stream: Option<&str>,
        message: impl Into<Arc<str>>,
    ) {
        let (camera, rendition) = stream.map(parts).unzip();
        let (camera, rendition) = (camera.map(Into::into), rendition.flatten().map(Into::into));
        let mut ring = self.ring();
        let id = ring.next;
        ring.next += 1;
        if ring.events.len() >= RING
            && let Some(oldest) = ring.events.pop_front()
            && oldest.id > ring.written
        {
            self.0.lost.fetch_add(1, Relaxed);
        }
        let message = message.into();
        ring.events.push_back(Event { id, kind, camera, rendition, at, message });
        // Under the lock, so that ids are announced in their order.
        self.0.newest.send_replace(id);
    }

    /// The newest id, and a way to wait for the next.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }

    /// Events that will not be in the history, because the disk did not take them in time.
    pub(crate) fn lost(&self) -> u64 {
        self.0.lost.load(Relaxed)
    }

    /// The first `limit` events that `filter` accepts and whose id is above `after`.
    pub(crate) async fn after(&self, after: u64, filter: &EventFilter, limit: usize) -> EventPage {
        let (oldest, mut recent, newest) = self.recent(after, filter);
        let mut events = Vec::new();
        if after.saturating_add(1) < oldest {
            events = self.stored(filter, (after, oldest), limit, false).await;
        }
        recent.truncate(limit.saturating_sub(events.len()));
        events.append(&mut recent);
        let upto = match events.last() {
            Some(last) if events.len() >= limit => last.id,
            _ => newest,
        };
        EventPage { events, upto }
    }

    /// The newest `limit` events that `filter` accepts, oldest first.
    pub(crate) async fn latest(&self, filter: &EventFilter, limit: usize) -> Vec<Event> {
        let (oldest, mut recent, _) = self.recent(0, filter);
        recent.drain(..recent.len().saturating_sub(limit));
        let mut events = Vec::new();
        if recent.len() < limit {
            events = self.stored(filter, (0, oldest), limit - recent.len(), true).await;
        }
        events.append(&mut recent);
        events
    }

    /// Of the ring: its oldest id, the events above `after` that `filter` accepts, its newest id.
    fn recent(&self, after: u64, filter: &EventFilter) -> (u64, Vec<Event>, u64) {
        let ring = self.ring();
        let oldest = ring.events.front().map_or(ring.next, |event| event.id);
        // A client may name an id that was never given.
        let skip =
            usize::try_from(after.saturating_add(1).saturating_sub(oldest)).unwrap_or(usize::MAX);
        let recent = ring.events.iter().skip(skip).filter(|event| filter.accepts(event));
        (oldest, recent.cloned().collect(), ring.next - 1)
    }

    /// Events of the history. None if it cannot be read, which is told in the log.
    async fn stored(
        &self,
        filter: &EventFilter,
        range: (u64, u64),
        limit: usize,
        newest: bool,
    ) -> Vec<Event> {
        let directory = self.0.directory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(directory) = directory else { return Vec::new() };
        let filter = filter.clone();
        let read = tokio::task::spawn_blocking(move || {
            History::reader(&directory)?.read(&filter, range, limit, newest)
        });
        match read.await {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the history of events cannot be read");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    /// Up to `limit` events that are not on disk.
    pub(super) fn unwritten(&self, limit: usize) -> Vec<Event> {
        let ring = self.ring();
        let from = ring.events.partition_point(|event| event.id <= ring.written);
        ring.events.range(from..).take(limit).cloned().collect()
    }

    /// Events up to this id are on disk.
    pub(super) fn set_written(&self, id: u64) {
        let mut ring = self.ring();
        ring.written = ring.written.max(id);
    }

    /// The id that the next event will have.
    pub(super) fn next_id(&self) -> u64 {
        self.ring().next
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emit(bus: &EventBus, count: u64, camera: &str) {
        for _ in 0..count {
            bus.emit(Wall::from_micros(1), EventKind::CameraLive, Some(camera), "");
        }
    }

    fn ids(events: &[Event]) -> Vec<u64> {
        events.iter().map(|event| event.id).collect()
    }

    #[tokio::test]
    async fn a_subscriber_reads_on_from_its_id() {
        let bus = EventBus::new(7);
        emit(&bus, 3, "front/small");
        let all = EventFilter::default();
        let page = bus.after(0, &all, 2).await;
        assert_eq!((ids(&page.events), page.upto), (vec![7, 8], 8));
        assert_eq!(page.events[0].rendition.as_deref(), Some("small"));
        let page = bus.after(page.upto, &all, 2).await;
        assert_eq!((ids(&page.events), page.upto), (vec![9], 9));
        assert_eq!(bus.after(9, &all, 2).await, EventPage { events: vec![], upto: 9 });
        assert_eq!(bus.after(u64::MAX - 1, &all, 2).await.events, []);
        let other = EventFilter { camera: Some("yard".into()), ..all };
        assert_eq!(bus.after(0, &other, 2).await, EventPage { events: vec![], upto: 9 });
    }

    #[tokio::test]
    async fn the_ring_is_bounded_and_counts_what_the_disk_did_not_take() {
        let bus = EventBus::new(1);
        let ring = RING as u64;
        emit(&bus, ring, "a");
        bus.set_written(10);
        emit(&bus, 15, "a");
        assert_eq!((bus.lost(), bus.unwritten(usize::MAX).len()), (5, RING));
        let latest = bus.latest(&EventFilter::default(), 2).await;
        assert_eq!(ids(&latest), [ring + 14, ring + 15]);
    }

    #[tokio::test]
    async fn what_left_the_ring_is_read_from_disk() {
        let place = tempfile::tempdir().unwrap();
        let bus = EventBus::new(1);
        emit(&bus, 20, "a");
        History::open(place.path()).unwrap().append(&bus.unwritten(20)).unwrap();
        bus.set_written(20);
        bus.set_directory(place.path().into());
        emit(&bus, RING as u64, "a");
        let all = EventFilter::default();
        assert_eq!(ids(&bus.after(18, &all, 4).await.events), [19, 20, 21, 22]);
        let latest = ids(&bus.latest(&all, RING + 2).await);
        assert_eq!((latest.len(), latest[0], latest[2]), (RING + 2, 19, 21));
    }
}
