//! The dashboard, as people see and hear it.

use harness::{Browser, DEADLINE, Publisher, Server, ServerOptions, skip_without};
use serde_json::Value;
use std::time::Duration;

const TWO: &str = "one: { source: 'test:?width=640&height=360&fps=30' }\ntwo: { source: 'test:?width=640&height=360&fps=30' }";

/// Opens the dashboard in a page called `page`.
fn dashboard(server: &Server) -> Option<Browser> {
    let browser = Browser::start().expect("a browser with the page")?;
    browser.open("page", &server.url("/")).expect("a browser with the page");
    Some(browser)
}

/// Waits until the tile of `camera` is in `state`.
fn await_tile(browser: &Browser, camera: &str, state: &str) {
    let expression = format!("document.querySelector('[data-camera={camera}][data-state={state}]') !== null");
    browser.wait_for("page", &expression, DEADLINE).unwrap_or_else(|error| panic!("{camera} is not {state}: {error}"));
}

fn text(browser: &Browser, selector: &str) -> String {
    let text =
        browser.evaluate("page", &format!("document.querySelector('{selector}').innerText")).expect("a browser with the page");
    text.as_str().unwrap_or_default().to_owned()
}

fn number(browser: &Browser, expression: &str) -> f64 {
    let value = browser.evaluate("page", expression).expect("a browser with the page");
    value.as_f64().unwrap_or_else(|| panic!("{expression} is {value}"))
}

/// How many WHEP sessions the page has asked for.
const SESSIONS: &str = "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/whep')).length";

#[test]
fn every_camera_plays_and_no_third_party_is_asked() {
    let server = Server::with_cameras(TWO).unwrap();
    let Some(browser) = dashboard(&server) else { return };
    await_tile(&browser, "one", "live");
    await_tile(&browser, "two", "live");
    let foreign = "performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin))";
    assert_eq!(browser.evaluate("page", foreign).unwrap(), Value::Array(vec![]));
    assert_eq!(number(&browser, SESSIONS), 2.0);
    assert_eq!(text(&browser, "#count"), "2 of 2 live");
}

#[test]
fn the_latency_shown_agrees_with_the_clock_in_the_picture() {
    let server = Server::with_cameras("one: { source: 'test:?width=1280&height=720&fps=30' }").unwrap();
    let Some(browser) = dashboard(&server) else { return };
    await_tile(&browser, "one", "live");
    browser.probe("page", "document.querySelector('[data-camera=one] video')").unwrap();
    // The first seconds hold the fast forward from the last keyframe.
    browser.measure("page", 2.0).unwrap();
    let listen =
        "{ globalThis.shown = []; neverblink.players.one.addEventListener('frame', e => e.detail && shown.push(e.detail.ms)) }";
    browser.evaluate("page", listen).unwrap();
    let picture = browser.measure("page", 5.0).unwrap().latency_ms.p50.unwrap();
    let page = number(&browser, "shown.sort((a, b) => a - b)[shown.length >> 1] ?? null");
    assert!((picture - page).abs() <= 5.0, "the picture's clock says {picture} ms, the page {page} ms");
    // The tile is written twice a second; just then it says what the player says.
    let tile = "parseFloat(document.querySelector('[data-camera=one] .latency').innerText)";
    let agree = format!("Math.abs({tile} - neverblink.players.one.latency()?.ms) <= 1");
    browser.wait_for("page", &agree, DEADLINE).unwrap();
}

#[test]
fn a_publisher_that_dies_and_returns_is_told_in_words_within_one_session() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = Server::with_cameras("robot: { source: publish }").unwrap();
    let Some(browser) = dashboard(&server) else { return };
    await_tile(&browser, "robot", "offline");
    let mut camera = Publisher::start(&server.rtsp_url("robot")).unwrap();
    await_tile(&browser, "robot", "live");
    let sessions = number(&browser, SESSIONS);
    camera.kill();
    await_tile(&browser, "robot", "offline");
    let words = text(&browser, "[data-camera=robot] .note");
    let said: Vec<&str> = words.lines().filter(|line| !line.is_empty()).collect();
    assert!(said[0].starts_with("Offline since ") && said[0].len() == "Offline since 12:34:56".len(), "{words}");
    assert!(said.len() > 1, "no reason given: {words}");
    browser
        .wait_for("page", "document.querySelector('[role=status]').textContent.startsWith('robot: offline')", DEADLINE)
        .unwrap();
    let _again = Publisher::start(&server.rtsp_url("robot")).unwrap();
    await_tile(&browser, "robot", "live");
    assert_eq!(number(&browser, SESSIONS), sessions, "the session should have stayed");
}

#[test]
fn a_server_that_goes_and_returns_is_found_again_without_a_reload() {
    let mut server = Server::with_cameras(TWO).unwrap();
    let Some(browser) = dashboard(&server) else { return };
    await_tile(&browser, "one", "live");
    await_tile(&browser, "two", "live");
    browser.evaluate("page", "globalThis.notReloaded = true").unwrap();
    let listen = format!("listen: {{ http: '{}', rtsp: '127.0.0.1:0', webrtc: '{}' }}", server.http(), server.webrtc());
    server.process().kill();
    await_tile(&browser, "one", "interrupted");
    let words = text(&browser, "[data-camera=one] .note");
    assert!(words.starts_with("Your connection to the server is interrupted"), "{words}");
    assert!(text(&browser, "#link").contains("Trying again"));
    let options = ServerOptions { cameras: TWO.into(), more: listen, ..ServerOptions::default() };
    let _again = Server::start(options).unwrap();
    await_tile(&browser, "one", "live");
    await_tile(&browser, "two", "live");
    assert_eq!(browser.evaluate("page", "globalThis.notReloaded").unwrap(), Value::Bool(true));
}

#[test]
fn a_large_picture_opens_and_closes_by_keyboard_in_the_same_session() {
    let server = Server::with_cameras(TWO).unwrap();
    let Some(browser) = dashboard(&server) else { return };
    await_tile(&browser, "one", "live");
    await_tile(&browser, "two", "live");
    let focus = "document.activeElement.closest('.tile')?.dataset.camera ?? null";
    browser.press("page", "Tab").unwrap();
    assert_eq!(browser.evaluate("page", focus).unwrap(), "one");
    browser.press("page", "ArrowRight").unwrap();
    assert_eq!(browser.evaluate("page", focus).unwrap(), "two");
    browser.press("page", "Enter").unwrap();
    browser.wait_for("page", "document.querySelector('[data-camera=two][role=dialog]') !== null", DEADLINE).unwrap();
    assert_eq!(browser.evaluate("page", "location.hash").unwrap(), "#camera=two");
    assert_eq!(browser.evaluate("page", focus).unwrap(), "two");
    assert_eq!(browser.evaluate("page", "document.querySelector('[data-camera=one]').inert").unwrap(), Value::Bool(true));
    await_tile(&browser, "two", "live");
    browser.press("page", "Escape").unwrap();
    browser.wait_for("page", "document.querySelector('[role=dialog]') === null && location.hash === ''", DEADLINE).unwrap();
    assert_eq!(browser.evaluate("page", focus).unwrap(), "two");
    assert_eq!(number(&browser, SESSIONS), 2.0);
}

#[test]
fn leaving_the_page_ends_its_sessions() {
    let server = Server::with_cameras("one: { source: 'test:?width=640&height=360&fps=30' }").unwrap();
    let Some(browser) = dashboard(&server) else { return };
    await_tile(&browser, "one", "live");
    harness::wait_until("one viewer", DEADLINE, || (server.camera("one").ok()?["viewers"] == 1).then_some(())).unwrap();
    browser.evaluate("page", "location.assign('/health')").unwrap();
    // Far sooner than a session that went silent would be given up.
    let limit = Duration::from_secs(3);
    harness::wait_until("no viewer", limit, || (server.camera("one").ok()?["viewers"] == 0).then_some(())).unwrap();
}

#[test]
fn an_accessibility_checker_finds_nothing() {
    let server = Server::with_cameras(&format!("{TWO}\nrobot: {{ source: publish }}")).unwrap();
    let Some(browser) = dashboard(&server) else { return };
    await_tile(&browser, "one", "live");
    await_tile(&browser, "robot", "offline");
    assert_eq!(browser.accessibility("page").unwrap(), Vec::<String>::new());
    browser.evaluate("page", "document.querySelector('[data-camera=one] .open').click()").unwrap();
    browser.wait_for("page", "document.querySelector('[role=dialog]') !== null", DEADLINE).unwrap();
    browser.evaluate("page", "document.querySelector('[role=dialog] [aria-label=Statistics]').click()").unwrap();
    assert_eq!(browser.accessibility("page").unwrap(), Vec::<String>::new());
}

#[test]
fn a_server_without_cameras_says_how_to_add_one() {
    let server = Server::with_cameras("").unwrap();
    let Some(browser) = dashboard(&server) else { return };
    browser.wait_for("page", "!document.getElementById('empty').hidden", DEADLINE).unwrap();
    assert!(text(&browser, "#empty").contains("source: rtsp://"));
    assert_eq!(browser.accessibility("page").unwrap(), Vec::<String>::new());
}
