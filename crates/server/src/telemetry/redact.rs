//! The last line of defence: whatever a library says of a URL, its user and password do not reach the log.

use std::{
    borrow::Cow,
    io::{self, Write},
};

/// Writes to `inner` without the credentials of URLs. The log writes one whole line at a time.
pub(super) struct Redacting<W>(pub(super) W);

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.write_all(redact(text).as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Where the authority of a URL ends (RFC 3986 §3.2), or the text around it goes on.
const ENDS: [char; 8] = ['/', '?', '#', '"', '\'', '<', '>', ' '];

fn redact(line: &str) -> Cow<'_, str> {
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
            let mut out = Vec::new();
            Redacting(&mut out).write_all(line.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }
}
