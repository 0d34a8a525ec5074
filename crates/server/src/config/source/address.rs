//! What sources that are dialled have in common: a URL, and how to log in.

use std::{fmt, sync::Arc};
use url::Url;

/// A user and a password, decoded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The user.
    pub(crate) user: String,
    /// The password.
    pub(crate) password: Secret,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A text that shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    /// The text itself, to be handed to the peer it was made for and to nobody else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A URL without its credentials, and these.
pub(super) fn address(
    text: &str,
    what: &str,
    example: &str,
) -> Result<(Url, Option<Credentials>), String> {
    let mut url =
        Url::parse(text).map_err(|e| format!("this is not {what} ({e}); write {example}"))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("this is not {what}, for it names no host; write {example}"));
    }
    let credentials = credentials(&url)?;
    // Neither fails on a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok((url, credentials))
}

fn credentials(url: &Url) -> Result<Option<Credentials>, String> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decode = |part: &str| {
        percent_decode(part).ok_or("user and password must be UTF-8 (percent-encoded where needed)")
    };
    let password = Secret(decode(url.password().unwrap_or_default())?.into());
    Ok(Some(Credentials { user: decode(url.username())?, password }))
}

fn percent_decode(text: &str) -> Option<String> {
    let query = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    let decoded = url::form_urlencoded::parse(query.as_bytes()).next()?.1.into_owned();
    (!decoded.contains('\u{fffd}')).then_some(decoded)
}

/// Words that introduce a secret in the path or query of a URL; vendors put credentials there too.
const SECRET_KEYS: [&str; 7] =
    ["password=", "passwd=", "pass=", "pwd=", "token=", "secret=", "auth="];

/// Hides what follows a secret's key, up to the next separator.
pub(super) fn redact(url: &str) -> String {
    let lower = url.to_ascii_lowercase();
    let mut out = String::new();
    let mut at = 0;
    while let Some((begin, key)) =
        SECRET_KEYS.iter().filter_map(|key| Some((lower[at..].find(key)? + at, key))).min()
    {
        let value = begin + key.len();
        out.push_str(&url[at..value]);
        out.push_str("***");
        at = lower[value..]
            .find(['&', '_', '/', ';', '?', '#'])
            .map_or(url.len(), |end| value + end);
    }
    out.push_str(&url[at..]);
    out
}
