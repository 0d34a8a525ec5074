//! The HTTP port against peers that are rude, slow, silent or many.

use anyhow::{Context, Result};
use harness::{Server, Usage, http, wait_until};
use serde_json::{Value, json};
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(10);

/// A server with a picture that must not miss a frame, whatever happens beside it.
fn server() -> Result<Server> {
    let server = Server::with_cameras(
        "cam: { source: 'test:?width=160&height=120&fps=20', stall_after: 1s }",
    )?;
    server.wait_for_state("cam", "live")?;
    Ok(server)
}

fn connect(server: &Server) -> Result<TcpStream> {
    let stream = TcpStream::connect(server.http())?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

/// Everything the server says until it closes the connection.
fn answer(stream: &mut TcpStream) -> Result<String> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error.into()),
        _ => Ok(String::from_utf8_lossy(&said).into_owned()),
    }
}

fn assert_unharmed(server: &Server) {
    let camera = server.camera("cam").expect("the camera");
    assert_eq!((&camera["state"], &camera["restarts"]), (&"live".into(), &0.into()), "{camera}");
    let events = server.json("/api/v1/events").expect("events");
    assert!(!events.to_string().contains("camera_stalled"), "{events}");
}

#[test]
fn garbage_and_oversized_heads_are_refused_at_once() {
    let server = server().unwrap();
    let header = |bytes: usize| {
        format!("GET /health HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(bytes)).into_bytes()
    };
    let many =
        format!("GET /health HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(500)).into_bytes();
    let cases: [(&[u8], &[&str]); 6] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n", &["400", ""]),
        (b"\x00\xff\xfe\x80garbage\r\n\r\n", &["400", ""]),
        (b"GET / HTTP/9.9\r\n\r\n", &["400", "505", ""]),
        (&header(100_000), &["431", "400", ""]),
        (&many, &["431", "400", ""]),
        (
            b"POST /live/cam/whep HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            &["400", "4", ""],
        ),
    ];
    for (bytes, statuses) in cases {
        let mut stream = connect(&server).unwrap();
        let begun = Instant::now();
        // The server may have closed before everything was written.
        let _ = stream.write_all(bytes);
        let said = answer(&mut stream)
            .with_context(|| format!("{:?}", String::from_utf8_lossy(&bytes[..20])))
            .unwrap();
        let status = said.split(' ').nth(1).unwrap_or_default();
        assert!(
            statuses.iter().any(|s| status.starts_with(s) && (s.is_empty() == status.is_empty())),
            "{said}"
        );
        assert!(begun.elapsed() < Duration::from_secs(5), "not at once");
    }
    let body = vec![b'a'; 1 << 20];
    let refused = http::request(
        server.http(),
        "POST",
        "/live/cam/whep",
        &[("content-type", "application/sdp")],
        &body,
    );
    assert!(refused.map_or(true, |r| r.status == 413), "a body of 1 MiB");
    assert_unharmed(&server);
}

#[test]
fn half_open_connections_are_closed() {
    let server = server().unwrap();
    let mut streams: Vec<TcpStream> = (0..200).map(|_| connect(&server).unwrap()).collect();
    for (i, stream) in streams.iter_mut().enumerate() {
        let begun: &[u8] = [&b""[..], b"GET", b"GET / HTTP/1.1\r\nHost:"][i % 3];
        stream.write_all(begun).unwrap();
    }
    let begun = Instant::now();
    assert_eq!(
        http::get(server.http(), "/ready").unwrap().status,
        200,
        "others are served meanwhile"
    );
    for stream in &mut streams {
        answer(stream).unwrap();
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(15), "closed only after {took:?}");
    assert_unharmed(&server);
}

#[test]
fn a_head_that_comes_byte_by_byte_does_not_hold_a_connection_for_ever() {
    let server = server().unwrap();
    let mut stream = connect(&server).unwrap();
    stream.set_nodelay(true).unwrap();
    let begun = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    // Written to until the server has closed it; a reset is what then comes back.
    while stream.write_all(b"a").is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(15), "still open");
        thread::sleep(Duration::from_millis(100));
    }
    assert_unharmed(&server);
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let server = server().unwrap();
    let cycle = |n: usize| {
        for i in 0..n {
            let mut stream = connect(&server).unwrap();
            match i % 4 {
                0 => {}
                1 => stream.write_all(b"GET /hea").unwrap(),
                2 => stream.write_all(b"\x00\x01\x02\r\n\r\n").unwrap(),
                _ => {
                    stream
                        .write_all(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                        .unwrap();
                    assert!(answer(&mut stream).unwrap().starts_with("HTTP/1.1 200"));
                }
            }
        }
    };
    // What caches and allocators keep for good is there after the first ones.
    cycle(1000);
    let before = settled(&server, None).unwrap();
    cycle(10_000);
    let after = settled(&server, Some(before.descriptors)).unwrap();
    assert!(after.descriptors <= before.descriptors + 1, "{before:?} {after:?}");
    assert!(after.resident < before.resident + (8 << 20), "{before:?} {after:?}");
    assert_unharmed(&server);
}

/// Its usage once the last connections are gone.
fn settled(server: &Server, descriptors: Option<usize>) -> Result<Usage> {
    let mut last = usize::MAX;
    wait_until("descriptors at rest", SOON, || {
        let usage = server.usage().ok()?;
        let rests = descriptors.map_or(usage.descriptors == last, |d| usage.descriptors <= d);
        last = usage.descriptors;
        thread::sleep(Duration::from_millis(50));
        rests.then_some(usage)
    })
    .or_else(|_| server.usage())
}

/// A WebSocket client that knows just enough (RFC 6455).
struct WebSocket(TcpStream);

impl WebSocket {
    fn open(server: &Server) -> Result<Self> {
        let mut stream = connect(server)?;
        stream.write_all(
            b"GET /api/v1/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Ok(Self(stream))
    }

    /// Masked with zeros, which is allowed.
    fn send(&mut self, text: &str) -> std::io::Result<()> {
        let length = u8::try_from(text.len()).expect("a short text");
        assert!(length < 126);
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0][..], text.as_bytes()].concat();
        self.0.write_all(&frame)
    }

    fn receive(&mut self) -> Result<Value> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head)?;
        assert_eq!(head[0], 0x81, "a whole text");
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length)?;
                usize::from(u16::from_be_bytes(length))
            }
            length => usize::from(length),
        };
        let mut text = vec![0; length];
        self.0.read_exact(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }

    fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_until(what, SOON, || self.receive().ok().filter(&wanted))
    }
}

#[test]
fn the_live_feed_tells_states_as_they_change_and_the_time() {
    let server = server().unwrap();
    let mut live = WebSocket::open(&server).unwrap();
    let first = live.receive().unwrap();
    assert_eq!((&first["type"], &first["cameras"][0]["name"]), (&"cameras".into(), &"cam".into()));
    live.send(&json!({ "type": "ping", "t0": 17.25 }).to_string()).unwrap();
    let pong = live.until("a pong", |m| m["type"] == "pong").unwrap();
    let wall =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros()
            as i64;
    assert_eq!(pong["t0"], 17.25);
    assert!((wall - pong["server_us"].as_i64().unwrap()).abs() < 2_000_000);
    http::request(server.http(), "POST", "/api/v1/cameras/cam/stop", &[], b"").unwrap();
    live.until("offline", |m| m["cameras"][0]["state"] == "offline").unwrap();
    http::request(server.http(), "POST", "/api/v1/cameras/cam/start", &[], b"").unwrap();
    live.until("live", |m| m["cameras"][0]["state"] == "live").unwrap();
    let begun = Instant::now();
    (0..3).for_each(|_| drop(live.receive().unwrap()));
    assert!(begun.elapsed() < Duration::from_secs(5), "once a second, change or not");
}

#[test]
fn a_live_client_that_does_not_read_is_dropped() {
    let server = server().unwrap();
    let mut live = WebSocket::open(&server).unwrap();
    live.0.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let before = server.usage().unwrap().resident;
    let begun = Instant::now();
    // Every ping makes a pong that nobody reads; once the buffers between are full, the server
    // gives up.
    let error = loop {
        if let Err(error) = live.send(r#"{"type":"ping","t0":1}"#) {
            break error;
        }
    };
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let grown = server.usage().unwrap().resident.saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    assert_unharmed(&server);
}
