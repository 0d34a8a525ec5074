//! `file:…`.

use std::{fmt, path::PathBuf};

/// A file that is played.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FileSource {
    /// Where it is, from the root.
    pub(crate) path: PathBuf,
    /// Begin anew at its end.
    pub(crate) repeat: bool,
}

impl fmt::Display for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file:{}", self.path.display())?;
        f.write_str(if self.repeat { "" } else { "?loop=false" })
    }
}

/// A path from the root, also as `file:///…`. Options stand behind the last `?` if they look like
/// one, for names may hold any character.
pub(super) fn parse(rest: &str) -> Result<FileSource, String> {
    const EXAMPLE: &str = "write for example file:/srv/clip.mp4";
    let (path, options) = match rest.rsplit_once('?') {
        Some((path, options)) if options.contains('=') => (path, options),
        _ => (rest, ""),
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if !path.starts_with('/') {
        return Err(format!("a file is named by its path from the root; {EXAMPLE}"));
    }
    let mut source = FileSource { path: path.into(), repeat: true };
    for (key, value) in url::form_urlencoded::parse(options.as_bytes()) {
        match (&*key, &*value) {
            ("loop", "true") => source.repeat = true,
            ("loop", "false") => source.repeat = false,
            ("loop", _) => {
                return Err(format!("loop={value:?} is not possible; it may be true or false"));
            }
            _ => return Err(format!("unknown option {key:?} of a file; known: loop")),
        }
    }
    Ok(source)
}
