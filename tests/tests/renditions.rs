//! One camera in two sizes: published, played, listed, broken and changed each on its own.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    DEADLINE, Player, Process, Publisher, PublisherOptions, Server, binary, command, http,
    skip_without, wait_until,
};
use serde_json::Value;

const CAMERAS: &str =
    "front: { source: publish, renditions: { sd: { source: publish, stall_after: 1s } } }";

/// A server to which both pictures of `front` are published: its own one, and one of a quarter.
fn published() -> (Server, Publisher, Publisher) {
    let server = Server::with_cameras(CAMERAS).unwrap();
    let publish = |stream: &str, width, height, bitrate| {
        let options = PublisherOptions {
            width,
            height,
            bitrate,
            fps: 20,
            gop: 20,
            ..PublisherOptions::default()
        };
        Publisher::start_with(&server.rtsp_url(stream), &options).unwrap()
    };
    let (own, sd) = (publish("front", 640, 360, 1_000_000), publish("front/sd", 320, 180, 200_000));
    server.wait_for_state("front", "live").unwrap();
    wait_for_sd(&server, "live");
    (server, own, sd)
}

/// What the camera's entry says of its only rendition.
fn sd(server: &Server) -> Value {
    let camera = server.camera("front").unwrap();
    let [sd] = camera["renditions"].as_array().unwrap().as_slice() else { panic!("{camera}") };
    assert_eq!(sd["name"], "sd");
    sd.clone()
}

fn wait_for_sd(server: &Server, state: &str) -> Value {
    wait_until(&format!("front/sd {state}"), DEADLINE, || {
        Some(sd(server)).filter(|sd| sd["state"] == state)
    })
    .unwrap()
}

/// A WHEP player that shows nothing but keeps all the rules.
fn whep(server: &Server, stream: &str) -> Process {
    let args = ["whep-load", &server.whep_url(stream), "--viewers", "1", "--seconds", "600"];
    Process::spawn("WHEP player", &mut command(binary("neverblink-bench").unwrap(), args)).unwrap()
}

/// The viewers of a protocol that were sent a second of frames, by rendition.
fn watching(server: &Server, protocol: &str) -> Vec<Option<String>> {
    let list = server.json(&format!("/api/v1/viewers?camera=front&protocol={protocol}")).unwrap();
    let sent =
        list["viewers"].as_array().unwrap().iter().filter(|v| v["frames_sent"].as_u64() > Some(20));
    let mut renditions: Vec<_> = sent.map(|v| v["rendition"].as_str().map(str::to_owned)).collect();
    renditions.sort();
    renditions
}

#[test]
fn both_are_listed_and_played_by_every_protocol() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let (server, _own, _sd) = published();
    let players = ["front", "front/sd"]
        .map(|stream| Player::ffmpeg(&server.rtsp_url(stream), "tcp").unwrap());
    let _browsers = ["front", "front/sd"].map(|stream| whep(&server, stream));
    players.iter().for_each(|player| player.wait_for_frames(40, DEADLINE).unwrap());
    for protocol in ["rtsp", "webrtc"] {
        let both = [None, Some("sd".to_owned())];
        wait_until(protocol, DEADLINE, || (watching(&server, protocol) == both).then_some(()))
            .unwrap();
    }

    let settled = |list: &Value| {
        let front = &list["cameras"][0];
        [&front["bitrate"], &front["renditions"][0]["bitrate"]]
            .iter()
            .all(|rate| rate.as_u64() > Some(50_000))
    };
    let list = wait_until("rates", DEADLINE, || {
        Some(server.json("/api/v1/cameras").unwrap()).filter(settled)
    })
    .unwrap();
    assert_eq!(list["cameras"].as_array().unwrap().len(), 1, "a rendition is no camera: {list}");
    let (front, sd) = (&list["cameras"][0], &list["cameras"][0]["renditions"][0]);
    let size = |stream: &Value| {
        (stream["tracks"][0]["width"].as_u64(), stream["tracks"][0]["height"].as_u64())
    };
    assert_eq!((size(front), size(sd)), ((Some(640), Some(360)), (Some(320), Some(180))));
    assert!(
        sd["bitrate"].as_u64() < front["bitrate"].as_u64() && sd["fps"].as_f64() > Some(10.0),
        "{list}"
    );
    assert_eq!(
        (&front["viewers"], &sd["viewers"]),
        (&4.into(), &2.into()),
        "a viewer of a rendition watches the camera"
    );
    for own in ["", r#",rendition="sd""#] {
        assert_eq!(
            server.metric(&format!("neverblink_camera_up{{camera=\"front\"{own}}}")).unwrap(),
            1.0
        );
        assert!(
            server
                .metric(&format!("neverblink_camera_frames_total{{camera=\"front\"{own}}}"))
                .unwrap()
                > 20.0
        );
    }
    assert_eq!(
        server
            .metric(r#"neverblink_viewers{camera="front",rendition="sd",protocol="webrtc"}"#)
            .unwrap(),
        1.0
    );
    let answers = ["front", "front/sd"]
        .map(|stream| http::get(server.http(), &format!("/live/{stream}/index.m3u8")).unwrap());
    for (answer, size) in answers.iter().zip(["RESOLUTION=640x360", "RESOLUTION=320x180"]) {
        assert!(
            answer.status == 200 && answer.text().contains(size),
            "{} {}",
            answer.status,
            answer.text()
        );
    }
}

#[test]
fn one_that_dies_is_told_with_its_reason_and_the_other_plays_on() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let (server, _own, mut publisher) = published();
    let player = Player::ffmpeg(&server.rtsp_url("front"), "tcp").unwrap();
    player.wait_for_frames(20, DEADLINE).unwrap();
    assert_eq!(server.json("/health").unwrap()["status"], "ok");
    publisher.kill();

    let offline = wait_for_sd(&server, "offline");
    assert!(offline["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{offline}");
    assert_eq!(server.camera("front").unwrap()["state"], "live");
    let health = server.json("/health").unwrap();
    assert_eq!(
        (&health["status"], &health["cameras"][0]["state"]),
        (&"degraded".into(), &"live".into()),
        "{health}"
    );
    assert_eq!(health["cameras"][0]["renditions"][0]["state"], "offline");
    assert_eq!(
        server.metric(r#"neverblink_camera_up{camera="front",rendition="sd"}"#).unwrap(),
        0.0
    );
    // Events are written a moment after the state has changed.
    let offline = |e: &&Value| e["kind"] == "camera_offline";
    let event = wait_until("an event about it", DEADLINE, || {
        let events = server.json("/api/v1/events?camera=front").unwrap();
        events["events"].as_array().unwrap().iter().find(offline).cloned()
    });
    assert_eq!(event.unwrap()["rendition"], "sd", "the camera's own picture has no event");
    player.wait_for_frames(40, DEADLINE).unwrap();
    assert_eq!(player.complaints(), [""; 0]);
}

#[test]
fn renditions_come_and_go_by_reload_beside_the_camera_and_its_viewers() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let picture = "'test:?width=320&height=240&fps=20'";
    let server = Server::with_cameras(&format!("front: {{ source: {picture} }}")).unwrap();
    server.wait_for_state("front", "live").unwrap();
    let (player, workers) =
        (Player::ffmpeg(&server.rtsp_url("front"), "tcp").unwrap(), server.workers());
    player.wait_for_frames(20, DEADLINE).unwrap();
    let post = |path: &str| {
        http::request(server.http(), "POST", path, &[("Content-Type", "application/sdp")], b"")
            .unwrap()
    };
    let refused = post("/live/front/low/whep").json().unwrap();
    assert_eq!(refused["error"]["code"], "rendition_not_found", "{refused}");

    let with = |renditions: &str| {
        server.yaml().replace("20' }", &format!("20', renditions: {renditions} }}"))
    };
    let low = "{ low: { source: 'test:?width=160&height=120&fps=20' } }";
    server.reload(&with(low)).unwrap();
    let entry = |width: u32| {
        wait_until(&format!("a live rendition {width} wide"), DEADLINE, || {
            let low = server.camera("front").unwrap()["renditions"][0].clone();
            (low["name"] == "low" && low["state"] == "live" && low["tracks"][0]["width"] == width)
                .then_some(low)
        })
        .unwrap();
    };
    entry(160);
    let seen = Player::ffmpeg(&server.rtsp_url("front/low"), "tcp").unwrap();
    seen.wait_for_frames(20, DEADLINE).unwrap();
    let addressed = server.camera("front%2Flow").unwrap();
    assert_eq!((&addressed["name"], &addressed["state"]), (&"low".into(), &"live".into()));
    server.reload(&with(&low.replace("160", "200"))).unwrap();
    entry(200);

    let before = player.frames();
    server.reload(&server.yaml()).unwrap();
    let renditions =
        |count| server.camera("front").unwrap()["renditions"].as_array().unwrap().len() == count;
    wait_until("no rendition", DEADLINE, || renditions(0).then_some(())).unwrap();
    wait_until("no worker but the camera's", DEADLINE, || {
        (server.workers() == workers).then_some(())
    })
    .unwrap();
    player.wait_for_frames(20, DEADLINE).unwrap();
    let front = server.camera("front").unwrap();
    assert_eq!((&front["state"], &front["restarts"]), (&"live".into(), &0.into()));
    assert!(before > 0 && player.complaints() == [""; 0], "{:?}", player.complaints());
}
