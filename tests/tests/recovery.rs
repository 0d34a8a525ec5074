//! What goes away comes back, and nobody who watches has to do anything.

use harness::{
    Browser, Camera, DEADLINE, Line, Player, Publisher, PublisherOptions, Server, children,
    skip_without, wait_until, wall_clock,
};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use std::{
    thread,
    time::{Duration, Instant},
};

/// How long publishers and cameras stay away.
const AWAY: Duration = Duration::from_secs(10);

#[test]
fn a_publisher_is_killed_and_comes_back() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = Server::with_cameras("cam: { source: publish }").unwrap();
    let mut publisher = Publisher::start(&server.rtsp_url("cam")).unwrap();
    let Some(viewers) = Viewers::start(&server) else { return };
    publisher.kill();
    stay_away(&server, &viewers);
    let back = wall_clock();
    let _publisher = Publisher::start(&server.rtsp_url("cam")).unwrap();
    viewers.go_on(&server, back, "a publisher killed and back after 10 s");
}

#[test]
fn a_pulled_camera_vanishes_and_comes_back() {
    let options = PublisherOptions::default();
    let Some(camera) = Camera::start(&options).unwrap() else { return };
    let server = Server::with_cameras(&format!("cam: {{ source: \"{}\" }}", camera.url())).unwrap();
    let Some(viewers) = Viewers::start(&server) else { return };
    let port = camera.port();
    drop(camera);
    stay_away(&server, &viewers);
    let back = wall_clock();
    let _camera = Camera::start_at(port, None, &options).unwrap().unwrap();
    viewers.go_on(&server, back, "a pulled camera gone and back after 10 s");
}

/// One of each kind, who must not notice more than a pause.
struct Viewers {
    browser: Browser,
    session: String,
    rtsp: Player,
}

impl Viewers {
    fn start(server: &Server) -> Option<Self> {
        let browser = Browser::start().expect("a browser")?;
        server.wait_for_state("cam", "live").expect("a live camera");
        browser.watch("viewer", &server.whep_url("cam")).expect("a picture");
        let rtsp = Player::ffmpeg(&server.rtsp_url("cam"), "tcp").expect("ffmpeg");
        rtsp.wait_for_frames(30, DEADLINE).expect("an RTSP player");
        let session = browser.session("viewer").expect("a session").session;
        Some(Self { browser, session, rtsp })
    }

    /// Asserts that the same sessions show what was captured after `back`, soon after the camera's
    /// first frame.
    fn go_on(mut self, server: &Server, back: f64, promise: &str) {
        let shown =
            self.browser.frame_captured_after("viewer", back, DEADLINE).expect("a new picture");
        let camera = server.wait_for_state("cam", "live").expect("a live camera");
        let live_since = wall_clock() - camera["since_ms"].as_f64().expect("an age");
        self.rtsp.wait_for_frames(30, DEADLINE).expect("the RTSP player to go on");
        assert!(self.rtsp.process().is_running());
        let session = self.browser.session("viewer").expect("a session");
        assert_eq!(
            (session.state.as_str(), session.session.as_str()),
            ("connected", self.session.as_str())
        );
        let mut line = Line::new(&format!("{promise}: the same sessions go on"));
        let late = shown.at - live_since;
        line.at_most("first keyframe to picture ms", late, 200.0, 1000.0);
        // Both are read off clocks of this machine, the age in whole milliseconds and some after it.
        line.at_least("first keyframe to picture ms", late, -100.0, -1000.0);
        line.finish();
    }
}

/// Asserts that the camera is offline, with a reason, and its viewers still connected, for as long
/// as it is away.
fn stay_away(server: &Server, viewers: &Viewers) {
    let gone = Instant::now();
    let camera = server.wait_for_state("cam", "offline").expect("the camera to be offline");
    assert!(camera["reason"].as_str().is_some_and(|r| r.len() > 5), "no reason: {camera}");
    thread::sleep(AWAY.saturating_sub(gone.elapsed()));
    assert_ne!(server.camera("cam").expect("a camera")["state"], "live");
    assert_eq!(viewers.browser.session("viewer").expect("a session").state, "connected");
}

#[test]
fn a_worker_is_killed() {
    let Some(browser) = Browser::start().unwrap() else { return };
    let server =
        Server::with_cameras("cam: { source: \"test:?width=1280&height=720&fps=30\" }").unwrap();
    server.wait_for_state("cam", "live").unwrap();
    browser.watch("viewer", &server.whep_url("cam")).unwrap();
    let session = browser.session("viewer").unwrap();
    let [worker] = server.workers()[..] else { panic!("workers: {:?}", server.workers()) };

    let killed = wall_clock();
    kill(worker, Signal::SIGKILL).unwrap();
    // A frame still under way was captured before.
    let shown = browser.frame_captured_after("viewer", killed, DEADLINE).unwrap();
    assert_eq!(browser.session("viewer").unwrap(), session);

    let camera = server.camera("cam").unwrap();
    assert_eq!(camera["restarts"], 1, "{camera}");
    let cause = camera["last_restart"]["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("SIGKILL"), "{camera}");
    let health = server.json("/health").unwrap();
    assert_eq!(health["cameras"][0]["restarts"], 1, "{health}");
    let logged = |e: &Value| {
        e["level"] == "WARN" && e["camera"] == "cam" && e.to_string().contains("SIGKILL")
    };
    server.log().wait_for("the cause in the log", DEADLINE, logged).unwrap();
    assert_eq!(children(worker), []);

    let mut line = Line::new("the worker killed: live again for the same viewer");
    line.at_most("kill to picture ms", shown.at - killed, 1000.0, 1500.0);
    line.finish();
}

#[test]
fn a_stopped_reader_hurts_nobody() {
    const STOPPED: f64 = 30.0;
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let Some(browser) = Browser::start().unwrap() else { return };
    let source = "test:?width=1280&height=720&fps=30&gop=30&bitrate=8000000&noise=20";
    let server = Server::with_cameras(&format!("cam: {{ source: \"{source}\" }}")).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    browser.watch("viewer", &server.whep_url("cam")).unwrap();
    let mut reader = Player::ffmpeg(&server.rtsp_url("cam"), "tcp").unwrap();
    reader.wait_for_frames(60, DEADLINE).unwrap();
    // The ring fills up to its ten seconds first, which is no growth.
    browser.measure("viewer", 10.0).unwrap();

    let before = server.usage().unwrap();
    reader.process().signal(Signal::SIGSTOP).unwrap();
    let seen = browser.measure("viewer", STOPPED).unwrap();
    let after = server.usage().unwrap();
    reader.process().signal(Signal::SIGCONT).unwrap();
    let frames = reader.frames();
    // It has half a minute to catch up with or to skip, then goes on in real time.
    wait_until("the reader going on", DEADLINE, || (reader.frames() > frames + 90).then_some(()))
        .unwrap();
    assert!(reader.process().is_running());
    let complaints = reader.complaints();
    assert!(
        !complaints.iter().any(|c| c.contains("concealing") || c.contains("error while decoding")),
        "{complaints:?}"
    );

    let mut line =
        Line::new(&format!("one RTSP reader stopped for {STOPPED} s, seen by another viewer"));
    line.at_least("fps", seen.fps, 29.5, 28.5);
    line.at_most("freezes", seen.freezes() as f64, 0.0, 0.0);
    let growth = after.resident.saturating_sub(before.resident) as f64 / f64::from(1 << 20);
    line.at_most("growth MiB", growth, 32.0, 32.0);
    line.finish();
}
