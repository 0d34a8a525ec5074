//! `stream.mp4` and `stream.ts` against ffmpeg and GStreamer, and against clients that do not read.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    DEADLINE, Flasher, Line, Process, Server, command, http, skip_without, sound_to_picture,
    sound_to_picture_for_long, wait_until,
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// How far sound and picture may be apart, in seconds.
const IN_SYNC: f64 = 0.04;

fn server() -> Server {
    Server::with_cameras("avc: { source: publish }\nhevc: { source: publish }\nown: { source: 'test:?width=640&height=360' }")
        .unwrap()
}

/// Codec names of the tracks that ffprobe finds, which must not complain.
fn probe(url: &str) -> Vec<String> {
    let args = ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", url];
    let mut ffprobe = Process::spawn("ffprobe", &mut command("ffprobe", args)).unwrap();
    ffprobe.wait(Duration::from_secs(30)).unwrap();
    let lines = ffprobe.log().lines().into_iter().filter(|l| !l.is_empty());
    let mut codecs: Vec<_> = lines.map(|l| l.trim_end_matches(',').to_owned()).collect();
    // Of transport streams, ffprobe lists the program's first.
    codecs.dedup();
    codecs.truncate(codecs.len().min(2));
    codecs
}

/// Decodes some seconds; the frames of pictures, if nothing was complained about.
fn decode(url: &str, seconds: u32) -> u64 {
    let seconds = seconds.to_string();
    let args = [
        "-hide_banner",
        "-nostdin",
        "-loglevel",
        "error",
        "-i",
        url,
        "-t",
        &seconds,
        "-enc_time_base",
        "-1",
    ];
    let mut ffmpeg = command("ffmpeg", args);
    ffmpeg.args(["-f", "null", "-progress", "pipe:1", "-nostats", "-"]);
    let mut process = Process::spawn("ffmpeg", &mut ffmpeg).unwrap();
    process.wait(Duration::from_secs(40)).unwrap();
    let lines = process.log().lines();
    let complaints: Vec<_> =
        lines.iter().filter(|l| l.contains(' ')).filter(|l| !l.contains('=')).collect();
    assert!(complaints.is_empty(), "{url}: {complaints:?}");
    lines.iter().rev().find_map(|l| l.strip_prefix("frame=")?.trim().parse().ok()).unwrap()
}

#[test]
fn ffmpeg_reads_every_output_without_a_complaint() {
    if skip_without(&["ffmpeg", "ffprobe"]) {
        return;
    }
    let server = server();
    let _avc = Flasher::h264_and_aac(&server.rtsp_url("avc")).unwrap();
    let _hevc = Flasher::h265_and_opus(&server.rtsp_url("hevc")).unwrap();
    for (camera, codecs) in
        [("avc", &["h264", "aac"][..]), ("hevc", &["hevc", "opus"]), ("own", &["h264"])]
    {
        server.wait_for_state(camera, "live").unwrap();
        for file in ["stream.mp4", "stream.ts"] {
            let url = server.url(&format!("/live/{camera}/{file}"));
            assert_eq!(probe(&url), codecs, "{url}");
            let frames = decode(&url, 3);
            assert!(frames >= 60, "{url}: {frames} frames in 3 s");
        }
    }
}

#[test]
fn sound_and_picture_stay_together() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = server();
    let _avc = Flasher::h264_and_aac(&server.rtsp_url("avc")).unwrap();
    let _hevc = Flasher::h265_and_opus(&server.rtsp_url("hevc")).unwrap();
    for camera in ["avc", "hevc"] {
        server.wait_for_state(camera, "live").unwrap();
        for file in ["stream.mp4", "stream.ts", "index.m3u8"] {
            let apart =
                sound_to_picture(&server.url(&format!("/live/{camera}/{file}")), 5).unwrap();
            eprintln!("{camera}/{file}: {:.1} ms apart", apart * 1e3);
            assert!(
                apart.abs() <= IN_SYNC,
                "{camera}/{file}: sound and picture are {apart} s apart"
            );
        }
    }
}

#[test]
#[ignore = "five minutes; ./x bench must-show progressive runs it"]
fn sound_and_picture_stay_together_for_five_minutes() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = server();
    let _avc = Flasher::h264_and_aac(&server.rtsp_url("avc")).unwrap();
    let _hevc = Flasher::h265_and_opus(&server.rtsp_url("hevc")).unwrap();
    let mut lines = Vec::new();
    std::thread::scope(|scope| {
        let mut all = Vec::new();
        for camera in ["avc", "hevc"] {
            server.wait_for_state(camera, "live").unwrap();
            let over_http = ["stream.mp4", "stream.ts", "index.m3u8"]
                .map(|file| server.url(&format!("/live/{camera}/{file}")));
            for url in over_http.into_iter().chain([server.rtsp_url(camera)]) {
                all.push((
                    url.clone(),
                    scope.spawn(move || sound_to_picture_for_long(&url, 300).unwrap()),
                ));
            }
        }
        for (url, apart) in all {
            let (first, last) = apart.join().unwrap();
            let place = url.splitn(4, '/').last().unwrap_or_default();
            let mut line = Line::new(&format!("five minutes of {place}: picture behind sound"));
            line.at_most("ms at first", first.abs() * 1e3, 40.0, 60.0).at_most(
                "ms at last",
                last.abs() * 1e3,
                40.0,
                60.0,
            );
            lines.push(line);
        }
    });
    Line::finish_all(&lines);
}

#[test]
fn gstreamer_plays_them() {
    if skip_without(&["ffmpeg", "gst-launch-1.0"]) {
        return;
    }
    let server = server();
    let _avc = Flasher::h264_and_aac(&server.rtsp_url("avc")).unwrap();
    server.wait_for_state("avc", "live").unwrap();
    for (file, demux) in [("stream.mp4", "qtdemux"), ("stream.ts", "tsdemux")] {
        let url = server.url(&format!("/live/avc/{file}"));
        let line = format!(
            "-q souphttpsrc location={url} ! {demux} ! h264parse ! avdec_h264 ! fakesink num-buffers=60 sync=false"
        );
        let mut gst =
            Process::spawn("gstreamer", &mut command("gst-launch-1.0", line.split_whitespace()))
                .unwrap();
        assert!(gst.wait(Duration::from_secs(20)).unwrap().success(), "{file}");
        let complaints: Vec<_> = gst
            .log()
            .lines()
            .into_iter()
            .filter(|l| l.contains("ERROR") || l.contains("WARN"))
            .collect();
        assert!(complaints.is_empty(), "{file}: {complaints:?}");
    }
}

fn viewers(server: &Server) -> Vec<Value> {
    server.json("/api/v1/viewers?protocol=http").unwrap()["viewers"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

#[test]
fn a_client_that_does_not_read_goes_on_at_the_newest_keyframe_and_is_listed() {
    let cameras =
        "own: { source: 'test:?width=1280&height=720&fps=30&gop=30&noise=30&bitrate=8000000' }";
    let server = Server::with_cameras(cameras).unwrap();
    server.wait_for_state("own", "live").unwrap();
    let mut stream = TcpStream::connect(server.http()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"GET /live/own/stream.ts HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut some = [0; 4096];
    stream.read_exact(&mut some).unwrap();
    assert!(
        some.starts_with(b"HTTP/1.1 200") && some.windows(10).any(|w| w == b"video/mp2t"),
        "{:?}",
        &some[..200]
    );
    let before = server.usage().unwrap().resident;
    // What the kernels between hold is full after a while; then the server must skip, not queue.
    let mut skipped = 0;
    let mut read = vec![0; 1 << 16];
    wait_until("frames skipped", Duration::from_secs(60), || {
        // A little, now and then: who takes nothing for long is disconnected, and the kernel tells
        // of room only when 64 KiB are free.
        let _ = stream.read(&mut read[..8000]);
        skipped = viewers(&server).first().and_then(|v| v["frames_skipped"].as_u64()).unwrap_or(0);
        std::thread::sleep(Duration::from_millis(200));
        (skipped > 30).then_some(())
    })
    .unwrap();
    let grown = server.usage().unwrap().resident.saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
    let viewer = &viewers(&server)[0];
    assert_eq!(
        (&viewer["camera"], &viewer["protocol"], &viewer["connected"]),
        (&"own".into(), &"http".into(), &true.into())
    );
    let id = viewer["id"].as_str().unwrap();
    let ended =
        http::request(server.http(), "DELETE", &format!("/api/v1/viewers/{id}"), &[], b"").unwrap();
    assert_eq!(ended.status, 202);
    let begun = Instant::now();
    while stream.read(&mut read).is_ok_and(|n| n > 0) {
        assert!(begun.elapsed() < DEADLINE, "it goes on although it was ended");
    }
    wait_until("nobody listed", DEADLINE, || viewers(&server).is_empty().then_some(())).unwrap();
}

#[test]
fn what_cannot_be_had_is_told() {
    let server = Server::with_cameras("front: { source: publish }").unwrap();
    let get = |path: &str| {
        let answer = http::get(server.http(), path).unwrap();
        (answer.status, answer.json().unwrap()["error"]["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(get("/live/nobody/stream.mp4"), (404, "camera_not_found".to_owned()));
    assert_eq!(get("/live/front/stream.ts"), (503, "camera_not_live".to_owned()));
    assert_eq!(get("/live/front/sd/stream.ts"), (404, "rendition_not_found".to_owned()));
}
