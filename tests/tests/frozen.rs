//! Cameras that go on sending frames of a picture that stands still.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    Browser, DEADLINE, PublisherOptions, Server, WebCamera, command, http, skip_without, wait_until,
};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    thread,
};

/// The events of this kind and camera, in words.
fn events(server: &Server, camera: &str, kind: &str) -> Vec<String> {
    let all = server.json(&format!("/api/v1/events?camera={camera}")).unwrap();
    let all = all["events"].as_array().unwrap().iter().filter(|event| event["kind"] == kind);
    all.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

fn frozen_metric(server: &Server, camera: &str) -> f64 {
    server.metric(&format!("neverblink_camera_frozen{{camera=\"{camera}\"}}")).unwrap()
}

fn restarts(server: &Server, camera: &str) -> f64 {
    server
        .metric(&format!(
            "neverblink_camera_restarts_total{{camera=\"{camera}\",reason=\"frozen\"}}"
        ))
        .unwrap_or(0.0)
}

fn await_live(server: &Server, cameras: &[&str]) {
    cameras.iter().for_each(|name| drop(server.wait_for_state(name, "live").unwrap()));
}

/// Waits until the API says so, and returns since when.
fn await_frozen(server: &Server, camera: &str, frozen: bool) -> Value {
    let seen = || server.camera(camera).ok().map(|told| told["frozen"].clone());
    wait_until(&format!("{camera} being frozen: {frozen}"), DEADLINE, || {
        seen().filter(|told| told.is_null() != frozen)
    })
    .unwrap()
}

/// Somebody who watches JPEG for as long as the test takes.
fn watch(server: &Server, camera: &str) {
    let mut stream = TcpStream::connect(server.http()).unwrap();
    write!(stream, "GET /live/{camera}/mjpeg?fps=2 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    thread::spawn(move || while stream.read(&mut [0; 65_536]).is_ok_and(|read| read > 0) {});
}

/// As a small script sends it.
fn small() -> PublisherOptions {
    PublisherOptions { width: 320, height: 240, fps: 10, ..PublisherOptions::default() }
}

#[test]
fn a_jpeg_camera_whose_sensor_hangs_is_told_and_so_is_that_it_moves_again() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let mut camera = WebCamera::start_at(0, None, &small()).unwrap();
    let source = format!("source: 'http://127.0.0.1:{}/'", camera.port());
    let server = Server::with_cameras(&format!(
        "told: {{ {source}, frozen_after: 1500ms }}\nnot: {{ {source}, frozen_after: off }}\n\
         mended: {{ {source}, frozen_after: 1s, frozen_restart: true }}"
    ))
    .unwrap();
    await_live(&server, &["told", "not", "mended"]);
    let browser = Browser::start().unwrap();
    browser.iter().for_each(|browser| browser.open("page", &server.url("/")).unwrap());
    assert_eq!(
        (server.camera("told").unwrap()["frozen"].is_null(), frozen_metric(&server, "told")),
        (true, 0.0)
    );

    camera.process().signal(Signal::SIGUSR1).unwrap();
    let since = await_frozen(&server, "told", true);
    let text = since["since"].as_str().unwrap();
    assert!(
        text.len() == 24 && text.ends_with('Z') && since["since_ms"].as_u64().unwrap() >= 1500,
        "{since}"
    );
    assert_eq!(
        (server.camera("told").unwrap()["state"].as_str(), frozen_metric(&server, "told")),
        (Some("live"), 1.0)
    );
    let told = events(&server, "told", "camera_frozen");
    assert!(
        told.len() == 1
            && told[0].contains("the picture has not changed for")
            && told[0].contains("frozen_restart"),
        "{told:?}"
    );
    if let Some(browser) = &browser {
        let line = "document.querySelector('[data-camera=told] .frozen').innerText.startsWith('Picture frozen for ')";
        browser.wait_for("page", line, DEADLINE).unwrap();
        let heard = browser.wait_for(
            "page",
            "document.querySelector('#announcer').textContent.includes('told: live, picture frozen')",
            DEADLINE,
        );
        heard.unwrap();
    }
    // The one that is to be mended is started anew, and still shows the same.
    wait_until("a restart", DEADLINE, || (restarts(&server, "mended") >= 1.0).then_some(()))
        .unwrap();
    server.wait_for_words("mended", "live", "", DEADLINE).unwrap();
    let told = events(&server, "mended", "camera_restarted");
    assert!(told[0].contains("the picture has not changed for"), "{told:?}");
    assert!(!await_frozen(&server, "mended", true).is_null());

    camera.process().signal(Signal::SIGUSR1).unwrap();
    for name in ["told", "mended"] {
        await_frozen(&server, name, false);
        let moves = events(&server, name, "camera_unfrozen");
        assert!(
            moves.last().is_some_and(|text| text.contains("the picture changes again, after")),
            "{moves:?}"
        );
    }
    assert_eq!((frozen_metric(&server, "told"), restarts(&server, "told")), (0.0, 0.0));
    assert!(events(&server, "not", "camera_frozen").is_empty());
    assert!(server.workers().is_empty(), "files are compared without a worker");
}

/// An ffmpeg that shows one picture for ever, or a moving one, coded at once as it will be for
/// ever, with two keyframes a second.
fn source(directory: &Path, moves: bool, coder: &str) -> String {
    let picture = directory.join("still.png");
    let input = match moves {
        true => "-f lavfi -i testsrc2=size=320x180:rate=16".to_owned(),
        false => format!("-loop 1 -framerate 16 -i {}", picture.display()),
    };
    format!(
        "exec:ffmpeg -hide_banner -loglevel error -re {input} -pix_fmt yuv420p {coder} -f mpegts -"
    )
}

const H264: &str =
    "-c:v libx264 -preset ultrafast -tune zerolatency -qp 24 -bf 0 -g 8 -keyint_min 8";
const H265: &str = "-c:v libx265 -preset ultrafast -tune zerolatency -x265-params log-level=error:keyint=8:min-keyint=8:bframes=0:qp=24";

fn still_picture() -> tempfile::TempDir {
    let directory = tempfile::TempDir::with_prefix("neverblink-still-").unwrap();
    let draw = [
        "-loglevel",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x180,noise=alls=8",
        "-frames:v",
        "1",
    ];
    let mut command = command("ffmpeg", draw);
    assert!(command.arg(directory.path().join("still.png")).status().unwrap().success());
    directory
}

#[test]
fn a_coded_picture_that_stands_still_is_told_where_it_is_decoded_and_mended_where_that_is_asked_for()
 {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let directory = still_picture();
    let [still, moving] = [false, true].map(|moves| source(directory.path(), moves, H264));
    let server = Server::with_cameras(&format!(
        "watched: {{ source: '{still}', frozen_after: 2s }}\nunseen: {{ source: '{still}', frozen_after: 1s }}\n\
         mended: {{ source: '{still}', frozen_after: 1s, frozen_restart: true }}\n\
         moving: {{ source: '{moving}', frozen_after: 1s, frozen_restart: true }}\n\
         seen: {{ source: '{moving}', frozen_after: 1s }}"
    ))
    .unwrap();
    let all = ["watched", "unseen", "mended", "moving", "seen"];
    await_live(&server, &all);
    ["watched", "seen"].iter().for_each(|name| watch(&server, name));
    await_frozen(&server, "watched", true);
    let begun = await_frozen(&server, "mended", true);
    wait_until("a second restart", DEADLINE, || (restarts(&server, "mended") >= 2.0).then_some(()))
        .unwrap();
    // That it shows the same again after a restart is no news.
    let after = server.wait_for_state("mended", "live").unwrap();
    assert_eq!(
        (&after["frozen"]["since"], &after["viewers"]),
        (&begun["since"], &0.into()),
        "{after}"
    );
    assert_eq!(events(&server, "mended", "camera_frozen").len(), 1);
    assert_eq!((frozen_metric(&server, "watched"), restarts(&server, "watched")), (1.0, 0.0));
    for name in ["unseen", "moving", "seen"] {
        assert!(
            events(&server, name, "camera_frozen").is_empty()
                && server.camera(name).unwrap()["frozen"].is_null(),
            "{name}"
        );
    }
    assert_eq!(
        (restarts(&server, "moving"), server.camera("moving").unwrap()["viewers"].as_u64()),
        (0.0, Some(0))
    );
    assert_eq!(http::get(server.http(), "/live/watched/snapshot.jpg").unwrap().status, 200);
    // Off by reload: nothing is said any more, and who looked for this alone is gone.
    let yaml = server.yaml().replace("frozen_after: 1s, frozen_restart: true", "frozen_after: off");
    server.reload(&yaml).unwrap();
    await_frozen(&server, "mended", false);
    let one = || (server.workers().len() == 2 + all.len()).then_some(());
    wait_until(
        "those who looked are gone: two workers for watchers, and five sources",
        DEADLINE,
        one,
    )
    .unwrap();
}

#[test]
fn h265_is_looked_at_by_way_of_ffmpeg() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let directory = still_picture();
    let [still, moving] = [false, true].map(|moves| source(directory.path(), moves, H265));
    let server = Server::with_cameras(&format!(
        "mended: {{ source: '{still}', frozen_after: 2s, frozen_restart: true }}\n\
         moving: {{ source: '{moving}', frozen_after: 2s, frozen_restart: true }}\n\
         watched: {{ source: '{still}', frozen_after: 2s }}"
    ))
    .unwrap();
    await_live(&server, &["mended", "moving", "watched"]);
    watch(&server, "watched");
    await_frozen(&server, "watched", true);
    await_frozen(&server, "mended", true);
    wait_until("a restart", DEADLINE, || (restarts(&server, "mended") >= 1.0).then_some(()))
        .unwrap();
    assert!(server.camera("moving").unwrap()["frozen"].is_null());
    assert_eq!(restarts(&server, "moving"), 0.0);
}
