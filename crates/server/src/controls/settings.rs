//! What people have set, across restarts of the server.

use super::{Desk, Wishes};
use crate::state::StateDir;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The file in the state directory.
const FILE: &str = "controls.json";
/// Raised when older versions could not read what is written.
const VERSION: u32 = 1;

/// The wishes of all cameras, in a file where the server may keep one. A cheap handle.
#[derive(Clone)]
pub(crate) struct Settings {
    dir: StateDir,
    cameras: Arc<Mutex<BTreeMap<String, Wishes>>>,
    /// Held while writing, so that the newest is what stays.
    writing: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    cameras: BTreeMap<String, Wishes>,
}

impl Settings {
    /// Reads what is kept there. A file that cannot be understood is put aside and told.
    pub(crate) fn open(dir: StateDir) -> Self {
        let stored = dir.read(FILE, |text| {
            let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
            match file.version {
                VERSION => Ok(file.cameras),
                other => Err(format!("it is of version {other}, and this server knows version {VERSION}")),
            }
        });
        Self { dir, cameras: Arc::new(Mutex::new(stored.unwrap_or_default())), writing: Arc::default() }
    }

    /// What was last set for a camera.
    pub(crate) fn of(&self, camera: &str) -> Wishes {
        self.cameras().get(camera).cloned().unwrap_or_default()
    }

    /// There is a place for them.
    pub(crate) fn is_persistent(&self) -> bool {
        self.dir.path().is_some()
    }

    /// Writes what is set for `camera` now; false if there is no place for it.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) async fn save(&self, camera: &str, desk: &Desk) -> io::Result<bool> {
        let _writing = self.writing.lock().await;
        let file = File { version: VERSION, cameras: self.note(camera, desk.wishes()) };
        self.dir.write(FILE, serde_json::to_vec_pretty(&file).map_err(io::Error::other)?).await
    }

    fn note(&self, camera: &str, wishes: Wishes) -> BTreeMap<String, Wishes> {
        let mut cameras = self.cameras();
        match wishes.is_empty() {
            true => drop(cameras.remove(camera)),
            false => drop(cameras.insert(camera.to_owned(), wishes)),
        }
        cameras.clone()
    }

    fn cameras(&self) -> MutexGuard<'_, BTreeMap<String, Wishes>> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
