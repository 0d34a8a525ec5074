//! WHIP: browsers and GStreamer publish to cameras.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::{
    Browser, DEADLINE, Line, OFFER, Server, ServerOptions, WhipCamera, command, http, lan, strict,
    wait_until,
};
use nix::sys::signal::{Signal, kill};
use std::{
    thread,
    time::{Duration, Instant},
};

const SDP: (&str, &str) = ("Content-Type", "application/sdp");
const FRAGMENT: (&str, &str) = ("Content-Type", "application/trickle-ice-sdpfrag");
const CAMERA: &str = "front: { source: publish }";

fn whip_url(server: &Server) -> String {
    server.url("/live/front/whip")
}

/// Frames that came in.
fn frames(server: &Server) -> f64 {
    server.metric("neverblink_camera_frames_total{camera=\"front\"}").unwrap()
}

/// How long something is watched.
fn seconds() -> f64 {
    if strict() { 60.0 } else { 6.0 }
}

/// A browser whose page `phone` is about to publish its fake camera.
fn phone(server: &Server, browser: &Browser) {
    browser.open("phone", &server.url("/publish/front")).unwrap();
    browser
        .wait_for(
            "phone",
            "document.getElementById('words').textContent.startsWith('Off')",
            DEADLINE,
        )
        .unwrap();
}

fn press_go(browser: &Browser) {
    browser.evaluate("phone", "document.getElementById('go').focus()").unwrap();
    browser.press("phone", "Enter").unwrap();
}

fn await_words(browser: &Browser, words: &str) {
    let expression = format!("document.getElementById('words').textContent.includes('{words}')");
    browser.wait_for("phone", &expression, DEADLINE).unwrap();
}

/// Lets the page send nothing more, and tells how many percent of the frames that it has sent came
/// in.
fn percent(server: &Server, browser: &Browser) -> f64 {
    browser.evaluate("phone", "publishing.session.pc.getSenders()[0].replaceTrack(null)").unwrap();
    let count = "publishing.session.stats().then(r => [...r.values()].find(e => e.type === 'outbound-rtp').framesSent)";
    let sent = || browser.evaluate("phone", count).unwrap().as_f64().unwrap();
    let mut last = (sent(), frames(server));
    let (sent, came) = wait_until("all that was sent having come in", DEADLINE, || {
        // Longer than anything is waited for, and than browsers keep their statistics.
        thread::sleep(Duration::from_millis(600));
        let now = (sent(), frames(server));
        (std::mem::replace(&mut last, now) == now).then_some(now)
    })
    .unwrap();
    assert!(sent > 50.0, "{sent} sent, {came} came in");
    100.0 * came / sent
}

#[test]
fn a_browser_is_a_camera() {
    let Some(browser) = Browser::start().unwrap() else { return };
    let server = Server::with_cameras(CAMERA).unwrap();
    phone(&server, &browser);
    assert_eq!(browser.accessibility("phone").unwrap(), Vec::<String>::new());
    press_go(&browser);
    await_words(&browser, "Live");
    let camera = server.wait_for_state("front", "live").unwrap();
    assert!(
        camera["publisher"].as_str().unwrap().starts_with("whip publisher 127.0.0.1:"),
        "{camera}"
    );
    browser.watch("viewer", &server.whep_url("front")).unwrap();
    let session = browser.session("viewer").unwrap();

    let seen = browser.measure("viewer", seconds()).unwrap();
    assert_eq!(server.camera("front").unwrap()["capture_clock"], "sender_report");
    let mut line = Line::new("frames of a browser that publishes by WHIP arrive");
    line.at_least("percent", percent(&server, &browser), 99.5, 99.0);
    // Chromium's fake camera makes 20 frames a second.
    line.at_least("frames/s shown", seen.decoded_fps(), 19.0, 10.0);
    line.finish();

    press_go(&browser);
    await_words(&browser, "Stopped");
    let reason =
        server.wait_for_state("front", "offline").unwrap()["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("whip publisher 127.0.0.1:") && reason.contains(": "), "{reason}");
    press_go(&browser);
    server.wait_for_state("front", "live").unwrap();
    browser.frame_captured_after("viewer", 0.0, DEADLINE).unwrap();
    assert_eq!(browser.session("viewer").unwrap(), session, "the viewer stays");

    // Another choice begins anew by itself.
    let choose = "{ const sound = document.getElementById('sound'); sound.value = 'on'; sound.dispatchEvent(new Event('change')); }";
    browser.evaluate("phone", choose).unwrap();
    let tracks = || server.camera("front").ok()?["tracks"].as_array().map(Vec::len);
    wait_until("picture and sound", DEADLINE, || (tracks() == Some(2)).then_some(())).unwrap();
    server.wait_for_state("front", "live").unwrap();
}

#[test]
fn where_udp_is_blocked_a_browser_publishes_by_tcp() {
    lan::on_a_lan(|lan| {
        let Some((server, browser)) = phone_on(lan) else { return };
        lan.block_udp().unwrap();
        phone(&server, &browser);
        press_go(&browser);
        await_words(&browser, "Live");
        server.wait_for_state("front", "live").unwrap();
        thread::sleep(Duration::from_secs(4));
        let mut line = Line::new("frames of a browser that publishes by TCP arrive");
        line.at_least("percent", percent(&server, &browser), 99.5, 99.0);
        line.finish();
    });
}

/// A browser on another host than the server's, where pages may have cameras all the same.
fn phone_on(lan: &lan::Lan) -> Option<(Server, Browser)> {
    if Browser::unavailable() {
        return None;
    }
    let options =
        ServerOptions { cameras: CAMERA.into(), host: lan::SERVER, ..ServerOptions::default() };
    let server = Server::start(options).unwrap();
    let mut driver = lan.at_viewer("node", ["tests/browser/driver.mjs"]);
    driver.env("SECURE_ORIGIN", server.url(""));
    Some((server, Browser::spawn(driver).unwrap()))
}

/// The clock hangs before the phone's camera, and both see it: what the dashboard tells of its age
/// is to be true.
#[test]
fn a_phone_s_frames_are_seen_soon_and_their_age_is_told() {
    let Some(browser) = Browser::start().unwrap() else { return };
    let server = Server::with_cameras(CAMERA).unwrap();
    browser.open_as_camera("phone", &server.url("/publish/front")).unwrap();
    press_go(&browser);
    await_words(&browser, "Live");
    browser.open("page", &server.url("/")).unwrap();
    let live = "document.querySelector('[data-camera=front][data-state=live]') !== null";
    browser.wait_for("page", live, DEADLINE).unwrap();
    browser.probe("page", "document.querySelector('[data-camera=front] video')").unwrap();
    // The first seconds hold the fast forward from the last keyframe.
    browser.measure("page", 3.0).unwrap();
    let listen = "{ globalThis.shown = []; neverblink.players.front.addEventListener('frame', e => e.detail && shown.push(e.detail.ms)) }";
    browser.evaluate("page", listen).unwrap();
    let seen = browser.measure("page", seconds() / 2.0).unwrap();
    let picture = seen.latency_ms.p50.expect("a readable clock");
    let page = browser
        .evaluate("page", "shown.sort((a, b) => a - b)[shown.length >> 1] ?? null")
        .unwrap()
        .as_f64()
        .unwrap();
    let mut line = Line::new("a phone's picture in the dashboard, clock to clock");
    line.at_most("p50 ms", picture, 80.0, 400.0);
    // The clock is drawn up to a frame before the browser takes the picture.
    line.at_most("told otherwise by ms", (picture - page).abs(), 35.0, 120.0);
    line.seen("p95 ms", seen.latency_ms.p95.unwrap_or_default()).seen("frames/s", seen.fps);
    line.finish();
}

#[test]
fn a_publisher_that_is_killed_is_replaced_and_viewers_stay() {
    let Some(browser) = Browser::start().unwrap() else { return };
    let server = Server::with_cameras("front: { source: publish, stall_after: 2s }").unwrap();
    let first = Browser::spawn(command("node", ["tests/browser/driver.mjs"])).unwrap();
    phone(&server, &first);
    press_go(&first);
    server.wait_for_state("front", "live").unwrap();
    browser.watch("viewer", &server.whep_url("front")).unwrap();
    let session = browser.session("viewer").unwrap();
    first.processes().into_iter().for_each(|pid| kill(pid, Signal::SIGKILL).unwrap_or_default());

    // Another one asks until the place is free.
    phone(&server, &browser);
    press_go(&browser);
    await_words(&browser, "Live");
    server.wait_for_state("front", "live").unwrap();
    let before = frames(&server);
    wait_until("new frames", DEADLINE, || (frames(&server) > before + 10.0).then_some(())).unwrap();
    browser.frame_captured_after("viewer", 0.0, DEADLINE).unwrap();
    assert_eq!(browser.session("viewer").unwrap(), session);
}

#[test]
fn gstreamer_publishes_picture_and_sound_and_gives_keyframes_to_who_comes() {
    if WhipCamera::unavailable() {
        return;
    }
    let server = Server::with_cameras(CAMERA).unwrap();
    // A keyframe every hour, if nobody asks.
    let mut camera = WhipCamera::start(&whip_url(&server), 30 * 3600).unwrap();
    let live = server.wait_for_state("front", "live").unwrap();
    let codecs: Vec<_> = live["tracks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["codec"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codecs, ["h264", "opus"]);

    let (sent_before, came_before) = (camera.frames().unwrap() as f64, frames(&server));
    thread::sleep(Duration::from_secs_f64(seconds()));
    let (sent_after, came_after) = (camera.frames().unwrap() as f64, frames(&server));
    let mut line = Line::new("frames of GStreamer that publishes by WHIP arrive");
    line.at_least(
        "percent",
        100.0 * (came_after - came_before + 1.0) / (sent_after - sent_before),
        99.5,
        99.0,
    );
    line.finish();

    let keyframes =
        || server.metric("neverblink_camera_keyframes_total{camera=\"front\"}").unwrap();
    assert!(
        keyframes() >= seconds() / 4.0,
        "{} keyframes: it is asked for one every two seconds",
        keyframes()
    );
    // Three in a row, asked for by a reader, come sooner than the two seconds would have brought
    // them.
    let begun = Instant::now();
    for _ in 0..3 {
        let before = keyframes();
        http::request(server.http(), "POST", "/api/v1/cameras/front/keyframe", &[], b"").unwrap();
        wait_until("a keyframe", DEADLINE, || (keyframes() > before).then_some(())).unwrap();
    }
    Line::new("three keyframes, asked for one after the other")
        .at_most("s", begun.elapsed().as_secs_f64(), 2.0, 4.0)
        .finish();
    camera.process().kill();
    let gone = server.wait_for_state("front", "stalled").unwrap();
    assert!(gone["reason"].as_str().unwrap().contains("whip publisher"), "{gone}");
    // Who has vanished is replaced.
    let _again = WhipCamera::start(&whip_url(&server), 60).unwrap();
    server.wait_for_state("front", "live").unwrap();
}

#[test]
fn lost_packets_are_sent_again() {
    lan::on_a_lan(|lan| {
        let Some((server, browser)) = phone_on(lan) else { return };
        phone(&server, &browser);
        press_go(&browser);
        await_words(&browser, "Live");
        server.wait_for_state("front", "live").unwrap();
        lan.lose_at_server(3).unwrap();
        thread::sleep(Duration::from_secs_f64(seconds() / 2.0));
        let percent = percent(&server, &browser);
        let repaired =
            server.metric("neverblink_webrtc_publisher_repaired_total{camera=\"front\"").unwrap();
        let mut line =
            Line::new("frames of a browser that publishes over a link that loses 3 % arrive");
        line.at_least("percent", percent, 99.5, 97.0);
        line.at_least("packets repaired", repaired, 10.0, 1.0);
        line.finish();
    });
}

#[test]
fn a_page_by_http_says_why_it_gets_no_camera() {
    let Some(browser) = Browser::start().unwrap() else { return };
    let server = Server::with_cameras(
        "front: { source: publish }\ntest: { source: 'test:?width=320&height=180' }",
    )
    .unwrap();
    let elsewhere = server.url("/publish/front").replace("127.0.0.1", "camera.test");
    browser.open("phone", &elsewhere).unwrap();
    await_words(&browser, "may not use your camera");
    let text =
        browser.evaluate("phone", "document.getElementById('insecure').textContent").unwrap();
    assert!(
        text.as_str().is_some_and(|text| text.contains("https") && text.contains("localhost")),
        "{text}"
    );
    browser.open("other", &server.url("/publish/test")).unwrap();
    let refused = "document.getElementById('words').textContent.includes('Only cameras with the source') && document.getElementById('go').disabled";
    browser.wait_for("other", refused, DEADLINE).unwrap();
}

/// An offer that sends what [`OFFER`] receives.
fn offer() -> String {
    OFFER.replace("a=recvonly", "a=sendonly")
}

fn post(server: &Server, path: &str, headers: &[(&str, &str)], body: &str) -> http::Response {
    http::request(server.http(), "POST", path, headers, body.as_bytes()).unwrap()
}

#[test]
fn a_session_from_post_to_delete() {
    let server = Server::with_cameras(CAMERA).unwrap();
    let made = post(&server, "/live/front/whip", &[SDP], &offer());
    assert_eq!(
        (made.status, made.header("content-type")),
        (201, Some("application/sdp")),
        "{}",
        made.text()
    );
    let (location, etag) =
        (made.header("location").unwrap().to_owned(), made.header("etag").unwrap().to_owned());
    assert!(location.starts_with("/live/front/whip/"), "{location}");
    let answer = made.text();
    for part in [
        "m=video 9 UDP/TLS/RTP/SAVPF 109 114",
        "a=recvonly",
        "a=setup:passive",
        "a=rtcp-fb:109 nack pli",
        "42e034",
    ] {
        assert!(answer.contains(part), "no {part} in {answer}");
    }
    assert!(!answer.contains("a=ssrc") && !answer.contains("playout-delay"), "{answer}");

    let request = |method: &str, headers: &[(&str, &str)], body: &str| {
        http::request(server.http(), method, &location, headers, body.as_bytes()).unwrap()
    };
    let trickle = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
                   a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n";
    assert_eq!(request("PATCH", &[FRAGMENT, ("If-Match", &etag)], trickle).status, 204);
    assert_eq!(request("PATCH", &[FRAGMENT], trickle).status, 428);
    let restart = request(
        "PATCH",
        &[FRAGMENT, ("If-Match", "*")],
        "a=ice-ufrag:EFGH\r\na=ice-pwd:ABCDEFGHIJKLMNOPQRSTUVWX\r\n",
    );
    assert_eq!(restart.status, 200);
    assert!(restart.text().contains("a=ice-pwd:"), "{}", restart.text());
    assert_eq!(
        request("OPTIONS", &[], "").header("accept-patch"),
        Some("application/trickle-ice-sdpfrag")
    );

    let busy = post(&server, "/live/front/whip", &[SDP], &offer());
    let why = busy.json().unwrap();
    assert_eq!((busy.status, why["error"]["code"].as_str()), (409, Some("camera_busy")), "{why}");
    assert!(
        why["error"]["message"]
            .as_str()
            .unwrap()
            .contains("already published by whip publisher 127.0.0.1:"),
        "{why}"
    );
    assert_eq!(request("DELETE", &[], "").status, 200);
    let reason = server.wait_for_state("front", "offline").unwrap()["reason"].to_string();
    assert!(reason.contains("the session was deleted"), "{reason}");
    assert_eq!(
        post(&server, "/live/front/whip", &[SDP], &offer()).status,
        201,
        "the place is free again"
    );
}

#[test]
fn what_is_wrong_is_said() {
    let server = Server::with_cameras(
        "front: { source: publish }\ntest: { source: 'test:?width=320&height=180' }",
    )
    .unwrap();
    let refused = |path: &str, headers: &[(&str, &str)], body: &str| {
        let answer = post(&server, path, headers, body);
        let json = answer.json().unwrap();
        assert!(json["error"]["hint"].as_str().is_some_and(|h| h.len() > 10), "{json}");
        (answer.status, json["error"]["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(refused("/live/nobody/whip", &[SDP], &offer()), (404, "camera_not_found".into()));
    assert_eq!(
        refused("/live/test/whip", &[SDP], &offer()),
        (403, "camera_not_publishable".into())
    );
    assert_eq!(
        refused("/live/front/whip", &[("Content-Type", "text/plain")], &offer()),
        (415, "wrong_content_type".into())
    );
    assert_eq!(refused("/live/front/whip", &[SDP], "hello"), (400, "bad_offer".into()));
    assert_eq!(
        refused("/live/front/whip", &[SDP], OFFER),
        (400, "bad_offer".into()),
        "an offer that receives"
    );
    assert_eq!(
        refused("/live/front/whip", &[SDP], &offer().replace("H264", "VP9")),
        (406, "codec_not_supported".into())
    );
    // A page that somebody happens to visit must not put its picture into their house.
    let foreign = [SDP, ("Origin", "http://example.test")];
    assert_eq!(refused("/live/front/whip", &foreign, &offer()), (403, "foreign_origin".into()));
    assert_eq!(server.camera("front").unwrap()["state"], "offline");
}
