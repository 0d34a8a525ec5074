//! Which way of playing the page takes, what it says of it, and the player for other pages.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{Browser, DEADLINE, HtmlHost, Line, Server, ServerOptions, lan, wait_until};
use std::time::Duration;

const CAMERA: &str = "cam: { source: 'test:?width=1280&height=720&fps=30&gop=30' }";
const PLAYER: &str = "neverblink.players.cam";
const STAGE: &str = "document.querySelector('[data-camera=cam]')";

fn server() -> Server {
    let server = Server::with_cameras(CAMERA).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    server
}

/// Takes the candidates out of the server's answers: as if neither UDP nor TCP got through to its
/// media port.
const NO_CANDIDATES: &str = "const set = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
        return set.call(this, { type, sdp: sdp.replace(/^a=candidate.*\\r\\n/gm, '') });
    };";
const NO_WEBRTC: &str = "delete globalThis.RTCPeerConnection;";
/// The page itself lives by its WebSocket; only that of media fails.
const NO_MEDIA_SOCKET: &str =
    "const Socket = WebSocket; globalThis.WebSocket = class extends Socket {
        constructor(url) { super(String(url).includes('/ws?') ? 'ws://127.0.0.1:9/' : url); } };";
const NO_MEDIA_SOURCE: &str = "delete globalThis.MediaSource; delete globalThis.ManagedMediaSource;
    HTMLMediaElement.prototype.canPlayType = () => '';";

/// The way that is taken in a browser that `script` has made poorer, and what the page says of it.
/// It really plays.
fn way(browser: &Browser, url: &str, script: &str) -> (String, String) {
    browser.open_with("page", url, script).unwrap();
    browser
        .wait_for("page", &format!("globalThis.neverblink && {PLAYER}?.hasPicture"), DEADLINE)
        .unwrap();
    browser.probe_player("page", PLAYER, STAGE).unwrap();
    let seen = browser.measure("page", 2.0).unwrap();
    assert!(seen.fps > 10.0 && seen.unreadable == 0 && seen.backwards == 0, "{seen:#?}");
    browser
        .evaluate("page", "document.querySelector('[role=dialog] [aria-label=Statistics]').click()")
        .unwrap();
    let said = browser
        .evaluate("page", "document.querySelector('[role=dialog] .details').innerText")
        .unwrap();
    let way = browser.evaluate("page", &format!("{PLAYER}.way")).unwrap();
    browser.close("page").unwrap();
    (way.as_str().unwrap().into(), said.as_str().unwrap().into())
}

#[test]
fn the_next_best_way_is_taken_and_the_page_says_why() {
    let server = server();
    let Some(browser) = Browser::start().unwrap() else { return };
    let here = server.url("/#camera=cam");
    // Not this machine by its name: a page that browsers do not take for secure.
    let plain = format!("http://camera.test:{}/#camera=cam", server.http().port());
    let blocked = "Not by WebRTC: No picture data gets through to you";
    let insecure = "browsers allow WebCodecs on https pages only";
    let no_socket = "No WebSocket gets through to the server";
    let steps: [(&str, &[&str], &str, &[&str]); 6] = [
        (&here, &[], "webrtc", &[]),
        (&here, &[NO_CANDIDATES], "webcodecs", &[blocked]),
        (&here, &[NO_WEBRTC], "webcodecs", &["Not by WebRTC: this browser has no WebRTC"]),
        (&plain, &[NO_CANDIDATES], "mse", &[blocked, insecure]),
        (&plain, &[NO_CANDIDATES, NO_MEDIA_SOCKET], "hls", &[blocked, insecure, no_socket]),
        (
            &plain,
            &[NO_CANDIDATES, NO_MEDIA_SOURCE],
            "mjpeg",
            &[blocked, insecure, "this browser plays no HLS"],
        ),
    ];
    for (url, lacks, expected, reasons) in steps {
        let (way, said) = way(&browser, url, &lacks.concat());
        eprintln!("{said}");
        assert_eq!(way, expected, "{said}");
        assert_eq!(said.contains("Not by"), !reasons.is_empty(), "{said}");
        reasons.iter().for_each(|reason| assert!(said.contains(reason), "{reason}: {said}"));
    }
}

#[test]
fn a_firewall_that_blocks_webrtc_costs_seconds_once() {
    lan::on_a_lan(|lan| {
        if Browser::unavailable() {
            return;
        }
        let server = Server::start(ServerOptions {
            cameras: CAMERA.into(),
            host: lan::SERVER,
            ..ServerOptions::default()
        })
        .unwrap();
        server.wait_for_state("cam", "live").unwrap();
        lan.block_udp_and_tcp_to(server.webrtc().port()).unwrap();
        let browser = Browser::spawn(lan.at_viewer("node", ["tests/browser/driver.mjs"])).unwrap();
        browser.open("page", &server.url("/#camera=cam")).unwrap();
        let waiting = format!("globalThis.neverblink && {PLAYER}?.hasPicture && performance.now()");
        let first = browser.wait_for("page", &waiting, DEADLINE).unwrap().as_f64().unwrap();
        assert_eq!(browser.evaluate("page", &format!("{PLAYER}.way")).unwrap(), "mse");
        let again = format!(
            "(async () => {{
                const begun = performance.now();
                {PLAYER}.stop();
                const picture = new Promise((done) => {PLAYER}.addEventListener('frame', done, {{ once: true }}));
                {PLAYER}.start();
                await picture;
                return performance.now() - begun;
            }})()"
        );
        let again = browser.evaluate("page", &again).unwrap().as_f64().unwrap();
        let mut line = Line::new("UDP and TCP blocked to the media port: the page plays by MSE");
        line.at_most("first picture ms", first, 5000.0, 8000.0);
        line.at_most("the next time ms", again, 500.0, 2000.0);
        line.finish();
    });
}

#[test]
fn a_server_that_returns_is_found_again_by_every_way() {
    for mode in ["webcodecs", "mse", "hls", "mjpeg"] {
        let mut server = server();
        let Some(browser) = Browser::start().unwrap() else { return };
        browser.open("page", &server.url(&format!("/?mode={mode}#camera=cam"))).unwrap();
        let plays = format!("globalThis.neverblink && {PLAYER}?.hasPicture && {PLAYER}.flowing");
        browser.wait_for("page", &plays, DEADLINE).unwrap();
        let listen = format!(
            "listen: {{ http: '{}', rtsp: '127.0.0.1:0', webrtc: '127.0.0.1:0' }}",
            server.http()
        );
        browser.evaluate("page", &format!("globalThis.tile = {STAGE}")).unwrap();
        server.process().kill();
        browser.evaluate("page", "globalThis.killed = performance.now()").unwrap();
        browser.wait_for("page", &format!("!{PLAYER}.flowing"), DEADLINE).unwrap();
        let cameras = "cam: { source: 'test:?width=640&height=360&fps=30' }";
        let _again = Server::start(ServerOptions {
            cameras: cameras.into(),
            more: listen,
            ..ServerOptions::default()
        })
        .unwrap();
        browser.wait_for("page", &plays, DEADLINE).unwrap();
        browser
            .wait_for(
                "page",
                "neverblink.feed.cameras.every((camera) => camera.heard > killed)",
                DEADLINE,
            )
            .unwrap();
        assert_eq!(browser.evaluate("page", &format!("{PLAYER}.way")).unwrap(), mode);
        let same = format!("tile === {STAGE} && tile.role === 'dialog'");
        assert_eq!(
            browser.evaluate("page", &same).unwrap(),
            true,
            "the large picture is still open"
        );
    }
}

#[test]
fn a_thin_link_is_told_in_words() {
    let server = server();
    let Some(browser) = Browser::start().unwrap() else { return };
    let thin =
        "const ask = fetch; globalThis.asked = []; globalThis.fetch = async (url, ...rest) => {
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
    assert_eq!(
        (&known["protocol"], &known["camera"]),
        (&"webrtc".into(), &"cam".into()),
        "the viewer asks about itself"
    );
    assert_eq!(server.json("/api/v1/viewers").unwrap()["viewers"][0]["id"], known["id"]);
}

#[test]
fn a_page_of_another_origin_embeds_a_camera() {
    let (server, host) = (server(), HtmlHost::start().unwrap());
    let Some(browser) = Browser::start().unwrap() else { return };
    browser.open("page", &host.url()).unwrap();
    let embed = format!(
        "document.body.innerHTML = '<neverblink-player src=\"{}\" controls muted mode=\"\"></neverblink-player>';
        document.head.append(Object.assign(document.createElement('script'), {{ type: 'module', src: '{}' }}))",
        server.url("/live/cam"),
        server.url("/player.js"),
    );
    browser.evaluate("page", &embed).unwrap();
    let element = "document.querySelector('neverblink-player')";
    browser.wait_for("page", &format!("{element}.player?.hasPicture"), DEADLINE).unwrap();
    let probe = || {
        browser
            .probe_player("page", &format!("{element}.player"), &format!("{element}.shadowRoot"))
            .unwrap();
    };
    probe();
    let posts =
        "performance.getEntriesByType('resource').filter((e) => e.name.endsWith('/whep')).length";
    assert_eq!(
        browser.evaluate("page", posts).unwrap(),
        1,
        "begun once, not once for each attribute"
    );
    let bar =
        format!("{element}.shadowRoot.querySelector('.bar').innerText.replaceAll('\\n', ' ')");
    browser
        .wait_for("page", &format!("/^Live +\\d+ ms/.test({bar})"), Duration::from_secs(5))
        .unwrap();
    let seen = browser.measure("page", 2.0).unwrap();
    assert!(seen.fps > 10.0 && seen.unreadable == 0, "{seen:?}");
    for mode in ["webcodecs", "mse", "hls", "mjpeg"] {
        browser.evaluate("page", &format!("{element}.setAttribute('mode', '{mode}')")).unwrap();
        browser
            .wait_for(
                "page",
                &format!("{element}.player.way === '{mode}' && {element}.player.hasPicture"),
                DEADLINE,
            )
            .unwrap();
        probe();
        let seen = browser.measure("page", 2.0).unwrap();
        assert!(seen.fps > 10.0 && seen.unreadable == 0, "{mode}: {seen:?}");
    }
    browser.evaluate("page", &format!("{element}.remove()")).unwrap();
    wait_until("no viewer", DEADLINE, || {
        (server.camera("cam").ok()?["viewers"] == 0).then_some(())
    })
    .unwrap();
}
