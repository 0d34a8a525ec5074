//! The dashboard, as people see and hear it.

use anyhow::{Context, Result};
use harness::{Browser, DEADLINE, Publisher, Server, ServerOptions, skip_without};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use std::time::Duration;

const TWO: &str = "one: { source: 'test:?width=640&height=360&fps=30' }\ntwo: { source: 'test:?width=640&height=360&fps=30' }";

/// Opens the dashboard in a page called `page`.
fn dashboard(server: &Server) -> Result<Option<Browser>> {
    let browser = Browser::start()?;
    browser.as_ref().map(|browser| browser.open("page", &server.url("/"))).transpose()?;
    Ok(browser)
}

/// Waits until the tile of `camera` is in `state`.
fn await_tile(browser: &Browser, camera: &str, state: &str) -> Result<()> {
    let expression =
        format!("document.querySelector('[data-camera={camera}][data-state={state}]') !== null");
    browser
        .wait_for("page", &expression, DEADLINE)
        .map(drop)
        .with_context(|| format!("{camera} is not {state}"))
}

fn text(browser: &Browser, selector: &str) -> Result<String> {
    let text =
        browser.evaluate("page", &format!("document.querySelector('{selector}').innerText"))?;
    Ok(text.as_str().unwrap_or_default().to_owned())
}

fn number(browser: &Browser, expression: &str) -> Result<f64> {
    let value = browser.evaluate("page", expression)?;
    value.as_f64().with_context(|| format!("{expression} is {value}"))
}

/// How many WHEP sessions the page has asked for.
const SESSIONS: &str =
    "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/whep')).length";

#[test]
fn every_camera_plays_and_no_third_party_is_asked() -> Result<()> {
    let server = Server::with_cameras(TWO)?;
    let Some(browser) = dashboard(&server)? else { return Ok(()) };
    await_tile(&browser, "one", "live")?;
    await_tile(&browser, "two", "live")?;
    let foreign = "performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin))";
    assert_eq!(browser.evaluate("page", foreign)?, Value::Array(vec![]));
    assert_eq!(number(&browser, SESSIONS)?, 2.0);
    assert_eq!(text(&browser, "#count")?, "2 of 2 live");
    Ok(())
}

#[test]
fn the_latency_shown_agrees_with_the_clock_in_the_picture() -> Result<()> {
    let server = Server::with_cameras("one: { source: 'test:?width=1280&height=720&fps=30' }")?;
    let Some(browser) = dashboard(&server)? else { return Ok(()) };
    await_tile(&browser, "one", "live")?;
    browser.probe("page", "document.querySelector('[data-camera=one] video')")?;
    // The first seconds hold the fast forward from the last keyframe.
    browser.measure("page", 2.0)?;
    let listen = "{ globalThis.shown = []; neverblink.players.one.addEventListener('frame', e => e.detail && shown.push(e.detail.ms)) }";
    browser.evaluate("page", listen)?;
    let picture = browser.measure("page", 5.0)?.latency_ms.p50.context("no frame was read")?;
    let page = number(&browser, "shown.sort((a, b) => a - b)[shown.length >> 1] ?? null")?;
    assert!(
        (picture - page).abs() <= 5.0,
        "the picture's clock says {picture} ms, the page {page} ms"
    );
    // The tile is written twice a second; just then it says what the player says.
    let tile = "parseFloat(document.querySelector('[data-camera=one] .latency').innerText)";
    let agree = format!("Math.abs({tile} - neverblink.players.one.latency()?.ms) <= 1");
    browser.wait_for("page", &agree, DEADLINE)?;
    Ok(())
}

#[test]
fn a_publisher_that_dies_and_returns_is_told_in_words_within_one_session() -> Result<()> {
    if skip_without(&["ffmpeg"]) {
        return Ok(());
    }
    let server = Server::with_cameras("robot: { source: publish }")?;
    let Some(browser) = dashboard(&server)? else { return Ok(()) };
    await_tile(&browser, "robot", "offline")?;
    let mut camera = Publisher::start(&server.rtsp_url("robot"))?;
    await_tile(&browser, "robot", "live")?;
    let sessions = number(&browser, SESSIONS)?;
    camera.kill();
    await_tile(&browser, "robot", "offline")?;
    let words = text(&browser, "[data-camera=robot] .note")?;
    let said: Vec<&str> = words.lines().filter(|line| !line.is_empty()).collect();
    assert!(
        said[0].starts_with("Offline since ") && said[0].len() == "Offline since 12:34:56".len(),
        "{words}"
    );
    assert!(said.len() > 1, "no reason given: {words}");
    browser.wait_for(
        "page",
        "document.getElementById('announcer').textContent.startsWith('robot: offline')",
        DEADLINE,
    )?;
    let _again = Publisher::start(&server.rtsp_url("robot"))?;
    await_tile(&browser, "robot", "live")?;
    assert_eq!(number(&browser, SESSIONS)?, sessions, "the session should have stayed");
    Ok(())
}

#[test]
fn a_server_that_goes_and_returns_is_found_again_without_a_reload() -> Result<()> {
    let mut server = Server::with_cameras(TWO)?;
    let Some(browser) = dashboard(&server)? else { return Ok(()) };
    await_tile(&browser, "one", "live")?;
    await_tile(&browser, "two", "live")?;
    browser.evaluate("page", "globalThis.notReloaded = true")?;
    let listen = format!(
        "listen: {{ http: '{}', rtsp: '127.0.0.1:0', webrtc: '{}' }}",
        server.http(),
        server.webrtc()
    );
    server.process().kill();
    await_tile(&browser, "one", "interrupted")?;
    let words = text(&browser, "[data-camera=one] .note")?;
    assert!(words.starts_with("Your connection to the server is interrupted"), "{words}");
    assert!(text(&browser, "#link")?.contains("Trying again"));
    let options = ServerOptions { cameras: TWO.into(), more: listen, ..ServerOptions::default() };
    let _again = Server::start(options)?;
    await_tile(&browser, "one", "live")?;
    await_tile(&browser, "two", "live")?;
    assert_eq!(browser.evaluate("page", "globalThis.notReloaded")?, Value::Bool(true));
    Ok(())
}

#[test]
fn a_large_picture_opens_and_closes_by_keyboard_in_the_same_session() -> Result<()> {
    let server = Server::with_cameras(TWO)?;
    let Some(browser) = dashboard(&server)? else { return Ok(()) };
    await_tile(&browser, "one", "live")?;
    await_tile(&browser, "two", "live")?;
    let focus = "document.activeElement.closest('.tile')?.dataset.camera ?? null";
    browser.press("page", "Tab")?;
    assert_eq!(browser.evaluate("page", focus)?, "one");
    browser.press("page", "ArrowRight")?;
    assert_eq!(browser.evaluate("page", focus)?, "two");
    browser.press("page", "Enter")?;
    browser.wait_for(
        "page",
        "document.querySelector('[data-camera=two][role=dialog]') !== null",
        DEADLINE,
    )?;
    assert_eq!(browser.evaluate("page", "location.hash")?, "#camera=two");
    assert_eq!(browser.evaluate("page", focus)?, "two");
    assert_eq!(
        browser.evaluate("page", "document.querySelector('[data-camera=one]').inert")?,
        Value::Bool(true)
    );
    await_tile(&browser, "two", "live")?;
    browser.press("page", "Escape")?;
    browser.wait_for(
        "page",
        "document.querySelector('[role=dialog]') === null && location.hash === ''",
        DEADLINE,
    )?;
    assert_eq!(browser.evaluate("page", focus)?, "two");
    assert_eq!(number(&browser, SESSIONS)?, 2.0);
    Ok(())
}

#[test]
fn leaving_the_page_ends_its_sessions() -> Result<()> {
    let server = Server::with_cameras("one: { source: 'test:?width=640&height=360&fps=30' }")?;
    let Some(browser) = dashboard(&server)? else { return Ok(()) };
    await_tile(&browser, "one", "live")?;
    harness::wait_until("one viewer", DEADLINE, || {
        (server.camera("one").ok()?["viewers"] == 1).then_some(())
    })?;
    browser.evaluate("page", "location.assign('/health')")?;
    // Far sooner than a session that went silent would be given up.
    let limit = Duration::from_secs(3);
    harness::wait_until("no viewer", limit, || {
        (server.camera("one").ok()?["viewers"] == 0).then_some(())
    })?;
    Ok(())
}

#[test]
fn an_accessibility_checker_finds_nothing() -> Result<()> {
    let server = Server::with_cameras(&format!("{TWO}\nrobot: {{ source: publish }}"))?;
    let Some(browser) = dashboard(&server)? else { return Ok(()) };
    await_tile(&browser, "one", "live")?;
    await_tile(&browser, "robot", "offline")?;
    assert_eq!(browser.accessibility("page")?, Vec::<String>::new());
    browser.evaluate("page", "document.querySelector('[data-camera=one] .open').click()")?;
    browser.wait_for("page", "document.querySelector('[role=dialog]') !== null", DEADLINE)?;
    browser.evaluate(
        "page",
        "document.querySelector('[role=dialog] [aria-label=Statistics]').click()",
    )?;
    assert_eq!(browser.accessibility("page")?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_server_without_cameras_says_how_to_add_one() -> Result<()> {
    let server = Server::with_cameras("")?;
    let Some(browser) = dashboard(&server)? else { return Ok(()) };
    browser.wait_for("page", "!document.getElementById('empty').hidden", DEADLINE)?;
    assert!(text(&browser, "#empty")?.contains("source: rtsp://"));
    assert_eq!(browser.accessibility("page")?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_worker_that_is_killed_shows_on_the_page_and_costs_no_session() -> Result<()> {
    let server = Server::with_cameras("one: { source: 'test:?width=640&height=360&fps=30' }")?;
    let Some(browser) = dashboard(&server)? else { return Ok(()) };
    await_tile(&browser, "one", "live")?;
    browser.evaluate("page", "document.querySelector('[data-camera=one] .open').click()")?;
    browser.evaluate(
        "page",
        "document.querySelector('[role=dialog] [aria-label=Statistics]').click()",
    )?;
    let worker = *server.workers().first().context("no worker")?;
    kill(worker, Signal::SIGKILL)?;
    let told = "/Last restart .*SIGKILL/.test(document.querySelector('.details').innerText)";
    browser.wait_for("page", told, DEADLINE)?;
    await_tile(&browser, "one", "live")?;
    assert_eq!(number(&browser, SESSIONS)?, 1.0);
    Ok(())
}
