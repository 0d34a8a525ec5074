//! What happened: the history outlives the server, and a client that follows it misses nothing.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{DEADLINE, Server, ServerOptions, http, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

/// A camera without a source, whose commands make events at once, and another.
fn options(state: &Path) -> ServerOptions {
    ServerOptions {
        cameras: "robot: { source: publish }\nother: { source: publish }".into(),
        more: format!("state_dir: {}\n", state.display()),
        ..ServerOptions::default()
    }
}

fn stop_and_start(server: SocketAddr, camera: &str) {
    let post = |verb: &str| {
        let path = format!("/api/v1/cameras/{camera}/{verb}");
        // A server that is killed meanwhile answers nothing.
        http::request(server, "POST", &path, &[], b"").ok();
    };
    post("stop");
    post("start?timeout=0&hls=0");
}

fn list(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.json(&format!("/api/v1/events?{query}")).unwrap();
    answer["events"].as_array().unwrap_or_else(|| panic!("{query}: {answer}")).clone()
}

fn id(event: &Value) -> u64 {
    event["id"].as_u64().unwrap()
}

/// A client of the event stream.
struct Follower(BufReader<TcpStream>);

impl Follower {
    fn start(server: SocketAddr, query: &str, last: Option<u64>) -> Self {
        let mut stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        // HTTP/1.0, so that the answer comes without chunks.
        let head =
            format!("GET /api/v1/events/stream{query} HTTP/1.0\r\nHost: {server}\r\n{last}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut follower = Self(BufReader::new(stream));
        // The first words of the stream itself: from here on no event is missed.
        while !follower.line().unwrap().starts_with("retry:") {}
        follower
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event, checked against its frame; `None` at the end of the connection.
    fn next(&mut self) -> Option<Value> {
        let (mut number, mut kind) = (None, None);
        loop {
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("id: ") {
                number = text.parse().ok();
            } else if let Some(text) = line.strip_prefix("event: ") {
                kind = Some(text.to_owned());
            } else if let Some(data) = line.strip_prefix("data: ") {
                let event: Value = serde_json::from_str(data).unwrap();
                assert_eq!((Some(id(&event)), event["kind"].as_str()), (number, kind.as_deref()));
                return Some(event);
            }
        }
    }
}

#[test]
fn nothing_is_missed_across_a_kill() {
    let state = tempfile::tempdir().unwrap();
    let mut server = Server::start(options(state.path())).unwrap();
    let mut follower = Follower::start(server.http(), "", None);
    for _ in 0..5 {
        stop_and_start(server.http(), "robot");
    }
    let mut seen: Vec<Value> = (0..10).map(|_| follower.next().unwrap()).collect();
    let before = list(&server, "limit=10000");
    assert!(before.len() > 10, "{before:?}");
    // What is older than a second has to survive; this is the second.
    let settled = Instant::now() + Duration::from_secs(1);
    while Instant::now() < settled {
        stop_and_start(server.http(), "other");
    }
    let address = server.http();
    let commands =
        std::thread::spawn(move || (0..20).for_each(|_| stop_and_start(address, "robot")));
    server.process().signal(Signal::SIGKILL).unwrap();
    server.process().wait(DEADLINE).unwrap();
    while let Some(event) = follower.next() {
        seen.push(event);
    }
    commands.join().unwrap();
    drop(server);

    let server = Server::start(options(state.path())).unwrap();
    let after = list(&server, "after=0&limit=10000");
    assert_eq!(after[..before.len()], before, "nothing older than a second is missing");
    let ids: Vec<_> = after.iter().map(id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let (last, started) = (seen.last().unwrap(), after.last().unwrap());
    assert_eq!(started["kind"], "server_started");
    assert!(id(started) > id(last), "no id is given twice: {last} {started}");

    let middle = id(&seen[4]);
    let mut follower = Follower::start(server.http(), "", Some(middle));
    let missed: Vec<_> = after.iter().filter(|event| id(event) > middle).cloned().collect();
    let got: Vec<_> = missed.iter().map(|_| follower.next().unwrap()).collect();
    assert_eq!(got, missed, "exactly what was missed");
    stop_and_start(server.http(), "robot");
    let live = follower.next().unwrap();
    assert_eq!((&live["kind"], &live["camera"]), (&"camera_stopped".into(), &"robot".into()));
}

#[test]
fn events_are_selected_by_kind_camera_and_time() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(options(state.path())).unwrap();
    let query = "?camera=other&kind=camera_started,camera_stopped";
    let mut follower = Follower::start(server.http(), query, None);
    for camera in ["robot", "other", "robot"] {
        stop_and_start(server.http(), camera);
    }
    let told: Vec<_> = (0..2).map(|_| follower.next().unwrap()).collect();
    let kinds: Vec<_> = told.iter().map(|e| (e["camera"].as_str(), e["kind"].as_str())).collect();
    assert_eq!(
        kinds,
        [(Some("other"), Some("camera_stopped")), (Some("other"), Some("camera_started"))]
    );
    let stopped = wait_until("all of them", DEADLINE, || {
        Some(list(&server, "kind=camera_stopped")).filter(|events| events.len() == 3)
    })
    .unwrap();
    assert!(stopped.iter().all(|e| e["kind"] == "camera_stopped" && e["severity"] == "info"));
    let at = |n: usize| stopped[n]["at"].as_str().unwrap();
    let (from, to) = (format!("kind=camera_stopped&from={}", at(1)), format!("&to={}", at(2)));
    assert_eq!(list(&server, &from), stopped[1..]);
    assert_eq!(list(&server, &(from + &to)), stopped[1..2]);
    assert_eq!(list(&server, "kind=camera_stopped&limit=1"), stopped[2..], "the newest");
    let after = format!("kind=camera_stopped&limit=1&after={}", id(&stopped[0]));
    assert_eq!(list(&server, &after), stopped[1..2], "the next");

    for (query, hint) in
        [("kind=camera_melted", "camera_unfrozen"), ("from=noon", "2026"), ("colour=red", "kind")]
    {
        let answer = http::get(server.http(), &format!("/api/v1/events?{query}")).unwrap();
        let error = answer.json().unwrap()["error"].clone();
        assert_eq!((answer.status, &error["code"]), (400, &"bad_query".into()), "{query}");
        assert!(error["hint"].as_str().unwrap().contains(hint), "{query}: {error}");
    }
}

#[test]
fn a_damaged_history_is_put_aside() {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("events.sqlite"), [b'?'; 10_000]).unwrap();
    let server = Server::start(options(state.path())).unwrap();
    assert!(state.path().join("events.sqlite.broken").exists());
    assert_eq!(list(&server, "kind=server_started").len(), 1);
}
