//! What becomes of WHEP sessions: publishers and browsers that go and come.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::{
    Browser, DEADLINE, Publisher, PublisherOptions, Server, http, skip_without, wait_until,
};
use std::{sync::mpsc, thread, time::Duration};

fn publishing(options: &PublisherOptions) -> (Server, Publisher) {
    let server = Server::with_cameras("front: { source: publish }").unwrap();
    let publisher = Publisher::start_with(&server.rtsp_url("front"), options).unwrap();
    server.wait_for_state("front", "live").unwrap();
    (server, publisher)
}

#[test]
fn the_capture_time_reaches_the_page() {
    let Some(browser) = Browser::start().unwrap() else { return };
    let server = Server::with_cameras("test: { source: \"test:?width=640&height=360\" }").unwrap();
    server.wait_for_state("test", "live").unwrap();
    browser.watch_with_capture_time("page", &server.whep_url("test")).unwrap();
    let source = "player.pc.getReceivers()[0].getSynchronizationSources()[0]";
    // NTP counts from 1900.
    let age = format!("Date.now() - ({source}?.captureTimestamp - 2208988800000)");
    browser.wait_for("page", &format!("{source}?.captureTimestamp > 0"), DEADLINE).unwrap();
    let age = browser.evaluate("page", &age).unwrap().as_f64().unwrap();
    assert!((0.0..500.0).contains(&age), "the newest frame is {age} ms old");
}

#[test]
fn a_publisher_that_dies_and_returns_keeps_its_viewers() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let Some(browser) = Browser::start().unwrap() else { return };
    let (server, publisher) = publishing(&PublisherOptions::default());
    browser.watch("page", &server.whep_url("front")).unwrap();
    let session = browser.session("page").unwrap();
    drop(publisher);
    server.wait_for_state("front", "offline").unwrap();
    let _again = Publisher::start(&server.rtsp_url("front")).unwrap();
    let live = server.wait_for_state("front", "live").unwrap();
    let shown = browser.frame_captured_after("page", 1.0, Duration::from_secs(1)).unwrap();
    assert!(shown.latency_ms.is_some_and(|ms| ms < 1000.0), "{shown:?} {live}");
    assert_eq!(browser.session("page").unwrap(), session);
    assert!(browser.measure("page", 3.0).unwrap().fps >= 25.0);
}

#[test]
fn a_camera_that_comes_later_is_shown_to_those_who_wait() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let Some(browser) = Browser::start().unwrap() else { return };
    let server = Server::with_cameras("front: { source: publish }").unwrap();
    let (shown, done) = mpsc::channel::<()>();
    let camera = &server;
    thread::scope(|scope| {
        scope.spawn(move || {
            wait_until("the viewer to wait", DEADLINE, || (viewers(camera) == 1).then_some(()))
                .unwrap();
            let _publisher = Publisher::start(&camera.rtsp_url("front")).unwrap();
            let _ = done.recv();
        });
        // Also if this fails, the publisher must not wait for ever.
        let _shown = shown;
        browser.watch("page", &server.whep_url("front")).unwrap();
        assert!(browser.measure("page", 3.0).unwrap().fps >= 25.0);
    });
}

fn viewers(server: &Server) -> usize {
    server.json("/api/v1/viewers").unwrap()["viewers"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_browser_that_leaves_is_forgotten() {
    let Some(browser) = Browser::start().unwrap() else { return };
    let server = Server::with_cameras("test: { source: \"test:?width=640&height=360\" }").unwrap();
    server.wait_for_state("test", "live").unwrap();
    browser.watch("page", &server.whep_url("test")).unwrap();
    assert_eq!(viewers(&server), 1);
    let session = browser.session("page").unwrap().session;
    browser.evaluate("page", "player.pc.close(), 1").unwrap();
    wait_until("the viewer to be forgotten", DEADLINE, || (viewers(&server) == 0).then_some(()))
        .unwrap();
    // Players say goodbye twice, and the second time is no mistake of theirs.
    let path = session.split_once("/live/").unwrap().1;
    let delete = || {
        http::request(server.http(), "DELETE", &format!("/live/{path}"), &[], b"").unwrap().status
    };
    assert_eq!((delete(), delete()), (200, 404));
}
