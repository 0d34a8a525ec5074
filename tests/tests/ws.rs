//! Live media over WebSockets, from the outside.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    DEADLINE, Server, ServerOptions, http, wait_until,
    websocket::{Message, WebSocket},
};
use serde_json::{Value, json};
use std::{thread, time::Duration};

const PICTURE: &str = "{ source: 'test:?width=640&height=360&fps=30&gop=30' }";

fn server(more: &str) -> Server {
    let cameras = format!("cam: {PICTURE}\nrobot: {{ source: publish }}");
    let server =
        Server::start(ServerOptions { cameras, more: more.into(), ..ServerOptions::default() })
            .unwrap();
    server.wait_for_state("cam", "live").unwrap();
    server
}

fn open(server: &Server, path: &str) -> WebSocket {
    WebSocket::open(server.http(), path).unwrap()
}

fn number(message: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(message[at..at + 8].try_into().unwrap())
}

fn viewers(server: &Server) -> Vec<Value> {
    server.json("/api/v1/viewers?protocol=ws").unwrap()["viewers"].as_array().unwrap().clone()
}

#[test]
fn access_units_come_with_their_times_from_a_keyframe_on() {
    let server = server("");
    let mut socket = open(&server, "/live/cam/ws?format=units");
    let hello = socket.said("hello").unwrap();
    let id = hello["viewer"].as_str().unwrap().to_owned();
    assert_eq!((&hello["camera"], &hello["format"]), (&json!("cam"), &json!("units")));
    let tracks = socket.said("tracks").unwrap();
    let video = &tracks["tracks"][0];
    assert_eq!((&video["width"], &video["height"]), (&json!(640), &json!(360)));
    assert!(video["codec"].as_str().unwrap().starts_with("avc1."), "{video}");
    let units: Vec<_> = (0..60).map(|_| socket.binary().unwrap()).collect();
    assert!(units[0][1] & 1 == 1, "the first is a keyframe");
    for pair in units.windows(2) {
        let step = number(&pair[1], 8) - number(&pair[0], 8);
        assert!((20_000..50_000).contains(&step), "{step} µs from frame to frame");
    }
    let newest = units.last().unwrap();
    let age =
        server.json("/api/v1/time").unwrap()["server_us"].as_i64().unwrap() - number(newest, 16);
    assert!((0..2_000_000).contains(&age), "captured {age} µs ago");
    assert_eq!(newest[1] >> 4, 1, "as the sensor says");
    let length = u32::from_be_bytes(newest[24..28].try_into().unwrap()) as usize;
    assert!(length <= newest.len() - 28, "NAL units behind their lengths");

    socket.say(&json!({ "type": "ping", "t0": 7 })).unwrap();
    let pong = socket.said("pong").unwrap();
    assert!(pong["t0"] == 7 && pong["server_us"].as_i64().unwrap() > number(newest, 16));
    socket.say(&json!({ "type": "latency", "ms": 21.5 })).unwrap();
    let told = || {
        let viewer = server.json(&format!("/api/v1/viewers/{id}")).ok()?;
        (viewer["latency_ms"] == 21.5 && viewer["frames_sent"].as_u64()? >= 60).then_some(viewer)
    };
    let viewer = wait_until("the latency told", DEADLINE, told).unwrap();
    assert_eq!((&viewer["protocol"], &viewer["transport"]), (&json!("ws"), &json!("tcp")));
    drop(socket);
    wait_until("no viewer", DEADLINE, || viewers(&server).is_empty().then_some(())).unwrap();
}

#[test]
fn fragments_are_a_file_from_zero_on_with_one_frame_each() {
    let server = server("");
    let mut socket = open(&server, "/live/cam/ws?format=fmp4");
    let tracks = socket.said("tracks").unwrap();
    assert!(tracks["mime"].as_str().unwrap().starts_with("video/mp4; codecs=\"avc1."), "{tracks}");
    let init = socket.binary().unwrap();
    assert_eq!((init[0], &init[28..32]), (3, &b"ftyp"[..]));
    let fragments: Vec<_> = (0..40).map(|_| socket.binary().unwrap()).collect();
    assert_eq!(number(&fragments[0], 8), 0);
    for pair in fragments.windows(2) {
        assert_eq!((pair[0][0], &pair[0][28..32]), (4, &b"moof"[..]));
        assert!(number(&pair[1], 8) > number(&pair[0], 8));
    }
}

#[test]
fn what_cannot_be_had_is_refused_before_the_upgrade() {
    let server = server("limits: { viewers: 1 }");
    let refused = |path: &str| match WebSocket::open(server.http(), path) {
        Ok(_) => panic!("{path} was not refused"),
        Err(error) => error.to_string(),
    };
    assert!(refused("/live/cams/ws").starts_with("HTTP/1.1 404 "));
    assert!(refused("/live/cam/ws?format=avi").starts_with("HTTP/1.1 400 "));
    let plain = http::get(server.http(), "/live/cam/ws").unwrap();
    assert_eq!(
        (plain.status, &plain.json().unwrap()["error"]["code"]),
        (426, &json!("websocket_wanted"))
    );
    assert!(viewers(&server).is_empty(), "none of them has a seat");
    let mut socket = open(&server, "/live/cam/ws");
    socket.said("hello").unwrap();
    assert!(refused("/live/cam/ws").starts_with("HTTP/1.1 503 "));
    // What a page cannot read of a refused upgrade it reads of an ordinary request.
    let plain = http::get(server.http(), "/live/cam/ws").unwrap();
    assert_eq!(
        (plain.status, &plain.json().unwrap()["error"]["code"]),
        (503, &json!("too_many_viewers"))
    );
}

#[test]
fn a_camera_without_a_picture_is_told_and_the_connection_stays() {
    let server = server("");
    let mut socket = open(&server, "/live/robot/ws");
    let state = socket.said("state").unwrap();
    assert_eq!(
        (&state["state"], &state["reason"]),
        (&json!("offline"), &json!("nobody has published yet"))
    );
    let pinged =
        wait_until("a ping", DEADLINE, || matches!(socket.read(), Ok(Message::Ping)).then_some(()));
    pinged.unwrap();
}

#[test]
fn an_administrator_sends_a_viewer_away() {
    let server = server("");
    let mut socket = open(&server, "/live/cam/ws");
    let id = socket.said("hello").unwrap()["viewer"].as_str().unwrap().to_owned();
    let gone =
        http::request(server.http(), "DELETE", &format!("/api/v1/viewers/{id}"), &[], b"").unwrap();
    assert_eq!(gone.status, 202);
    let closed = wait_until("the end", DEADLINE, || match socket.read() {
        Ok(Message::Close(code)) => Some(code),
        _ => None,
    });
    assert_eq!(closed.unwrap(), 1001);
}

#[test]
fn a_viewer_that_does_not_read_skips_to_the_newest_keyframe_and_harms_nobody() {
    let cameras =
        "cam: { source: 'test:?width=1280&height=720&fps=30&gop=30&bitrate=20000000&noise=50' }";
    let server = Server::with_cameras(cameras).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    let mut slow = open(&server, "/live/cam/ws");
    let mut other = open(&server, "/live/cam/ws");
    slow.said("tracks").unwrap();
    let until = |socket: &mut WebSocket, last: i64| {
        let mut seen = 0;
        while number(&socket.binary().unwrap(), 16) < last {
            seen += 1;
        }
        seen
    };
    let begun = number(&other.binary().unwrap(), 16);
    let seen = until(&mut other, begun + 8_000_000);
    // A busy machine draws fewer than 240.
    assert!(seen >= 120, "{seen} frames within eight seconds");
    // What waited for it in buffers comes first, then what it lost is told, then it is live.
    let lost = slow.said("skipped").unwrap()["units"].as_u64().unwrap();
    let key = slow.binary().unwrap();
    assert!(lost >= 30, "{lost} units lost");
    assert_eq!(key[1] & 1, 1, "it goes on at a keyframe");
    let age =
        server.json("/api/v1/time").unwrap()["server_us"].as_i64().unwrap() - number(&key, 16);
    assert!(age < 2_000_000, "which was captured {age} µs ago");
    let skipped = |viewer: &Value| viewer["frames_skipped"].as_u64().unwrap();
    let mut counts: Vec<u64> = viewers(&server).iter().map(skipped).collect();
    counts.sort_unstable();
    assert!(counts[0] == 0 && counts[1] >= lost, "{counts:?}");
}

#[test]
fn a_peer_that_answers_no_ping_is_given_up() {
    let server = server("");
    let mut socket = open(&server, "/live/robot/ws");
    socket.answers_pings = false;
    wait_until("one viewer", DEADLINE, || (viewers(&server).len() == 1).then_some(())).unwrap();
    thread::sleep(Duration::from_secs(5));
    assert_eq!(viewers(&server).len(), 1, "not at once");
    wait_until("no viewer", Duration::from_secs(20), || viewers(&server).is_empty().then_some(()))
        .unwrap();
}
