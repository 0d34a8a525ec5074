//! Texts of others without the secrets in them.

use std::borrow::Cow;

/// Where the authority of a URL ends (RFC 3986 §3.2), or the text around it goes on.
const ENDS: [char; 8] = ['/', '?', '#', '"', '\'', '<', '>', ' '];

/// `line` without the users and passwords of URLs.
pub(crate) fn redact(line: &str) -> Cow<'_, str> {
    if !(line.contains("://") && line.contains('@')) {
        return line.into();
    }
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
    out.into()
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
            ("rtsp://u:p@w@h:1 rtsps://v@[::1]/", "rtsp://***@h:1 rtsps://***@[::1]/"),
        ] {
            assert_eq!(redact(line), written);
        }
    }
}
