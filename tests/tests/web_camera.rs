//! Scripts and cameras that send JPEG files by HTTP.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use anyhow::Result;
use harness::{
    PublisherOptions, Server, ServerOptions, WebCamera, http, repository, skip_without, wait_until,
};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);
/// What ffmpeg's encoder writes into its files, and ours does not.
const UNTOUCHED: &[u8] = b"Lavc";

/// As a small script sends it.
fn small() -> PublisherOptions {
    PublisherOptions { width: 480, height: 360, fps: 10, ..PublisherOptions::default() }
}

fn server(source: &str) -> Server {
    Server::with_cameras(&format!("old: {{ source: '{source}', stall_after: 2s }}")).unwrap()
}

fn wait_for(server: &Server, state: &str, words: &str) -> Result<Value> {
    server.wait_for_words("old", state, words, SOON)
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// A reader of the multipart stream.
struct Reader(TcpStream);

impl Reader {
    fn new(server: &Server, query: &str) -> Self {
        let mut stream = TcpStream::connect(server.http()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        write!(stream, "GET /live/old/mjpeg{query} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        Self(stream)
    }

    /// Reads until this many more files have come.
    fn read(&mut self, files: usize) -> Vec<u8> {
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        while all.windows(2).filter(|window| window == b"\xff\xd9").count() < files {
            let read = self.0.read(&mut piece).unwrap();
            assert!(read > 0, "ended: {}", String::from_utf8_lossy(&all));
            all.extend(&piece[..read]);
        }
        all
    }
}

#[test]
fn pictures_are_handed_on_untouched_and_no_worker_is_needed() {
    if skip_without(&["ffmpeg", "ffprobe"]) {
        return;
    }
    let camera = WebCamera::start_at(0, None, &small()).unwrap();
    for path in ["/", "/snapshot.jpg#fps=10"] {
        let server = server(&format!("http://127.0.0.1:{}{path}", camera.port()));
        let live = wait_for(&server, "live", "").unwrap();
        let track = &live["tracks"][0];
        assert_eq!((&track["codec"], &track["width"]), (&"mjpeg".into(), &480.into()), "{live}");
        let snapshot = http::get(server.http(), "/live/old/snapshot.jpg?width=100").unwrap();
        assert_eq!((snapshot.status, snapshot.header("content-type")), (200, Some("image/jpeg")));
        assert!(snapshot.body.starts_with(&[0xff, 0xd8]) && contains(&snapshot.body, UNTOUCHED));
        let shown = [Reader::new(&server, ""), Reader::new(&server, "?quality=20&headers=1")]
            .map(|mut reader| reader.read(20));
        assert!(shown.iter().all(|bytes| contains(bytes, UNTOUCHED)));
        assert!(server.workers().is_empty());
        wait_until("the camera's rate", SOON, || {
            (server.camera("old").ok()?["fps"].as_f64()? > 9.0).then_some(())
        })
        .unwrap();
    }
}

#[test]
fn readers_stay_while_the_camera_freezes_dies_and_returns() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let mut camera = WebCamera::start_at(0, None, &small()).unwrap();
    let port = camera.port();
    let server = server(&format!("http://127.0.0.1:{port}/"));
    wait_for(&server, "live", "").unwrap();
    let mut reader = Reader::new(&server, "");
    reader.read(5);
    camera.process().signal(Signal::SIGSTOP).unwrap();
    wait_for(&server, "stalled", "no frame")
        .or_else(|_| wait_for(&server, "offline", "no frame"))
        .unwrap();
    drop(camera);
    wait_for(&server, "offline", "refuses the connection: is the camera's web server switched on")
        .unwrap();
    let _camera = WebCamera::start_at(port, None, &small()).unwrap();
    reader.read(5);
    wait_for(&server, "live", "").unwrap();
}

#[test]
fn a_password_is_given_and_never_shown() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let camera = WebCamera::start_at(0, Some("pi:rasp-berry"), &small()).unwrap();
    let port = camera.port();
    wait_for(&server(&format!("http://pi:rasp-berry@127.0.0.1:{port}/")), "live", "").unwrap();
    wait_for(
        &server(&format!("http://127.0.0.1:{port}/")),
        "offline",
        "wants a user and a password",
    )
    .unwrap();
    let wrong = server(&format!("http://pi:straw-berry@127.0.0.1:{port}/"));
    let told = wait_for(&wrong, "offline", "wrong user or password").unwrap();
    assert!(!told.to_string().contains("berry"), "{told}");
    wait_for(
        &server(&format!("http://pi:rasp-berry@127.0.0.1:{port}/elsewhere")),
        "offline",
        "404 Not Found",
    )
    .unwrap();
}

#[test]
fn what_is_no_camera_is_told() {
    for (kind, body, words) in [
        ("text/html", "<html>", "sends text/html at /, not JPEG pictures"),
        (
            "multipart/x-mixed-replace; boundary=x",
            "--x\r\n\r\n<html>",
            "sent a part that is no JPEG",
        ),
        ("image/jpeg", "GIF89a", "sent a JPEG without a picture"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut request = [0; 2048];
            assert!(stream.read(&mut request).unwrap() > 0);
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        });
        let server = server(&format!("http://127.0.0.1:{port}/"));
        answer.join().unwrap();
        let told = |e: &Value| e["reason"].as_str().is_some_and(|reason| reason.contains(words));
        server.log().wait_for(words, SOON, told).unwrap();
    }
}

#[test]
fn players_of_other_protocols_are_told_why_there_is_nothing_for_them() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let camera = WebCamera::start_at(0, None, &small()).unwrap();
    let server = server(&format!("http://127.0.0.1:{}/", camera.port()));
    wait_for(&server, "live", "").unwrap();
    let offer = harness::OFFER.as_bytes();
    let whep = http::request(
        server.http(),
        "POST",
        "/live/old/whep",
        &[("content-type", "application/sdp")],
        offer,
    )
    .unwrap();
    let hls = http::get(server.http(), "/live/old/index.m3u8").unwrap();
    let mp4 = http::get(server.http(), "/live/old/stream.mp4").unwrap();
    for answer in [whep, hls, mp4] {
        let error = answer.json().unwrap();
        assert!(
            (400..600).contains(&answer.status)
                && error["error"]["message"]
                    .as_str()
                    .is_some_and(|m| m.to_lowercase().contains("mjpeg")),
            "{error}"
        );
    }
}

/// A file of `tests/peers/certificates`.
fn certificate(name: &str) -> String {
    repository().join("tests/peers/certificates").join(name).display().to_string()
}

/// A server that knows the authority of the tests, and no other.
fn trusting(source: &str) -> Server {
    let cameras = format!("old: {{ source: '{source}', stall_after: 2s }}");
    let environment = vec![("SSL_CERT_FILE".to_owned(), certificate("authority.pem"))];
    Server::start(ServerOptions { cameras, environment, ..ServerOptions::default() }).unwrap()
}

#[test]
fn a_camera_that_speaks_tls_must_be_known_by_an_authority_or_by_its_fingerprint() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let start = |name: &str| WebCamera::start_secure(&certificate(name), &small()).unwrap();
    let url = |camera: &WebCamera| format!("https://127.0.0.1:{}/", camera.port());
    let good = start("good.pem");
    wait_for(&trusting(&url(&good)), "live", "").unwrap();
    wait_for(&trusting(&format!("{}snapshot.jpg#fps=10", url(&good))), "live", "").unwrap();
    for (name, words) in [
        ("expired.pem", "has expired on 2021-01-01: renew it"),
        ("elsewhere.pem", "is for camera.example: write that as its address"),
        ("own.pem", "is signed by nobody whom this machine knows"),
    ] {
        let camera = start(name);
        let told = wait_for(&trusting(&url(&camera)), "offline", words).unwrap();
        // Whoever does what is told has a picture, and no other camera is taken for this one.
        let reason = told["reason"].as_str().unwrap();
        let hint = &reason[reason.find("#certificate=").unwrap()..][.."#certificate=".len() + 64];
        wait_for(&trusting(&format!("{}{hint}", url(&camera))), "live", "").unwrap();
        wait_for(
            &trusting(&format!("{}{hint}", url(&good))),
            "offline",
            "another certificate than the one in the source",
        )
        .unwrap();
        wait_for(&trusting(&format!("{}#certificate=any", url(&camera))), "live", "").unwrap();
    }
}

#[test]
fn what_speaks_no_tls_is_told() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let plain = WebCamera::start_at(0, None, &small()).unwrap();
    wait_for(
        &trusting(&format!("https://127.0.0.1:{}/", plain.port())),
        "offline",
        "something that is no TLS",
    )
    .unwrap();
    let secure = WebCamera::start_secure(&certificate("good.pem"), &small()).unwrap();
    wait_for(
        &trusting(&format!("http://127.0.0.1:{}/", secure.port())),
        "offline",
        &secure.port().to_string(),
    )
    .unwrap();
}
