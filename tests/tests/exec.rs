//! Cameras that a command brings.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{DEADLINE, Server, skip_without, wait_until};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);
const FFMPEG: &str = "ffmpeg -loglevel error -re -f lavfi -i testsrc2=size=320x240:rate=30 -c:v libx264 -preset ultrafast \
                      -tune zerolatency -g 30 -pix_fmt yuv420p -metadata service_name={camera} -f mpegts -";

fn server(command: &str) -> Server {
    Server::with_cameras(&format!("odd: {{ source: \"exec:{command}\", stall_after: 2s }}"))
        .unwrap()
}

fn wait_for(server: &Server, state: &str, words: &str) -> Value {
    server.wait_for_words("odd", state, words, SOON).unwrap()
}

#[test]
fn a_command_is_a_camera_that_is_started_again_and_ends_with_the_server() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let mut server = server(FFMPEG);
    wait_for(&server, "live", "");
    wait_until("30 fps", SOON, || {
        (server.camera("odd").ok()?["fps"].as_f64()? > 28.0).then_some(())
    })
    .unwrap();
    let first = server.workers();
    assert_eq!(first.len(), 1);
    kill(first[0], Signal::SIGKILL).unwrap();
    wait_for(&server, "offline", "ffmpeg was killed by SIGKILL");
    wait_for(&server, "live", "");
    kill(server.workers()[0], Signal::SIGSTOP).unwrap();
    wait_for(&server, "stalled", "no frame for 2 s");
    wait_for(&server, "live", "");
    let last = server.workers();
    server.process().terminate(DEADLINE).unwrap();
    wait_until("the end of what was left", SOON, || {
        last.iter().all(|process| kill(*process, None).is_err()).then_some(())
    })
    .unwrap();
}

#[test]
fn the_last_words_are_the_reason_and_passwords_are_not_in_them() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server =
        server("ffmpeg -loglevel error -i rtsp://admin:hunter22@127.0.0.1:1/x -f mpegts -");
    let offline = wait_for(&server, "offline", "Connection refused");
    let told = format!("{offline}\n{}", server.log().lines().join("\n"));
    assert!(told.contains("ffmpeg has ended with status") && !told.contains("hunter22"), "{told}");
}

#[test]
fn what_is_wrong_is_told_in_words() {
    for (command, words) in [
        (
            "no-such-program -x",
            "there is no program no-such-program: install it, or write its whole path",
        ),
        (
            "cat /dev/zero",
            "cat writes nothing that is known here: with ffmpeg, end the command with -f mpegts -",
        ),
        ("true", "true has closed its output"),
        ("sh -c 'echo no camera here >&2; exit 3'", "sh has ended with status 3: no camera here"),
        (
            r"printf 'FLV\\001\\005\\000\\000\\000\\011\\000\\000\\000\\000garbage garbage'",
            "printf writes broken FLV: something else than an FLV tag at byte 13",
        ),
    ] {
        wait_for(&server(command), "offline", words);
    }
}

/// ffmpeg with a picture and a tone at 30 fps.
fn ffmpeg(options: &str) -> String {
    format!(
        "ffmpeg -loglevel error -re -f lavfi -i testsrc2=size=320x240:rate=30 -re -f lavfi -i sine=sample_rate=48000 -preset ultrafast \
         -tune zerolatency -g 30 -pix_fmt yuv420p {options} -"
    )
}

#[test]
fn whatever_ffmpeg_writes_is_recognised_and_every_frame_of_it_arrives() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let fragments = "-f mp4 -movflags frag_every_frame+empty_moov+default_base_moof";
    let kinds = [
        ("h264", "-c:v libx264 -an -f h264".to_owned(), vec!["h264"]),
        (
            "delimited",
            "-c:v libx264 -x264-params aud=1:slices=4 -an -f h264".to_owned(),
            vec!["h264"],
        ),
        ("h265", "-c:v libx265 -x265-params log-level=error -an -f hevc".to_owned(), vec!["h265"]),
        ("ts", "-c:v libx264 -c:a libopus -f mpegts".to_owned(), vec!["h264", "opus"]),
        ("flv", "-c:v libx264 -c:a aac -ar 44100 -f flv".to_owned(), vec!["h264", "aac"]),
        ("mp4", format!("-c:v libx264 -c:a aac {fragments}"), vec!["h264", "aac"]),
        ("mkv", "-c:v libx264 -c:a libopus -f matroska".to_owned(), vec!["h264", "opus"]),
        ("mjpeg", "-c:v mjpeg -pix_fmt yuvj420p -an -f mjpeg".to_owned(), vec!["mjpeg"]),
        ("parts", "-c:v mjpeg -pix_fmt yuvj420p -an -f mpjpeg".to_owned(), vec!["mjpeg"]),
    ];
    for kinds in kinds.chunks(3) {
        let camera = |(name, options, _): &(&str, String, _)| {
            format!("{name}: {{ source: \"exec:{}\", stall_after: 2s }}\n", ffmpeg(options))
        };
        let server = Server::with_cameras(&kinds.iter().map(camera).collect::<String>()).unwrap();
        for (name, _, codecs) in kinds {
            let mut last = Value::Null;
            let tracks = wait_until(&format!("all tracks of {name}"), SOON, || {
                last = server.camera(name).ok()?;
                let tracks = last["tracks"]
                    .as_array()?
                    .iter()
                    .map(|track| track["codec"].as_str())
                    .collect::<Option<Vec<_>>>()?;
                (last["state"] == "live" && tracks == *codecs).then_some(())
            });
            tracks.unwrap_or_else(|error| panic!("{error:#}; last: {last}"));
        }
        let frames = |name: &str| {
            server.metric(&format!("neverblink_camera_frames_total{{camera=\"{name}\"}}")).unwrap()
        };
        let before = kinds.iter().map(|(name, ..)| frames(name)).collect::<Vec<_>>();
        let began = Instant::now();
        wait_until("two seconds", SOON, || {
            (began.elapsed() > Duration::from_secs(2)).then_some(())
        })
        .unwrap();
        for ((name, ..), before) in kinds.iter().zip(before) {
            let got = frames(name) - before;
            let sent = began.elapsed().as_secs_f64() * 30.0;
            assert!((got - sent).abs() < 0.1 * sent, "{name}: {got} of {sent} frames");
        }
    }
}

#[test]
fn no_frame_of_a_bare_stream_waits_for_the_next() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    // Two frames a second: one that waited would be half a second old.
    let command = "ffmpeg -loglevel error -re -f lavfi -i testsrc2=size=320x240:rate=2 -c:v libx264 -preset ultrafast -tune zerolatency \
                   -g 2 -pix_fmt yuv420p -flush_packets 1 -frames:v 4 -f h264 -";
    let server = server(&format!("sh -c '{command}; sleep 60'"));
    wait_until("all of four frames, of which none follows the last", SOON, || {
        (server.metric("neverblink_camera_frames_total{camera=\"odd\"}").ok()? >= 4.0).then_some(())
    })
    .unwrap();
}

#[test]
fn what_is_written_can_be_told() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    // Begins in the middle of a unit, as what joins a running stream.
    let command = format!("sh -c '{} | tail -c +3'", ffmpeg("-c:v libx264 -an -f h264"));
    let cameras = format!("odd: {{ source: \"exec+h264:{command}\" }}");
    let server = Server::with_cameras(&cameras).unwrap();
    wait_for(&server, "live", "");
}
