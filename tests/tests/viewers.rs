//! Who watches, as an administrator sees it: the list, sending one away, limits, and viewers who
//! vanish.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    DEADLINE, OFFER, Process, Publisher, PublisherOptions, Server, ServerOptions, binary, command,
    http, wait_until,
    websocket::{Message, WebSocket},
};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const PICTURE: &str = "{ source: 'test:?width=320&height=240&fps=30' }";
/// A browser that is silent is given up after 15 s, and one that never connects after 30.
const GIVEN_UP: Duration = Duration::from_secs(45);

/// Two cameras, live.
fn server(limits: &str) -> Server {
    let cameras = format!("front: {PICTURE}\nback: {PICTURE}");
    let server =
        Server::start(ServerOptions { cameras, more: limits.into(), ..ServerOptions::default() })
            .unwrap();
    ["front", "back"]
        .iter()
        .for_each(|camera| drop(server.wait_for_state(camera, "live").unwrap()));
    server
}

fn list(server: &Server, query: &str) -> Vec<Value> {
    server.json(&format!("/api/v1/viewers{query}")).unwrap()["viewers"].as_array().unwrap().clone()
}

fn wait_for_count(server: &Server, count: usize, limit: Duration) {
    wait_until(&format!("{count} viewers"), limit, || {
        (list(server, "").len() == count).then_some(())
    })
    .unwrap();
}

fn whep(server: &Server, camera: &str) -> http::Response {
    let sdp = [("Content-Type", "application/sdp")];
    http::request(server.http(), "POST", &format!("/live/{camera}/whep"), &sdp, OFFER.as_bytes())
        .unwrap()
}

fn delete(server: &Server, id: &Value, headers: &[(&str, &str)]) -> u16 {
    let path = format!("/api/v1/viewers/{}", id.as_str().unwrap());
    http::request(server.http(), "DELETE", &path, headers, b"").unwrap().status
}

/// A WHEP player that shows nothing but keeps all the rules.
fn browser(server: &Server, camera: &str) -> Process {
    let url = server.whep_url(camera);
    let args = ["whep-load", &url, "--viewers", "1", "--seconds", "600"];
    Process::spawn("WHEP player", &mut command(binary("neverblink-bench").unwrap(), args)).unwrap()
}

/// An RTSP player by hand: TCP, one track.
struct Player {
    stream: BufReader<TcpStream>,
    url: String,
    session: String,
}

impl Player {
    /// Sets a session up, but does not play yet.
    fn ready(server: &Server, camera: &str) -> Self {
        let stream = TcpStream::connect(server.rtsp()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut player = Self {
            stream: BufReader::new(stream),
            url: server.rtsp_url(camera),
            session: String::new(),
        };
        let answer =
            player.ask("SETUP", "/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1");
        let session = answer
            .lines()
            .find_map(|l| l.strip_prefix("Session: "))
            .unwrap_or_else(|| panic!("{answer}"));
        player.session = session.split(';').next().unwrap().to_owned();
        player
    }

    fn playing(server: &Server, camera: &str) -> Self {
        let mut player = Self::ready(server, camera);
        assert!(player.play().starts_with("RTSP/1.0 200"));
        player
    }

    fn play(&mut self) -> String {
        let session = format!("Session: {}", self.session);
        self.ask("PLAY", "/", &session)
    }

    /// Sends a request and gives the head of its answer; media before it and the body are passed
    /// over.
    fn ask(&mut self, method: &str, path: &str, header: &str) -> String {
        let request =
            format!("{method} {}{path} RTSP/1.0\r\nCSeq: 1\r\n{header}\r\n\r\n", self.url);
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        while self.stream.fill_buf().unwrap().first() == Some(&b'$') {
            let mut head = [0; 4];
            self.stream.read_exact(&mut head).unwrap();
            let length = u16::from_be_bytes([head[2], head[3]]);
            std::io::copy(&mut self.stream.by_ref().take(length.into()), &mut std::io::sink())
                .unwrap();
        }
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.stream.read_line(&mut head).unwrap() > 0, "hung up after {head:?}");
        }
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("Content-Length: ")?.parse().ok())
            .unwrap_or(0);
        std::io::copy(&mut self.stream.by_ref().take(length), &mut std::io::sink()).unwrap();
        head
    }

    /// Reads media until the server hangs up, and counts frames.
    fn count_frames(mut self, frames: &AtomicUsize) {
        let mut head = [0; 4];
        while self.stream.read_exact(&mut head).is_ok() {
            let mut packet = vec![0; u16::from_be_bytes([head[2], head[3]]).into()];
            self.stream.read_exact(&mut packet).unwrap();
            // Channel 0 is RTP; the marker ends a frame.
            if head[..2] == [b'$', 0] && packet[1] & 0x80 != 0 {
                frames.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Reads until the server hangs up.
    fn reads_to_the_end(&mut self) {
        std::io::copy(&mut self.stream, &mut std::io::sink()).expect("the end of the connection");
    }
}

#[test]
fn the_list_tells_of_viewers_of_every_protocol() {
    let server = server("");
    let _browser = browser(&server, "front");
    let mut player = Player::playing(&server, "back");
    let reader = std::thread::spawn(move || player.reads_to_the_end());
    let both = wait_until("both to be sent something", DEADLINE, || {
        let both = list(&server, "");
        let sent = |v: &Value| {
            v["frames_sent"].as_u64() > Some(30) && v["bitrate"].as_u64() > Some(20_000)
        };
        (both.len() == 2 && both.iter().all(sent) && both.iter().any(|v| !v["rtt_ms"].is_null()))
            .then_some(both)
    })
    .unwrap();
    let of = |protocol: &str| both.iter().find(|v| v["protocol"] == protocol).unwrap().clone();
    let (browser, player) = (of("webrtc"), of("rtsp"));
    for (viewer, protocol, transport, camera) in
        [(&browser, "webrtc", "udp", "front"), (&player, "rtsp", "tcp", "back")]
    {
        let text =
            |key: &str| viewer[key].as_str().unwrap_or_else(|| panic!("no {key} in {viewer}"));
        assert!(text("id").starts_with(&format!("{protocol}-")), "{viewer}");
        assert!(text("address").starts_with("127.0.0.1:"), "{viewer}");
        assert!(text("since").ends_with('Z') && text("since").contains('T'), "{viewer}");
        assert_eq!((text("transport"), text("camera")), (transport, camera));
        assert_eq!((&viewer["rendition"], &viewer["connected"]), (&Value::Null, &true.into()));
        assert_eq!(
            (&viewer["frames_skipped_congestion"], &viewer["link_limited"]),
            (&0.into(), &false.into())
        );
        assert!(
            viewer["bytes_sent"].as_u64().unwrap() > 10_000 && viewer["frames_skipped"].is_u64(),
            "{viewer}"
        );
        for key in ["loss", "rtt_ms", "estimate", "needed", "latency_ms", "playout_ms"] {
            assert!(
                viewer.get(key).is_some_and(|v| v.is_null() || v.is_number()),
                "{key} of {viewer}"
            );
        }
    }
    let rtt = browser["rtt_ms"].as_f64().unwrap();
    assert!((0.0..1000.0).contains(&rtt) && player["rtt_ms"].is_null(), "{rtt} {player}");

    for (query, ids) in [
        ("?camera=front", vec![&browser["id"]]),
        ("?protocol=rtsp", vec![&player["id"]]),
        ("?camera=front&protocol=rtsp", vec![]),
        ("?camera=none", vec![]),
    ] {
        assert_eq!(
            list(&server, query).iter().map(|v| &v["id"]).collect::<Vec<_>>(),
            ids,
            "{query}"
        );
    }
    let unknown = http::get(server.http(), "/api/v1/viewers?name=x").unwrap();
    assert_eq!(
        (unknown.status, &unknown.json().unwrap()["error"]["code"]),
        (400, &"bad_query".into())
    );

    let metric = |series: &str| server.metric(series).unwrap();
    assert_eq!(metric(r#"neverblink_viewers{camera="front",protocol="webrtc"}"#), 1.0);
    assert_eq!(metric(r#"neverblink_viewers{camera="front",protocol="rtsp"}"#), 0.0);
    assert!(metric(r#"neverblink_viewer_frames_sent_total{camera="back",protocol="rtsp"}"#) > 30.0);
    assert!(
        metric(r#"neverblink_viewer_bytes_sent_total{camera="front",protocol="webrtc"}"#)
            > 10_000.0
    );
    assert_eq!(metric(r#"neverblink_viewers_link_limited{camera="front",protocol="webrtc"}"#), 0.0);
    assert_eq!(delete(&server, &player["id"], &[]), 202);
    reader.join().unwrap();
}

#[test]
fn anybody_can_be_sent_away_by_this_server_s_own_page_only() {
    let mut server = server("");
    let mut browser = browser(&server, "front");
    let mut player = Player::playing(&server, "front");
    let both = wait_until("both", DEADLINE, || {
        Some(list(&server, ""))
            .filter(|both| both.len() == 2 && both.iter().all(|v| v["connected"] == true))
    })
    .unwrap();
    for viewer in &both {
        assert_eq!(delete(&server, &viewer["id"], &[("Origin", "http://example.test")]), 403);
    }
    assert_eq!(list(&server, "").len(), 2);
    for (left, viewer) in both.iter().enumerate().map(|(i, v)| (1 - i, v)) {
        assert_eq!(delete(&server, &viewer["id"], &[]), 202);
        wait_for_count(&server, left, DEADLINE);
        assert_eq!(delete(&server, &viewer["id"], &[]), 404);
    }
    player.reads_to_the_end();
    let away = server.log().wait_for("the player's end", DEADLINE, |e| {
        e["message"] == "RTSP player gone"
            && e["reason"].as_str().is_some_and(|r| r.contains("administrator"))
    });
    away.unwrap();
    browser.kill();
    assert!(server.process().is_running());
}

#[test]
fn limits_hold_for_all_protocols_free_up_and_change_while_running() {
    let server = server("limits: { viewers: 2 }");
    let first = whep(&server, "front");
    assert_eq!(first.status, 201, "{}", first.text());
    let player = Player::playing(&server, "back");
    wait_for_count(&server, 2, DEADLINE);

    let full = whep(&server, "front");
    let error = full.json().unwrap()["error"].clone();
    assert_eq!((full.status, &error["code"]), (503, &"too_many_viewers".into()));
    assert!(error["message"].as_str().unwrap().contains("2 viewers"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("limits.viewers"), "{error}");
    assert!(full.header("retry-after").is_some_and(|s| s.parse::<u32>().is_ok()), "{full:?}");
    let mut waiting = Player::ready(&server, "front");
    let answer = waiting.play();
    assert!(answer.starts_with("RTSP/1.0 503") && answer.contains("2 viewers"), "{answer}");
    let refused = server
        .metric(r#"neverblink_viewers_refused_total{camera="front",protocol="rtsp"}"#)
        .unwrap();
    assert_eq!(refused, 1.0);

    drop(player);
    wait_for_count(&server, 1, DEADLINE);
    assert!(
        waiting.play().starts_with("RTSP/1.0 200"),
        "the same session plays when there is room"
    );
    assert_eq!(whep(&server, "front").status, 503);

    let workers = server.workers();
    let yaml = server
        .yaml()
        .replace("viewers: 2", "viewers: 10")
        .replace("front: {", "front: { max_viewers: 2,");
    server.reload(&yaml).unwrap();
    wait_until("a place for one more", DEADLINE, || {
        (whep(&server, "back").status == 201).then_some(())
    })
    .unwrap();
    let full = whep(&server, "front");
    assert!(
        full.status == 503 && full.text().contains("cameras.front.max_viewers"),
        "{}",
        full.text()
    );
    assert_eq!(
        http::request(server.http(), "DELETE", first.header("location").unwrap(), &[], b"")
            .unwrap()
            .status,
        200
    );
    wait_for_count(&server, 2, DEADLINE);
    assert_eq!((whep(&server, "front").status, whep(&server, "front").status), (201, 503));
    assert_eq!(server.workers(), workers, "no camera was started anew for it");
}

#[test]
fn who_vanishes_without_a_word_is_off_the_list() {
    let server = server("");
    let mut vanishing = browser(&server, "front");
    wait_until("a connected viewer", DEADLINE, || {
        Some(list(&server, "")).filter(|l| l.len() == 1 && l[0]["connected"] == true)
    })
    .unwrap();
    assert_eq!(whep(&server, "front").status, 201);
    wait_for_count(&server, 2, DEADLINE);
    vanishing.kill();
    wait_for_count(&server, 0, GIVEN_UP);
    assert_eq!(
        server.metric(r#"neverblink_viewers{camera="front",protocol="webrtc"}"#).unwrap(),
        0.0
    );
}

/// Asks for HLS as one of many players, which differ in their names.
fn hls(server: &Server, number: usize) -> u16 {
    let agent = [("User-Agent", &*format!("player {number}"))];
    http::request(server.http(), "GET", "/live/cam/hls/media.m3u8", &agent, b"").unwrap().status
}

/// A connection that gets MJPEG and reads its head only.
fn mjpeg(server: &Server, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.http()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET /live/cam/mjpeg{query} HTTP/1.1\r\nHost: {}\r\n\r\n", server.http())
        .unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    stream
}

/// The number of viewers by the camera in the API, by the list of viewers, by the metrics, and by
/// what the page is sent.
fn counted(server: &Server) -> [u64; 4] {
    let camera = server.camera("cam").unwrap()["viewers"].as_u64().unwrap();
    let metrics: f64 = ["hls", "mjpeg", "rtsp", "webrtc", "ws", "http"]
        .iter()
        .map(|p| format!("neverblink_viewers{{camera=\"cam\",protocol=\"{p}\"}}"))
        .map(|series| server.metric(&series).unwrap())
        .sum();
    let mut live = WebSocket::open(server.http(), "/api/v1/live").unwrap();
    // The first message may have been written before the last viewer came.
    let snapshots = [live.read().unwrap(), live.read().unwrap()];
    let Message::Text(page) = &snapshots[1] else { panic!("{snapshots:?}") };
    let page = page["cameras"][0]["viewers"].as_u64().unwrap();
    [camera, list(server, "").len() as u64, metrics as u64, page]
}

fn readers(server: &Server) -> [u64; 4] {
    ["viewer", "decoder", "muxer", "waiter"].map(|kind| {
        let series = format!("neverblink_camera_readers{{camera=\"cam\",kind=\"{kind}\"}}");
        server.metric(&series).unwrap() as u64
    })
}

#[test]
fn who_watches_is_counted_and_nobody_else() {
    let camera = "cam: { source: publish, frozen_restart: true, stall_after: 1s }";
    let server = Server::with_cameras(camera).unwrap();
    let options = PublisherOptions { width: 320, height: 180, ..PublisherOptions::default() };
    let mut publisher = Publisher::start_with(&server.rtsp_url("cam"), &options).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    let worker = || (!server.workers().is_empty()).then_some(());
    wait_until("the freeze watch to decode", DEADLINE, worker).unwrap();
    assert_eq!(counted(&server), [0; 4], "the freeze watch is no viewer");

    let _players: Vec<_> = (0..5).map(|_| Player::playing(&server, "cam")).collect();
    let _small: Vec<_> = (0..5).map(|_| mjpeg(&server, "?width=160")).collect();
    let _large: Vec<_> = (0..5).map(|_| mjpeg(&server, "")).collect();
    // Each first playlist waits a moment for the best place to begin.
    let server = &server;
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..100).map(|n| scope.spawn(move || hls(server, n))).collect();
        all.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), 200));
    });
    assert_eq!(counted(server), [115; 4]);
    assert_eq!(readers(server), [5, 1, 1, 0], "one decoder and one muxer read for 110 viewers");

    // A publisher that hangs: its viewers stay, and a start has to wait.
    publisher.process().signal(Signal::SIGSTOP).unwrap();
    server.wait_for_state("cam", "stalled").unwrap();
    let to = server.http();
    let start = std::thread::spawn(move || {
        http::request(to, "POST", "/api/v1/cameras/cam/start?timeout=30", &[], b"").unwrap()
    });
    wait_until("the start to wait", DEADLINE, || (readers(server) == [5, 1, 1, 1]).then_some(()))
        .unwrap();
    assert_eq!(counted(server), [115; 4], "a start that waits is no viewer");
    publisher.process().signal(Signal::SIGCONT).unwrap();
    assert_eq!(start.join().unwrap().status, 200);
    assert_eq!(readers(server)[3], 0);
}

/// Units of video by the first number, and lost ones by the second, of all viewers together.
fn sent(server: &Server) -> (u64, u64) {
    let viewers = list(server, "?camera=cam");
    let sum = |key: &str| viewers.iter().filter_map(|v| v[key].as_u64()).sum();
    (sum("frames_sent"), sum("frames_skipped"))
}

#[test]
fn policy_changes_in_the_file_apply_while_viewers_watch() {
    let camera = "cam: { source: publish, stall_after: 60s }";
    let mut server = Server::with_cameras(camera).unwrap();
    let options = PublisherOptions { width: 320, height: 180, ..PublisherOptions::default() };
    let mut publisher = Publisher::start_with(&server.rtsp_url("cam"), &options).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    let _browser = browser(&server, "cam");
    let player = Player::playing(&server, "cam");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let reader = std::thread::spawn(move || player.count_frames(&counted));
    let playlist = |server: &Server| {
        let agent = [("User-Agent", "HLS player")];
        http::request(server.http(), "GET", "/live/cam/hls/media.m3u8", &agent, b"").unwrap().text()
    };
    let frames = || count.load(Ordering::Relaxed);
    wait_until("three viewers to be served", DEADLINE, || {
        let hls = playlist(&server).contains("#EXTINF");
        let connected = list(&server, "?protocol=webrtc").iter().any(|v| v["connected"] == true);
        (hls && connected && frames() > 60).then_some(())
    })
    .unwrap();

    let cuts = |server: &Server| playlist(server).matches("#EXT-X-DISCONTINUITY\n").count();
    let cuts_before = cuts(&server);
    let series = "neverblink_camera_frames_total{camera=\"cam\"}";
    let published = || server.metric(series).unwrap() as usize;
    let before = (sent(&server), published(), frames());
    let keys = "stall_after: 1s, frozen_after: 10s, frozen_restart: true, slate: true, \
                max_viewers: 50, title: Front door";
    server.reload(&server.yaml().replace("stall_after: 60s", keys)).unwrap();
    wait_until("the new title", DEADLINE, || {
        (server.camera("cam").unwrap()["title"] == "Front door").then_some(())
    })
    .unwrap();
    let at_change = frames();
    wait_until("three seconds more", DEADLINE, || (frames() > at_change + 90).then_some(()))
        .unwrap();

    let after = (sent(&server), published(), frames());
    let (came, went) = (after.1 - before.1, after.2 - before.2);
    assert!(went + 2 >= came, "{went} of {came} frames; two may be on their way");
    assert_eq!(after.0.1, before.0.1, "no viewer lost a unit");
    assert!(after.0.0 - before.0.0 > 2 * 90, "WHEP and RTSP: {before:?} {after:?}");
    assert!(cuts(&server) <= cuts_before, "{}", playlist(&server));
    assert_eq!(list(&server, "?camera=cam").len(), 3, "the same three viewers");
    assert_eq!(server.camera("cam").unwrap()["restarts"], 0);
    assert!(publisher.process().is_running(), "its publisher was not sent away");
    let events = server.json("/api/v1/events").unwrap()["events"].as_array().unwrap().clone();
    let changed: Vec<_> = events.iter().filter(|e| e["kind"] == "camera_changed").collect();
    assert_eq!(changed.len(), 1, "{events:?}");
    let text = changed[0].to_string();
    for key in ["stall_after", "frozen_after", "frozen_restart", "slate", "max_viewers", "title"] {
        assert!(text.contains(key), "{key} in {text}");
    }
    assert!(!text.contains("on_demand"), "{text}");

    // What was changed holds: silence counts after a second, and the slate is shown.
    publisher.process().signal(Signal::SIGSTOP).unwrap();
    let silent = std::time::Instant::now();
    server.wait_for_state("cam", "stalled").unwrap();
    assert!(silent.elapsed() < Duration::from_secs(5), "stall_after is 1s now");
    server
        .log()
        .wait_for_line("the slate", DEADLINE, |l| l.contains("showing why there is no picture"))
        .unwrap();
    server.process().kill();
    reader.join().unwrap();
}
