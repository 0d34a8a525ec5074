//! Which cameras were stopped by command, and since when.
//!
//! A stop belongs to a name, as what is set in a camera does: it outlives restarts of the server and changes of the config, until a
//! command starts the camera.

use crate::state::StateDir;
use media::Wall;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The file in the state directory.
const FILE: &str = "stopped.json";
/// Raised when older versions could not read what is written.
const VERSION: u32 = 1;

/// The cameras and renditions that are stopped by command, in a file where the server may keep one. A cheap handle.
#[derive(Clone)]
pub(crate) struct Stops {
    dir: StateDir,
    known: Arc<Mutex<Known>>,
    /// The number of the last change that is in the file; held while writing.
    written: Arc<tokio::sync::Mutex<u64>>,
}

/// Names of streams, and when they were stopped, in microseconds since 1970.
type Since = BTreeMap<String, i64>;

#[derive(Default)]
struct Known {
    since: Since,
    /// Counts the changes.
    changes: u64,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    since_us: Since,
}

impl Stops {
    /// Reads what is kept there. A file that cannot be understood is put aside and told.
    pub(crate) fn open(dir: StateDir) -> Self {
        let stored = dir.read(FILE, |text| {
            let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
            match file.version {
                VERSION => Ok(file.since_us),
                other => Err(format!("it is of version {other}, and this server knows version {VERSION}")),
            }
        });
        let known = Known { since: stored.unwrap_or_default(), changes: 0 };
        Self { dir, known: Arc::new(Mutex::new(known)), written: Arc::default() }
    }

    /// When the stream of this name was stopped, if it was.
    pub(crate) fn since(&self, stream: &str) -> Option<Wall> {
        self.known().since.get(stream).copied().map(Wall::from_micros)
    }

    /// Does `stop`, and notes that the stream of this name is stopped from `at` on, unless it was already. Both are one step, so that of two
    /// orders at once the later one is noted.
    pub(crate) fn stop(&self, stream: &str, at: Wall, stop: impl FnOnce()) {
        let mut known = self.known();
        stop();
        if !known.since.contains_key(stream) {
            known.since.insert(stream.to_owned(), at.as_micros());
            known.changes += 1;
        }
    }

    /// Does `start`, and notes that the stream of this name is not stopped any more.
    pub(crate) fn start(&self, stream: &str, start: impl FnOnce()) {
        let mut known = self.known();
        start();
        known.changes += u64::from(known.since.remove(stream).is_some());
    }

    /// Returns when everything noted would survive a loss of power, if there is a place for it.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) async fn save(&self) -> io::Result<()> {
        let mut written = self.written.lock().await;
        let (since_us, changes) = {
            let known = self.known();
            (known.since.clone(), known.changes)
        };
        if *written == changes {
            return Ok(());
        }
        let file = File { version: VERSION, since_us };
        self.dir.write(FILE, serde_json::to_vec_pretty(&file).map_err(io::Error::other)?).await?;
        *written = changes;
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Wall = Wall::from_micros(1_700_000_000_000_000);
    const LATER: Wall = Wall::from_micros(1_700_000_100_000_000);

    #[tokio::test]
    async fn stops_are_found_again_with_their_first_time_until_the_start() {
        let place = tempfile::tempdir().unwrap();
        let open = || Stops::open(StateDir::at(place.path()).unwrap());
        let stops = open();
        stops.save().await.unwrap();
        assert!(!place.path().join(FILE).exists(), "nothing to keep");
        stops.stop("front", NOON, || {});
        stops.stop("front", LATER, || {});
        stops.stop("yard/small", LATER, || {});
        stops.save().await.unwrap();
        let stops = open();
        assert_eq!((stops.since("front"), stops.since("yard/small"), stops.since("yard")), (Some(NOON), Some(LATER), None));
        stops.start("front", || {});
        stops.start("back", || {});
        stops.save().await.unwrap();
        let stops = open();
        assert_eq!((stops.since("front"), stops.since("yard/small")), (None, Some(LATER)));
        stops.stop("front", LATER, || {});
        stops.save().await.unwrap();
        assert_eq!(open().since("front"), Some(LATER));
    }

    #[tokio::test]
    async fn what_cannot_be_understood_stops_nothing() {
        let place = tempfile::tempdir().unwrap();
        for text in ["", "[]", r#"{"version": 9, "since_us": {"front": 1}}"#, r#"{"version": 1, "since_us": {"front": "noon"}}"#]
        {
            std::fs::write(place.path().join(FILE), text).unwrap();
            assert_eq!(Stops::open(StateDir::at(place.path()).unwrap()).since("front"), None, "{text}");
        }
    }

    #[tokio::test]
    async fn without_a_place_a_stop_outlives_the_config_and_not_the_server() {
        let stops = Stops::open(StateDir::none());
        stops.stop("front", NOON, || {});
        stops.save().await.unwrap();
        assert_eq!(stops.since("front"), Some(NOON));
    }
}
