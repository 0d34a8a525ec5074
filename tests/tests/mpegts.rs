//! Cameras that send MPEG-TS to a UDP port.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    Process, Publisher, PublisherOptions, Server, command, free_udp_port, skip_without, wait_until,
};
use serde_json::Value;
use std::{net::UdpSocket, time::Duration};

const SOON: Duration = Duration::from_secs(20);

fn server(source: &str) -> Server {
    Server::with_cameras(&format!("uplink: {{ source: '{source}', stall_after: 1s }}")).unwrap()
}

fn options() -> PublisherOptions {
    PublisherOptions { width: 640, height: 360, transport: "mpegts", ..PublisherOptions::default() }
}

fn wait_for(server: &Server, state: &str, words: &str) -> Value {
    server.wait_for_words("uplink", state, words, SOON).unwrap()
}

fn frames(server: &Server) -> u64 {
    server.metric("neverblink_camera_frames_total{camera=\"uplink\"}").unwrap() as u64
}

#[test]
fn a_sender_that_dies_is_told_and_its_successor_is_heard_at_once() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let port = free_udp_port();
    let server = server(&format!("udp://127.0.0.1:{port}"));
    wait_for(&server, "connecting", "waiting for MPEG-TS");
    let url = format!("udp://127.0.0.1:{port}");
    let mut sender = Publisher::start_with(&url, &options()).unwrap();
    let live = wait_for(&server, "live", "");
    assert_eq!(live["tracks"][0]["codec"], "h264", "{live}");
    wait_until("a second of frames", SOON, || (frames(&server) > 30).then_some(())).unwrap();
    sender.kill();
    wait_for(&server, "stalled", "");
    let before = frames(&server);
    let _successor = Publisher::start_with(&url, &options()).unwrap();
    wait_for(&server, "live", "");
    wait_until("another second of frames", SOON, || (frames(&server) > before + 30).then_some(()))
        .unwrap();
}

#[test]
fn every_frame_that_is_sent_arrives() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let port = free_udp_port();
    let server = server(&format!("udp://127.0.0.1:{port}"));
    wait_for(&server, "connecting", "waiting for MPEG-TS");
    let mut ffmpeg = send(
        "testsrc2=size=640x360:rate=30",
        port,
        300,
        &["-c:v", "libx264", "-tune", "zerolatency", "-g", "30"],
    );
    assert!(ffmpeg.wait(Duration::from_secs(60)).unwrap().success());
    wait_until("all but the frames before the first keyframe", SOON, || {
        (frames(&server) >= 299).then_some(())
    })
    .unwrap();
}

#[test]
fn sound_and_h265_are_carried() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    for (picture, sound) in
        [(("libx264", "h264"), ("aac", "aac")), (("libx265", "h265"), ("libopus", "opus"))]
    {
        let port = free_udp_port();
        let server = server(&format!("udp://127.0.0.1:{port}"));
        wait_for(&server, "connecting", "waiting for MPEG-TS");
        let codecs = [
            "-c:v",
            picture.0,
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-g",
            "30",
            "-c:a",
            sound.0,
        ];
        let _ffmpeg = send("testsrc2=size=320x240:rate=30", port, 900, &codecs);
        wait_until("both tracks", SOON, || {
            let camera = server.camera("uplink").ok()?;
            let codecs: Vec<_> = camera["tracks"]
                .as_array()?
                .iter()
                .filter_map(|track| track["codec"].as_str())
                .collect();
            (codecs == [picture.1, sound.1] && camera["state"] == "live").then_some(())
        })
        .unwrap();
    }
}

#[test]
fn a_multicast_group_is_joined() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let port = free_udp_port();
    let server = server(&format!("udp://239.255.77.{}:{port}?interface=lo", port % 250 + 1));
    wait_for(&server, "connecting", "waiting for MPEG-TS");
    let url =
        format!("udp://239.255.77.{}:{port}?localaddr=127.0.0.1&pkt_size=1316", port % 250 + 1);
    let _sender = Publisher::start_with(&url, &options()).unwrap();
    wait_for(&server, "live", "");
}

#[test]
fn what_is_wrong_is_told_in_words() {
    let silent = free_udp_port();
    let server = server(&format!("udp://127.0.0.1:{silent}"));
    wait_for(&server, "offline", "nothing has arrived");
    let speaker = UdpSocket::bind("127.0.0.1:0").unwrap();
    wait_until("words about garbage", SOON, || {
        speaker.send_to(b"GET / HTTP/1.1\r\n\r\n", ("127.0.0.1", silent)).unwrap();
        let camera = server.camera("uplink").ok()?;
        camera["reason"].as_str()?.contains("is no MPEG-TS").then_some(())
    })
    .unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = self::server(&format!("udp://{}", taken.local_addr().unwrap()));
    wait_for(&server, "offline", "is taken");
}

/// ffmpeg sends so many frames with a tone, as users do.
fn send(picture: &str, port: u16, frames: u32, codecs: &[&str]) -> Process {
    let frames = frames.to_string();
    let mut ffmpeg = command(
        "ffmpeg",
        ["-hide_banner", "-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i", picture],
    );
    ffmpeg.args([
        "-re",
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=500:sample_rate=48000",
        "-frames:v",
        &frames,
        "-shortest",
    ]);
    ffmpeg.args(codecs).args([
        "-pix_fmt",
        "yuv420p",
        "-f",
        "mpegts",
        &format!("udp://127.0.0.1:{port}?pkt_size=1316"),
    ]);
    Process::spawn("ffmpeg", &mut ffmpeg).unwrap()
}
