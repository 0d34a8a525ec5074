//! The little of HTTP/1.1 that tests need: one request, one connection.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// An answer larger than this is an error.
const MAX_BODY: u64 = 16 << 20;

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header `name`, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none; the text shows it.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("no JSON ({}): {}", self.status, self.text()))
    }
}

/// Sends a request with `headers` beside `Host` and `Content-Length`.
///
/// # Errors
/// If there is no connection, or the answer is not HTTP.
pub fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Response> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))
        .with_context(|| format!("no connection to {to}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    read_response(&mut BufReader::new(stream), method == "HEAD")
        .with_context(|| format!("{method} {path}"))
}

/// `GET path`.
///
/// # Errors
/// As [`request`].
pub fn get(from: SocketAddr, path: &str) -> Result<Response> {
    request(from, "GET", path, &[], b"")
}

fn read_response(stream: &mut impl BufRead, no_body: bool) -> Result<Response> {
    let line = read_line(stream)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .with_context(|| format!("no status line: {line:?}"))?;
    let mut response = Response { status, headers: Vec::new(), body: Vec::new() };
    loop {
        let line = read_line(stream)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').with_context(|| format!("no header: {line:?}"))?;
        response.headers.push((name.to_ascii_lowercase(), value.trim().into()));
    }
    if !no_body && !matches!(status, 100..200 | 204 | 304) {
        response.body = read_body(stream, &response)?;
    }
    Ok(response)
}

fn read_body(stream: &mut impl BufRead, head: &Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if head.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        loop {
            let line = read_line(stream)?;
            let size = u64::from_str_radix(line.split(';').next().unwrap_or_default(), 16)?;
            if size == 0 {
                return Ok(body);
            }
            if body.len() as u64 + size > MAX_BODY {
                bail!("body too large");
            }
            stream.by_ref().take(size).read_to_end(&mut body)?;
            read_line(stream)?;
        }
    }
    let length = head.header("content-length").and_then(|v| v.parse().ok());
    stream.take(length.unwrap_or(MAX_BODY).min(MAX_BODY)).read_to_end(&mut body)?;
    if length.is_some_and(|l| l != body.len() as u64) {
        bail!("body cut short");
    }
    Ok(body)
}

fn read_line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if stream.take(64 << 10).read_line(&mut line)? == 0 {
        bail!("connection closed");
    }
    Ok(line.trim_end().into())
}
