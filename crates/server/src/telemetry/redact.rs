//! The last line of defence: whatever a library says of a URL, its user and password do not reach
//! the log.

use crate::redact::redact;
use std::io::{self, Write};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_without_credentials() {
        let mut out = Vec::new();
        Redacting(&mut out).write_all(b"a rtsp://u:p@h/x b").unwrap();
        assert_eq!(out, b"a rtsp://***@h/x b");
    }
}
