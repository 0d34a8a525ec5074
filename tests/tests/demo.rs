//! `neverblink demo`, the first command that a user runs.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{DEADLINE, Player, Process, binary, command, http, wait_until};
use nix::sys::signal::Signal;
use std::{net::SocketAddr, path::Path};

struct Demo {
    process: Process,
    /// From the line that it prints for people.
    page: SocketAddr,
}

impl Demo {
    fn start(directory: &Path, options: &[&str]) -> Self {
        let mut command = command(binary("neverblink").unwrap(), [&["demo"], options].concat());
        let process = Process::spawn("demo", command.current_dir(directory)).unwrap();
        let address = |line: &str| {
            line.strip_prefix("Open http://")?.trim_end().strip_suffix('/')?.parse().ok()
        };
        let page = wait_until("the address of the page", DEADLINE, || {
            process.log().lines().iter().find_map(|line| address(line))
        });
        let page = page.unwrap();
        Self { process, page }
    }

    /// The size of the picture that it serves as JPEG.
    fn picture(&self) -> (u16, u16) {
        let answer = wait_until("a picture", DEADLINE, || {
            let answer = http::get(self.page, "/live/demo/snapshot.jpg").ok()?;
            (answer.status == 200).then_some(answer)
        });
        size(&answer.unwrap().body).expect("a JPEG file")
    }
}

/// Of a JPEG file: from its head of a frame (ITU-T T.81, B.2.2).
fn size(jpeg: &[u8]) -> Option<(u16, u16)> {
    let mut rest = jpeg.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let [0xff, marker, high, low, ..] = *rest else { return None };
        if let (0xc0..=0xc2, [_, h1, h0, w1, w0, ..]) = (marker, rest.get(4..)?) {
            return Some((u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0])));
        }
        rest = rest.get(2 + usize::from(u16::from_be_bytes([high, low]))..)?;
    }
}

#[test]
fn two_demos_without_any_option_show_a_page_and_a_picture_and_leave_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    // The usual ports may be taken, here by the first: then the other takes free ones.
    let mut demos = [0, 1].map(|_| Demo::start(directory.path(), &[]));
    assert_ne!(demos[0].page, demos[1].page);
    for demo in &mut demos {
        assert!(demo.page.ip().is_loopback(), "a demo is for this machine only: {}", demo.page);
        let page = http::get(demo.page, "/").unwrap();
        assert_eq!(page.status, 200);
        assert!(page.header("content-type").unwrap().starts_with("text/html"), "{page:?}");
        assert_eq!(demo.picture(), (1280, 720));
        let health = http::get(demo.page, "/health").unwrap().json().unwrap();
        assert_eq!(health["cameras"][0]["name"], "demo", "{health}");
        demo.process.signal(Signal::SIGINT).unwrap();
        assert!(demo.process.wait(DEADLINE).unwrap().success());
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "no files are left");
}

#[test]
fn a_demo_listens_and_shows_what_its_options_say() {
    if harness::skip_without(&["ffmpeg"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let any = "127.0.0.1:0";
    let options = ["--http", any, "--rtsp", any, "--webrtc", any];
    let source = ["--source", "test:?width=320&height=180&fps=15"];
    let demo = Demo::start(directory.path(), &[&options[..], &source].concat());
    assert_eq!(demo.picture(), (320, 180));
    let listening = demo
        .process
        .log()
        .wait_for_line("its ports", DEADLINE, |line| line.contains(" listening "));
    let listening = listening.unwrap();
    let (_, rtsp) = listening.split_once("rtsp=\"").unwrap();
    let (rtsp, _) = rtsp.split_once('"').unwrap();
    let player = Player::ffmpeg(&format!("rtsp://{rtsp}/demo"), "tcp").unwrap();
    player.wait_for_frames(15, DEADLINE).unwrap();
}
