//! Which cameras were stopped by command, and since when.
//!
//! A stop belongs to a name, as what is set in a camera does: it outlives restarts of the server
//! and changes of the config, until a command starts the camera.

use crate::state::{Kept, StateDir};
use media::Wall;
use std::io;

/// The file in the state directory.
const FILE: &str = "stopped.json";

/// The cameras and renditions that are stopped by command, and when they were: in microseconds
/// since 1970. A cheap handle.
#[derive(Clone)]
pub(crate) struct Stops {
    since: Kept<i64>,
}

impl Stops {
    /// Reads what is kept there.
    pub(crate) fn open(dir: StateDir) -> Self {
        Self { since: Kept::open(dir, FILE) }
    }

    /// When the stream of this name was stopped, if it was.
    pub(crate) fn since(&self, stream: &str) -> Option<Wall> {
        self.since.of(stream).map(Wall::from_micros)
    }

    /// Does `stop`, and notes that the stream of this name is stopped from `at` on, unless it was
    /// already. Both are one step, so that of two orders at once the later one is noted.
    pub(crate) fn stop(&self, stream: &str, at: Wall, stop: impl FnOnce()) {
        self.since.change(|since| {
            stop();
            let news = !since.contains_key(stream);
            if news {
                since.insert(stream.to_owned(), at.as_micros());
            }
            news
        });
    }

    /// Does `start`, and notes that the stream of this name is not stopped any more.
    pub(crate) fn start(&self, stream: &str, start: impl FnOnce()) {
        self.since.change(|since| {
            start();
            since.remove(stream).is_some()
        });
    }

    /// Returns when everything noted would survive a loss of power, if there is a place for it.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) async fn save(&self) -> io::Result<()> {
        self.since.save().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Wall = Wall::from_micros(1_700_000_000_000_000);
    const LATER: Wall = Wall::from_micros(1_700_000_100_000_000);

    #[tokio::test]
    async fn a_stop_is_kept_with_its_first_time_until_the_start() {
        let place = tempfile::tempdir().unwrap();
        let open = || Stops::open(StateDir::at(place.path()).unwrap());
        let stops = open();
        stops.stop("front", NOON, || {});
        stops.stop("front", LATER, || {});
        stops.stop("yard/small", LATER, || {});
        stops.save().await.unwrap();
        let stops = open();
        assert_eq!(
            (stops.since("front"), stops.since("yard/small"), stops.since("yard")),
            (Some(NOON), Some(LATER), None)
        );
        stops.start("front", || {});
        stops.start("back", || {});
        stops.save().await.unwrap();
        let stops = open();
        assert_eq!((stops.since("front"), stops.since("yard/small")), (None, Some(LATER)));
        stops.stop("front", LATER, || {});
        stops.save().await.unwrap();
        assert_eq!(open().since("front"), Some(LATER));
    }
}
