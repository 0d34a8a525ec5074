//! Cameras that a command brings.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{DEADLINE, Server, skip_without, wait_until};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const FFMPEG: &str = "ffmpeg -loglevel error -re -f lavfi -i testsrc2=size=320x240:rate=30 -c:v libx264 -preset ultrafast \
                      -tune zerolatency -g 30 -pix_fmt yuv420p -metadata service_name={camera} -f mpegts -";

fn server(command: &str) -> Server {
    Server::with_cameras(&format!("odd: {{ source: \"exec:{command}\", stall_after: 2s }}")).unwrap()
}

fn wait_for(server: &Server, state: &str, words: &str) -> Value {
    let mut last = Value::Null;
    let found = wait_until(&format!("{state}: …{words}…"), SOON, || {
        last = server.camera("odd").ok()?;
        let told = last["reason"].as_str().is_some_and(|reason| reason.contains(words));
        (last["state"] == state && (words.is_empty() || told)).then(|| last.clone())
    });
    found.unwrap_or_else(|error| panic!("{error:#}; last: {last}"))
}

#[test]
fn a_command_is_a_camera_that_is_started_again_and_ends_with_the_server() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let mut server = server(FFMPEG);
    wait_for(&server, "live", "");
    wait_until("30 fps", SOON, || (server.camera("odd").ok()?["fps"].as_f64()? > 28.0).then_some(())).unwrap();
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
    wait_until("the end of what was left", SOON, || last.iter().all(|process| kill(*process, None).is_err()).then_some(()))
        .unwrap();
}

#[test]
fn the_last_words_are_the_reason_and_passwords_are_not_in_them() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = server("ffmpeg -loglevel error -i rtsp://admin:hunter22@127.0.0.1:1/x -f mpegts -");
    let offline = wait_for(&server, "offline", "Connection refused");
    let told = format!("{offline}\n{}", server.log().lines().join("\n"));
    assert!(told.contains("ffmpeg has ended with status") && !told.contains("hunter22"), "{told}");
}

#[test]
fn what_is_wrong_is_told_in_words() {
    for (command, words) in [
        ("no-such-program -x", "there is no program no-such-program: install it, or write its whole path"),
        ("cat /dev/zero", "cat writes something else than MPEG-TS: with ffmpeg, end the command with -f mpegts -"),
        ("true", "true has closed its output"),
        ("sh -c 'echo no camera here >&2; exit 3'", "sh has ended with status 3: no camera here"),
    ] {
        wait_for(&server(command), "offline", words);
    }
}
