//! The page's players: how late, how soon, and how fast they are live again after a stall, by the
//! clock in the picture.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{Browser, Line, Server, strict, wall_clock};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use std::{thread, time::Duration};

/// Where bounds are loose a few are enough.
fn joins() -> usize {
    if strict() { 10 } else { 4 }
}

fn stalls() -> usize {
    if strict() { 3 } else { 1 }
}

const PLAYER: &str = "neverblink.players.cam";
const STAGE: &str = "document.querySelector('[data-camera=cam]')";

/// A promise, and what the continuous integration is held to; see `Line`.
type Bounds = (f64, f64);

fn server(gop: u32) -> Server {
    let server = Server::with_cameras(&format!(
        "cam: {{ source: 'test:?width=1280&height=720&fps=30&gop={gop}' }}"
    ))
    .unwrap();
    server.wait_for_state("cam", "live").unwrap();
    server
}

/// The page, playing by `mode`, and its player being watched.
fn playing(server: &Server, mode: &str) -> Option<Browser> {
    let browser = Browser::start().unwrap()?;
    browser.open("page", &server.url(&format!("/?mode={mode}#camera=cam"))).unwrap();
    browser.probe_player("page", PLAYER, STAGE).unwrap();
    assert_eq!(browser.evaluate("page", &format!("{PLAYER}.way")).unwrap(), mode);
    // The first seconds hold the fast forward from the last keyframe.
    browser.measure("page", 3.0).unwrap();
    Some(browser)
}

fn latency(mode: &str, p50: Bounds, p99: Bounds) {
    let server = server(30);
    let Some(browser) = playing(&server, mode) else { return };
    let seconds = if strict() { 20.0 } else { 8.0 };
    let listen = format!(
        "{{ globalThis.told = []; {PLAYER}.addEventListener('frame', (e) => e.detail && told.push(e.detail.ms)) }}"
    );
    browser.evaluate("page", &listen).unwrap();
    let seen = browser.measure("page", seconds).unwrap();
    let told =
        browser.evaluate("page", "told.sort((a, b) => a - b)[told.length >> 1] ?? null").unwrap();
    eprintln!("{seen:#?}");
    let mut line = Line::new(&format!("{mode} in the page, capture to shown for {seconds} s"));
    line.at_least("fps", seen.fps, 29.0, 20.0);
    line.at_most("p50 ms", seen.latency_ms.p50.unwrap(), p50.0, p50.1);
    line.at_most("p99 ms", seen.latency_ms.p99.unwrap(), p99.0, p99.1);
    line.at_most("longest gap ms", seen.longest_gap_ms, 150.0, 1000.0);
    line.at_most("backwards", seen.backwards as f64, 0.0, 0.0).at_most(
        "unreadable",
        seen.unreadable as f64,
        0.0,
        0.0,
    );
    // What people read is the truth.
    let off =
        (told.as_f64().expect("a latency that is shown") - seen.latency_ms.p50.unwrap()).abs();
    line.at_most("shown latency is off by ms", off, 5.0, 20.0);
    line.finish();
}

#[test]
fn webrtc_is_live() {
    latency("webrtc", (20.0, 100.0), (40.0, 400.0));
}

#[test]
fn webcodecs_is_live() {
    latency("webcodecs", (30.0, 100.0), (45.0, 400.0));
}

#[test]
fn mse_is_live() {
    latency("mse", (60.0, 180.0), (90.0, 500.0));
}

#[test]
fn hls_is_live() {
    latency("hls", (150.0, 300.0), (250.0, 800.0));
}

/// Of an H.264 camera, which has to be decoded and encoded first.
#[test]
fn mjpeg_is_live() {
    latency("mjpeg", (60.0, 180.0), (90.0, 500.0));
}

/// From the wish to play until a picture is shown, and until one is that is live; medians.
fn join(mode: &str, picture: Bounds, live: Bounds) {
    let server = server(120);
    let Some(browser) = playing(&server, mode) else { return };
    let age = if mode == "hls" { 250 } else { 120 };
    let once = format!(
        "(async () => {{
            {PLAYER}.stop();
            // Anywhere within the four seconds from keyframe to keyframe.
            await new Promise((done) => setTimeout(done, 300 + Math.random() * 4000));
            const begun = performance.now();
            const first = player.probe.until(() => true, 10000);
            const live = player.probe.until((frame) => player.latencyOf(frame) < {age}, 10000);
            {PLAYER}.start();
            return [await first, await live].map((frame) => frame.at - player.probe.offset - begun);
        }})()"
    );
    let seen: Vec<Value> = (0..joins()).map(|_| browser.evaluate("page", &once).unwrap()).collect();
    eprintln!("{seen:?}");
    let times = |i: usize| seen.iter().map(|join| join[i].as_f64().unwrap()).collect();
    let mut line = Line::new(&format!(
        "{mode} in the page, joined within 4 s from keyframe to keyframe, median of {}",
        joins()
    ));
    line.at_most("first picture ms", median(times(0)), picture.0, picture.1);
    line.at_most(
        &format!("first younger than {age} ms after ms"),
        median(times(1)),
        live.0,
        live.1,
    );
    line.finish();
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[test]
fn webcodecs_begins_soon() {
    // What is older than the newest has to be decoded, at some hundred frames a second.
    join("webcodecs", (60.0, 400.0), (500.0, 1000.0));
}

#[test]
fn mse_begins_soon() {
    join("mse", (120.0, 500.0), (600.0, 1800.0));
}

#[test]
fn hls_begins_soon() {
    join("hls", (250.0, 700.0), (1000.0, 1900.0));
}

#[test]
fn mjpeg_begins_soon() {
    join("mjpeg", (250.0, 1000.0), (500.0, 1500.0));
}

/// The page stands still for two seconds, as one does that is busy; the ms from then on until what
/// is shown is live.
fn page_stands_still(browser: &Browser, age: u32) -> f64 {
    let stall = format!(
        "(async () => {{
            for (const end = performance.now() + 2000; performance.now() < end; );
            const end = performance.now();
            // Two in a row: one may be what was on the screen before.
            for (let i = 0; i < 2; i++) await player.probe.until((frame) => player.latencyOf(frame) < {age}, 10000);
            return performance.now() - end;
        }})()"
    );
    browser.evaluate("page", &stall).unwrap().as_f64().unwrap()
}

/// All of the browser stands still, as a phone does, so that the server, too, cannot get rid of
/// what it sends.
fn browser_stands_still(browser: &Browser, age: u32) -> f64 {
    let processes = browser.processes();
    processes.iter().for_each(|pid| kill(*pid, Signal::SIGSTOP).unwrap());
    thread::sleep(Duration::from_secs(2));
    processes.iter().for_each(|pid| kill(*pid, Signal::SIGCONT).unwrap());
    let begun = wall_clock();
    let live = format!(
        "player.probe.until((frame) => player.latencyOf(frame) < {age}, 10000).then((frame) => frame.at)"
    );
    browser.evaluate("page", &live).unwrap().as_f64().unwrap() - begun
}

fn stall(mode: &str, age: u32, live: Bounds) {
    let server = server(30);
    let Some(browser) = playing(&server, mode) else { return };
    let again = |stall: fn(&Browser, u32) -> f64| {
        let once = |_| {
            let time = stall(&browser, age);
            browser.measure("page", 2.0).unwrap();
            time
        };
        let times: Vec<f64> = (0..stalls()).map(once).collect();
        eprintln!("{times:?}");
        median(times)
    };
    let mut line =
        Line::new(&format!("{mode} in the page, 2 s of standing still, median of {}", stalls()));
    line.at_most(
        &format!("younger than {age} ms again after ms"),
        again(page_stands_still),
        live.0,
        live.1,
    );
    line.at_most(
        "the same where the whole browser stood still",
        again(browser_stands_still),
        live.0,
        live.1,
    );
    line.finish();
    assert_eq!(
        browser.evaluate("page", &format!("{PLAYER}.state.phase")).unwrap(),
        "connected",
        "in the same session"
    );
}

#[test]
fn webcodecs_is_live_again_after_a_stall() {
    stall("webcodecs", 150, (300.0, 2500.0));
}

#[test]
fn mse_is_live_again_after_a_stall() {
    stall("mse", 150, (300.0, 2500.0));
}

#[test]
fn hls_is_live_again_after_a_stall() {
    stall("hls", 300, (1000.0, 5000.0));
}

#[test]
fn mjpeg_is_live_again_after_a_stall() {
    stall("mjpeg", 150, (300.0, 2500.0));
}
