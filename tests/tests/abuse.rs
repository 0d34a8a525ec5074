//! What strangers do to open ports, while somebody watches.

use harness::{Browser, DEADLINE, Line, Server, Usage, wait_until};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

/// Connections opened and closed, on each port.
const CYCLES: usize = 10_000;
/// Connections left half-open at once, on each port.
const HALF_OPEN: usize = 100;
const MIB: f64 = 1024.0 * 1024.0;

#[test]
fn the_stream_goes_on_and_nothing_is_left_behind() {
    let Some(browser) = Browser::start().unwrap() else { return };
    let server =
        Server::with_cameras("cam: { source: \"test:?width=640&height=360&fps=30&gop=30\" }")
            .unwrap();
    server.wait_for_state("cam", "live").unwrap();
    browser.watch("viewer", &server.whep_url("cam")).unwrap();
    browser.measure("viewer", 3.0).unwrap();
    // One round beforehand: buffers and threads that are made once are no leak.
    abuse(&server, CYCLES / 100);
    let before = calm(&server);

    let published = frames(&server);
    let decoded = decoded(&browser);
    abuse(&server, CYCLES);
    let missed = (frames(&server) - published) - (self::decoded(&browser) - decoded);
    let lost =
        browser.evaluate("viewer", &stat("packetsLost")).unwrap().as_f64().unwrap_or(f64::NAN);

    // What is closed is collected within moments, half-open ones when their time is up.
    let settled = wait_until("the descriptors being given back", 3 * DEADLINE, || {
        server.usage().ok().filter(|now| now.descriptors <= before.descriptors)
    });
    let after = settled.or_else(|_| server.usage()).unwrap();
    let mut line = Line::new(&format!(
        "garbage, half-open connections and {CYCLES} connections on every port"
    ));
    // The two counts are not read at the same moment.
    line.at_most("frames missed", missed, 3.0, 6.0);
    line.at_most("packets lost", lost, 0.0, 0.0);
    line.at_most(
        "descriptors more",
        after.descriptors as f64 - before.descriptors as f64,
        0.0,
        0.0,
    );
    line.at_most(
        "memory more MiB",
        (after.resident as f64 - before.resident as f64) / MIB,
        8.0,
        16.0,
    );
    line.finish();
}

/// The server's use once it no longer changes.
fn calm(server: &Server) -> Usage {
    let mut last = server.usage().expect("a server");
    wait_until("the server being calm", DEADLINE, || {
        thread::sleep(Duration::from_millis(500));
        let now = server.usage().ok()?;
        let same = now.descriptors == last.descriptors;
        last = now;
        same.then_some(now)
    })
    .expect("calm")
}

fn frames(server: &Server) -> f64 {
    let metrics = harness::http::get(server.http(), "/metrics").expect("metrics").text();
    let line = metrics.lines().find(|l| l.starts_with("neverblink_camera_frames_total{"));
    line.and_then(|l| l.rsplit_once(' '))
        .and_then(|(_, v)| v.parse().ok())
        .expect("a count of frames")
}

fn decoded(browser: &Browser) -> f64 {
    browser
        .evaluate("viewer", &stat("framesDecoded"))
        .expect("statistics")
        .as_f64()
        .expect("a count")
}

fn stat(name: &str) -> String {
    format!(
        "player.pc.getStats().then(all => [...all.values()].find(s => s.type === 'inbound-rtp' && s.kind === 'video').{name})"
    )
}

fn abuse(server: &Server, cycles: usize) {
    let (http, rtsp, webrtc) = (server.http(), server.rtsp(), server.webrtc());
    thread::scope(|scope| {
        // Media has a TCP port, too.
        for port in [http, rtsp, webrtc] {
            scope.spawn(move || connect_and_go(port, cycles));
            scope.spawn(move || talk_nonsense(port));
            scope.spawn(move || stay_half_open(port));
        }
        scope.spawn(move || shout(webrtc, cycles));
    });
}

fn connect_and_go(port: SocketAddr, cycles: usize) {
    for i in 0..cycles {
        let mut stream = TcpStream::connect(port).expect("the port to be open");
        if i % 2 == 0 {
            stream.write_all(b"OPTIONS").ok();
        }
    }
}

/// Each piece is refused or ignored, and ends the connection sooner or later.
fn talk_nonsense(port: SocketAddr) {
    let oversized = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'a'; 1 << 20], b"\r\n\r\n"].concat();
    let endless = b"X: y\r\n".repeat(100_000);
    let bodies =
        b"ANNOUNCE rtsp://x/cam RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n";
    let interleaved = [b'$', 0, 0xff, 0xff].repeat(10_000);
    let noise: Vec<u8> =
        (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for piece in
        [&oversized[..], &endless, bodies, &interleaved, &noise, b"\0\0\0\0", b"\r\n\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(port).expect("the port to be open");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        stream.set_write_timeout(Some(DEADLINE)).expect("a time-out");
        // The server may refuse before having read everything.
        let _ = stream.write_all(piece);
        let _ = stream.shutdown(Shutdown::Write);
        // The end of the stream, or a reset: anything but the server holding on to it.
        if let Err(error) = stream.read_to_end(&mut Vec::new()) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{port}: {error}");
        }
    }
}

fn stay_half_open(port: SocketAddr) {
    let begun: Vec<_> =
        (0..HALF_OPEN).map(|_| TcpStream::connect(port).expect("the port to be open")).collect();
    for mut stream in &begun {
        stream.write_all(b"GET /health HT").ok();
    }
    thread::sleep(Duration::from_secs(1));
}

/// Garbage to the media port, some of it dressed as STUN, DTLS and RTP, at a pace that its socket's
/// buffer holds.
fn shout(port: SocketAddr, packets: usize) {
    let socket = UdpSocket::bind((port.ip(), 0)).expect("a socket");
    for i in 0..packets {
        let mut packet = vec![i as u8; 20 + i % 1200];
        packet[0] = [0, 22, 128, 255][i % 4];
        socket.send_to(&packet, port).expect("to send");
        if i % 50 == 0 {
            thread::sleep(Duration::from_millis(2));
        }
    }
}
