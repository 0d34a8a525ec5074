//! The little of a WebSocket client (RFC 6455) that tests need: one that reads what it is sent when
//! it likes to.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A message larger than this is an error.
const MAX_MESSAGE: u64 = 64 << 20;

/// A message of the server.
#[derive(Clone, PartialEq, Debug)]
pub enum Message {
    /// JSON.
    Text(Value),
    /// Anything else.
    Binary(Vec<u8>),
    /// The server asks whether we are there; answered already, if pings are answered.
    Ping,
    /// The end, with its code.
    Close(u16),
}

/// A connection.
pub struct WebSocket {
    stream: BufReader<TcpStream>,
    /// Whether pings are answered, as they should be.
    pub answers_pings: bool,
}

impl WebSocket {
    /// Opens `path`.
    ///
    /// # Errors
    /// If the server refuses; the text begins with its status line.
    pub fn open(to: SocketAddr, path: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {to}\r\n{upgrade}\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )?;
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                bail!("closed: {head}");
            }
        }
        if !head.starts_with("HTTP/1.1 101 ") {
            bail!("{head}");
        }
        Ok(Self { stream, answers_pings: true })
    }

    /// The next message.
    ///
    /// # Errors
    /// If the connection is gone, or nothing comes for long.
    pub fn read(&mut self) -> Result<Message> {
        let [first, second] = self.take()?;
        let length = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.take()?)),
            127 => u64::from_be_bytes(self.take()?),
            length => length.into(),
        };
        if first & 0xf0 != 0x80 || second & 0x80 != 0 || length > MAX_MESSAGE {
            bail!("an odd frame: {first:x} {second:x} {length}");
        }
        let mut content = vec![0; usize::try_from(length)?];
        self.stream.read_exact(&mut content)?;
        Ok(match first & 0xf {
            1 => Message::Text(serde_json::from_slice(&content)?),
            2 => Message::Binary(content),
            8 => Message::Close(content.get(..2).map_or(0, |c| u16::from_be_bytes([c[0], c[1]]))),
            9 => {
                if self.answers_pings {
                    self.send(10, &content)?;
                }
                Message::Ping
            }
            other => bail!("a frame of type {other}"),
        })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).context("the connection is gone")?;
        Ok(bytes)
    }

    /// The next message of JSON of this type; others are passed over.
    ///
    /// # Errors
    /// As [`Self::read`], and if the connection is closed before.
    pub fn said(&mut self, kind: &str) -> Result<Value> {
        loop {
            match self.read()? {
                Message::Text(value) if value["type"] == kind => return Ok(value),
                Message::Close(code) => bail!("closed with {code} instead of {kind}"),
                _ => {}
            }
        }
    }

    /// The next message that is not JSON, without pings.
    ///
    /// # Errors
    /// As [`Self::said`].
    pub fn binary(&mut self) -> Result<Vec<u8>> {
        loop {
            match self.read()? {
                Message::Binary(content) => return Ok(content),
                Message::Close(code) => bail!("closed with {code} instead of media"),
                _ => {}
            }
        }
    }

    /// Says something in JSON.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn say(&mut self, value: &Value) -> Result<()> {
        self.send(1, value.to_string().as_bytes())
    }

    /// One frame, masked with zeros. Of less than 126 bytes.
    fn send(&mut self, kind: u8, content: &[u8]) -> Result<()> {
        let length = u8::try_from(content.len()).ok().filter(|l| *l < 126).context("too long")?;
        let frame = [&[0x80 | kind, 0x80 | length, 0, 0, 0, 0], content].concat();
        Ok(self.stream.get_mut().write_all(&frame)?)
    }
}
