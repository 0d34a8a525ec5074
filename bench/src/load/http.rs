//! As much HTTP/1.1 as WHEP needs.

use anyhow::{Context as _, bail};
use std::{
    io::{Read, Write},
    net::{IpAddr, TcpStream},
    str::FromStr,
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;

/// An address of a WHEP endpoint or session.
#[derive(Clone, Debug)]
pub(super) struct Url {
    /// Host and port.
    authority: String,
    path: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").ok_or("write http://HOST:PORT/PATH")?;
        let (authority, path) = rest.split_once('/').ok_or("the address has no path")?;
        let port = if authority.contains(':') { "" } else { ":80" };
        Ok(Self { authority: format!("{authority}{port}"), path: format!("/{path}") })
    }
}

impl Url {
    /// The URL that a `Location` header points to.
    fn join(&self, location: &str) -> Option<Self> {
        match location.strip_prefix('/') {
            Some(path) => {
                Some(Self { authority: self.authority.clone(), path: format!("/{path}") })
            }
            None => location.parse().ok(),
        }
    }

    /// This machine's address toward the server.
    pub(super) fn local_address(&self) -> anyhow::Result<IpAddr> {
        Ok(self.connect()?.local_addr()?.ip())
    }

    fn connect(&self) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect(&self.authority)
            .with_context(|| format!("cannot connect to {}", self.authority))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Posts an SDP offer. Returns the answer and the session's address.
    pub(super) fn post_offer(&self, offer: &str) -> anyhow::Result<(String, Option<Self>)> {
        let (status, head, body) =
            self.request("POST", "Content-Type: application/sdp\r\n", offer)?;
        if status != 201 {
            bail!("the server answers {status}: {}", body.trim());
        }
        let session = header(&head, "location").and_then(|l| self.join(l));
        Ok((body, session))
    }

    /// Reads a page.
    pub(super) fn get(&self) -> anyhow::Result<String> {
        match self.request("GET", "", "")? {
            (200, _, body) => Ok(body),
            (status, _, body) => bail!("the server answers {status}: {}", body.trim()),
        }
    }

    /// Ends a session.
    pub(super) fn delete(&self) -> anyhow::Result<()> {
        self.request("DELETE", "", "").map(drop)
    }

    fn request(
        &self,
        method: &str,
        headers: &str,
        body: &str,
    ) -> anyhow::Result<(u16, String, String)> {
        let (authority, path, length) = (&self.authority, &self.path, body.len());
        let mut stream = self.connect()?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all((head + body).as_bytes())?;
        let mut answer = String::new();
        stream
            .take(MAX_ANSWER)
            .read_to_string(&mut answer)
            .context("the server's answer cannot be read")?;
        let (head, body) =
            answer.split_once("\r\n\r\n").context("the server's answer is no HTTP")?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .context("the server's answer has no status")?;
        Ok((status, head.to_owned(), body.to_owned()))
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let url: Url = "http://127.0.0.1:8080/live/demo/whep".parse().unwrap();
        assert_eq!((&*url.authority, &*url.path), ("127.0.0.1:8080", "/live/demo/whep"));
        assert_eq!(url.join("/live/demo/whep/7").unwrap().path, "/live/demo/whep/7");
        assert_eq!("http://cam/x".parse::<Url>().unwrap().authority, "cam:80");
        assert!("https://cam/x".parse::<Url>().is_err());
        assert_eq!(header("HTTP/1.1 201 Created\r\nLocation: /a\r\n", "location"), Some("/a"));
    }
}
