//! Low-latency HLS in hls.js, as others embed it, with its defaults; and in the page's own player,
//! for as long.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{Browser, Line, Measured, Server, repository, skip, strict};
use std::fs;

const TEN_MINUTES: f64 = 600.0;
/// hls.js counts what it had to wait for.
const HLS_JS: &str = "void (async () => {
    const video = document.body.appendChild(document.createElement('video'));
    video.muted = true;
    globalThis.stalls = 0;
    const hls = globalThis.hls = new Hls();
    hls.on(Hls.Events.ERROR, (_, error) => { if (error.fatal || error.details === 'bufferStalledError') stalls += 1; });
    hls.loadSource('/live/cam/index.m3u8');
    hls.attachMedia(video);
    await new Promise((done) => hls.on(Hls.Events.MANIFEST_PARSED, done));
    await video.play();
})()";

fn server() -> Server {
    let server =
        Server::with_cameras("cam: { source: 'test:?width=1280&height=720&fps=30&gop=30' }")
            .unwrap();
    server.wait_for_state("cam", "live").unwrap();
    server
}

/// A page where hls.js plays, past its first seconds.
fn hls_js(server: &Server) -> Option<Browser> {
    let Ok(library) =
        fs::read_to_string(repository().join("tests/browser/node_modules/hls.js/dist/hls.min.js"))
    else {
        skip("no hls.js (`./x setup test` installs it)");
        return None;
    };
    let browser = Browser::start().unwrap()?;
    browser.open_empty("page", &server.url("/")).unwrap();
    browser.evaluate("page", &format!("void (0, eval)({})", serde_json::json!(library))).unwrap();
    browser.evaluate("page", HLS_JS).unwrap();
    browser.probe("page", "document.querySelector('video')").unwrap();
    browser.measure("page", 5.0).unwrap();
    browser.evaluate("page", "void (stalls = 0)").unwrap();
    Some(browser)
}

fn judge(promise: &str, seen: &Measured, p50: (f64, f64)) -> Line {
    let mut line = Line::new(promise);
    line.at_least("fps", seen.fps, 29.0, 20.0);
    line.at_most("p50 ms", seen.latency_ms.p50.unwrap(), p50.0, p50.1);
    line.seen("p99 ms", seen.latency_ms.p99.unwrap()).at_most(
        "longest gap ms",
        seen.longest_gap_ms,
        400.0,
        2000.0,
    );
    line
}

#[test]
fn hls_js_is_live() {
    let server = server();
    let Some(browser) = hls_js(&server) else { return };
    let seen = browser.measure("page", if strict() { 20.0 } else { 8.0 }).unwrap();
    // It never catches up by itself what a busy machine has cost it once.
    judge("hls.js with its defaults, capture to shown", &seen, (300.0, 1500.0)).finish();
}

#[test]
#[ignore = "ten minutes; ./x bench must-show hlsjs runs it"]
fn ten_minutes_without_a_stall() {
    let server = server();
    let Some(plain) = hls_js(&server) else { return };
    let Some(own) = Browser::start().unwrap() else { return };
    own.open("page", &server.url("/?mode=hls#camera=cam")).unwrap();
    own.probe_player(
        "page",
        "neverblink.players.cam",
        "document.querySelector('[data-camera=cam]')",
    )
    .unwrap();
    own.measure("page", 3.0).unwrap();
    let watch = |browser: &Browser| browser.measure("page", TEN_MINUTES).unwrap();
    let (plain_seen, own_seen) = std::thread::scope(|scope| {
        let other = scope.spawn(move || watch(&own));
        (watch(&plain), other.join().unwrap())
    });
    let stalls = plain.evaluate("page", "stalls").unwrap().as_f64().unwrap();
    let mut first = judge("hls.js with its defaults, ten minutes", &plain_seen, (300.0, 1500.0));
    first.at_most("stalls", stalls, 0.0, 3.0);
    let second = judge("HLS in the page's own player, ten minutes", &own_seen, (150.0, 300.0));
    Line::finish_all(&[first, second]);
}
