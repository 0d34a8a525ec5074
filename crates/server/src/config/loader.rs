//! Finding and reading the config file, now and again.

use super::{Config, Problems, environment, watch::FileWatch};
use std::{
    path::{Path, PathBuf},
    rc::Rc,
};

/// Where a config is looked for if no file is named.
const PLACES: [&str; 2] = ["neverblink.yml", "/etc/neverblink/neverblink.yml"];
const EXAMPLE: &str = "cameras:\n  front:\n    source: rtsp://user:password@192.0.2.10/stream1\n  test:\n    source: test";
/// Far beyond any config written by people.
const MAX_FILE: u64 = 4 << 20;

/// Reads one config file, as often as it changes.
#[derive(Debug)]
pub(crate) struct Loader {
    path: PathBuf,
    watch: FileWatch,
}

impl Loader {
    /// The file named, or the first of the usual places.
    ///
    /// # Errors
    /// If no file is named and there is none in the usual places.
    pub(crate) fn new(named: Option<PathBuf>) -> Result<Self, Problems> {
        let found = named.or_else(|| PLACES.iter().map(PathBuf::from).find(|path| path.exists()));
        found.map(|path| Self { watch: FileWatch::new(&path), path }).ok_or_else(|| {
            let [here, there] = PLACES;
            Problems::say(format!(
                "there is no config: neither ./{here} nor {there} exists. Name one with -c FILE, try `neverblink demo`, \
                 or write ./{here}, for example:\n\n{EXAMPLE}\n"
            ))
        })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file as it is now.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn load(&mut self) -> Result<Config, Problems> {
        self.watch.read_now();
        let name: Rc<str> = self.path.display().to_string().into();
        let yaml = self
            .read()
            .map_err(|error| Problems::say(format!("{name}: cannot be read: {error}")))?;
        Config::parse(&name, &yaml, &environment::of_this_process())
    }

    /// True if the file has been written since it was last loaded and has settled. To be asked
    /// about once a second.
    pub(crate) fn look(&mut self) -> bool {
        self.watch.look()
    }

    fn read(&self) -> std::io::Result<String> {
        let size = std::fs::metadata(&self.path)?.len();
        if size > MAX_FILE {
            return Err(std::io::Error::other(format!("{size} bytes are too many for a config")));
        }
        std::fs::read_to_string(&self.path)
    }
}
