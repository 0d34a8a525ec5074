//! Starting and stopping cameras by the API: the answer comes when there is something to be seen,
//! and what was before a stop is never seen again.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    DEADLINE, Line, Publisher, PublisherOptions, Server, ServerOptions, command, http,
    skip_without, wait_until, wall_clock, websocket::WebSocket,
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

const PICTURE: &str = "test:?width=640&height=360&fps=30&gop=30";
/// Keyframes so far apart that an old one would be found.
const LONG: &str = "test:?width=640&height=360&fps=30&gop=300";

fn order(server: &Server, camera: &str, what: &str) -> (u16, Value) {
    let answer =
        http::request(server.http(), "POST", &format!("/api/v1/cameras/{camera}/{what}"), &[], b"")
            .unwrap();
    (answer.status, answer.json().unwrap())
}

fn words(answer: &Value) -> String {
    let error = &answer["error"];
    format!(
        "{} {} {}",
        error["code"].as_str().unwrap(),
        error["message"].as_str().unwrap(),
        error["hint"].as_str().unwrap()
    )
}

/// When the first picture that ffmpeg decodes of `input` was drawn, in ms since 1970, by the clock
/// in it.
fn first_drawn(input: &[&str]) -> f64 {
    let (width, height) = (640, 360);
    let mut ffmpeg = command("ffmpeg", ["-v", "error", "-nostdin"]);
    ffmpeg.args(input).args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
    let output = ffmpeg.output().unwrap();
    assert_eq!(
        output.stdout.len(),
        width * height,
        "{input:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let cell = |column: usize, row: usize| {
        output.stdout[(2 * row + 1) * height / 90 * width + (2 * column + 1) * width / 160]
    };
    assert!(cell(2, 2) > 200 && cell(3, 2) < 60, "a clock: {} {}", cell(2, 2), cell(3, 2));
    let millis =
        (4..36).fold(0u32, |number, column| number << 1 | u32::from(cell(column, 2) > 128));
    // The clock in the picture tells the low 32 bits.
    let now = wall_clock();
    now - f64::from((now as u64 as u32).wrapping_sub(millis) as i32)
}

#[test]
fn a_start_is_answered_when_the_camera_can_be_watched_by_all_protocols() {
    let server = Server::with_cameras(&format!(
        "cam: {{ source: '{PICTURE}' }}\ncold: {{ source: '{PICTURE}', on_demand: true }}"
    ))
    .unwrap();
    assert_eq!(order(&server, "cam", "stop").0, 200);
    for camera in ["cam", "cold"] {
        let begun = Instant::now();
        let (status, answer) = order(&server, camera, "start");
        assert_eq!(
            (status, &answer["name"], &answer["state"]),
            (200, &camera.into(), &"live".into()),
            "{answer}"
        );
        assert!(begun.elapsed() < DEADLINE);
        // At once, without waiting for anything: what is not there now would be a lie.
        let begun = Instant::now();
        assert_eq!(
            http::get(server.http(), &format!("/live/{camera}/index.m3u8")).unwrap().status,
            200
        );
        let list =
            http::get(server.http(), &format!("/live/{camera}/hls/media.m3u8")).unwrap().text();
        let segment = list
            .lines()
            .find(|l| l.starts_with("seg-"))
            .unwrap_or_else(|| panic!("no segment in {list}"));
        let segment = http::get(server.http(), &format!("/live/{camera}/hls/{segment}")).unwrap();
        assert!(segment.status == 200 && segment.body.len() > 1000);
        assert_eq!(
            http::get(server.http(), &format!("/live/{camera}/snapshot.jpg")).unwrap().status,
            200
        );
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
    let begun = Instant::now();
    assert_eq!(order(&server, "cam", "start?timeout=1").0, 200, "started already");
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    assert_eq!(order(&server, "nobody", "start").0, 404);
    assert_eq!(order(&server, "nobody", "stop").0, 404);
    for query in ["timeout=61", "timeout=-1", "timeout=NaN", "timeout=x", "patience=3"] {
        let (status, answer) = order(&server, "cam", &format!("start?{query}"));
        assert_eq!((status, &answer["error"]["code"]), (400, &"bad_query".into()), "{query}");
    }
}

#[test]
fn a_start_in_vain_is_answered_in_time_with_the_cause() {
    let server = Server::with_cameras(
        "dead: { source: 'rtsp://127.0.0.1:9/x', on_demand: true }\nmute: { source: publish }\nnope: { source: 'rtsp://127.0.0.1:9/y' }",
    )
    .unwrap();
    for (camera, cause) in [
        ("dead", "refuses the connection"),
        ("nope", "refuses the connection"),
        ("mute", "nobody has published"),
    ] {
        let begun = Instant::now();
        let (status, answer) = order(&server, camera, "start?timeout=1.5");
        let (took, told) = (begun.elapsed(), words(&answer));
        assert_eq!(status, 503, "{told}");
        assert!(took < Duration::from_secs(3), "{camera} took {took:?}");
        assert!(
            told.starts_with("camera_not_started")
                && told.contains(camera)
                && told.contains("offline"),
            "{told}"
        );
        assert!(told.contains(cause), "{told}");
    }
    assert!(words(&order(&server, "mute", "start?timeout=0").1).contains("rtsp://"), "what to do");
    thread::scope(|scope| {
        let start = scope.spawn(|| order(&server, "mute", "start?timeout=30"));
        server.wait_for_waiter("mute").unwrap();
        order(&server, "mute", "stop");
        let (status, answer) = start.join().unwrap();
        assert!(status == 503 && words(&answer).contains("stopped"), "{answer}");
    });
}

#[test]
fn after_a_stop_nothing_is_left_and_nothing_of_it_is_ever_shown() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = Server::with_cameras(&format!("cam: {{ source: '{LONG}' }}")).unwrap();
    assert_eq!(order(&server, "cam", "start").0, 200);
    let before = http::get(server.http(), "/live/cam/hls/media.m3u8").unwrap().text();
    let mut socket = WebSocket::open(server.http(), "/live/cam/ws?format=units").unwrap();
    socket.binary().unwrap();
    let mut file = TcpStream::connect(server.http()).unwrap();
    file.write_all(b"GET /live/cam/stream.ts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    file.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(http::get(server.http(), "/live/cam/snapshot.jpg").unwrap().status, 200);
    for round in 0..3 {
        assert_eq!(order(&server, "cam", "stop").0, 200);
        let (status, answer) = order(&server, "cam", "stop");
        assert_eq!((status, &answer["state"]), (200, &"offline".into()), "stopped already");
        nothing_is_left(&server);
        let started = wall_clock();
        let (status, answer) =
            order(&server, "cam", if round == 0 { "start" } else { "start?hls=0" });
        assert_eq!(status, 200, "{answer}");
        if round == 0 {
            goes_on_or_is_complete(&mut socket, &mut file);
        }
        let url = |path: &str| server.url(&format!("/live/cam/{path}"));
        let picture = url("snapshot.jpg?max_age=3600");
        let (mjpeg, list, ts, mp4, rtsp) = (
            url("mjpeg"),
            url("index.m3u8"),
            url("stream.ts"),
            url("stream.mp4"),
            server.rtsp_url("cam"),
        );
        let shown: [&[&str]; 6] = [
            &["-f", "jpeg_pipe", "-i", &picture],
            &["-f", "mpjpeg", "-i", &mjpeg],
            &["-live_start_index", "0", "-i", &list],
            &["-i", &ts],
            &["-i", &mp4],
            &["-rtsp_transport", "tcp", "-i", &rtsp],
        ];
        for input in shown {
            let drawn = first_drawn(input);
            assert!(
                drawn >= started,
                "{input:?} shows a picture of {} ms before the start",
                started - drawn
            );
        }
    }
    let after = http::get(server.http(), "/live/cam/hls/media.m3u8").unwrap().text();
    let run = |list: &str| list.lines().find(|l| l.starts_with("seg-")).unwrap()[..12].to_owned();
    assert_ne!(run(&before), run(&after));
    let old = before.lines().find(|l| l.starts_with("seg-")).unwrap();
    assert_eq!(http::get(server.http(), &format!("/live/cam/hls/{old}")).unwrap().status, 404);
    let sequence = |list: &str| {
        list.lines()
            .find_map(|l| l.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")?.parse::<u64>().ok())
            .unwrap()
    };
    assert!(sequence(&after) > sequence(&before), "a player that slept must notice");
}

/// Who watched goes on watching; a file of a camera that is stopped is complete.
fn goes_on_or_is_complete(socket: &mut WebSocket, file: &mut TcpStream) {
    wait_until("the socket's new picture", DEADLINE, || {
        let unit = socket.binary().unwrap();
        let captured = i64::from_be_bytes(unit[16..24].try_into().unwrap()) as f64 / 1000.0;
        (wall_clock() - captured < 1000.0).then_some(())
    })
    .unwrap();
    let mut all = Vec::new();
    file.read_to_end(&mut all).unwrap();
    assert!(all.starts_with(b"HTTP/1.1 200"));
}

fn nothing_is_left(server: &Server) {
    let asked = |path: &str| {
        let begun = Instant::now();
        let answer = http::get(server.http(), path).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "{path} took {:?}", begun.elapsed());
        let told = words(&answer.json().unwrap());
        assert!(
            answer.status == 503 && told.contains("stopped by command"),
            "{path}: {} {told}",
            answer.status
        );
    };
    for file in [
        "index.m3u8",
        "hls/media.m3u8",
        "snapshot.jpg?max_age=3600",
        "mjpeg",
        "stream.mp4",
        "stream.ts",
    ] {
        asked(&format!("/live/cam/{file}"));
    }
    wait_until("no worker", DEADLINE, || server.workers().is_empty().then_some(())).unwrap();
}

#[test]
fn a_publisher_is_sent_away_and_kept_out_until_the_start() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = Server::with_cameras("robot: { source: publish }").unwrap();
    let options = PublisherOptions { width: 320, height: 180, ..PublisherOptions::default() };
    let publish = || Publisher::start_with(&server.rtsp_url("robot"), &options).unwrap();
    let mut first = publish();
    assert_eq!(order(&server, "robot", "start").0, 200, "it waits for a publisher");
    assert_eq!(order(&server, "robot", "stop").0, 200);
    wait_until("its end", DEADLINE, || (!first.process().is_running()).then_some(())).unwrap();
    let mut second = publish();
    wait_until("its refusal", DEADLINE, || (!second.process().is_running()).then_some(())).unwrap();
    let said = second.process().log().tail(20);
    assert!(said.contains("503"), "{said}");
    assert_eq!(server.camera("robot").unwrap()["state"], "offline");
    thread::scope(|scope| {
        let start = scope.spawn(|| order(&server, "robot", "start?timeout=30"));
        wait_until("the start", DEADLINE, || {
            server.camera("robot").unwrap()["reason"]
                .as_str()?
                .contains("since it was started")
                .then_some(())
        })
        .unwrap();
        let _third = publish();
        assert_eq!(start.join().unwrap().0, 200);
    });
}

/// What is stopped stays so whatever becomes of the server: killed, ended, with another config.
#[test]
fn a_stop_outlives_the_server_and_changes_of_the_config_until_the_start() {
    let place = tempfile::tempdir().unwrap();
    let small = "test:?width=320&height=180&fps=15";
    let cameras = format!(
        "cam: {{ source: '{small}', renditions: {{ low: {{ source: '{small}&bitrate=100000' }} }} }}\nrobot: {{ source: publish }}\nother: {{ source: '{small}' }}"
    );
    let more = format!("state_dir: {}\n", place.path().display());
    let options = ServerOptions { cameras, more, ..ServerOptions::default() };
    let begin = || Server::start(options.clone()).unwrap();
    let live = |server: &Server| {
        for name in ["cam", "cam%2Flow", "other"] {
            server.wait_for_state(name, "live").unwrap();
        }
    };
    let mut server = begin();
    live(&server);
    let before = wall_clock();
    for camera in ["cam", "robot"] {
        assert_eq!(order(&server, camera, "stop").0, 200);
    }
    let stopped = (before, wall_clock());
    server.process().kill();
    let server = begin();
    still_stopped(&server, stopped);
    server.wait_for_state("other", "live").unwrap();
    let health = http::get(server.http(), "/health").unwrap();
    assert_eq!((health.status, &health.json().unwrap()["status"]), (503, &"degraded".into()));

    // Neither does another source start it, nor being taken out and put back.
    server
        .reload(
            &server
                .yaml()
                .replace("bitrate=100000", "bitrate=200000")
                .replace("height=180", "height=200"),
        )
        .unwrap();
    wait_until("the other config", DEADLINE, || {
        (server.camera("other").ok()?["tracks"][0]["height"] == 200).then_some(())
    })
    .unwrap();
    still_stopped(&server, stopped);
    let yaml = server.yaml();
    let without: String =
        yaml.split_inclusive('\n').filter(|line| !line.starts_with("  cam:")).collect();
    server.reload(&without).unwrap();
    wait_until("its end", DEADLINE, || server.camera("cam").is_err().then_some(())).unwrap();
    server.reload(&yaml).unwrap();
    wait_until("its return", DEADLINE, || server.camera("cam").ok()).unwrap();
    still_stopped(&server, stopped);

    // Of all orders the last one counts, whether it is a start or a restart.
    assert_eq!(order(&server, "cam", "start").0, 200);
    let answer =
        http::request(server.http(), "POST", "/api/v1/cameras/robot/restart", &[], b"").unwrap();
    assert_eq!(answer.status, 202);
    let mut server = server;
    server.process().terminate(DEADLINE).unwrap();
    let server = begin();
    live(&server);
    assert!(!server.camera("robot").unwrap()["reason"].as_str().unwrap().contains("stopped"));
}

/// Since a moment between these two of the wall clock, in words and in numbers, and without a
/// worker.
fn still_stopped(server: &Server, (from, until): (f64, f64)) {
    for camera in ["cam", "cam%2Flow", "robot"] {
        let asked = wall_clock();
        let shown = server.camera(camera).unwrap();
        let reason = shown["reason"].as_str().unwrap();
        let said = reason.starts_with("stopped by command on 2")
            && reason.ends_with(" UTC; it stays so until it is started again");
        assert!(shown["state"] == "offline" && said, "{shown}");
        let since = shown["since_ms"].as_f64().unwrap();
        let (earliest, latest) = (asked - since - 2.0, wall_clock() - since + 2.0);
        assert!(
            earliest <= until && latest >= from,
            "{} ms too early, {} too late: {shown}",
            from - latest,
            earliest - until
        );
    }
    assert_eq!(http::get(server.http(), "/live/cam/snapshot.jpg").unwrap().status, 503);
    wait_until("no worker of a camera that is stopped", DEADLINE, || {
        (server.workers().len() == 1).then_some(())
    })
    .unwrap();
}

/// A camera of 16 Mbit/s: its ring, its segments. The allocator keeps some of it for the next run,
/// but not for each.
#[test]
fn memory_comes_back_after_a_stop() {
    let source = "test:?width=640&height=360&fps=30&gop=30&noise=60&bitrate=16000000";
    let server = Server::with_cameras(&format!("cam: {{ source: '{source}' }}")).unwrap();
    let resident = || server.usage().unwrap().resident as f64 / f64::from(1 << 20);
    order(&server, "cam", "stop");
    let empty = resident();
    let mut running = Vec::new();
    for _ in 0..3 {
        assert_eq!(order(&server, "cam", "start").0, 200);
        // A busy machine encodes slower than it should.
        wait_until("some segments", 4 * DEADLINE, || {
            let list = http::get(server.http(), "/live/cam/hls/media.m3u8").unwrap().text();
            (list.matches("#EXTINF").count() >= 5).then_some(())
        })
        .unwrap();
        running.push(resident());
        assert_eq!(order(&server, "cam", "stop").0, 200);
    }
    let after = resident();
    let mut line = Line::new("a camera of 16 Mbit/s with HLS is started and stopped three times");
    line.seen("MiB without it", empty).seen("MiB with it", running[0]);
    line.at_most("MiB after the last stop", after, running[0] + 2.0, running[0] + 10.0);
    line.at_most("MiB with it the last time", running[2], running[0] + 12.0, running[0] + 20.0);
    line.finish();
}
