//! Cameras of this machine, in a virtual one: the kernel's own virtual driver `vivid` plays them.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "vivid/faults.rs"]
mod faults;

use anyhow::{Context, Result};
use harness::{
    Browser, Guest, Line, Server, ages::percentile, http, skip_without, strict, wait_until,
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const SOON: Duration = Guest::SOON;
const FPS: f64 = 15.0;

const CAMERAS: &str = "\
raw: { source: \"v4l2:/dev/video0?width=320&height=180&fps=15&format=yuyv\", stall_after: 3s }
busy: { source: \"v4l2:/dev/video0?width=320&height=180\", on_demand: true }
missing: { source: \"v4l2:/dev/video9\" }
jpeg: { source: \"v4l2:/dev/video1?format=mjpeg\" }";

fn controls(guest: &Guest) -> Value {
    http::get(guest.http(), "/api/v1/cameras/raw/controls").unwrap().json().unwrap()
}

fn control(guest: &Guest, name: &str) -> Value {
    let all = controls(guest);
    all["controls"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {all}"))
        .clone()
}

fn set(guest: &Guest, wishes: &str) -> (u16, Value) {
    let json = [("Content-Type", "application/json")];
    let answer = http::request(
        guest.http(),
        "PATCH",
        "/api/v1/cameras/raw/controls",
        &json,
        wishes.as_bytes(),
    )
    .unwrap();
    (answer.status, answer.json().unwrap())
}

/// Mean luma of the newest picture, 0 to 255.
fn luma(guest: &Guest) -> Result<f64> {
    let snapshot = http::get(guest.http(), "/live/raw/snapshot.jpg?max_age=0.2")?;
    anyhow::ensure!(snapshot.status == 200, "{} {}", snapshot.status, snapshot.text());
    let arguments =
        ["-v", "error", "-f", "mjpeg", "-i", "-", "-vf", "format=gray", "-f", "rawvideo", "-"];
    let mut ffmpeg = Command::new("ffmpeg")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    ffmpeg.stdin.take().context("no input")?.write_all(&snapshot.body)?;
    let samples = ffmpeg.wait_with_output()?.stdout;
    anyhow::ensure!(samples.len() == 320 * 180, "{} samples", samples.len());
    Ok(samples.iter().map(|s| f64::from(*s)).sum::<f64>() / samples.len() as f64)
}

/// Waits for a picture whose mean luma is as wanted.
fn wait_for_luma(guest: &Guest, what: &str, wanted: impl Fn(f64) -> bool) -> Result<f64> {
    let mut last = None;
    wait_until(what, SOON, || {
        last = Some(luma(guest));
        last.as_ref()?.as_ref().ok().copied().filter(|luma| wanted(*luma))
    })
    .with_context(|| format!("last: {last:?}"))
}

/// For each of so many pictures how long after its capture, by the driver, the server had it: ms.
fn ages(guest: &Guest, pictures: usize) -> Vec<f64> {
    let mut stream = TcpStream::connect(guest.http()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET /live/raw/mjpeg?headers=1&width=64 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream);
    let mut ages = Vec::new();
    while ages.len() < pictures {
        let mut line = Vec::new();
        assert!(lines.by_ref().take(1 << 20).read_until(b'\n', &mut line).unwrap() > 0, "it ended");
        let line = String::from_utf8_lossy(&line).to_lowercase();
        ages.extend(
            line.strip_prefix("x-latency-received:").map(|age| age.trim().parse::<f64>().unwrap()),
        );
    }
    ages
}

fn frames(guest: &Guest) -> f64 {
    let metrics = http::get(guest.http(), "/metrics").unwrap().text();
    let line =
        metrics.lines().find(|l| l.starts_with("neverblink_camera_frames_total{camera=\"raw\"}"));
    line.and_then(|l| l.rsplit(' ').next()?.parse().ok()).unwrap()
}

/// Pictures a second over some seconds.
fn rate(guest: &Guest, seconds: u64) -> f64 {
    let (began, before) = (Instant::now(), frames(guest));
    wait_until("some seconds of pictures", SOON, || {
        (began.elapsed() >= Duration::from_secs(seconds)).then_some(())
    })
    .unwrap();
    (frames(guest) - before) / began.elapsed().as_secs_f64()
}

#[test]
fn cameras_of_a_virtual_machine_are_taken_set_unplugged_and_plugged_in() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let Some(guest) = Guest::start(CAMERAS).unwrap() else { return };
    pictures_come_with_the_drivers_time(&guest);
    let from_afar = Viewer::start(&guest);
    if let Some(viewer) = &from_afar {
        viewer.sees_every_picture(&guest);
    }
    what_cannot_be_is_told_in_words(&guest);
    controls_are_seen_in_the_picture(&guest);
    a_camera_comes_back_as_it_was_set(&guest);
    devices_are_listed_and_probed(&guest);
    let watcher = faults::Watcher::start(&guest).unwrap();
    faults::are_told_and_pass_and_nobody_is_disconnected(&guest, &watcher);
    if let Some(viewer) = &from_afar {
        viewer.is_still_there();
    }
    let incomplete =
        guest.log().lines().into_iter().find(|line| line.contains("sandbox is incomplete"));
    assert_eq!(incomplete, None);
}

fn pictures_come_with_the_drivers_time(guest: &Guest) {
    let live = guest.wait_for_words("raw", "live", "").unwrap();
    assert_eq!(live["capture_clock"], "sensor", "{live}");
    assert_eq!(
        (&live["tracks"][0]["codec"], &live["tracks"][0]["width"]),
        (&"h264".into(), &320.into()),
        "{live}"
    );
    let rate = rate(guest, 5);
    let ages = ages(guest, 60);
    let mut line = Line::new(
        "A camera of a virtual machine, 320x180 at 15 fps: pictures a second; from the driver's time to the server",
    );
    // A machine that is interpreted on shared processors is slow, but a queue would be seen: four
    // buffers are 267 ms.
    line.at_least("fps", rate, FPS * 0.9, FPS * 0.2);
    line.at_most("p50 ms", percentile(ages.clone(), 50), 60.0, 180.0)
        .seen("p99 ms", percentile(ages, 99));
    line.finish();
}

/// Chromium, at a server of this machine that dials the one of the virtual machine.
struct Viewer {
    browser: Browser,
    server: Server,
    session: String,
}

impl Viewer {
    fn start(guest: &Guest) -> Option<Self> {
        let browser = Browser::start().unwrap()?;
        let server =
            Server::with_cameras(&format!("afar: {{ source: '{}' }}", guest.rtsp_url("raw")))
                .unwrap();
        browser.watch("afar", &server.whep_url("afar")).unwrap();
        let session = browser.session("afar").unwrap().session;
        Some(Self { browser, server, session })
    }

    fn sees_every_picture(&self, guest: &Guest) {
        let here =
            || self.server.metric("neverblink_camera_frames_total{camera=\"afar\"}").unwrap();
        let (before, here_before) = (frames(guest), here());
        let seen = self.browser.measure("afar", if strict() { 60.0 } else { 10.0 }).unwrap();
        let (sent, arrived) = (frames(guest) - before, here() - here_before);
        let counted = |what: &str| seen.stats[what].as_f64().unwrap();
        let decoded = counted("framesDecoded");
        let mut line = Line::new(
            "a camera of a virtual machine, by its server to one here, and to Chromium by WebRTC",
        );
        line.seen("seconds", seen.seconds)
            .seen("frames sent", sent)
            .seen("to the server here", arrived);
        line.seen("to Chromium", counted("framesReceived"))
            .seen("dropped there", counted("framesDropped"));
        line.at_most("freezes", seen.freezes() as f64, 2.0, 20.0);
        line.at_least("% decoded", 100.0 * decoded / sent, 99.5, 90.0);
        line.finish();
    }

    /// In the same session as in the beginning, and with new pictures.
    fn is_still_there(&self) {
        wait_until("new pictures in Chromium", SOON, || {
            let seen = self.browser.measure("afar", 1.0).unwrap();
            (seen.stats["framesDecoded"].as_f64()? > 0.0).then_some(())
        })
        .with_context(|| format!("{:?}", self.server.camera("afar")))
        .unwrap();
        let now = self.browser.session("afar").unwrap();
        assert_eq!((now.state.as_str(), &now.session), ("connected", &self.session));
    }
}

fn what_cannot_be_is_told_in_words(guest: &Guest) {
    let missing = guest
        .wait_for_words("missing", "offline", "there is no camera at /dev/video9; this machine has")
        .unwrap();
    assert!(
        missing["reason"].as_str().unwrap().contains("/dev/video0 (vivid), /dev/video1 (vivid)"),
        "{missing}"
    );
    guest
        .wait_for_words("jpeg", "offline", "/dev/video1 (vivid) has no mjpeg; it has YUYV")
        .unwrap();
    let busy =
        http::request(guest.http(), "POST", "/api/v1/cameras/busy/start?timeout=3", &[], b"")
            .unwrap();
    assert!(
        busy.text().contains("/dev/video0 is in use by another program"),
        "{} {}",
        busy.status,
        busy.text()
    );
    assert_eq!(guest.camera("raw").unwrap()["state"], "live", "the one that has it keeps it");
}

fn controls_are_seen_in_the_picture(guest: &Guest) {
    let brightness = control(guest, "brightness");
    let told = [
        &brightness["kind"],
        &brightness["minimum"],
        &brightness["maximum"],
        &brightness["default"],
    ];
    assert_eq!(told, [&Value::from("int"), &0.into(), &255.into(), &128.into()], "{brightness}");
    let pattern = control(guest, "test_pattern");
    assert!(
        pattern["items"].as_array().unwrap().iter().any(|item| item["name"] == "100% White"),
        "{pattern}"
    );
    assert_eq!(set(guest, r#"{"test_pattern": "100% White", "osd_text_mode": "None"}"#).0, 200);
    let bright = wait_for_luma(guest, "a white picture", |luma| luma > 220.0).unwrap();
    let (status, answer) = set(guest, r#"{"brightness": 20}"#);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(control(guest, "brightness")["value"], 20);
    wait_for_luma(guest, "a darker picture", |luma| luma < bright - 80.0).unwrap();
    let (status, answer) = set(guest, r#"{"brightness": 999}"#);
    assert_eq!(
        (status, &answer["error"]["code"]),
        (422, &"control_out_of_range".into()),
        "{answer}"
    );
}

fn a_camera_comes_back_as_it_was_set(guest: &Guest) {
    let dark = luma(guest).unwrap();
    assert_eq!(guest.order("unbind").unwrap().trim(), "done");
    let gone = guest.log().wait_for("the camera's end", SOON, |event| {
        event["camera"] == "raw"
            && event.to_string().contains("/dev/video0 is gone: no such device")
    });
    gone.unwrap();
    guest.wait_for_words("raw", "offline", "this machine has no camera now").unwrap();
    assert_eq!(controls(guest)["online"], false);
    assert_eq!(guest.order("bind").unwrap().trim(), "done");
    guest.wait_for_words("raw", "live", "").unwrap();
    wait_for_luma(guest, "the picture as it was set before", |luma| (luma - dark).abs() < 10.0)
        .unwrap();
    assert_eq!(control(guest, "brightness")["value"], 20);
}

fn devices_are_listed_and_probed(guest: &Guest) {
    let devices: Value = serde_json::from_str(&guest.order("devices").unwrap()).unwrap();
    let camera = &devices["cameras"][0];
    assert_eq!(
        (&camera["device"], &camera["driver"]),
        (&"/dev/video0".into(), &"vivid".into()),
        "{devices}"
    );
    assert!(camera["source"].as_str().unwrap().starts_with("v4l2:/dev/video0?width="), "{devices}");
    let report: Value = serde_json::from_str(&guest.order("probe").unwrap()).unwrap();
    assert!(report["error"].is_null() && report.to_string().contains("320"), "{report}");
}
