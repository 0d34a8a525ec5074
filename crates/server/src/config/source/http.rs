//! `http://…`.

use super::address::{Credentials, address, redact};
use crate::config::values::number;
use std::fmt;
use url::Url;

/// How often a camera that sends one file at a time is asked, a second, and how often it may be.
const SNAPSHOTS: u32 = 5;

const MOST_SNAPSHOTS: u32 = 60;

/// A camera that sends JPEG files by HTTP. Its text forms never show the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HttpSource {
    /// The URL without user, password and our own options.
    pub(crate) url: Url,
    /// How to log in.
    pub(crate) credentials: Option<Credentials>,
    /// How often to ask a camera that sends one file at a time, a second.
    pub(crate) fps: u32,
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(self.url.as_str()))?;
        if self.fps == SNAPSHOTS { Ok(()) } else { write!(f, "#fps={}", self.fps) }
    }
}

/// Our own options stand behind `#`, which no camera ever sees.
pub(super) fn parse(text: &str) -> Result<HttpSource, String> {
    let (mut url, credentials) = address(text, "a URL", "http://user:password@address/path")?;
    let mut fps = SNAPSHOTS;
    for (key, value) in url::form_urlencoded::parse(url.fragment().unwrap_or_default().as_bytes()) {
        if key != "fps" {
            // It may be the end of a password.
            return Err("unknown option behind #; known: fps. Within a password write # as %23".to_owned());
        }
        fps = number(&key, &value, 1, MOST_SNAPSHOTS)?;
    }
    url.set_fragment(None);
    Ok(HttpSource { url, credentials, fps })
}
