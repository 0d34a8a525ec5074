//! The RTSP port against ffmpeg and GStreamer: publishing, playing, and everything that goes wrong
//! in between.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    DEADLINE, Flasher, Player, Process, Server, command, skip_without, sound_to_picture, wait_until,
};
use nix::sys::signal::Signal;
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

const TOOLS: [&str; 2] = ["ffmpeg", "gst-launch-1.0"];

fn server() -> Server {
    Server::with_cameras("front: { source: publish }\nown: { source: \"test:\" }").unwrap()
}

/// ffmpeg with frames exactly 1/30 s apart in its timestamps, however busy the machine.
fn publisher(server: &Server, transport: &str) -> Process {
    let mut ffmpeg = command(
        "ffmpeg",
        ["-hide_banner", "-loglevel", "warning", "-nostdin", "-re", "-f", "lavfi", "-i"],
    );
    ffmpeg.args([
        "testsrc2=size=1280x720:rate=30",
        "-g",
        "30",
        "-pix_fmt",
        "yuv420p",
        "-b:v",
        "2500k",
        "-maxrate",
        "2500k",
    ]);
    ffmpeg.args(["-bufsize", "600k"]).args(H264).args([
        "-f",
        "rtsp",
        "-rtsp_transport",
        transport,
        &server.rtsp_url("front"),
    ]);
    let publisher = Process::spawn("publisher", &mut ffmpeg).unwrap();
    server.wait_for_state("front", "live").unwrap();
    publisher
}

/// Frames published so far.
fn published(server: &Server) -> u64 {
    server.metric(r#"neverblink_camera_frames_total{camera="front""#).unwrap() as u64
}

/// Asserts that these players decode what is published while `meanwhile` runs: 29.5 of every 30
/// frames at least. On a busy machine the encoder may fall behind, but nobody behind it may.
fn misses_nothing(server: &Server, players: &[(&'static str, &Player)], meanwhile: impl FnOnce()) {
    players.iter().for_each(|(_, p)| p.wait_for_frames(30, DEADLINE).unwrap());
    let before: Vec<_> = players.iter().map(|(_, p)| p.frames()).collect();
    let (published_before, start) = (published(server), Instant::now());
    meanwhile();
    let after: Vec<_> = players.iter().map(|(_, p)| p.frames()).collect();
    let published = published(server) - published_before;
    eprintln!("{:.2} fps published", published as f64 / start.elapsed().as_secs_f64());
    for (((name, player), before), after) in players.iter().zip(before).zip(after) {
        // Players report ten times a second, and decode some frames late.
        assert!(
            (after - before + 5) as f64 >= published as f64 * 29.5 / 30.0,
            "{name}: {} of {published}",
            after - before
        );
        assert_eq!(player.complaints(), [""; 0], "{name}");
    }
}

/// ffmpeg and GStreamer, each over TCP and UDP.
fn players(url: &str) -> [(&'static str, Player); 4] {
    [
        ("ffmpeg tcp", Player::ffmpeg(url, "tcp").unwrap()),
        ("ffmpeg udp", Player::ffmpeg(url, "udp").unwrap()),
        ("gstreamer tcp", Player::gstreamer(url, "tcp").unwrap()),
        ("gstreamer udp", Player::gstreamer(url, "udp").unwrap()),
    ]
}

fn plays_for_20_s_without_a_complaint(publish: &'static str) {
    if skip_without(&TOOLS) {
        return;
    }
    let server = server();
    let _publisher = publisher(&server, publish);
    let players = players(&server.rtsp_url("front"));
    let all: Vec<_> = players.iter().map(|(name, p)| (*name, p)).collect();
    misses_nothing(&server, &all, || std::thread::sleep(Duration::from_secs(20)));
    let viewers = server.camera("front").unwrap()["viewers"].clone();
    assert_eq!(viewers, 4, "all four are counted");
    assert_eq!(
        server.metric(r#"neverblink_viewers{camera="front",protocol="rtsp"}"#).unwrap(),
        4.0
    );
    let sent = server
        .metric(r#"neverblink_viewer_frames_sent_total{camera="front",protocol="rtsp"}"#)
        .unwrap();
    assert!(sent >= 4.0 * 20.0 * 20.0, "{sent} frames were counted as sent");
    let listed = server.json("/api/v1/viewers?protocol=rtsp").unwrap()["viewers"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(listed.len(), 4, "all four are listed");
    for viewer in &listed {
        let rate = viewer["bitrate"].as_f64().unwrap();
        assert!((1e6..5e6).contains(&rate), "{viewer}");
        if viewer["transport"] == "udp" {
            assert!(
                viewer["loss"].as_f64().is_some_and(|loss| loss < 0.01),
                "both report what they lose: {viewer}"
            );
            assert!(viewer["rtt_ms"].as_f64().is_some_and(|ms| ms < 200.0), "{viewer}");
        }
    }
}

#[test]
fn published_over_tcp_plays_for_20_s_without_a_complaint() {
    plays_for_20_s_without_a_complaint("tcp");
}

#[test]
fn published_over_udp_plays_for_20_s_without_a_complaint() {
    plays_for_20_s_without_a_complaint("udp");
}

/// Frame sizes and codecs as ffprobe sees them, one line a stream.
fn probe(url: &str, transport: &str) -> Vec<String> {
    let fields = [
        "-show_entries",
        "stream=codec_name,width,height,sample_rate,channels",
        "-of",
        "compact=p=0:nk=1",
        url,
    ];
    let mut ffprobe = command("ffprobe", ["-v", "error", "-rtsp_transport", transport]);
    let mut process = Process::spawn("ffprobe", ffprobe.args(fields)).unwrap();
    assert!(process.wait(DEADLINE).unwrap().success());
    process.log().lines()
}

/// Publishes with these codecs and asks what comes out.
fn carries(codecs: &[&str], expected: &[&str]) {
    if skip_without(&["ffmpeg", "ffprobe"]) {
        return;
    }
    let server = server();
    let url = server.rtsp_url("front");
    let mut ffmpeg = command(
        "ffmpeg",
        ["-hide_banner", "-loglevel", "warning", "-nostdin", "-re", "-f", "lavfi", "-i"],
    );
    ffmpeg.args([
        "testsrc2=size=320x240:rate=15",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=440:sample_rate=48000",
    ]);
    ffmpeg.args(["-g", "15", "-pix_fmt", "yuv420p"]).args(codecs).args([
        "-f",
        "rtsp",
        "-rtsp_transport",
        "tcp",
        &url,
    ]);
    let _ffmpeg = Process::spawn("ffmpeg", &mut ffmpeg).unwrap();
    server.wait_for_state("front", "live").unwrap();
    for transport in ["tcp", "udp"] {
        assert_eq!(probe(&url, transport), expected, "{transport}");
    }
}

const H264: [&str; 6] = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"];

#[test]
fn carries_h265_and_aac() {
    let codecs = [
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-x265-params",
        "log-level=error",
        "-c:a",
        "aac",
    ];
    carries(&codecs, &["hevc|320|240", "aac|48000|1"]);
}

#[test]
fn carries_h264_and_opus() {
    carries(
        &[&H264[..], &["-c:a", "libopus", "-ac", "2"]].concat(),
        &["h264|320|240", "opus|48000|2"],
    );
}

#[test]
fn carries_h264_and_g711() {
    carries(
        &[&H264[..], &["-c:a", "pcm_alaw", "-ar", "8000"]].concat(),
        &["h264|320|240", "pcm_alaw|8000|1"],
    );
}

#[test]
fn carries_sound_alone() {
    carries(&["-map", "1", "-c:a", "pcm_mulaw", "-ar", "8000"], &["pcm_mulaw|8000|1"]);
}

/// Tries to publish a short clip with these options; gives what ffmpeg said when it gave up.
fn refused(url: &str, options: &[&str]) -> String {
    let mut ffmpeg = command(
        "ffmpeg",
        ["-hide_banner", "-loglevel", "warning", "-nostdin", "-re", "-f", "lavfi", "-i"],
    );
    ffmpeg.args([
        "testsrc2=size=320x240:rate=15",
        "-f",
        "lavfi",
        "-i",
        "sine=sample_rate=48000",
        "-g",
        "15",
        "-pix_fmt",
        "yuv420p",
    ]);
    ffmpeg.args(options).args(["-f", "rtsp", "-rtsp_transport", "tcp", url]);
    let mut process = Process::spawn("ffmpeg", &mut ffmpeg).unwrap();
    assert!(!process.wait(DEADLINE).unwrap().success());
    process.log().lines().join("\n")
}

#[test]
fn other_codecs_are_refused_by_name() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = server();
    let url = server.rtsp_url("front");
    let said = refused(&url, &["-map", "0", "-c:v", "libvpx", "-deadline", "realtime"]);
    assert!(said.contains("415") && said.contains("VP8"), "{said}");
    let said = refused(&url, &[&H264[..], &["-c:a", "libmp3lame"]].concat());
    assert!(said.contains("415") && said.contains("MPA"), "{said}");
    assert_eq!(server.camera("front").unwrap()["state"], "offline");
}

#[test]
fn only_cameras_that_wait_for_it_can_be_published_and_only_known_ones_played() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = server();
    let said = refused(&server.rtsp_url("own"), &[&["-map", "0"], &H264[..]].concat());
    assert!(
        said.contains("405") && said.contains("camera own takes its picture from its own source"),
        "{said}"
    );
    let said = refused(&server.rtsp_url("frond"), &[&["-map", "0"], &H264[..]].concat());
    assert!(said.contains("404") && said.contains("no camera named"), "{said}");
    let mut player = Player::ffmpeg(&server.rtsp_url("frond"), "tcp").unwrap();
    player.process().wait(DEADLINE).unwrap();
    let said = player.complaints().join("\n");
    assert!(said.contains("404") && said.contains("frond"), "{said}");
}

#[test]
fn a_second_live_publisher_is_refused_and_the_first_never_notices() {
    if skip_without(&TOOLS) {
        return;
    }
    let server = server();
    let _publisher = publisher(&server, "tcp");
    let player = Player::ffmpeg(&server.rtsp_url("front"), "tcp").unwrap();
    player.wait_for_frames(1, DEADLINE).unwrap();
    let said = refused(&server.rtsp_url("front"), &[&["-map", "0"], &H264[..]].concat());
    assert!(
        said.contains("403") && said.contains("already published by rtsp publisher 127.0.0.1:"),
        "{said}"
    );
    player.wait_for_frames(30, DEADLINE).unwrap();
    assert_eq!(player.complaints(), [""; 0]);
}

fn players_outlive_a_killed_publisher(transport: &'static str) {
    if skip_without(&TOOLS) {
        return;
    }
    let server = server();
    let mut first = publisher(&server, transport);
    let players = players(&server.rtsp_url("front"));
    players.iter().for_each(|(_, p)| p.wait_for_frames(60, DEADLINE).unwrap());
    first.kill();
    let offline = server.wait_for_state("front", "offline").unwrap();
    assert!(offline["reason"].as_str().unwrap().contains("rtsp publisher 127.0.0.1"), "{offline}");
    // Clients that hear nothing for some seconds must hear something again when it is back.
    std::thread::sleep(Duration::from_secs(8));
    let before: Vec<_> = players.iter().map(|(_, p)| p.frames()).collect();
    let _second = publisher(&server, transport);
    let live = Instant::now();
    for ((name, player), before) in players.iter().zip(before) {
        let more = || (player.frames() > before).then_some(());
        wait_until(&format!("{name} going on"), DEADLINE, more).unwrap();
        eprintln!("{name} shows the new publisher {:?} after its first frame", live.elapsed());
    }
    assert!(live.elapsed() < Duration::from_secs(2), "{:?}", live.elapsed());
    players.iter().for_each(|(_, p)| p.wait_for_frames(60, DEADLINE).unwrap());
    assert_eq!(server.camera("front").unwrap()["viewers"], 4, "the same sessions");
}

#[test]
fn players_outlive_a_killed_publisher_over_tcp() {
    players_outlive_a_killed_publisher("tcp");
}

#[test]
fn players_outlive_a_killed_publisher_over_udp() {
    players_outlive_a_killed_publisher("udp");
}

#[test]
fn a_player_that_waits_for_the_first_publisher_gets_it() {
    if skip_without(&TOOLS) {
        return;
    }
    let server = server();
    let player = Player::ffmpeg(&server.rtsp_url("front"), "tcp").unwrap();
    server.wait_for_waiter("front").unwrap();
    let _publisher = publisher(&server, "tcp");
    player.wait_for_frames(30, DEADLINE).unwrap();
}

#[test]
fn gstreamer_publishes() {
    let plugin =
        || Process::start("gst-inspect-1.0", "gst-inspect-1.0", ["--exists", "rtspclientsink"]);
    if skip_without(&TOOLS) || !plugin().unwrap().wait(DEADLINE).unwrap().success() {
        return harness::skip("GStreamer's rtspclientsink is not installed");
    }
    for transport in ["tcp", "udp"] {
        let server = server();
        let line = format!(
            "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! x264enc tune=zerolatency key-int-max=30 \
             ! h264parse ! rtspclientsink protocols={transport} location={}",
            server.rtsp_url("front")
        );
        let _publisher =
            Process::start("GStreamer publisher", "gst-launch-1.0", line.split_whitespace())
                .unwrap();
        server.wait_for_state("front", "live").unwrap();
        let player = Player::gstreamer(&server.rtsp_url("front"), transport).unwrap();
        player.wait_for_frames(90, DEADLINE).unwrap();
        assert_eq!(player.complaints(), [""; 0]);
    }
}

#[test]
fn a_stopped_reader_costs_nobody_anything_and_goes_on() {
    if skip_without(&TOOLS) {
        return;
    }
    let server = server();
    let _publisher = publisher(&server, "tcp");
    let url = server.rtsp_url("front");
    let mut stopped = Player::ffmpeg(&url, "tcp").unwrap();
    let others = [Player::ffmpeg(&url, "tcp").unwrap(), Player::gstreamer(&url, "udp").unwrap()];
    stopped.wait_for_frames(60, DEADLINE).unwrap();
    let memory = server.usage().unwrap().resident;
    misses_nothing(&server, &[("ffmpeg", &others[0]), ("gstreamer", &others[1])], || {
        stopped.process().signal(Signal::SIGSTOP).unwrap();
        std::thread::sleep(Duration::from_secs(30));
    });
    let grown = server.usage().unwrap().resident.saturating_sub(memory);
    // The ring holds 10 s of 2.5 Mbit/s, about 3 MB; its bound is 32 MiB.
    assert!(grown < 16 << 20, "{grown} bytes more");
    stopped.process().signal(Signal::SIGCONT).unwrap();
    stopped.wait_for_frames(150, DEADLINE).unwrap();
    server
        .log()
        .wait_for("the reader's skipping", DEADLINE, |e| e["units"].as_u64() > Some(0))
        .unwrap();
}

/// Sends `bytes` and gives what comes back until the server hangs up.
fn answer_to(server: &Server, bytes: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(server.rtsp())?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    // A reset instead of an orderly end is fine: more was sent than is read.
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn garbage_and_crowds_disturb_nobody() {
    if skip_without(&TOOLS) {
        return;
    }
    let server = server();
    let _publisher = publisher(&server, "tcp");
    let player = Player::ffmpeg(&server.rtsp_url("front"), "tcp").unwrap();
    player.wait_for_frames(30, DEADLINE).unwrap();
    let before = server.usage().unwrap();
    misses_nothing(&server, &[("ffmpeg", &player)], || disturb(&server).unwrap());
    let settled = || (server.usage().ok()?.descriptors <= before.descriptors).then_some(());
    wait_until("all connections being closed", DEADLINE, settled).unwrap();
    let grown = server.usage().unwrap().resident.saturating_sub(before.resident);
    assert!(grown < 16 << 20, "{grown} bytes more");
}

fn disturb(server: &Server) -> io::Result<()> {
    let long = [b"OPTIONS * RTSP/1.0\r\nX: ".to_vec(), vec![b'x'; 20_000]].concat();
    assert!(answer_to(server, &long)?.starts_with("RTSP/1.0 400 "));
    assert!(answer_to(server, b"\0\x01\x02garbage")?.starts_with("RTSP/1.0 400 "));
    let body = b"ANNOUNCE rtsp://h/front RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 1000000\r\n\r\n";
    assert!(answer_to(server, body)?.starts_with("RTSP/1.0 413 "));
    for i in 0..10_000 {
        let mut stream = TcpStream::connect(server.rtsp())?;
        if i % 3 == 0 {
            stream.write_all(b"DESCRIBE rtsp://h/front RTSP/1.0\r\nCSeq: 1\r\n\r\n")?;
        }
    }
    Ok(())
}

#[test]
fn sound_and_picture_stay_together_for_a_player_of_rtsp() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server =
        Server::with_cameras("avc: { source: publish }\nhevc: { source: publish }").unwrap();
    let _avc = Flasher::h264_and_aac(&server.rtsp_url("avc")).unwrap();
    let _hevc = Flasher::h265_and_opus(&server.rtsp_url("hevc")).unwrap();
    for camera in ["avc", "hevc"] {
        server.wait_for_state(camera, "live").unwrap();
        let apart = sound_to_picture(&server.rtsp_url(camera), 6).unwrap();
        eprintln!("{camera}: {:.1} ms apart", apart * 1e3);
        assert!(apart.abs() <= 0.04, "{camera}: sound and picture are {apart} s apart");
    }
}
