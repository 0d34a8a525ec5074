//! What people have set, across restarts of the server.

use super::{Desk, Wishes};
use crate::state::{Kept, StateDir};
use std::io;

/// The file in the state directory.
const FILE: &str = "controls.json";

/// The wishes of all cameras, in a file where the server may keep one. A cheap handle.
#[derive(Clone)]
pub(crate) struct Settings {
    wishes: Kept<Wishes>,
}

impl Settings {
    /// Reads what is kept there.
    pub(crate) fn open(dir: StateDir) -> Self {
        Self { wishes: Kept::open(dir, FILE) }
    }

    /// What was last set for a camera.
    pub(crate) fn of(&self, camera: &str) -> Wishes {
        self.wishes.of(camera).unwrap_or_default()
    }

    /// There is a place for them.
    pub(crate) fn is_persistent(&self) -> bool {
        self.wishes.is_persistent()
    }

    /// Writes what is set for `camera` now; false if there is no place for it.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) async fn save(&self, camera: &str, desk: &Desk) -> io::Result<bool> {
        self.wishes.change(|all| {
            // Read here, so that of two who set something at once neither writes what the other has
            // replaced.
            match desk.wishes() {
                wishes if wishes.is_empty() => all.remove(camera).is_some(),
                wishes => all.insert(camera.to_owned(), wishes.clone()).as_ref() != Some(&wishes),
            }
        });
        self.wishes.save().await
    }
}
