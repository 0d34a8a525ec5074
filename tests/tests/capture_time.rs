//! When a frame was captured, as the server tells every viewer, against the clock in the picture
//! itself: the truth.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    Browser, Camera, Line, Publisher, PublisherOptions, Server, WebCamera, free_udp_port,
    skip_without, strict,
};
use serde_json::Value;

const PLAYER: &str = "neverblink.players.cam";
const STAGE: &str = "document.querySelector('[data-camera=cam]')";
/// How far the told time may be from the truth, in ms.
const NEAR: f64 = 5.0;

/// What the sender's own encoder takes is part of the error where a stream does not tell when its
/// frames were captured, and is not the server's: a small picture keeps it small.
fn small() -> PublisherOptions {
    PublisherOptions { width: 640, height: 360, bitrate: 800_000, ..PublisherOptions::default() }
}

fn server(source: &str) -> Server {
    Server::with_cameras(&format!("cam: {{ source: '{source}' }}")).unwrap()
}

#[test]
fn of_the_test_picture() {
    judge(&server("test:?width=1280&height=720&fps=30"), "the built-in test picture", "webrtc");
}

#[test]
fn of_a_pulled_camera() {
    let Some(camera) = Camera::start(&small()).unwrap() else { return };
    judge(&server(&camera.url()), "GStreamer's RTSP server, pulled", "webrtc");
}

#[test]
fn of_a_publisher() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = server("publish");
    let _publisher = Publisher::start_with(&server.rtsp_url("cam"), &small()).unwrap();
    judge(&server, "ffmpeg, published by RTSP", "webrtc");
}

#[test]
fn of_mpegts() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let address = format!("udp://127.0.0.1:{}", free_udp_port());
    let server = server(&address);
    let options = PublisherOptions { transport: "mpegts", ..small() };
    let _sender = Publisher::start_with(&address, &options).unwrap();
    judge(&server, "ffmpeg, sent as MPEG-TS", "webrtc");
}

#[test]
fn of_jpeg_files() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let camera = WebCamera::start_at(0, None, &small()).unwrap();
    judge(
        &server(&format!("http://127.0.0.1:{}/", camera.port())),
        "a script that sends JPEG",
        "mjpeg",
    );
}

/// The page shows a latency for each frame; with what the picture's clock says at the same moment,
/// that tells the error.
fn judge(server: &Server, what: &str, mode: &str) {
    let Some(browser) = Browser::start().unwrap() else { return };
    server.wait_for_state("cam", "live").unwrap();
    browser.open("page", &server.url(&format!("/?mode={mode}#camera=cam"))).unwrap();
    browser.probe_player("page", PLAYER, STAGE).unwrap();
    // The first seconds hold the way to the live edge, and sender reports that are yet to come.
    browser.measure("page", 6.0).unwrap();
    let listen = format!(
        "{{ globalThis.errors = []; {PLAYER}.addEventListener('frame', ({{ detail }}) => {{
             const frame = player.probe.frames.at(-1);
             if (detail && frame.clock) errors.push(player.latencyOf(frame) - detail.ms);
         }}) }}"
    );
    browser.evaluate("page", &listen).unwrap();
    browser.measure("page", if strict() { 20.0 } else { 5.0 }).unwrap();
    let errors: Vec<f64> =
        serde_json::from_value(browser.evaluate("page", "errors").unwrap()).unwrap();
    let near = |bound: f64| {
        100.0 * errors.iter().filter(|error| error.abs() <= bound).count() as f64
            / errors.len().max(1) as f64
    };
    let clock = server.camera("cam").unwrap()["capture_clock"].clone();
    let mut line = Line::new(&format!(
        "{what}: time of capture told (by {}) against the clock in the picture",
        text(&clock)
    ));
    line.at_least("frames", errors.len() as f64, 550.0, 60.0);
    line.seen("p50 ms later", percentile(&errors, 50))
        .seen("p1", percentile(&errors, 1))
        .seen("p99", percentile(&errors, 99));
    // Other work on the machine delays what is known by its arrival, but not all of it: a wrong
    // clock puts every frame off.
    line.at_least(&format!("% within {NEAR} ms"), near(NEAR), 95.0, 25.0);
    line.at_least("% within 50 ms", near(50.0), 99.0, 80.0);
    line.finish();
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("nothing")
}

fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or(f64::NAN)
}
