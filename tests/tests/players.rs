//! The page's players beside WebRTC: how late, how soon, and what becomes of them when something goes wrong.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{Browser, DEADLINE, Line, Server};
use serde_json::Value;
use std::time::Duration;

const SECONDS: f64 = 20.0;
const JOINS: usize = 10;
const PLAYER: &str = "neverblink.players.cam";
const STAGE: &str = "document.querySelector('[data-camera=cam]')";

fn server(gop: u32) -> Server {
    let server = Server::with_cameras(&format!("cam: {{ source: 'test:?width=1280&height=720&fps=30&gop={gop}' }}")).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    server
}

/// The page, playing by `mode`, and its player being watched.
fn playing(server: &Server, mode: &str) -> Option<Browser> {
    let browser = Browser::start().unwrap()?;
    browser.open("page", &server.url(&format!("/?mode={mode}#camera=cam"))).unwrap();
    browser.probe_player("page", PLAYER, STAGE).unwrap();
    assert_eq!(browser.evaluate("page", &format!("{PLAYER}.way")).unwrap(), mode);
    Some(browser)
}

/// Bounds come as the promise and what the continuous integration is held to; see `Line`.
fn latency(mode: &str, p50: (f64, f64), p99: (f64, f64)) {
    let server = server(30);
    let Some(browser) = playing(&server, mode) else { return };
    // The first seconds hold the fast forward from the last keyframe.
    browser.measure("page", 3.0).unwrap();
    let seen = browser.measure("page", SECONDS).unwrap();
    eprintln!("{seen:#?}");
    let mut line = Line::new(&format!("{mode} in the page, capture to shown for {SECONDS} s"));
    line.at_least("fps", seen.fps, 29.0, 25.0);
    line.at_most("p50 ms", seen.latency_ms.p50.unwrap(), p50.0, p50.1);
    line.at_most("p99 ms", seen.latency_ms.p99.unwrap(), p99.0, p99.1);
    line.at_most("longest gap ms", seen.longest_gap_ms, 150.0, 500.0);
    line.finish();
    let told = browser.evaluate("page", &format!("{PLAYER}.latency()?.ms ?? null")).unwrap();
    let off = (told.as_f64().expect("a latency that is shown") - seen.latency_ms.p50.unwrap()).abs();
    assert!(off < p99.1, "the page tells {told} ms");
}

#[test]
fn webcodecs_is_live() {
    latency("webcodecs", (30.0, 60.0), (45.0, 200.0));
}

#[test]
fn mse_is_live() {
    latency("mse", (60.0, 110.0), (90.0, 300.0));
}

#[test]
fn hls_is_live() {
    latency("hls", (150.0, 250.0), (250.0, 500.0));
}

/// From the wish to play until a picture is shown, and until one is that is less than 120 ms old; medians.
fn join(mode: &str, picture: (f64, f64), live: (f64, f64)) {
    let server = server(120);
    let Some(browser) = playing(&server, mode) else { return };
    let once = format!(
        "(async () => {{
            {PLAYER}.stop();
            // Anywhere within the four seconds from keyframe to keyframe.
            await new Promise((done) => setTimeout(done, 300 + Math.random() * 4000));
            const begun = performance.now();
            const first = player.probe.until(() => true, 10000);
            const live = player.probe.until((frame) => player.latencyOf(frame) < 120, 10000);
            {PLAYER}.start();
            return [await first, await live].map((frame) => frame.at - player.probe.offset - begun);
        }})()"
    );
    let joins: Vec<Value> = (0..JOINS).map(|_| browser.evaluate("page", &once).unwrap()).collect();
    eprintln!("{joins:?}");
    let median = |i: usize| {
        let mut times: Vec<f64> = joins.iter().map(|join| join[i].as_f64().unwrap()).collect();
        times.sort_by(f64::total_cmp);
        times[JOINS / 2]
    };
    let mut line = Line::new(&format!("{mode} in the page, joined within 4 s from keyframe to keyframe, median of {JOINS}"));
    line.at_most("first picture ms", median(0), picture.0, picture.1);
    line.at_most("first live ms", median(1), live.0, live.1);
    line.finish();
}

#[test]
fn webcodecs_begins_soon() {
    join("webcodecs", (60.0, 250.0), (250.0, 800.0));
}

#[test]
fn mse_begins_soon() {
    join("mse", (120.0, 400.0), (600.0, 1500.0));
}

/// The page stands still for two seconds, as a tab does that is hidden or a phone that is busy.
fn stall(mode: &str, live: (f64, f64)) {
    let server = server(30);
    let Some(browser) = playing(&server, mode) else { return };
    browser.measure("page", 3.0).unwrap();
    let stall = "(async () => {
        for (const end = performance.now() + 2000; performance.now() < end; );
        const end = performance.now();
        // Two in a row: one may be what was on the screen before.
        for (let i = 0; i < 2; i++) await player.probe.until((frame) => player.latencyOf(frame) < 150, 10000);
        return performance.now() - end;
    })()";
    let mut times: Vec<f64> = (0..3).map(|_| browser.evaluate("page", stall).unwrap().as_f64().unwrap()).collect();
    times.sort_by(f64::total_cmp);
    let mut line = Line::new(&format!("{mode} in the page, live again after standing still for 2 s, median of 3"));
    line.at_most("ms", times[1], live.0, live.1);
    line.finish();
    assert_eq!(browser.evaluate("page", &format!("{PLAYER}.state.phase")).unwrap(), "connected", "in the same session");
}

#[test]
fn webcodecs_is_live_again_after_a_stall() {
    stall("webcodecs", (300.0, 1000.0));
}

#[test]
fn mse_is_live_again_after_a_stall() {
    stall("mse", (300.0, 1000.0));
}

/// Takes the candidates out of the server's answers: as if neither UDP nor TCP got through to its media port.
const NO_WAY: &str = "const set = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
        return set.call(this, { type, sdp: sdp.replace(/^a=candidate.*\\r\\n/gm, '') });
    };";

/// The way that is taken in a browser that `script` has made poorer, and what the page says of it.
fn way_in_a_browser_without(server: &Server, browser: &Browser, script: &str) -> (String, String) {
    browser.open_with("page", &server.url("/#camera=cam"), script).unwrap();
    browser.wait_for("page", &format!("globalThis.neverblink && {PLAYER}?.hasPicture"), DEADLINE).unwrap();
    browser.evaluate("page", "document.querySelector('[role=dialog] [aria-label=Statistics]').click()").unwrap();
    let said = browser.evaluate("page", "document.querySelector('[role=dialog] .details').innerText").unwrap();
    let way = browser.evaluate("page", &format!("{PLAYER}.way")).unwrap();
    browser.close("page").unwrap();
    (way.as_str().unwrap().into(), said.as_str().unwrap().into())
}

#[test]
fn the_next_best_way_is_taken_and_the_page_says_why() {
    let server = server(30);
    let Some(browser) = Browser::start().unwrap() else { return };
    let (way, said) = way_in_a_browser_without(&server, &browser, NO_WAY);
    assert_eq!(way, "webcodecs");
    assert!(said.contains("Not by WebRTC: No picture data gets through to you"), "{said}");
    let removed = |names: &[&str]| names.iter().map(|name| format!("delete globalThis.{name};")).collect::<String>();
    let steps: [(&[&str], &str); 3] = [
        (&["RTCPeerConnection"], "webcodecs"),
        (&["RTCPeerConnection", "VideoDecoder"], "mse"),
        (&["RTCPeerConnection", "VideoDecoder", "WebSocket"], "hls"),
    ];
    for (missing, expected) in steps {
        // The page itself lives by its WebSocket; only that of media fails.
        let mut script = removed(&missing.iter().filter(|name| **name != "WebSocket").copied().collect::<Vec<_>>());
        if missing.contains(&"WebSocket") {
            script += "const Real = WebSocket; globalThis.WebSocket = class extends Real {
                constructor(url) { super(String(url).includes('/ws?') ? 'ws://127.0.0.1:9/' : url); } };";
        }
        let (way, said) = way_in_a_browser_without(&server, &browser, &script);
        assert_eq!(way, expected, "without {missing:?}");
        assert!(said.contains("Not by WebRTC: this browser has no WebRTC"), "{said}");
    }
}

#[test]
fn a_server_that_returns_is_found_again_by_every_way() {
    for mode in ["webcodecs", "mse"] {
        let mut server = server(30);
        let Some(browser) = playing(&server, mode) else { return };
        let listen = format!("listen: {{ http: '{}', rtsp: '127.0.0.1:0', webrtc: '127.0.0.1:0' }}", server.http());
        server.process().kill();
        browser.wait_for("page", &format!("!{PLAYER}.hasPicture"), DEADLINE).unwrap();
        let cameras = "cam: { source: 'test:?width=640&height=360&fps=30' }";
        let options = harness::ServerOptions { cameras: cameras.into(), more: listen, ..harness::ServerOptions::default() };
        let _again = Server::start(options).unwrap();
        browser.wait_for("page", &format!("{PLAYER}.hasPicture && {PLAYER}.flowing"), DEADLINE).unwrap();
        assert_eq!(browser.evaluate("page", &format!("{PLAYER}.way")).unwrap(), mode);
    }
}

#[test]
fn a_thin_link_is_told_in_words() {
    let server = server(30);
    let Some(browser) = Browser::start().unwrap() else { return };
    let thin = "const ask = fetch; globalThis.asked = []; globalThis.fetch = async (url, ...rest) => {
        const answer = await ask(url, ...rest);
        if (!String(url).includes('/api/v1/viewers/')) return answer;
        const known = await answer.json();
        asked.push(known);
        return Response.json({ ...known, link_limited: true, estimate: 1400000, needed: 2500000 });
    };";
    browser.open_with("page", &server.url("/#camera=cam"), thin).unwrap();
    let told = "document.querySelector('[role=dialog] .thin')?.innerText === 'Your link carries 1.4 of 2.5 Mbit/s'";
    browser.wait_for("page", told, DEADLINE).unwrap();
    let known = browser.evaluate("page", "asked[0]").unwrap();
    assert_eq!((&known["protocol"], &known["camera"]), (&"webrtc".into(), &"cam".into()), "the viewer asks about itself");
    assert_eq!(server.json("/api/v1/viewers").unwrap()["viewers"][0]["id"], known["id"]);
}

#[test]
fn a_page_of_another_origin_embeds_a_camera() {
    let (server, host) = (server(30), Server::with_cameras("").unwrap());
    let Some(browser) = Browser::start().unwrap() else { return };
    browser.open("page", &host.url("/ready")).unwrap();
    let embed = format!(
        "document.body.innerHTML = '<neverblink-player controls muted></neverblink-player>';
        document.body.firstChild.setAttribute('src', '{}');
        document.head.append(Object.assign(document.createElement('script'), {{ type: 'module', src: '{}' }}))",
        server.url("/live/cam"),
        server.url("/player.js"),
    );
    browser.evaluate("page", &embed).unwrap();
    let element = "document.querySelector('neverblink-player')";
    browser.wait_for("page", &format!("{element}.player?.hasPicture"), DEADLINE).unwrap();
    browser.probe_player("page", &format!("{element}.player"), &format!("{element}.shadowRoot")).unwrap();
    let bar = format!("{element}.shadowRoot.querySelector('.bar').innerText.replaceAll('\\n', ' ')");
    browser.wait_for("page", &format!("/^Live +\\d+ ms/.test({bar})"), Duration::from_secs(5)).unwrap();
    let seen = browser.measure("page", 2.0).unwrap();
    assert!(seen.fps > 20.0 && seen.unreadable == 0, "{seen:?}");
    for mode in ["webcodecs", "mse"] {
        browser.evaluate("page", &format!("{element}.setAttribute('mode', '{mode}')")).unwrap();
        browser.wait_for("page", &format!("{element}.player.way === '{mode}' && {element}.player.hasPicture"), DEADLINE).unwrap();
    }
    browser.evaluate("page", &format!("{element}.remove()")).unwrap();
    harness::wait_until("no viewer", DEADLINE, || (server.camera("cam").ok()?["viewers"] == 0).then_some(())).unwrap();
}
