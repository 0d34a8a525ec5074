//! The latency of JPEG in an `<img>` of Chromium, from capture to shown.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{Browser, Line, Measured, PublisherOptions, Server, WebCamera, skip_without, strict};

fn server(source: &str) -> Server {
    let server = Server::with_cameras(&format!("cam: {{ source: '{source}' }}")).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    server
}

#[test]
fn the_latency_in_an_img_element_is_read_off_the_clock_in_the_picture() {
    let Some(browser) = Browser::start().unwrap() else { return };
    let server = server("test:?width=1280&height=720&fps=30&gop=30");
    let seen = watch_img(&server, &browser);
    judge_img("a decoded camera as JPEG in an <img> of Chromium", &seen, (60.0, 90.0));
}

fn watch_img(server: &Server, browser: &Browser) -> Measured {
    browser.open_empty("page", &server.url("/")).unwrap();
    browser
        .evaluate("page", "void (document.body.innerHTML = '<img id=img src=/live/cam/mjpeg>')")
        .unwrap();
    browser.probe("page", "document.querySelector('#img')").unwrap();
    browser.measure("page", 2.0).unwrap();
    browser.measure("page", if strict() { 20.0 } else { 8.0 }).unwrap()
}

fn judge_img(promise: &str, seen: &Measured, (p50, p99): (f64, f64)) {
    let [seen_p50, seen_p99] =
        [seen.latency_ms.p50, seen.latency_ms.p99].map(|p| p.expect("readable clocks"));
    let mut line = Line::new(promise);
    line.at_least("fps", seen.fps, 25.0, 12.0);
    line.at_most("p50 ms", seen_p50, p50, 120.0);
    line.at_most("p99 ms", seen_p99, p99, 400.0);
    line.finish();
}

#[test]
fn the_latency_of_a_camera_that_sends_jpeg_is_read_off_the_clock_in_the_picture() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let Some(browser) = Browser::start().unwrap() else { return };
    let camera = WebCamera::start_at(0, None, &PublisherOptions::default()).unwrap();
    let server = server(&format!("http://127.0.0.1:{}/", camera.port()));
    let seen = watch_img(&server, &browser);
    judge_img("a camera that sends JPEG, in an <img> of Chromium", &seen, (40.0, 60.0));
}
