//! Noticing that a config file was written, however editors do it: in place, or by putting a new
//! file in its place.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Watches one file.
#[derive(Debug)]
pub(super) struct FileWatch {
    path: PathBuf,
    /// The state that was last reported, or was there from the beginning; `None` if there was no
    /// file.
    known: Option<Fingerprint>,
    /// A newer state, which may still be half written.
    fresh: Option<Fingerprint>,
}

impl FileWatch {
    /// From now on.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), known: fingerprint(path), fresh: None }
    }

    /// True if the file has been written since the last report, and is the same as at the last
    /// look: whoever writes it is done. A file that is gone is no news, for editors take it away
    /// for a moment.
    pub(super) fn look(&mut self) -> bool {
        let now = fingerprint(&self.path);
        let settled = now.is_some() && now != self.known && now == self.fresh;
        self.fresh = now;
        if settled {
            self.known = now;
        }
        settled
    }

    /// The file is read for another reason; what it is now is no news.
    pub(super) fn read_now(&mut self) {
        self.known = fingerprint(&self.path).or(self.known);
    }
}

fn fingerprint(path: &Path) -> Option<Fingerprint> {
    let m = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let (modified, changed) = ((m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec()));
    Some(Fingerprint { device: m.dev(), inode: m.ino(), size: m.size(), modified, changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_is_seen_once_and_only_when_done() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nb.yml");
        fs::write(&path, "a").unwrap();
        let mut watch = FileWatch::new(&path);
        assert!(!watch.look() && !watch.look(), "nothing has happened");

        fs::write(&path, "a longer text").unwrap();
        assert!(!watch.look(), "it may be half written");
        assert!(watch.look(), "it has settled");
        assert!(!watch.look(), "and is told once");

        let other = directory.path().join("nb.yml.new");
        fs::write(&other, "a longer text").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(!watch.look() && watch.look(), "a new file in its place");

        fs::remove_file(&path).unwrap();
        assert!(!watch.look() && !watch.look(), "an editor takes it away for a moment");
        fs::write(&path, "b").unwrap();
        assert!(!watch.look() && watch.look());

        fs::write(&path, "read by somebody else").unwrap();
        watch.read_now();
        assert!(!watch.look() && !watch.look());
    }
}
