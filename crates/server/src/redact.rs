//! Texts of others without the secrets in them.

use std::borrow::Cow;

/// Where the authority of a URL ends (RFC 3986 §3.2), or the text around it goes on.
const ENDS: [char; 8] = ['/', '?', '#', '"', '\'', '<', '>', ' '];

/// What introduces a secret in the query of a URL.
const KEYS: [&str; 8] =
    ["passphrase=", "password=", "passwd=", "pass=", "pwd=", "token=", "secret=", "auth="];
/// Where such a secret ends.
const VALUE_ENDS: [char; 8] = ['&', '#', '"', '\'', '<', '>', ' ', '\\'];

/// `line` without the users and passwords of URLs, and without the values of queries that are
/// secrets by their names.
pub(crate) fn redact(line: &str) -> Cow<'_, str> {
    if !line.contains("://") {
        return line.into();
    }
    let mut shown = Cow::from(line);
    if shown.contains('@') {
        shown = without_users(&shown).into();
    }
    if KEYS.iter().any(|key| shown.contains(key)) {
        shown = without_values(&shown).into();
    }
    shown
}

fn without_values(line: &str) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while let Some(value) = KEYS.iter().filter_map(|key| Some(rest.find(key)? + key.len())).min() {
        let end = rest[value..].find(VALUE_ENDS).map_or(rest.len(), |end| value + end);
        out.push_str(&rest[..value]);
        out.push_str("***");
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn without_users(line: &str) -> String {
    let mut parts = line.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("://");
        let authority = &part[..part.find(ENDS).unwrap_or(part.len())];
        match authority.rfind('@') {
            Some(at) => {
                out.push_str("***");
                out.push_str(&part[at..]);
            }
            None => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_hidden_and_nothing_else() {
        for (line, written) in [
            ("plain", "plain"),
            ("mail me@there", "mail me@there"),
            ("a rtsp://u:p@h/x?y=@ b", "a rtsp://***@h/x?y=@ b"),
            ("\"rtsp://u:p@h\" and http://h/@", "\"rtsp://***@h\" and http://h/@"),
            (
                "srt://h:1?mode=caller&passphrase=a_b/c&latency=1: bad",
                "srt://h:1?mode=caller&passphrase=***&latency=1: bad",
            ),
            ("\"http://h/?token=x\" and pass=word", "\"http://h/?token=***\" and pass=***"),
            ("password=x without an address", "password=x without an address"),
            ("rtsp://u:p@w@h:1 rtsps://v@[::1]/", "rtsp://***@h:1 rtsps://***@[::1]/"),
        ] {
            assert_eq!(redact(line), written);
        }
    }
}
