//! The state directory: what the server itself has to remember across restarts, a few small files.
//!
//! Files are replaced as a whole and survive a loss of power. One that cannot be understood is put
//! aside with a word in the log, and never stops the server.

mod kept;

pub(crate) use kept::Kept;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Far beyond anything the server writes.
const MAX_FILE: u64 = 4 << 20;
/// Where packages make a directory for us.
const USUAL: &str = "/var/lib/neverblink";

/// A directory for small files, if there is one. A cheap handle.
#[derive(Clone, Default, Debug)]
pub(crate) struct StateDir {
    path: Option<PathBuf>,
}

impl StateDir {
    /// Nothing is kept.
    pub(crate) fn none() -> Self {
        Self { path: None }
    }

    /// The directory named; made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made, or written to.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        writable(path)?;
        Ok(Self { path: Some(path.to_owned()) })
    }

    /// What systemd gives to a unit with `StateDirectory=`, else the usual place if it is there and
    /// ours to write.
    pub(crate) fn usual() -> Self {
        let given = std::env::var("STATE_DIRECTORY").ok();
        // One for each directory of the unit, of which the first is the main one.
        let given = given
            .iter()
            .filter_map(|list| list.split(':').next())
            .find(|path| !path.is_empty())
            .map(PathBuf::from);
        let path = given.unwrap_or_else(|| USUAL.into());
        Self { path: (path.is_dir() && writable(&path).is_ok()).then_some(path) }
    }

    /// The directory.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// A file as `understand` understands it; `None` if there is none. One that cannot be read or
    /// understood is put aside as `NAME.broken`.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        understand: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let path = self.path.as_ref()?.join(name);
        let text = match text(&path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
        };
        text.and_then(|text| understand(&text)).inspect_err(|error| put_aside(&path, error)).ok()
    }

    /// Replaces a file as a whole, and returns when it would survive a loss of power; false if
    /// there is no directory.
    ///
    /// # Errors
    /// Of the file system; the old file is still there then.
    pub(crate) async fn write(&self, name: &'static str, content: Vec<u8>) -> io::Result<bool> {
        let Some(path) = self.path.clone() else { return Ok(false) };
        let done = tokio::task::spawn_blocking(move || replace(&path, name, &content)).await;
        done.map_err(io::Error::other)?.map(|()| true)
    }
}

fn writable(path: &Path) -> io::Result<()> {
    let probe = path.join(format!(".writable.{}", std::process::id()));
    File::create(&probe)?;
    fs::remove_file(probe)
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_FILE { Err(io::Error::other("it is too large")) } else { Ok(text) }
}

fn put_aside(path: &Path, error: &str) {
    let mut aside = path.to_owned();
    aside.as_mut_os_string().push(".broken");
    let moved = fs::rename(path, &aside);
    let (file, aside) = (path.display(), aside.display());
    match moved {
        Ok(()) => {
            tracing::error!(%file, %aside, error, "a file of the state directory cannot be understood and was put aside");
        }
        Err(e) => {
            tracing::error!(%file, error, "a file of the state directory cannot be understood, nor put aside: {e}");
        }
    }
}

fn replace(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let temporary = directory.join(format!(".{name}.new"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, directory.join(name))?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(text: &str) -> Result<String, String> {
        text.strip_prefix("good ").map(str::to_owned).ok_or_else(|| "it is not good".to_owned())
    }

    #[tokio::test]
    async fn a_file_is_replaced_as_a_whole_and_found_again() {
        let place = tempfile::tempdir().unwrap();
        let dir = StateDir::at(&place.path().join("made/for/us")).unwrap();
        assert_eq!(dir.read("a.json", understood), None);
        for text in ["good old words, many of them", "good new"] {
            assert!(dir.write("a.json", text.into()).await.unwrap());
            assert_eq!(dir.read("a.json", understood).as_deref(), text.strip_prefix("good "));
        }
        let left: Vec<_> =
            fs::read_dir(dir.path().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["a.json"], "nothing else is left behind");
    }

    #[tokio::test]
    async fn a_broken_file_is_put_aside_and_the_next_one_is_written() {
        let place = tempfile::tempdir().unwrap();
        let dir = StateDir::at(place.path()).unwrap();
        for bad in [&b"bad"[..], b"\xff\xfe", &[b' '; MAX_FILE as usize + 2]] {
            fs::write(place.path().join("a.json"), bad).unwrap();
            assert_eq!(dir.read("a.json", understood), None);
            assert_eq!(fs::read(place.path().join("a.json.broken")).unwrap(), bad);
            assert!(!place.path().join("a.json").exists());
        }
        assert!(dir.write("a.json", b"good".to_vec()).await.unwrap());
    }

    #[tokio::test]
    async fn without_a_directory_nothing_is_kept_and_nothing_fails() {
        let dir = StateDir::none();
        assert!(!dir.write("a.json", b"good".to_vec()).await.unwrap());
        assert_eq!(dir.read("a.json", understood), None);
    }
}
