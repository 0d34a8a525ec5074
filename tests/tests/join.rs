//! How soon a viewer who comes sees something, and something live.

use harness::{
    Browser, DEADLINE, Joined, KeyframeWatch, Line, Publisher, PublisherOptions, Server,
    skip_without, strict,
};
use std::{thread, time::Duration};

const FPS: u32 = 30;

fn joins() -> usize {
    if strict() { 10 } else { 5 }
}

#[test]
fn half_way_into_four_seconds() {
    join_half_way(4, (100.0, 300.0), (250.0, 600.0));
}

#[test]
fn half_way_into_one_second() {
    join_half_way(1, (50.0, 200.0), (100.0, 400.0));
}

/// Bounds come as the promise and what the continuous integration is held to; see `Line`.
fn join_half_way(gop_seconds: u32, picture: (f64, f64), live: (f64, f64)) {
    if skip_without(&["ffmpeg", "ffprobe", "stdbuf"]) {
        return;
    }
    let Some(browser) = Browser::start().expect("a browser") else { return };
    let server = Server::with_cameras("cam: { source: publish }").expect("a server");
    let options =
        PublisherOptions { gop: gop_seconds * FPS, fps: FPS, ..PublisherOptions::default() };
    let _publisher = Publisher::start_with(&server.rtsp_url("cam"), &options).expect("ffmpeg");
    server.wait_for_state("cam", "live").expect("a live camera");
    let keyframes = KeyframeWatch::start(&server.rtsp_url("cam")).expect("ffprobe");
    let half = Duration::from_millis(u64::from(gop_seconds) * 500);
    let joined: Vec<_> =
        (0..joins()).map(|i| join_at(&browser, &server, &keyframes, half, i)).collect();
    eprintln!("{joined:#?}");

    let mut line = Line::new(&format!(
        "joined half-way into {gop_seconds} s from keyframe to keyframe, median of {}",
        joins()
    ));
    let settled =
        |j: &Joined| j.settled_latency_ms.as_ref().and_then(|l| l.p50).unwrap_or(f64::INFINITY);
    line.at_most("first picture ms", median(&joined, |j| j.first_picture_ms), picture.0, picture.1);
    line.at_most(
        "first live ms",
        median(&joined, |j| j.first_live_ms.unwrap_or(f64::INFINITY)),
        live.0,
        live.1,
    );
    line.at_most("p50 ms after 2 s", median(&joined, settled), 20.0, 35.0);
    line.finish();
}

fn join_at(
    browser: &Browser,
    server: &Server,
    keyframes: &KeyframeWatch,
    after: Duration,
    i: usize,
) -> Joined {
    let (name, url) = (format!("join {i}"), server.whep_url("cam"));
    browser.prepare(&name, &url).expect("a page");
    keyframes.wait_for_next(DEADLINE).expect("a keyframe");
    // Not a wait for something to happen, but the moment at which the viewer comes.
    thread::sleep(after);
    browser.join(&name, &url).expect("a live picture")
}

fn median(joined: &[Joined], of: impl Fn(&Joined) -> f64) -> f64 {
    let mut values: Vec<_> = joined.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
