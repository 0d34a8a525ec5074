//! Browsers whose network blocks UDP.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::{
    Browser, DEADLINE, Line, OFFER, Server, ServerOptions, Usage, http, lan, wait_until,
};
use nix::sys::signal::{Signal, kill};
use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

const CAMERA: &str =
    "cam: { source: \"test:?width=640&height=360&fps=30&gop=30&bitrate=2500000&noise=30\" }";
const MIB: f64 = 1024.0 * 1024.0;

fn on_a_lan_without_udp(test: impl FnOnce(&lan::Lan, &Server) + Send) {
    lan::on_a_lan(|lan| {
        if Browser::unavailable() {
            return;
        }
        let host = lan::SERVER;
        let server = Server::start(ServerOptions {
            cameras: CAMERA.into(),
            host,
            ..ServerOptions::default()
        })
        .unwrap();
        server.wait_for_state("cam", "live").unwrap();
        lan.block_udp().unwrap();
        test(lan, &server);
    });
}

fn browser_at_viewer(lan: &lan::Lan) -> Browser {
    Browser::spawn(lan.at_viewer("node", ["tests/browser/driver.mjs"])).unwrap()
}

fn transports(server: &Server) -> Vec<String> {
    let list = server.json("/api/v1/viewers").unwrap()["viewers"].as_array().unwrap().clone();
    list.iter().map(|v| v["transport"].as_str().unwrap_or_default().to_owned()).collect()
}

fn dropped(server: &Server) -> f64 {
    server.metric("neverblink_webrtc_packets_dropped_total{").unwrap()
}

#[test]
fn pictures_come_by_tcp() {
    on_a_lan_without_udp(|lan, server| {
        let browser = browser_at_viewer(lan);
        let joined = browser.watch("viewer", &server.whep_url("cam")).unwrap();
        assert_eq!(transports(server), ["tcp"]);
        let seen = browser.measure("viewer", 5.0).unwrap();
        eprintln!("{joined:#?} {seen:#?}");
        let mut line = Line::new("UDP blocked: pictures by TCP");
        line.at_most("first picture ms", joined.first_picture_ms, 3000.0, 3000.0);
        line.at_least("fps decoded", seen.decoded_fps(), 29.0, 26.0);
        line.at_most("freezes", seen.freezes() as f64, 0.0, 1.0);
        line.at_most("p50 ms", seen.latency_ms.p50.unwrap(), 60.0, 120.0);
        line.at_most("packets dropped", dropped(server), 0.0, 0.0);
        line.finish();
    });
}

/// Viewers take turns at the media threads, of which one accepts all connections.
#[test]
fn a_connection_reaches_whichever_thread_its_viewer_belongs_to() {
    on_a_lan_without_udp(|lan, server| {
        let browser = browser_at_viewer(lan);
        let viewers = ["first", "second", "third"];
        for viewer in viewers {
            browser.watch(viewer, &server.whep_url("cam")).unwrap();
        }
        assert_eq!(transports(server), ["tcp"; 3]);
        for viewer in viewers {
            let seen = browser.measure(viewer, 2.0).unwrap();
            assert!(seen.decoded_fps() > 20.0, "{viewer}: {seen:#?}");
        }
        assert_eq!(server.metric("neverblink_webrtc_datagrams_dropped_total ").unwrap(), 0.0);
    });
}

#[test]
fn a_browser_that_stops_reading_holds_up_nobody_and_nothing() {
    on_a_lan_without_udp(|lan, server| {
        let (stopping, other) = (browser_at_viewer(lan), Browser::start().unwrap().unwrap());
        stopping.watch("viewer", &server.whep_url("cam")).unwrap();
        other.watch("other", &server.whep_url("cam")).unwrap();
        let mut both = transports(server);
        both.sort();
        assert_eq!(both, ["tcp", "udp"]);
        other.measure("other", 3.0).unwrap();

        let before = server.usage().unwrap();
        let there = stopping.processes();
        there.iter().for_each(|pid| kill(*pid, Signal::SIGSTOP).unwrap());
        let seen = other.measure("other", 8.0).unwrap();
        let after = server.usage().unwrap();
        there.iter().for_each(|pid| kill(*pid, Signal::SIGCONT).unwrap());

        let again = harness::wall_clock();
        let shown = stopping.frame_captured_after("viewer", again, DEADLINE).unwrap();
        let later = stopping.measure("viewer", 4.0).unwrap();
        eprintln!("{seen:#?} {shown:#?} {later:#?}");
        let skipped = server.metric("neverblink_viewer_frames_skipped_total{").unwrap();
        let mut line = Line::new("a browser over TCP stopped for 8 s");
        line.at_least("frames passed over", skipped, 100.0, 100.0);
        line.at_most(
            "memory more MiB",
            (after.resident as f64 - before.resident as f64) / MIB,
            4.0,
            8.0,
        );
        line.at_least("fps of the other", seen.decoded_fps(), 29.0, 26.0);
        line.at_most("freezes of the other", seen.freezes() as f64, 0.0, 1.0);
        line.at_most("live again after ms", shown.at - again, 2000.0, 4000.0);
        line.at_least("fps after that", later.decoded_fps(), 28.0, 25.0);
        line.at_most("p50 ms after that", later.latency_ms.p50.unwrap(), 100.0, 200.0);
        line.at_most("packets dropped", dropped(server), 0.0, 0.0);
        line.finish();
    });
}

/// The network's own retransmissions cannot be told to stop, so pictures get older than by UDP; but
/// not older and older.
#[test]
fn a_thin_link_gets_fewer_pictures() {
    on_a_lan_without_udp(|lan, server| {
        let browser = browser_at_viewer(lan);
        browser.watch("viewer", &server.whep_url("cam")).unwrap();
        browser.measure("viewer", 5.0).unwrap();
        let needed =
            server.json("/api/v1/viewers").unwrap()["viewers"][0]["bitrate"].as_f64().unwrap();
        if !lan.limit((0.6 * needed / 1e3) as u64).unwrap() {
            return;
        }
        browser.measure("viewer", 3.0).unwrap();
        let thin = browser.measure("viewer", 20.0).unwrap();
        lan.limit(0).unwrap();
        browser.measure("viewer", 5.0).unwrap();
        let after = browser.measure("viewer", 5.0).unwrap();
        eprintln!("{thin:#?} {after:#?}");
        let mut line = Line::new(&format!("by TCP, a link of 60 % of {:.0} kbit/s", needed / 1e3));
        line.at_least("fps", thin.fps, 5.0, 3.0).at_most(
            "p95 ms",
            thin.latency_ms.p95.unwrap(),
            1000.0,
            1500.0,
        );
        line.seen("p50 ms", thin.latency_ms.p50.unwrap())
            .seen("longest gap ms", thin.longest_gap_ms);
        line.at_least("fps 5 s after that", after.decoded_fps(), 29.0, 26.0);
        line.at_most("p50 ms then", after.latency_ms.p50.unwrap(), 60.0, 120.0);
        line.at_most("packets dropped", dropped(server), 0.0, 0.0);
        line.finish();
    });
}

#[test]
fn strangers_leave_nothing_behind() {
    let server = Server::with_cameras(CAMERA).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    let port = server.webrtc();
    let before = server.usage().unwrap();
    let refused = || server.metric("neverblink_webrtc_tcp_refused_total").unwrap();
    let begun = refused();

    // A length no packet has, packets that are no check, a check of nobody.
    let mut check = vec![0, 28, 0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42];
    check.extend([7; 12]);
    check.extend([0, 6, 0, 3, b'x', b':', b'y', 0]);
    for piece in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\x04RTCP", b"\xff\xff", &check] {
        for _ in 0..250 {
            let mut stream = TcpStream::connect(port).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            stream.write_all(piece).unwrap();
            let end = stream.read(&mut [0]);
            assert!(
                matches!(&end, Ok(0))
                    || end.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset),
                "{end:?}"
            );
        }
    }
    assert_eq!(refused() - begun, 1000.0);

    // Those who say nothing, or little, are given some time.
    let silent: Vec<_> = (0..50).map(|_| TcpStream::connect(port).unwrap()).collect();
    let slow: Vec<_> = (0..50).map(|_| TcpStream::connect(port).unwrap()).collect();
    for piece in [[0], [40], [0], [1]] {
        slow.iter().for_each(|mut stream| stream.write_all(&piece).unwrap());
        thread::sleep(Duration::from_millis(200));
    }
    wait_until("their time to be up", 2 * DEADLINE, || (refused() - begun >= 1100.0).then_some(()))
        .unwrap();
    let same = |now: &Usage| now.descriptors <= before.descriptors;
    wait_until("the descriptors being given back", DEADLINE, || server.usage().ok().filter(same))
        .unwrap();
    drop((silent, slow));
}

#[test]
fn it_can_be_switched_off() {
    let sdp = [("Content-Type", "application/sdp")];
    for (more, offered) in [("", true), ("webrtc: { tcp: off }\n", false)] {
        let options =
            ServerOptions { cameras: CAMERA.into(), more: more.into(), ..ServerOptions::default() };
        let server = Server::start(options).unwrap();
        let answer = http::request(server.http(), "POST", "/live/cam/whep", &sdp, OFFER.as_bytes())
            .unwrap()
            .text();
        let tcp = format!(
            " {} {} typ host tcptype passive",
            server.webrtc().ip(),
            server.webrtc().port()
        );
        assert_eq!(answer.contains(&tcp), offered, "{answer}");
        assert!(
            answer.find(" udp ").unwrap() < answer.find(" tcp ").unwrap_or(usize::MAX),
            "{answer}"
        );
        assert_eq!(TcpStream::connect(server.webrtc()).is_ok(), offered);
    }
}
