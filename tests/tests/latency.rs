//! Capture to shown, read off the picture itself, over every way into the server.

use harness::{
    Browser, Camera, DEADLINE, Line, Measured, Publisher, PublisherOptions, Server, free_udp_port,
    skip_without, strict,
};

/// How long each way is watched.
fn seconds() -> f64 {
    if strict() { 20.0 } else { 8.0 }
}

#[test]
fn ffmpeg_publishes_over_tcp() {
    publish_and_watch("tcp");
}

#[test]
fn ffmpeg_publishes_over_udp() {
    publish_and_watch("udp");
}

#[test]
fn gstreamer_is_pulled() {
    let Some(camera) = Camera::start(&PublisherOptions::default()).unwrap() else { return };
    let server = Server::with_cameras(&format!("cam: {{ source: \"{}\" }}", camera.url())).unwrap();
    watch(&server, "GStreamer's RTSP server, pulled");
}

#[test]
fn the_test_picture() {
    let server =
        Server::with_cameras("cam: { source: \"test:?width=1280&height=720&fps=30&gop=30\" }")
            .unwrap();
    watch(&server, "the built-in test picture");
}

/// Nobody waits for a frame's end longer than that takes to come.
#[test]
fn ffmpeg_sends_mpegts() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let p50 = |seen: &Measured| seen.latency_ms.p50.expect("readable clocks");
    let Some(by_rtsp) = publish_and_watch("tcp") else { return };
    let port = free_udp_port();
    let server = Server::with_cameras(&format!("cam: {{ source: 'udp://127.0.0.1:{port}' }}"))
        .expect("a server");
    let options = PublisherOptions { transport: "mpegts", ..PublisherOptions::default() };
    let _sender =
        Publisher::start_with(&format!("udp://127.0.0.1:{port}"), &options).expect("ffmpeg");
    let Some(by_mpegts) = watch(&server, "ffmpeg, sent as MPEG-TS over UDP") else { return };
    let mut line = Line::new("MPEG-TS over UDP against RTSP over TCP");
    line.at_most("p50 ms more", p50(&by_mpegts) - p50(&by_rtsp), 5.0, 15.0);
    line.finish();
}

fn publish_and_watch(transport: &'static str) -> Option<Measured> {
    if skip_without(&["ffmpeg"]) {
        return None;
    }
    let server = Server::with_cameras("cam: { source: publish }").expect("a server");
    let options = PublisherOptions { transport, ..PublisherOptions::default() };
    let _publisher = Publisher::start_with(&server.rtsp_url("cam"), &options).expect("ffmpeg");
    watch(&server, &format!("ffmpeg, published over {transport}"))
}

fn watch(server: &Server, way: &str) -> Option<Measured> {
    let browser = Browser::start().expect("a browser")?;
    server.wait_for_state("cam", "live").expect("a live camera");
    browser.watch("viewer", &server.whep_url("cam")).expect("a picture");
    settle(&browser);
    let seen = browser.measure("viewer", seconds()).expect("a measurement");
    eprintln!("{seen:#?}");
    judge(&format!("{way}, shown in Chromium for {} s", seconds()), &seen);
    passes_quickly(server, way);
    Some(seen)
}

/// From a frame's last packet in to its first packet out, by the server's own histogram.
fn passes_quickly(server: &Server, way: &str) {
    let read = |series: &str| {
        server.metric(&format!("neverblink_ingest_to_send_seconds_{series}")).expect("a histogram")
    };
    let labels = r#"camera="cam",protocol="webrtc""#;
    let within = |bound: &str| read(&format!("bucket{{{labels},le=\"{bound}\"}}"));
    let frames = read(&format!("count{{{labels}}}"));
    let mut line =
        Line::new(&format!("{way}, from the last packet of a frame in to its first packet out"));
    line.at_least("frames", frames, seconds() * 29.0, seconds() * 28.0);
    line.at_least("% within 2 ms", 100.0 * within("0.002") / frames, 99.0, 90.0);
    line.finish();
}

/// A viewer who has just joined watches the newest group of pictures in a hurry; that is what
/// `join.rs` measures.
fn settle(browser: &Browser) {
    let calm = "player.probe.frames.length > 60";
    browser.wait_for("viewer", calm, DEADLINE).expect("two seconds of pictures");
}

fn judge(promise: &str, seen: &Measured) {
    let latency = &seen.latency_ms;
    let [p50, p99] = [latency.p50, latency.p99].map(|p| p.expect("readable clocks"));
    let mut line = Line::new(promise);
    line.at_least("fps", seen.fps, 29.5, 28.5);
    line.at_most("freezes", seen.freezes() as f64, 0.0, 1.0);
    line.at_most("p50 ms", p50, 20.0, 35.0);
    line.at_most("p99 ms", p99, 40.0, 100.0);
    line.at_most("unreadable clocks", seen.unreadable as f64, 0.0, 5.0);
    line.finish();
}
