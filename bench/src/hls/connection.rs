//! As much HTTP/1.1 as a player in a browser uses: a connection that is kept, compressed texts,
//! redirects with a cookie.

use anyhow::{Context as _, bail};
use flate2::read::GzDecoder;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Longer than any server holds a blocking request back.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Longest body that is read.
const MAX_BODY: usize = 32 << 20;

/// A connection that is kept from request to request.
pub(super) struct Connection {
    authority: String,
    stream: Option<BufReader<TcpStream>>,
    cookie: Option<String>,
    /// Of heads and bodies together, as they came.
    pub(super) received: u64,
    body: Vec<u8>,
}

/// The head of an answer.
#[derive(Default)]
struct Head {
    status: u16,
    length: Option<usize>,
    chunked: bool,
    gzip: bool,
    close: bool,
    location: Option<String>,
    cookie: Option<String>,
}

impl Connection {
    pub(super) fn new(authority: &str) -> Self {
        Self {
            authority: authority.to_owned(),
            stream: None,
            cookie: None,
            received: 0,
            body: Vec::new(),
        }
    }

    /// Asks, without waiting for the answer.
    pub(super) fn ask(&mut self, path: &str) -> anyhow::Result<()> {
        let cookie = self.cookie.as_ref().map(|c| format!("Cookie: {c}\r\n")).unwrap_or_default();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: neverblink-bench {:?}\r\nAccept-Encoding: gzip\r\n{cookie}\r\n",
            self.authority,
            std::thread::current().id(),
        );
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.authority)
                .with_context(|| format!("no connection to {}", self.authority))?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_nodelay(true)?;
            self.stream = Some(BufReader::with_capacity(32 << 10, stream));
        }
        let stream = self.stream.as_mut().context("no connection")?;
        stream
            .get_mut()
            .write_all(head.as_bytes())
            .with_context(|| format!("cannot ask for {path}"))
    }

    /// The body of the answer to what was asked last, as it came.
    pub(super) fn answer(&mut self, path: &str) -> anyhow::Result<&[u8]> {
        self.follow(path).with_context(|| path.to_owned())?;
        Ok(&self.body)
    }

    /// The same as text.
    pub(super) fn text(&mut self, path: &str) -> anyhow::Result<String> {
        let gzip = self.follow(path).with_context(|| path.to_owned())?;
        let mut text = String::new();
        if gzip {
            GzDecoder::new(&self.body[..]).read_to_string(&mut text)?;
        } else {
            (&self.body[..]).read_to_string(&mut text)?;
        }
        Ok(text)
    }

    fn follow(&mut self, path: &str) -> anyhow::Result<bool> {
        for _ in 0..4 {
            let head = self.read()?;
            match (head.status, head.location) {
                (200, _) => return Ok(head.gzip),
                (301 | 302 | 303 | 307 | 308, Some(location)) => {
                    self.cookie = head.cookie.or(self.cookie.take());
                    let next = super::playlist::join(path, &location);
                    self.ask(&next)?;
                }
                (status, _) => bail!(
                    "the server answers {status}: {}",
                    String::from_utf8_lossy(&self.body).trim()
                ),
            }
        }
        bail!("redirects without end")
    }

    fn read(&mut self) -> anyhow::Result<Head> {
        let stream = self.stream.as_mut().context("nothing was asked")?;
        let mut before = 0;
        let mut head = Head::default();
        let mut line = String::new();
        loop {
            line.clear();
            before += stream.by_ref().take(16 << 10).read_line(&mut line)?;
            match line.trim_end() {
                "" if line.is_empty() => bail!("the server hung up"),
                "" => break,
                text => head.take(text),
            }
        }
        self.body.clear();
        match head.length {
            _ if head.chunked => before += chunks(stream, &mut self.body)?,
            Some(length) if length <= MAX_BODY => {
                stream.by_ref().take(length as u64).read_to_end(&mut self.body)?;
                if self.body.len() != length {
                    bail!("the answer is cut short");
                }
            }
            Some(length) => bail!("an answer of {length} bytes"),
            None => bail!("an answer of unknown length"),
        }
        self.received += (before + self.body.len()) as u64;
        if head.close {
            self.stream = None;
        }
        Ok(head)
    }
}

impl Head {
    fn take(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else {
            self.status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
            return;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => self.length = value.parse().ok(),
            "transfer-encoding" => self.chunked = value.eq_ignore_ascii_case("chunked"),
            "content-encoding" => self.gzip = value.eq_ignore_ascii_case("gzip"),
            "connection" => self.close = value.eq_ignore_ascii_case("close"),
            "location" => self.location = Some(value.to_owned()),
            "set-cookie" => self.cookie = value.split(';').next().map(str::to_owned),
            _ => {}
        }
    }
}

/// Reads a chunked body (RFC 9112 §7.1); returns what its framing took.
fn chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> anyhow::Result<usize> {
    let (mut framing, mut line) = (0, String::new());
    loop {
        line.clear();
        framing += stream.by_ref().take(1 << 10).read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim_end().split(';').next().unwrap_or_default(), 16)
            .context("no chunk")?;
        if body.len().saturating_add(size) > MAX_BODY {
            bail!("an answer without end");
        }
        stream.by_ref().take(size as u64).read_to_end(body)?;
        line.clear();
        framing += stream.by_ref().take(1 << 10).read_line(&mut line)?;
        if size == 0 {
            return Ok(framing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together() {
        let mut body = Vec::new();
        let framing =
            chunks(&mut &b"4\r\nmoof\r\n3;x=1\r\nabc\r\n0\r\n\r\n"[..], &mut body).unwrap();
        assert_eq!((&body[..], framing), (&b"moofabc"[..], 19));
        assert!(chunks(&mut &b"zz\r\n"[..], &mut body).is_err());
    }
}
