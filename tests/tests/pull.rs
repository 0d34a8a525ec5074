//! Cameras that the server dials by RTSP, as they are in the field: they vanish, freeze, refuse and
//! mislead.

use anyhow::{Context, Result};
use harness::{Camera, Player, PublisherOptions, Server, ServerOptions, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

/// A picture that costs little: these tests are about sessions.
fn small() -> PublisherOptions {
    PublisherOptions {
        width: 320,
        height: 240,
        gop: 15,
        bitrate: 300_000,
        ..PublisherOptions::default()
    }
}

fn server(source: &str) -> Result<Server> {
    Server::with_cameras(&format!("front: {{ source: '{source}', stall_after: 2s }}"))
}

/// Waits until the camera is in `state` for a reason with these words in it.
fn wait_for(server: &Server, state: &str, words: &str) -> Result<Value> {
    server.wait_for_words("front", state, words, SOON)
}

/// Waits until frames arrive at the rate they are sent.
fn wait_for_frames(server: &Server) -> Result<Value> {
    let mut last = Value::Null;
    wait_until("27 fps", SOON, || {
        last = server.camera("front").ok()?;
        (last["state"] == "live" && last["fps"].as_f64()? > 27.0).then(|| last.clone())
    })
    .with_context(|| format!("last: {last}"))
}

#[test]
fn a_gstreamer_camera_is_live_over_tcp_and_udp() {
    let Some(camera) = Camera::start(&small()).unwrap() else { return };
    for option in ["", "?transport=udp"] {
        let server = server(&format!("{}{option}", camera.url())).unwrap();
        let live = wait_for_frames(&server).unwrap();
        let track = &live["tracks"][0];
        assert_eq!(
            (&track["kind"], &track["codec"], &track["width"], &track["height"]),
            (&"video".into(), &"h264".into(), &320.into(), &240.into())
        );
        assert_eq!(live["restarts"], 0);
        let connected =
            server.log().wait_for("connected", SOON, |e| e["message"] == "connected").unwrap();
        assert_eq!(connected["transport"], if option.is_empty() { "tcp" } else { "udp" });
    }
}

#[test]
fn a_camera_that_vanishes_is_offline_in_words_and_live_again_when_it_returns() {
    let Some(mut camera) = Camera::start(&small()).unwrap() else { return };
    let (port, server) = (camera.port(), server(&camera.url()).unwrap());
    wait_for_frames(&server).unwrap();
    camera.process().kill();
    let offline = wait_for(&server, "offline", &format!("127.0.0.1:{port}")).unwrap();
    assert!(offline["reason"].as_str().unwrap().len() > 20, "{offline}");
    let offline = wait_for(&server, "offline", "refuses the connection").unwrap();
    assert!(
        offline["next_try_ms"].as_u64().is_some_and(|ms| ms < 31_000)
            || offline["reason"].as_str().unwrap().contains("now")
    );
    let _camera = Camera::start_at(port, None, &small()).unwrap();
    let live = wait_for_frames(&server).unwrap();
    assert!(live["restarts"].as_u64().unwrap() >= 2, "{live}");
}

#[test]
fn the_very_first_connection_may_fail() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = server(&format!("rtsp://127.0.0.1:{port}/camera")).unwrap();
    wait_for(
        &server,
        "offline",
        &format!("127.0.0.1:{port} refuses the connection: is RTSP switched on"),
    )
    .unwrap();
    let Some(_camera) = Camera::start_at(port, None, &small()).unwrap() else { return };
    wait_for_frames(&server).unwrap();
}

#[test]
fn a_frozen_camera_is_stalled_and_then_dialled_anew() {
    let Some(mut camera) = Camera::start(&small()).unwrap() else { return };
    let server = server(&camera.url()).unwrap();
    wait_for_frames(&server).unwrap();
    camera.process().signal(Signal::SIGSTOP).unwrap();
    let stalled = wait_for(&server, "stalled", "no frame for 2 s").unwrap();
    assert_eq!(stalled["restarts"].as_u64().map(|n| n <= 1), Some(true), "{stalled}");
    wait_for(&server, "offline", "no answer from 127.0.0.1").unwrap();
    camera.process().signal(Signal::SIGCONT).unwrap();
    wait_for_frames(&server).unwrap();
}

/// Some cameras agree to everything and then forget to send; the next time they do.
#[test]
fn a_camera_that_never_begins_is_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, asks) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, asked) = (stream.unwrap(), asked.clone());
            thread::spawn(move || agree_and_send_nothing(&mut stream, &asked));
        }
    });
    let server = server(&format!("rtsp://{address}/camera")).unwrap();
    asks.recv_timeout(SOON).unwrap();
    wait_for(
        &server,
        "stalled",
        &format!("{address} has started the stream but sent nothing within 8 s"),
    )
    .unwrap();
    asks.recv_timeout(SOON).unwrap();
}

/// An RTSP session by the book, without a stream. Tells of each PLAY.
fn agree_and_send_nothing(stream: &mut TcpStream, asked: &mpsc::Sender<()>) {
    let sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
               a=control:track\r\n";
    let Ok(requests) = stream.try_clone() else { return };
    let mut lines = BufReader::new(requests).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let head: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let number = head
            .iter()
            .find(|line| line.to_lowercase().starts_with("cseq"))
            .cloned()
            .unwrap_or_default();
        let more = match request.split(' ').next() {
            Some("DESCRIBE") => format!(
                "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
                sdp.len()
            ),
            Some("SETUP") => {
                "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n".to_owned()
            }
            _ => "Session: 1\r\n\r\n".to_owned(),
        };
        if write!(stream, "RTSP/1.0 200 OK\r\n{number}\r\n{more}").is_err() {
            return;
        }
        if request.starts_with("PLAY") && asked.send(()).is_err() {
            return;
        }
    }
}

#[test]
fn the_cause_of_a_refusal_is_told_and_the_password_is_not() {
    let Some(camera) = Camera::start_at(0, Some("admin:right"), &small()).unwrap() else { return };
    let host = format!("127.0.0.1:{}", camera.port());
    for (source, words) in [
        (format!("rtsp://admin:hunter22@{host}/camera"), "wrong user or password"),
        (format!("rtsp://{host}/camera"), "wants a user and a password"),
        (format!("rtsp://admin:right@{host}/nothing"), "has no stream at /nothing (404"),
    ] {
        let mut options = ServerOptions {
            cameras: format!("front: {{ source: '{source}' }}"),
            ..ServerOptions::default()
        };
        options.log_level = "trace".into();
        let server = Server::start(options).unwrap();
        wait_for(&server, "offline", words).unwrap();
        let told = format!(
            "{}\n{}",
            server.json("/api/v1/cameras").unwrap(),
            server.log().lines().join("\n")
        );
        assert!(!told.contains("hunter22") && !told.contains("admin:right"), "{told}");
    }
    let server = server(&format!("rtsp://admin:right@{host}/camera")).unwrap();
    wait_for_frames(&server).unwrap();
}

#[test]
fn a_name_that_does_not_exist_is_told_as_such() {
    let server = server("rtsp://no-such-camera.invalid/stream").unwrap();
    wait_for(&server, "offline", "the name no-such-camera.invalid cannot be resolved").unwrap();
}

#[test]
fn the_same_reader_goes_on_when_the_camera_returns() {
    let Some(mut camera) = Camera::start(&small()).unwrap() else { return };
    let (port, server) = (camera.port(), server(&camera.url()).unwrap());
    wait_for_frames(&server).unwrap();
    let player = Player::ffmpeg(&server.rtsp_url("front"), "tcp").unwrap();
    player.wait_for_frames(30, SOON).unwrap();
    camera.process().kill();
    wait_for(&server, "offline", "refuses the connection").unwrap();
    let _camera = Camera::start_at(port, None, &small()).unwrap();
    wait_for_frames(&server).unwrap();
    player.wait_for_frames(60, SOON).unwrap();
}

#[test]
fn the_time_of_capture_is_the_cameras_own() {
    let Some(camera) = Camera::start(&small()).unwrap() else { return };
    let server = server(&camera.url()).unwrap();
    wait_until("a capture time by sender reports", SOON, || {
        (server.camera("front").ok()?["capture_clock"] == "sender_report").then_some(())
    })
    .unwrap();
}
