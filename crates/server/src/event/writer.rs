//! The task that brings events to disk.

use super::{EventBus, bus_start, history::History};
use media::Wall;
use std::{path::Path, time::Duration};
use tokio_util::sync::CancellationToken;

/// Events that come within this time share one commit.
const TOGETHER: Duration = Duration::from_millis(100);
/// Events in one commit.
const BATCH: usize = 1000;
/// A disk that failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(5);

/// A bus, and the history that its events go to.
pub(crate) struct EventWriter {
    bus: EventBus,
    history: Option<History>,
}

impl EventWriter {
    /// Opens the history in the state directory, if there is one. Without a history events live in
    /// memory, and ids begin with the time `now`, so that they go on after a restart as well.
    pub(crate) fn open(directory: Option<&Path>, now: Wall) -> Self {
        let mut history = directory.and_then(|directory| {
            let open = History::open(directory);
            open.inspect_err(|error| {
                tracing::error!(%error, "the history of events cannot be opened; events are forgotten with the server's end");
            })
            .ok()
        });
        let next = history.as_ref().map_or(0, History::next_id);
        let next = if next > 1 { next } else { bus_start(now) };
        if let Some(Err(error)) = history.as_mut().map(|history| history.reserve(next)) {
            tracing::error!(%error, "the history of events cannot be written");
        }
        let bus = EventBus::new(next);
        if let (Some(_), Some(directory)) = (&history, directory) {
            bus.set_directory(directory.to_owned());
        }
        Self { bus, history }
    }

    /// Where events are emitted.
    pub(crate) fn bus(&self) -> EventBus {
        self.bus.clone()
    }

    /// Writes events until `stop`, then what is left.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Some(mut history) = self.history else { return };
        let mut newest = self.bus.newest();
        let mut failing = false;
        loop {
            let stopping = stop.is_cancelled();
            let written = write(&self.bus, history).await;
            let Some((again, result)) = written else { return };
            history = again;
            if let Err(error) = &result
                && !failing
            {
                tracing::error!(%error, "events cannot be written to the state directory; it is tried again every {} s", AGAIN.as_secs());
            } else if failing && result.is_ok() {
                tracing::info!("events are written to the state directory again");
            }
            failing = result.is_err();
            if stopping {
                break;
            }
            let wait = async {
                match failing {
                    true => tokio::time::sleep(AGAIN).await,
                    false => {
                        let _ = newest.changed().await;
                        tokio::time::sleep(TOGETHER).await;
                    }
                }
            };
            let _ = stop.run_until_cancelled(wait).await;
        }
        let next = self.bus.next_id();
        let closed = tokio::task::spawn_blocking(move || history.close(next)).await;
        if let Ok(Err(error)) = closed {
            tracing::warn!(%error, "the history of events was not closed; some ids are left out");
        }
    }
}

/// Writes all that is not on disk. `None` if the thread that wrote panicked.
async fn write(bus: &EventBus, mut history: History) -> Option<(History, rusqlite::Result<()>)> {
    loop {
        let events = bus.unwritten(BATCH);
        let Some(newest) = events.last().map(|event| event.id) else {
            return Some((history, Ok(())));
        };
        let done = tokio::task::spawn_blocking(move || {
            let result = history.append(&events);
            (history, result)
        });
        let (again, result) = done.await.ok()?;
        history = again;
        if result.is_err() {
            return Some((history, result));
        }
        bus.set_written(newest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventFilter, EventKind};

    const NOW: Wall = Wall::from_micros(1_700_000_000_000_000);

    fn open(place: &Path) -> EventWriter {
        EventWriter::open(Some(place), NOW)
    }

    fn count(place: &Path) -> usize {
        let history = History::reader(place).unwrap();
        history.read(&EventFilter::default(), (0, u64::MAX), 1000, true).unwrap().len()
    }

    #[tokio::test]
    async fn events_and_ids_outlive_the_server() {
        let place = tempfile::tempdir().unwrap();
        let mut last = 0;
        for round in 1..=3 {
            let writer = open(place.path());
            let (bus, stop) = (writer.bus(), CancellationToken::new());
            let running = tokio::spawn(writer.run(stop.clone()));
            bus.emit(NOW, EventKind::CameraLive, Some("front"), "");
            let newest = *bus.newest().borrow();
            assert!(round == 1 || newest == last + 1, "{newest} follows {last}");
            last = newest;
            stop.cancel();
            running.await.unwrap();
            assert_eq!(count(place.path()), round);
        }
    }

    #[tokio::test]
    async fn without_a_directory_ids_go_on_by_the_time() {
        let first = EventWriter::open(None, NOW).bus();
        first.emit(NOW, EventKind::ServerStarted, None, "");
        let later = EventWriter::open(None, Wall::from_micros(NOW.as_micros() + 2_000_000)).bus();
        assert!(later.next_id() > first.next_id());
    }
}
