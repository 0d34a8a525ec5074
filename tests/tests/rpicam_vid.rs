//! The camera of a Raspberry Pi without picamera2, with a stand-in for rpicam-vid: no Pi is at
//! hand.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{Server, ServerOptions, binary, http, repository, skip_without, wait_until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{fs, process::Command, time::Duration};
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
        let path = format!(
            "{}:{}",
            repository().join("tests/peers/rpicam").display(),
            std::env::var("PATH").unwrap()
        );
        let server = Server::start(ServerOptions {
            cameras: format!(
                "pi: {{ source: \"rpicam:0?width=320&height=240&gop=60&{query}\", stall_after: 2s }}"
            ),
            environment: vec![
                ("PATH".to_owned(), path),
                ("PYTHONPATH".to_owned(), stage.path().display().to_string()),
            ],
            ..ServerOptions::default()
        });
        Self { server: server.unwrap(), stage }
    }

    fn set_fault(&self, fault: &str) {
        fs::write(self.stage.path().join("fault"), fault).unwrap();
        http::request(self.server.http(), "POST", "/api/v1/cameras/pi/restart", &[], b"").unwrap();
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.stage.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn wait_for(&self, state: &str, words: &str) -> Value {
        self.server.wait_for_words("pi", state, words, SOON).unwrap()
    }

    fn wait_for_full_rate(&self) {
        wait_until("30 fps", SOON, || {
            (self.server.camera("pi").ok()?["fps"].as_f64()? > 28.0).then_some(())
        })
        .unwrap();
    }
}

/// Nobody may have waited for it.
fn has_ended(process: Pid) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

fn skip() -> bool {
    skip_without(&["ffmpeg", "python3"])
}

#[test]
fn hardware_plays_with_the_times_of_the_sensor_where_picamera2_is_missing() {
    if skip() {
        return;
    }
    let pi = Pi::new("encoder=hardware", "");
    assert_eq!(pi.wait_for("live", "")["capture_clock"], "sensor");
    pi.wait_for_full_rate();
    let answer = http::get(pi.server.http(), "/live/pi/snapshot.jpg?max_age=0").unwrap();
    let captured = answer.header("x-timestamp").unwrap().parse::<f64>().unwrap() * 1e6;
    let seen = fs::read_to_string(pi.stage.path().join("seen")).unwrap();
    let nearest = seen
        .lines()
        .filter_map(|at| at.parse::<f64>().ok())
        .map(|at| (at - captured).abs())
        .fold(f64::MAX, f64::min);
    assert!(nearest < 2000.0, "captured at {captured} µs, which no frame was within {nearest} µs");
    kill(pi.server.workers()[0], Signal::SIGSTOP).unwrap();
    pi.wait_for("stalled", "no frame for 2 s");
    pi.wait_for("live", "");
}

#[test]
fn libav_plays_and_is_started_anew_for_what_is_set() {
    if skip() {
        return;
    }
    let pi = Pi::new("driver=rpicam-vid&encoder=software&saturation=0.5", "");
    pi.wait_for("live", "");
    pi.wait_for_full_rate();
    assert!(
        pi.calls()[0].contains("--saturation 0.5") && pi.calls()[0].contains("--low-latency"),
        "{:?}",
        pi.calls()
    );
    let headers = [("Content-Type", "application/json")];
    let wishes =
        json!({ "brightness": -0.25, "awb_mode": "indoor", "bitrate": 800_000 }).to_string();
    let answer = http::request(
        pi.server.http(),
        "PATCH",
        "/api/v1/cameras/pi/controls",
        &headers,
        wishes.as_bytes(),
    )
    .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    wait_until("a start with what was set", SOON, || {
        let call = pi.calls().last()?.clone();
        ["--brightness -0.25", "--awb indoor", "--bitrate 800000"]
            .iter()
            .all(|part| call.contains(part))
            .then_some(())
    })
    .unwrap();
    pi.wait_for("live", "");
    assert_eq!(pi.server.camera("pi").unwrap()["restarts"], 0, "that is no fault");
}

#[test]
fn nothing_is_left_of_a_server_that_was_killed() {
    if skip() {
        return;
    }
    for query in ["encoder=hardware", "encoder=software"] {
        let mut pi = Pi::new(&format!("driver=rpicam-vid&{query}"), "");
        pi.wait_for("live", "");
        let children = pi.server.workers();
        kill(pi.server.process().pid(), Signal::SIGKILL).unwrap();
        wait_until("the end of its children", SOON, || {
            children.iter().all(|child| has_ended(*child)).then_some(())
        })
        .unwrap_or_else(|error| panic!("{query}: {error:#}"));
    }
}

#[test]
fn an_old_version_does_without_what_it_does_not_know() {
    if skip() {
        return;
    }
    for encoder in ["hardware", "software"] {
        let pi = Pi::new(&format!("driver=rpicam-vid&encoder={encoder}"), "old");
        assert_eq!(pi.wait_for("live", "")["capture_clock"], "arrival");
        pi.wait_for_full_rate();
    }
}

#[test]
fn cameras_are_listed_with_the_line_to_paste() {
    let path = format!(
        "{}:{}",
        repository().join("tests/peers/rpicam").display(),
        std::env::var("PATH").unwrap()
    );
    let output = Command::new(binary("neverblink").unwrap())
        .arg("devices")
        .env("PATH", path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("imx708\n  source: rpicam:0?width=1280&height=720&fps=30\n"), "{text}");
}

#[test]
fn every_fault_is_told_in_words_and_gets_over() {
    if skip() {
        return;
    }
    let pi = Pi::new("driver=rpicam-vid&encoder=hardware", "none");
    for (fault, words) in [
        ("none", "no camera is detected"),
        ("busy", "another process uses the camera"),
        ("memory", "no memory is left for pictures (CMA)"),
        ("legacy", "legacy camera stack"),
    ] {
        pi.set_fault(fault);
        pi.wait_for("offline", words);
    }
    pi.set_fault("");
    pi.wait_for("live", "");
    pi.set_fault("frontend");
    pi.wait_for("stalled", "camera frontend timeout");
    pi.set_fault("");
    pi.wait_for("live", "");
    kill(pi.server.workers()[0], Signal::SIGKILL).unwrap();
    pi.wait_for("offline", "rpicam-vid was killed by SIGKILL");
    pi.wait_for("live", "");
}
