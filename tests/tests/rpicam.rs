//! The camera of a Raspberry Pi, with a stand-in for picamera2 that the real helper drives: no Pi
//! is at hand.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    Browser, DEADLINE, Server, ServerOptions, http, repository, skip_without, wait_until,
    websocket::{Message, WebSocket},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(30);

/// A server with one camera `pi`, and the directory where tests and the stand-in meet.
struct Pi {
    server: Server,
    stage: TempDir,
}

impl Pi {
    fn new(query: &str, fault: &str) -> Self {
        let stage = TempDir::with_prefix("neverblink-pi-").unwrap();
        fs::write(stage.path().join("fault"), fault).unwrap();
        let server = Server::start(options(query, stage.path())).unwrap();
        Self { server, stage }
    }

    fn set_fault(&self, fault: &str) {
        fs::write(self.stage.path().join("fault"), fault).unwrap();
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.stage.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn wait_for(&self, state: &str, words: &str) -> Value {
        wait_for(&self.server, state, words)
    }

    fn wait_for_call(&self, call: &str) {
        wait_until(&format!("the call {call}"), SOON, || {
            self.calls().iter().any(|c| c == call).then_some(())
        })
        .unwrap_or_else(|error| panic!("{error:#}: {:?}", self.calls()));
    }

    fn controls(&self) -> Value {
        self.server.json("/api/v1/cameras/pi/controls").unwrap()
    }

    fn set(&self, wishes: &Value) -> (u16, Value) {
        set(&self.server, wishes)
    }

    /// The helper: Python has started ffmpeg, and nobody else has children.
    fn helper(&self) -> Pid {
        self.server.workers()[0]
    }
}

fn options(query: &str, stage: &Path) -> ServerOptions {
    let stand_in = repository().join("tests/peers/picamera2");
    ServerOptions {
        cameras: format!(
            "pi: {{ source: \"rpicam:0?width=320&height=240&{query}\", stall_after: 2s }}"
        ),
        more: format!("state_dir: {}\n", stage.join("state").display()),
        environment: vec![(
            "PYTHONPATH".to_owned(),
            format!("{}:{}", stand_in.display(), stage.display()),
        )],
        ..ServerOptions::default()
    }
}

fn wait_for(server: &Server, state: &str, words: &str) -> Value {
    server.wait_for_words("pi", state, words, SOON).unwrap()
}

fn set(server: &Server, wishes: &Value) -> (u16, Value) {
    let body = wishes.to_string();
    let headers = [("Content-Type", "application/json")];
    let answer = http::request(
        server.http(),
        "PATCH",
        "/api/v1/cameras/pi/controls",
        &headers,
        body.as_bytes(),
    )
    .unwrap();
    (answer.status, answer.json().unwrap())
}

fn value(controls: &Value, name: &str) -> Value {
    let controls = controls["controls"].as_array().unwrap();
    controls
        .iter()
        .find(|control| control["name"] == name)
        .unwrap_or_else(|| panic!("no {name}: {controls:?}"))["value"]
        .clone()
}

fn skip() -> bool {
    skip_without(&["ffmpeg", "python3"])
}

#[test]
fn the_camera_plays_at_full_rate_with_the_times_of_its_sensor() {
    if skip() {
        return;
    }
    let pi = Pi::new("fps=30&gop=6000", "");
    let live = pi.wait_for("live", "");
    assert_eq!(
        (&live["capture_clock"], &live["tracks"][0]["width"]),
        (&json!("sensor"), &json!(320)),
        "{live}"
    );
    wait_until("30 fps", SOON, || {
        (pi.server.camera("pi").ok()?["fps"].as_f64()? > 28.0).then_some(())
    })
    .unwrap();
    // A snapshot tells when its frame was captured, and that is when the sensor saw it.
    let answer = http::get(pi.server.http(), "/live/pi/snapshot.jpg?max_age=0").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let captured = answer.header("x-timestamp").unwrap().parse::<f64>().unwrap() * 1e6;
    let seen = fs::read_to_string(pi.stage.path().join("seen")).unwrap();
    let nearest = seen
        .lines()
        .filter_map(|at| at.parse::<f64>().ok())
        .map(|at| (at - captured).abs())
        .fold(f64::MAX, f64::min);
    assert!(nearest < 2000.0, "captured at {captured} µs, which no frame was within {nearest} µs");
    let before = pi.calls().len();
    http::request(pi.server.http(), "POST", "/api/v1/cameras/pi/keyframe", &[], b"").unwrap();
    wait_until("a keyframe", SOON, || {
        pi.calls()[before..].iter().any(|call| call == "keyframe").then_some(())
    })
    .unwrap();
}

#[test]
fn controls_reach_the_camera_and_stay() {
    if skip() {
        return;
    }
    let mut pi = Pi::new("brightness=0.1&awb_mode=indoor", "");
    pi.wait_for("live", "");
    pi.wait_for_call("Brightness=0.1");
    pi.wait_for_call("AwbMode=4");
    let (status, now) = pi.set(&json!({ "brightness": 0.25, "auto_white_balance": false, "red_gain": 2.0, "bitrate": 500_000 }));
    assert_eq!(
        (status, value(&now, "brightness"), value(&now, "awb_mode")),
        (200, json!(0.25), json!("indoor")),
        "{now}"
    );
    for call in ["Brightness=0.25", "AwbEnable=False", "ColourGains=(2.0, 1.0)", "bitrate=500000"] {
        pi.wait_for_call(call);
    }
    for (wishes, status, code, words) in [
        (json!({ "brightnes": 0 }), 422, "control_not_found", "did you mean brightness?"),
        (json!({ "brightness": 7 }), 422, "control_out_of_range", "-1 to 1"),
        (json!({ "exposure_time": 500 }), 409, "control_not_changeable", "auto_exposure is on"),
        (json!({ "contrast": 17 }), 422, "control_refused", "the pipeline refuses this"),
        (json!([1]), 422, "bad_body", "send an object"),
    ] {
        let (got, answer) = pi.set(&wishes);
        let told = answer["error"].to_string();
        assert!(
            got == status && answer["error"]["code"] == code && told.contains(words),
            "{wishes}: {got} {answer}"
        );
    }
    kill(pi.helper(), Signal::SIGKILL).unwrap();
    pi.wait_for("offline", "was killed by SIGKILL");
    let calls = pi.calls().len();
    pi.wait_for("live", "");
    wait_until("what was set, set again", SOON, || {
        pi.calls()[calls..].iter().any(|c| c == "Brightness=0.25").then_some(())
    })
    .unwrap();
    // A server that comes after it knows what was set.
    pi.server.process().terminate(DEADLINE).unwrap();
    let calls = pi.calls().len();
    let next = Server::start(options("", pi.stage.path())).unwrap();
    wait_for(&next, "live", "");
    wait_until("what was set, set by the next server", SOON, || {
        pi.calls()[calls..].iter().any(|c| c == "Brightness=0.25").then_some(())
    })
    .unwrap();
    let now = next.json("/api/v1/cameras/pi/controls").unwrap();
    assert_eq!((&now["set"]["red_gain"], &now["persistent"]), (&json!(2.0), &json!(true)), "{now}");
}

#[test]
fn what_is_set_while_the_camera_is_away_is_set_when_it_is_back() {
    if skip() {
        return;
    }
    let pi = Pi::new("", "busy");
    pi.wait_for("offline", "another process uses the camera");
    assert_eq!(pi.controls()["online"], false);
    assert_eq!(pi.set(&json!({ "brightness": -0.5 })).0, 202);
    pi.set_fault("");
    pi.wait_for("live", "");
    pi.wait_for_call("Brightness=-0.5");
}

#[test]
fn every_fault_is_told_in_words_and_gets_over() {
    if skip() {
        return;
    }
    let pi = Pi::new("driver=picamera2", "none");
    for (fault, words) in [
        ("none", "no camera is detected: switch the Pi off and check the ribbon cable"),
        ("busy", "another process uses the camera: stop it"),
        ("memory", "no memory is left for pictures (CMA): choose a smaller width and height"),
        ("missing", "No module named 'picamera2'"),
    ] {
        pi.set_fault(fault);
        http::request(pi.server.http(), "POST", "/api/v1/cameras/pi/restart", &[], b"").unwrap();
        pi.wait_for("offline", words);
    }
    pi.set_fault("");
    http::request(pi.server.http(), "POST", "/api/v1/cameras/pi/restart", &[], b"").unwrap();
    pi.wait_for("live", "");
    let mut viewer = WebSocket::open(pi.server.http(), "/live/pi/ws").unwrap();
    pi.set_fault("frontend");
    pi.wait_for(
        "stalled",
        "the sensor sends nothing (camera frontend timeout): check the ribbon cable",
    );
    pi.set_fault("");
    pi.wait_for("live", "");
    kill(pi.helper(), Signal::SIGSTOP).unwrap();
    pi.wait_for("stalled", "no frame for 2 s");
    pi.wait_for("live", "");
    // Who watched has seen it all: two faults, and pictures behind each.
    let mut pictures_after = Vec::new();
    while pictures_after.len() < 3 {
        match viewer.read().unwrap() {
            Message::Text(text) if text["type"] == "state" && text["state"] == "live" => {
                pictures_after.push(0);
            }
            Message::Binary(_) => {
                pictures_after.iter_mut().last().into_iter().for_each(|n| *n += 1);
            }
            _ => {}
        }
    }
    assert!(pictures_after[..2].iter().all(|pictures| *pictures > 0), "{pictures_after:?}");
    assert!(
        wait_until("pictures", SOON, || matches!(viewer.read().ok()?, Message::Binary(_))
            .then_some(()))
        .is_ok()
    );
}

#[test]
fn the_helper_ends_with_a_server_that_was_killed() {
    if skip() {
        return;
    }
    let mut pi = Pi::new("", "");
    pi.wait_for("live", "");
    kill(pi.server.process().pid(), Signal::SIGKILL).unwrap();
    pi.wait_for_call("closed");
}

#[test]
fn a_camera_that_is_not_there_is_told_with_those_that_are() {
    if skip() {
        return;
    }
    let stage = TempDir::with_prefix("neverblink-pi-").unwrap();
    let mut options = options("", stage.path());
    options.cameras = options.cameras.replace("rpicam:0", "rpicam:3");
    let server = Server::start(options).unwrap();
    wait_for(&server, "offline", "there is no camera 3; libcamera finds 0 (imx708)");
}

#[test]
fn a_person_sets_controls_on_the_page_by_keyboard() -> anyhow::Result<()> {
    if skip() {
        return Ok(());
    }
    let pi = Pi::new("", "");
    pi.wait_for("live", "");
    let Some(browser) = Browser::start()? else { return Ok(()) };
    browser.open("page", &pi.server.url("/"))?;
    let wait = |condition: &str| browser.wait_for("page", condition, DEADLINE);
    wait("document.querySelector('[data-camera=pi][data-state=live] .open') !== null")?;
    browser.evaluate("page", "document.querySelector('[data-camera=pi] .open').click()")?;
    let button = "document.querySelector('[role=dialog] button[aria-label=\"Camera settings\"]')";
    wait(&format!("{button} !== null && !{button}.hidden"))?;
    browser.evaluate("page", &format!("{button}.click()"))?;
    wait(
        "document.querySelector('#set-pi-exposure_time')?.disabled && !document.querySelector('.settings').hidden",
    )?;
    assert_eq!(
        browser
            .evaluate("page", "document.querySelector('#set-pi-exposure_time-why').textContent")?,
        "auto_exposure is on"
    );
    assert_eq!(browser.accessibility("page")?, Vec::<String>::new());
    browser.evaluate("page", "document.querySelector('#set-pi-brightness').focus()")?;
    browser.press("page", "ArrowRight")?;
    wait("document.querySelector('.settings [role=status]').textContent === 'Set.'")?;
    let set = value(&pi.controls(), "brightness").as_f64().unwrap();
    assert!(set > 0.0 && set < 0.1, "{set}");
    browser.evaluate("page", "document.querySelector('#set-pi-auto_exposure').click()")?;
    wait("!document.querySelector('#set-pi-exposure_time').disabled")?;
    browser.evaluate("page", "document.querySelector('.settings > button').click()")?;
    wait("document.querySelector('#set-pi-exposure_time').disabled")?;
    assert_eq!(pi.controls()["set"], json!({}));
    Ok(())
}
