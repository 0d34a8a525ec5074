//! `rtsp://…`, `rtsps://…`.

use super::address::{Credentials, address, redact};
use std::fmt;
use url::Url;

/// An RTSP camera. Its text forms never show the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RtspSource {
    /// The URL without user and password.
    pub(crate) url: Url,
    /// How to log in.
    pub(crate) credentials: Option<Credentials>,
}

impl fmt::Debug for RtspSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for RtspSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(self.url.as_str()))
    }
}

pub(super) fn parse(text: &str) -> Result<RtspSource, String> {
    let (url, credentials) = address(text, "an RTSP URL", "rtsp://user:password@address/path")?;
    Ok(RtspSource { url, credentials })
}
