//! What ffmpeg 5.1 and GStreamer 1.22 sent to this server (`tests/data/rtsp`), replayed in pieces
//! of any size.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use media::Mono;
use proptest::prelude::*;
use proto::{
    rtsp::{Answer, Ask, Event, Lower, Options, Question, Server, StreamInfo},
    sdp,
};
use std::path::Path;

/// What a conversation came to.
#[derive(Default, PartialEq, Eq, Debug)]
struct Outcome {
    answers: String,
    asked: Vec<&'static str>,
    rtp: usize,
    rtcp: usize,
    ended: bool,
}

fn transcript(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/rtsp/{name}.bin")))
        .unwrap()
}

/// The name of the session that the server gave when the transcript was made.
fn session_of(transcript: &[u8]) -> String {
    let text = String::from_utf8_lossy(transcript);
    let line = text.lines().find_map(|l| l.strip_prefix("Session: ")).unwrap();
    line.split(';').next().unwrap().trim().to_owned()
}

fn host(question: &Question, asked: &mut Vec<&'static str>) -> Answer {
    assert_eq!(question.name, "cam");
    let (what, answer) = match &question.ask {
        Ask::Describe => ("describe", Answer::Description("v=0\r\n".into())),
        Ask::Announce(description) => {
            let media = sdp::parse_announce(description).unwrap();
            ("announce", Answer::Announced(media.into_iter().map(|m| m.control.unwrap()).collect()))
        }
        Ask::Setup { track, lower, .. } => {
            let ports = matches!(lower, Lower::Udp { .. }).then_some((6000, 6001));
            ("setup", Answer::Setup { track: track.unwrap(), ssrc: None, ports })
        }
        Ask::Play => {
            ("play", Answer::Playing(vec![StreamInfo { track: 0, sequence: 1, timestamp: None }]))
        }
        Ask::Record => ("record", Answer::Recording),
    };
    asked.push(what);
    answer
}

fn replay(transcript: &[u8], cuts: &[usize]) -> Outcome {
    let now = Mono::from_nanos(1);
    let session = session_of(transcript);
    // The first session of a connection has its name and a 1.
    let mut server = Server::new(now, Options::new(session.strip_suffix('1').unwrap()));
    let (mut outcome, mut rest, mut cuts) = (Outcome::default(), transcript, cuts.iter().cycle());
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
        rest = later;
        server.handle_input(now, piece);
        while let Some(event) = server.poll_event() {
            match event {
                Event::Question(question) => {
                    server.answer(now, host(&question, &mut outcome.asked));
                }
                Event::Data { rtcp: true, .. } => outcome.rtcp += 1,
                Event::Data { rtcp: false, .. } => outcome.rtp += 1,
                Event::Paused => outcome.asked.push("pause"),
                Event::Ended(_) => outcome.ended = true,
                Event::Closed(reason) => panic!("{reason}"),
            }
        }
        while let Some(answer) = server.poll_output() {
            outcome.answers += std::str::from_utf8(&answer).unwrap();
        }
    }
    assert_eq!(server.stray_frames(), 0);
    outcome
}

fn granted(name: &str, asked: &[&str]) -> Outcome {
    let outcome = replay(&transcript(name), &[usize::MAX]);
    assert_eq!(outcome.asked, asked, "{name}");
    assert!(!outcome.answers.is_empty());
    let statuses: Vec<_> = outcome.answers.lines().filter(|l| l.starts_with("RTSP/1.0 ")).collect();
    assert!(statuses.iter().all(|s| *s == "RTSP/1.0 200 OK"), "{name}: {statuses:?}");
    outcome
}

#[test]
fn players() {
    for name in ["ffmpeg-play-tcp", "ffmpeg-play-udp", "gstreamer-play-tcp", "gstreamer-play-udp"] {
        let outcome = granted(name, &["describe", "setup", "setup", "play"]);
        assert!(outcome.ended && outcome.rtp == 0, "{name}");
    }
}

#[test]
fn publishers() {
    let outcome = granted("ffmpeg-publish-tcp", &["announce", "setup", "setup", "record"]);
    assert!(
        outcome.rtp > 20 && outcome.rtcp > 0 && outcome.ended,
        "{} {}",
        outcome.rtp,
        outcome.rtcp
    );
    let outcome = granted("ffmpeg-publish-udp", &["announce", "setup", "setup", "record"]);
    assert!(outcome.ended);
    let outcome = granted("gstreamer-publish-tcp", &["announce", "setup", "record", "pause"]);
    assert!(
        outcome.rtp > 20 && outcome.rtcp > 0 && outcome.ended,
        "{} {}",
        outcome.rtp,
        outcome.rtcp
    );
    granted("gstreamer-publish-udp", &["announce", "setup", "record", "pause"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn pieces_of_any_size(cuts in prop::collection::vec(1usize..400, 1..20)) {
        for name in ["ffmpeg-publish-tcp", "gstreamer-publish-tcp", "gstreamer-play-tcp"] {
            let bytes = transcript(name);
            prop_assert_eq!(replay(&bytes, &cuts), replay(&bytes, &[usize::MAX]));
        }
    }
}
