//! Running the server as an administrator does: start, check, change the config, stop.

use anyhow::Result;
use harness::{DEADLINE, Process, Server, ServerOptions, binary, command, http, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::ExitStatus,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(10);

/// Runs the program in a directory until it ends; what it wrote.
fn run(directory: &Path, args: &[&str]) -> Result<(ExitStatus, String)> {
    let mut command = command(binary("neverblink")?, args);
    let mut process = Process::spawn("neverblink", command.current_dir(directory))?;
    let status = process.wait(SOON)?;
    // The readers of its output may be a moment behind.
    let said =
        wait_until("words", SOON, || Some(process.log().tail(100)).filter(|t| !t.is_empty()))?;
    Ok((status, said))
}

fn directory_with(yaml: &str) -> Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("neverblink.yml"), yaml)?;
    Ok(directory)
}

/// Replaces the config as careful editors do: a new file in the place of the old one.
fn replace(server: &Server, yaml: &str) -> Result<()> {
    let new = server.directory().join("neverblink.yml.new");
    fs::write(&new, yaml)?;
    Ok(fs::rename(new, server.config_path())?)
}

fn wait_for_config(server: &Server, status: &str) -> Result<Value> {
    wait_until(&format!("config {status}"), SOON, || {
        Some(server.json("/health").ok()?["config"].clone()).filter(|c| c["status"] == status)
    })
}

#[test]
fn a_typo_is_told_with_file_line_key_and_the_likely_key() {
    let directory =
        directory_with("listen:\n  http: 127.0.0.1:0\ncameras:\n  front:\n    sorce: rtsp://u:hunter2@192.0.2.1/\n").unwrap();
    for command in ["check", "serve"] {
        let (status, said) = run(directory.path(), &[command]).unwrap();
        assert_eq!(status.code(), Some(2), "{command}: {said}");
        assert!(
            said.contains(
                "neverblink.yml:5: cameras.front.sorce: unknown key; did you mean \"source\"?"
            ),
            "{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_good_config_passes_the_check_and_wrong_usage_is_told() {
    let directory = directory_with("cameras:\n  front: { source: publish }\n").unwrap();
    let (status, said) = run(directory.path(), &["check"]).unwrap();
    assert_eq!(
        (status.code(), said.as_str()),
        (Some(0), "neverblink.yml is fine: 1 camera (front)")
    );
    for (args, words) in [
        (&["serv"][..], "serve"),
        (&["check", "--colour"], "--colour"),
        (&["demo", "--source", "tst:"], "test"),
    ] {
        let (status, said) = run(directory.path(), args).unwrap();
        assert_eq!(status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn without_any_config_it_says_where_one_would_be_and_how_it_looks() {
    let directory = tempfile::tempdir().unwrap();
    let (status, said) = run(directory.path(), &["serve"]).unwrap();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(
        said.contains("./neverblink.yml")
            && said.contains("neverblink demo")
            && said.contains("source: rtsp://"),
        "{said}"
    );
}

#[test]
fn a_taken_port_is_named_with_the_key_that_wants_it() {
    for key in ["http", "rtsp", "webrtc"] {
        let (tcp, udp) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let address = if key == "webrtc" { udp.local_addr() } else { tcp.local_addr() }.unwrap();
        let ports = ["http", "rtsp", "webrtc"].map(|k| match k == key {
            true => format!("  {k}: {address}\n"),
            false => format!("  {k}: 127.0.0.1:0\n"),
        });
        let directory = directory_with(&format!("listen:\n{}", ports.concat())).unwrap();
        let (status, said) = run(directory.path(), &["serve"]).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(
            said.contains(&address.to_string()) && said.contains(&format!("listen.{key}")),
            "{said}"
        );
    }
}

#[test]
fn a_bad_config_is_refused_and_the_old_one_keeps_running() {
    let server =
        Server::with_cameras("front: { source: 'test:?width=320&height=240&fps=10' }").unwrap();
    server.wait_for_state("front", "live").unwrap();
    let workers = server.workers();
    server.reload(&server.yaml().replace("source", "sorce")).unwrap();

    let config = wait_for_config(&server, "rejected").unwrap();
    let error = config["error"].as_str().unwrap();
    assert!(
        error.contains("neverblink.yml:")
            && error.contains("cameras.front.sorce")
            && error.contains("\"source\""),
        "{error}"
    );
    let refused = |e: &Value| {
        e["message"].as_str().is_some_and(|m| m.contains("the old one keeps running"))
            && e["error"] == error
    };
    server.log().wait_for("a line about it", SOON, refused).unwrap();
    let events = server.json("/api/v1/events").unwrap();
    assert!(
        events["events"]
            .as_array()
            .unwrap()
            .iter()
            .any(|e| e["kind"] == "config_refused" && e["message"] == error),
        "{events}"
    );

    let camera = server.camera("front").unwrap();
    assert_eq!((&camera["state"], &camera["restarts"]), (&"live".into(), &0.into()));
    assert_eq!(server.workers(), workers, "nothing was started anew");
    server.reload(&server.yaml()).unwrap();
    wait_for_config(&server, "ok").unwrap();
    assert_eq!(server.workers(), workers, "still nothing");
}

#[test]
fn a_written_file_changes_what_differs_and_nothing_else() {
    let picture = "'test:?width=320&height=240&fps=10'";
    let server = Server::with_cameras(&format!(
        "same: {{ source: {picture} }}\nmoved: {{ source: {picture} }}\ngone: {{ source: {picture} }}"
    ))
    .unwrap();
    for name in ["same", "moved", "gone"] {
        server.wait_for_state(name, "live").unwrap();
    }
    let before = server.workers();
    let yaml = server.yaml();
    let yaml = yaml.replace(&format!("gone: {{ source: {picture} }}"), "new: { source: publish }");
    let yaml = yaml.replace(
        &format!("moved: {{ source: {picture} }}"),
        "moved: { source: 'test:?width=160&height=120&fps=10' }",
    );
    replace(&server, &yaml).unwrap();

    wait_until("the new camera", SOON, || server.camera("new").ok()).unwrap();
    assert_eq!(http::get(server.http(), "/api/v1/cameras/gone").unwrap().status, 404);
    wait_until("the changed picture", SOON, || {
        let camera = server.camera("moved").ok()?;
        (camera["state"] == "live" && camera["tracks"][0]["width"] == 160).then_some(())
    })
    .unwrap();
    let after = server.workers();
    let stayed: Vec<_> = before.iter().filter(|pid| after.contains(pid)).collect();
    assert_eq!(
        (stayed.len(), after.len()),
        (1, 2),
        "only `same` kept its worker: {before:?} {after:?}"
    );
    let same = server.camera("same").unwrap();
    assert_eq!((&same["state"], &same["restarts"]), (&"live".into(), &0.into()));
}

#[test]
fn what_only_a_restart_can_change_is_said() {
    let server = Server::with_cameras("a: { source: publish }").unwrap();
    let other = server.yaml().replacen("127.0.0.1:0", "127.0.0.1:1", 1);
    server.reload(&other).unwrap();
    let config = wait_for_config(&server, "needs_restart").unwrap();
    assert_eq!(config["keys"], serde_json::json!(["listen.http"]));
    assert_eq!(http::get(server.http(), "/ready").unwrap().status, 200, "it stays where it is");
    server.reload(&server.yaml()).unwrap();
    wait_for_config(&server, "ok").unwrap();
}

#[test]
fn the_environment_comes_over_the_file() {
    let environment = vec![
        ("NEVERBLINK_CAMERAS__FRONT__SOURCE".to_owned(), "test:?width=${NO}".to_owned()),
        ("WIDTH".to_owned(), "160".to_owned()),
    ];
    let cameras = "front: { source: publish }\nside: { source: 'test:?width=${WIDTH}&height=${HEIGHT:-120}&fps=5' }";
    let options =
        ServerOptions { cameras: cameras.into(), environment, ..ServerOptions::default() };
    let error = Server::start(options.clone()).err().unwrap().to_string();
    assert!(
        error.contains("NEVERBLINK_CAMERAS__FRONT__SOURCE") && error.contains("width"),
        "{error}"
    );

    let environment = vec![
        (
            "NEVERBLINK_CAMERAS__FRONT__SOURCE".to_owned(),
            "test:?width=320&height=240&fps=5".to_owned(),
        ),
        ("WIDTH".to_owned(), "160".to_owned()),
    ];
    let server = Server::start(ServerOptions { environment, ..options }).unwrap();
    assert_eq!(server.wait_for_state("front", "live").unwrap()["tracks"][0]["width"], 320);
    assert_eq!(server.wait_for_state("side", "live").unwrap()["tracks"][0]["width"], 160);
}

#[test]
fn it_stops_within_three_seconds_whoever_is_connected() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server =
            Server::with_cameras("a: { source: 'test:?width=320&height=240&fps=10' }").unwrap();
        server.wait_for_state("a", "live").unwrap();
        let mut idle = TcpStream::connect(server.http()).unwrap();
        idle.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut half = TcpStream::connect(server.http()).unwrap();
        half.write_all(b"GET /hea").unwrap();
        let _rtsp = TcpStream::connect(server.rtsp()).unwrap();
        let workers = server.workers();
        let begun = Instant::now();
        server.process().signal(signal).unwrap();
        let status = server.process().wait(Duration::from_secs(3)).unwrap();
        assert_eq!(status.code(), Some(0), "after {:?}", begun.elapsed());
        assert!(
            !workers.is_empty() && workers.iter().all(|pid| !is_running(*pid)),
            "workers stay behind"
        );
    }
}

fn is_running(pid: nix::unistd::Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn health_tells_what_is_wrong_and_how_long() {
    let cameras = "a: { source: 'test:?width=320&height=240&fps=10' }\nb: { source: publish }\nc: { source: 'test:', on_demand: true }";
    let server = Server::with_cameras(cameras).unwrap();
    server.wait_for_state("a", "live").unwrap();
    let fine = http::get(server.http(), "/health").unwrap();
    assert_eq!(
        (fine.status, &fine.json().unwrap()["status"]),
        (200, &"ok".into()),
        "b waits for its first publisher, c for its first viewer"
    );
    let order = |what: &str| {
        http::request(server.http(), "POST", &format!("/api/v1/cameras/a/{what}"), &[], b"")
            .unwrap()
            .status
    };
    assert_eq!(order("stop"), 200);
    server.wait_for_state("a", "offline").unwrap();
    let bad = http::get(server.http(), "/health").unwrap();
    let health = bad.json().unwrap();
    assert_eq!((bad.status, &health["status"]), (503, &"degraded".into()));
    assert!(health["cameras"][0]["reason"].as_str().unwrap().contains("stopped"), "{health}");
    assert_eq!(order("start"), 200);
    server.wait_for_state("a", "live").unwrap();
    assert_eq!(order("restart"), 202);
    wait_until("live again", DEADLINE, || {
        let camera = server.camera("a").ok()?;
        (camera["state"] == "live" && camera["since_ms"].as_u64()? < 5000).then_some(())
    })
    .unwrap();
}

#[test]
fn metrics_and_events_tell_of_a_worker_that_died() {
    let server =
        Server::with_cameras("a: { source: 'test:?width=320&height=240&fps=10' }").unwrap();
    server.wait_for_state("a", "live").unwrap();
    nix::sys::signal::kill(server.workers()[0], Signal::SIGKILL).unwrap();
    let metric = "neverblink_camera_restarts_total{camera=\"a\",reason=\"crashed\"} 1";
    let text = wait_until("the restart in the metrics", SOON, || {
        Some(http::get(server.http(), "/metrics").ok()?.text()).filter(|text| text.contains(metric))
    })
    .unwrap();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap().parse::<f64>();
        assert!(line.starts_with("neverblink_") && value.is_ok(), "{line}");
    }
    let events = wait_until("the restart in the events", SOON, || {
        let events = server.json("/api/v1/events?camera=a").ok()?["events"].as_array()?.clone();
        events.iter().any(|e| e["kind"] == "camera_restarted").then_some(events)
    })
    .unwrap();
    let restart = events.iter().find(|e| e["kind"] == "camera_restarted").unwrap();
    assert!(restart["message"].as_str().unwrap().contains("SIGKILL"), "{restart}");
    let camera = server.wait_for_state("a", "live").unwrap();
    assert!(
        camera["restarts"] == 1
            && camera["last_restart"]["cause"].as_str().unwrap().contains("SIGKILL"),
        "{camera}"
    );
}
