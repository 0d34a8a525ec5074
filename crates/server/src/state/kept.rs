//! What is known of each camera, in one file.

use super::StateDir;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Raised when older versions could not read what is written.
const VERSION: u32 = 1;

/// Something by the names of cameras and renditions, in a file where the server may keep one. A
/// cheap handle.
#[derive(Clone)]
pub(crate) struct Kept<T> {
    dir: StateDir,
    file: &'static str,
    known: Arc<Mutex<Known<T>>>,
    /// The number of the last change that is in the file; held while writing, so that the newest is
    /// what stays.
    written: Arc<tokio::sync::Mutex<u64>>,
}

struct Known<T> {
    cameras: BTreeMap<String, T>,
    changes: u64,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct File<T> {
    version: u32,
    cameras: BTreeMap<String, T>,
}

impl<T: Clone + Serialize + DeserializeOwned> Kept<T> {
    /// Reads what is kept in `file`. One that cannot be understood is put aside and told.
    pub(crate) fn open(dir: StateDir, file: &'static str) -> Self {
        let stored = dir.read(file, |text| {
            let file: File<T> = serde_json::from_str(text).map_err(|error| error.to_string())?;
            match file.version {
                VERSION => Ok(file.cameras),
                other => Err(format!(
                    "it is of version {other}, and this server knows version {VERSION}"
                )),
            }
        });
        let known = Known { cameras: stored.unwrap_or_default(), changes: 0 };
        Self { dir, file, known: Arc::new(Mutex::new(known)), written: Arc::default() }
    }

    /// There is a place for it.
    pub(crate) fn is_persistent(&self) -> bool {
        self.dir.path().is_some()
    }

    /// What is known of the camera of this name.
    pub(crate) fn of(&self, camera: &str) -> Option<T> {
        self.known().cameras.get(camera).cloned()
    }

    /// Has what is known of all cameras changed by `change`, which tells whether it did so; nobody
    /// else sees or changes it meanwhile.
    pub(crate) fn change(&self, change: impl FnOnce(&mut BTreeMap<String, T>) -> bool) {
        let mut known = self.known();
        let changed = change(&mut known.cameras);
        known.changes += u64::from(changed);
    }

    /// Returns when every change so far would survive a loss of power; false if there is no place
    /// for it.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) async fn save(&self) -> io::Result<bool> {
        let mut written = self.written.lock().await;
        let (cameras, changes) = {
            let known = self.known();
            (known.cameras.clone(), known.changes)
        };
        if *written == changes {
            return Ok(self.is_persistent());
        }
        let file = File { version: VERSION, cameras };
        let kept = self
            .dir
            .write(self.file, serde_json::to_vec_pretty(&file).map_err(io::Error::other)?)
            .await?;
        *written = changes;
        Ok(kept)
    }

    fn known(&self) -> MutexGuard<'_, Known<T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "numbers.json";

    fn set(kept: &Kept<u8>, camera: &str, value: Option<u8>) {
        kept.change(|all| match value {
            Some(value) => all.insert(camera.to_owned(), value) != Some(value),
            None => all.remove(camera).is_some(),
        });
    }

    #[tokio::test]
    async fn what_is_saved_is_found_again() {
        let place = tempfile::tempdir().unwrap();
        let open = || Kept::open(StateDir::at(place.path()).unwrap(), FILE);
        let kept = open();
        assert!(kept.save().await.unwrap());
        assert!(!place.path().join(FILE).exists(), "nothing to keep");
        set(&kept, "front", Some(1));
        set(&kept, "yard/small", Some(2));
        assert_eq!(open().of("front"), None, "not saved yet");
        assert!(kept.save().await.unwrap());
        let kept = open();
        assert_eq!(
            (kept.of("front"), kept.of("yard/small"), kept.of("yard")),
            (Some(1), Some(2), None)
        );
        set(&kept, "front", None);
        assert!(kept.save().await.unwrap());
        assert_eq!((open().of("front"), open().of("yard/small")), (None, Some(2)));
    }

    #[tokio::test]
    async fn what_cannot_be_understood_is_nothing() {
        let place = tempfile::tempdir().unwrap();
        for text in [
            "",
            "[]",
            r#"{"version": 9, "cameras": {"front": 1}}"#,
            r#"{"version": 1, "cameras": {"front": "one"}}"#,
        ] {
            std::fs::write(place.path().join(FILE), text).unwrap();
            assert_eq!(
                Kept::<u8>::open(StateDir::at(place.path()).unwrap(), FILE).of("front"),
                None,
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn without_a_place_it_lasts_as_long_as_the_server() {
        let kept = Kept::open(StateDir::none(), FILE);
        set(&kept, "front", Some(1));
        assert!(!kept.save().await.unwrap());
        assert_eq!(kept.of("front"), Some(1));
    }
}
