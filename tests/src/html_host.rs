//! A web server of another origin, with one HTML page to put things into.

use anyhow::Result;
use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const PAGE: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>host page</title>\
    <body></body></html>";

/// Answers every request with an empty HTML page until it is dropped.
///
/// A browser upgrades custom elements in HTML documents only: a text file of the server's cannot
/// stand in for another web site.
pub struct HtmlHost {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl HtmlHost {
    /// Listens on a free port of the loopback device.
    ///
    /// # Errors
    /// If no socket can be opened.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let host = Self { address: listener.local_addr()?, stop: Arc::default() };
        let stop = host.stop.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // A browser opens connections ahead of need, which ask nothing.
                thread::spawn(|| stream.and_then(|stream| answer(&stream)));
            }
        });
        Ok(host)
    }

    /// The page's address.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for HtmlHost {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    for line in BufReader::new(stream).lines() {
        if line?.is_empty() {
            break;
        }
    }
    let length = PAGE.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n";
    let mut stream = stream;
    write!(stream, "{head}Content-Length: {length}\r\n\r\n{PAGE}")
}
