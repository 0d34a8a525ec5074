//! While a camera has no picture, players without our page see why.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    Browser, DEADLINE, Player, Publisher, PublisherOptions, Server, skip_without, wait_until,
};
use nix::sys::signal::Signal;

fn options() -> PublisherOptions {
    PublisherOptions {
        width: 640,
        height: 360,
        gop: 60,
        bitrate: 500_000,
        ..PublisherOptions::default()
    }
}

/// Frames a second that only a camera makes, and only a slate does not.
const CAMERA: f64 = 20.0;

#[test]
fn players_see_why_there_is_no_picture_and_go_on_when_there_is_one() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let Some(browser) = Browser::start().unwrap() else { return };
    let server =
        Server::with_cameras("cam: { source: publish, stall_after: 1s, slate: true }").unwrap();
    let mut publisher = Publisher::start_with(&server.rtsp_url("cam"), &options()).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    browser.watch("viewer", &server.whep_url("cam")).unwrap();
    let session = browser.session("viewer").unwrap();
    let mut player = Player::ffmpeg(&server.rtsp_url("cam"), "tcp").unwrap();
    player.wait_for_frames(30, DEADLINE).unwrap();

    publisher.kill();
    server.wait_for_state("cam", "offline").unwrap();
    let counted = server.metric("neverblink_camera_frames_total{camera=\"cam\"}").unwrap();
    player.wait_for_frames(20, DEADLINE).unwrap();
    let late = Player::ffmpeg(&server.rtsp_url("cam"), "tcp").unwrap();
    late.wait_for_frames(5, DEADLINE).unwrap();
    let shown = browser.measure("viewer", 3.0).unwrap().fps;
    assert!((3.0..CAMERA).contains(&shown), "{shown} fps in place of the camera's picture");
    let camera = server.camera("cam").unwrap();
    assert_eq!(
        (&camera["state"], &camera["publisher"]),
        (&"offline".into(), &serde_json::Value::Null),
        "{camera}"
    );
    assert_eq!(
        server.metric("neverblink_camera_frames_total{camera=\"cam\"}").unwrap(),
        counted,
        "no frame of the camera"
    );
    assert_eq!(server.workers().len(), 1, "one worker draws");

    let mut publisher = Publisher::start_with(&server.rtsp_url("cam"), &options()).unwrap();
    goes_on(&server, &browser, &mut player);
    // A camera that stands still, and goes on with the same session.
    publisher.process().signal(Signal::SIGSTOP).unwrap();
    server.wait_for_state("cam", "stalled").unwrap();
    player.wait_for_frames(20, DEADLINE).unwrap();
    assert_eq!(server.camera("cam").unwrap()["state"], "stalled");
    publisher.process().signal(Signal::SIGCONT).unwrap();
    goes_on(&server, &browser, &mut player);
    assert_eq!(browser.session("viewer").unwrap(), session);
}

/// The camera's own picture, for the same viewers, and nobody draws any more.
fn goes_on(server: &Server, browser: &Browser, player: &mut Player) {
    server.wait_for_state("cam", "live").unwrap();
    wait_until("the end of the worker", DEADLINE, || server.workers().is_empty().then_some(()))
        .unwrap();
    wait_until("the camera's own rate", DEADLINE, || {
        (browser.measure("viewer", 1.0).unwrap().fps > CAMERA).then_some(())
    })
    .unwrap();
    player.wait_for_frames(60, DEADLINE).unwrap();
    assert!(player.process().is_running());
}

#[test]
fn without_it_nothing_is_drawn() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = Server::with_cameras("cam: { source: publish, stall_after: 1s }").unwrap();
    let mut publisher = Publisher::start_with(&server.rtsp_url("cam"), &options()).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    let player = Player::ffmpeg(&server.rtsp_url("cam"), "tcp").unwrap();
    player.wait_for_frames(30, DEADLINE).unwrap();
    publisher.kill();
    let offline = server.wait_for_state("cam", "offline").unwrap();
    wait_until("four seconds", DEADLINE, || {
        let camera = server.camera("cam").ok()?;
        (camera["since_ms"].as_u64()? > 4000 + offline["since_ms"].as_u64()?).then_some(())
    })
    .unwrap();
    assert_eq!(server.workers(), []);
}
