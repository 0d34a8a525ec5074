//! Whole conversations in virtual time.

use super::*;
use crate::rtsp::Lower;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn at(secs: u64) -> Mono {
    Mono::from_nanos(secs * SECOND)
}

fn server() -> Server {
    Server::new(at(0), Options::new("abc"))
}

/// A request with a CSeq and these further header lines.
fn request(line: &str, fields: &str) -> Vec<u8> {
    let fields: String =
        fields.split('|').filter(|f| !f.is_empty()).map(|f| format!("{f}\r\n")).collect();
    format!("{line} RTSP/1.0\r\nCSeq: 7\r\n{fields}\r\n").into_bytes()
}

/// Sends a request, lets `host` decide, gives the answer's text and the events.
fn exchange(
    s: &mut Server,
    request: &[u8],
    host: impl Fn(&Question) -> Answer,
) -> (String, Vec<Event>) {
    s.handle_input(s.now, request);
    let (mut out, mut events) = (String::new(), Vec::new());
    loop {
        let event = s.poll_event();
        while let Some(bytes) = s.poll_output() {
            out += std::str::from_utf8(&bytes).unwrap();
        }
        match event {
            Some(Event::Question(q)) => s.answer(s.now, host(&q)),
            Some(event) => events.push(event),
            None if s.output.is_empty() => return (out, events),
            None => {}
        }
    }
}

/// A host that grants everything.
fn yes(q: &Question) -> Answer {
    match &q.ask {
        Ask::Describe => Answer::Description("v=0\r\n".into()),
        Ask::Announce(_) => Answer::Announced(vec!["streamid=0".into(), "streamid=1".into()]),
        Ask::Setup { track, lower, usage } => Answer::Setup {
            track: track.unwrap_or(0),
            ssrc: (*usage == Usage::Play).then_some(0x1234),
            ports: matches!(lower, Lower::Udp { .. }).then_some((6000, 6001)),
        },
        Ask::Play => {
            Answer::Playing(vec![StreamInfo { track: 0, sequence: 9, timestamp: Some(90) }])
        }
        Ask::Record => Answer::Recording,
    }
}

fn status(s: &mut Server, line: &str, fields: &str) -> u16 {
    exchange(s, &request(line, fields), yes).0[9..12].parse().unwrap()
}

const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
const ID: &str = "Session: abc1";

fn playing() -> Server {
    let mut s = server();
    assert_eq!(status(&mut s, "SETUP rtsp://h/cam/trackID=0", TCP), 200);
    assert_eq!(status(&mut s, "PLAY rtsp://h/cam/", ID), 200);
    s
}

fn recording() -> Server {
    let mut s = server();
    assert_eq!(status(&mut s, "ANNOUNCE rtsp://h/cam", ""), 200);
    assert_eq!(status(&mut s, "SETUP rtsp://h/cam/streamid=0", TCP), 200);
    assert_eq!(status(&mut s, "RECORD rtsp://h/cam", ID), 200);
    s
}

#[test]
fn plays_over_tcp() {
    let mut s = server();
    let (text, _) = exchange(&mut s, &request("OPTIONS *", ""), yes);
    assert!(
        text.starts_with("RTSP/1.0 200 OK\r\n")
            && text.contains("Public: OPTIONS, DESCRIBE, ANNOUNCE"),
        "{text}"
    );
    let (text, _) = exchange(&mut s, &request("DESCRIBE rtsp://u:secret@h:8554/cam?x=1", ""), yes);
    assert!(
        text.contains("Content-Base: rtsp://h:8554/cam/\r\n") && text.ends_with("\r\n\r\nv=0\r\n"),
        "{text}"
    );
    let (text, _) = exchange(&mut s, &request("SETUP rtsp://h/cam/trackID=0", TCP), yes);
    assert!(text.contains("Session: abc1;timeout=60\r\n"), "{text}");
    assert!(
        text.contains("Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00001234;mode=play\r\n"),
        "{text}"
    );
    let (text, _) = exchange(&mut s, &request("PLAY rtsp://h/cam/", ID), yes);
    assert!(text.contains("RTP-Info: url=rtsp://h/cam/trackID=0;seq=9;rtptime=90\r\n"), "{text}");
    assert!(text.contains("Range: npt=now-\r\n"), "{text}");
    let (_, events) = exchange(&mut s, &request("PAUSE rtsp://h/cam/", ID), yes);
    assert!(matches!(events[..], [Event::Paused]));
    let (_, events) = exchange(&mut s, &request("TEARDOWN rtsp://h/cam/", ID), yes);
    assert!(matches!(events[..], [Event::Ended(_)]));
    assert_eq!(status(&mut s, "PLAY rtsp://h/cam/", ID), 454);
}

#[test]
fn records_over_tcp_and_routes_frames() {
    let mut s = recording();
    let (_, events) = exchange(&mut s, b"$\0\0\x03rtp$\x01\0\x04rtcp$\x09\0\x01x", yes);
    let [Event::Data { track: 0, rtcp: false, .. }, Event::Data { track: 0, rtcp: true, payload }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((&payload[..], s.stray_frames()), (&b"rtcp"[..], 1));
}

#[test]
fn a_player_cannot_send_rtp() {
    let mut s = playing();
    let (_, events) = exchange(&mut s, b"$\0\0\x03rtp$\x01\0\x04rtcp", yes);
    assert!(matches!(events[..], [Event::Data { rtcp: true, .. }]), "{events:?}");
}

#[test]
fn udp_setup_names_the_ports() {
    let mut s = server();
    let udp = "Transport: RTP/AVP;unicast;client_port=5000-5001";
    let (text, _) = exchange(&mut s, &request("SETUP rtsp://h/cam/trackID=0", udp), yes);
    assert!(
        text.contains("RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001;ssrc=00001234"),
        "{text}"
    );
    let fields = format!("{TCP}|{ID}");
    assert_eq!(status(&mut s, "SETUP rtsp://h/cam/trackID=1", &fields), 461);
}

#[test]
fn a_second_track_gets_free_channels() {
    let mut s = server();
    status(&mut s, "SETUP rtsp://h/cam/trackID=0", TCP);
    let (text, _) =
        exchange(&mut s, &request("SETUP rtsp://h/cam/trackID=1", &format!("{TCP}|{ID}")), yes);
    assert!(text.contains("interleaved=2-3"), "{text}");
}

#[test]
fn each_fault_has_its_status() {
    assert_eq!(status(&mut server(), "PLAY rtsp://h/cam", ""), 454);
    assert_eq!(status(&mut server(), "FROBNICATE rtsp://h/cam", ""), 501);
    assert_eq!(status(&mut server(), "DESCRIBE *", ""), 400);
    assert_eq!(status(&mut server(), "DESCRIBE rtsp://h/", ""), 404);
    assert_eq!(status(&mut server(), "DESCRIBE rtsp://h/cam", "Require: onvif-replay"), 551);
    assert_eq!(
        status(&mut server(), "SETUP rtsp://h/cam/trackID=0", "Transport: RTP/AVP;multicast"),
        461
    );
    assert_eq!(
        status(&mut server(), "SETUP rtsp://h/cam/trackID=0", &format!("{TCP};mode=record")),
        455
    );
    assert_eq!(status(&mut server(), "ANNOUNCE rtsp://h/cam", "Content-Type: text/html"), 415);
    assert_eq!(status(&mut recording(), "ANNOUNCE rtsp://h/cam", ""), 455);
    assert_eq!(status(&mut recording(), "PLAY rtsp://h/cam", ID), 455);
    assert_eq!(status(&mut playing(), "RECORD rtsp://h/cam", ID), 455);
    assert_eq!(status(&mut playing(), "SETUP rtsp://h/cam/trackID=1", &format!("{TCP}|{ID}")), 455);
    let no_cseq = b"OPTIONS * RTSP/1.0\r\n\r\n";
    assert!(exchange(&mut server(), no_cseq, yes).0.starts_with("RTSP/1.0 400 "));
    let two = b"OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n";
    assert!(exchange(&mut server(), two, yes).0.starts_with("RTSP/1.0 505 "));
}

#[test]
fn a_refusal_reaches_the_client_and_leaves_no_session() {
    let no = |_: &Question| {
        Answer::Refused(Refusal::new(StatusCode::Forbidden, "already published by somebody"))
    };
    let mut s = server();
    let (text, _) = exchange(&mut s, &request("ANNOUNCE rtsp://h/cam", ""), no);
    assert!(
        text.starts_with("RTSP/1.0 403 Forbidden: already published by somebody\r\n"),
        "{text}"
    );
    assert_eq!(status(&mut s, "ANNOUNCE rtsp://h/cam", ""), 200);
}

#[test]
fn nothing_is_read_while_a_question_is_open() {
    let mut s = server();
    s.handle_input(
        at(0),
        &[request("DESCRIBE rtsp://h/cam", ""), request("OPTIONS *", "")].concat(),
    );
    assert!(matches!(s.poll_event(), Some(Event::Question(_))));
    assert!(!s.listens() && s.poll_event().is_none() && s.poll_output().is_none());
    assert_eq!(s.poll_timeout(), None);
    s.answer(at(5), Answer::Description("v=0\r\n".into()));
    assert!(s.poll_event().is_none());
    assert_eq!(std::iter::from_fn(|| s.poll_output()).count(), 2);
}

#[test]
fn garbage_closes_with_a_word() {
    let (text, events) = exchange(&mut server(), b"\x16\x03\x01\x02", yes);
    assert!(text.starts_with("RTSP/1.0 400 "));
    assert!(matches!(&events[..], [Event::Closed(why)] if why == "not an RTSP message"));
}

/// Seconds until the machine closes when nothing else happens.
fn closes_after(mut s: Server) -> (u64, String) {
    let mut secs = 0;
    loop {
        if let Some(Event::Closed(why)) = s.poll_event() {
            return (secs, why);
        }
        let due = s.poll_timeout().unwrap();
        s.handle_timeout(Mono::from_nanos(due.as_nanos() - 1));
        assert!(s.poll_event().is_none());
        s.handle_timeout(due);
        secs = due.as_nanos() / SECOND;
    }
}

#[test]
fn silence_ends_connections_and_sessions() {
    assert_eq!(closes_after(server()).0, 30);
    assert_eq!(closes_after(playing()), (70, "no sign of life for 70 s".into()));
    let mut slow = server();
    slow.handle_input(at(3), b"OPTIONS");
    assert_eq!(closes_after(slow), (13, "a message was not complete after 10 s".into()));
    let mut reported = playing();
    reported.handle_activity(at(50));
    assert_eq!(closes_after(reported).0, 120);
    let mut frame = recording();
    frame.handle_input(at(40), b"$\0\0\x01x");
    assert_eq!(closes_after(frame).0, 110);
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let fields = prop_oneof![
        Just(""),
        Just(ID),
        Just(TCP),
        Just("Session: abc1|Transport: RTP/AVP/TCP;interleaved=4-5"),
        Just("Transport: RTP/AVP;unicast;client_port=5000"),
        Just("Content-Length: 3"),
        Just("Require: x")
    ];
    let line = prop_oneof![
        Just("OPTIONS *"),
        Just("DESCRIBE rtsp://h/cam"),
        Just("ANNOUNCE rtsp://h/cam"),
        Just("SETUP rtsp://h/cam/trackID=1"),
        Just("SETUP rtsp://h/cam/streamid=0"),
        Just("PLAY rtsp://h/cam"),
        Just("RECORD rtsp://h/cam"),
        Just("PAUSE rtsp://h/cam"),
        Just("TEARDOWN rtsp://h/cam"),
        Just("GET_PARAMETER rtsp://h/cam")
    ];
    prop_oneof![
        8 => (line, fields).prop_map(|(line, fields)| request(line, fields)),
        2 => (0u8..6, prop::collection::vec(any::<u8>(), 0..5)).prop_map(|(c, b)| [&[b'$', c, 0, b.len() as u8][..], &b].concat()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #[test]
    fn any_split_gives_the_same_conversation(
        messages in prop::collection::vec(any_message(), 0..12),
        cuts in prop::collection::vec(1usize..60, 1..30),
    ) {
        let stream = messages.concat();
        let (text, events) = exchange(&mut server(), &stream, yes);
        let mut s = server();
        let (mut rest, mut cuts, mut split_text, mut split_events) = (&stream[..], cuts.iter().cycle(), String::new(), Vec::new());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            let (t, e) = exchange(&mut s, now, yes);
            split_text += &t;
            split_events.extend(e);
            rest = later;
        }
        prop_assert_eq!(text, split_text);
        prop_assert_eq!(format!("{events:?}"), format!("{split_events:?}"));
    }

    #[test]
    fn survives_any_conversation(messages in prop::collection::vec((any_message(), any::<bool>(), 0u64..40), 0..30)) {
        let mut s = server();
        let mut now = 0;
        for (message, grant, pass) in messages {
            now += pass;
            s.handle_timeout(at(now));
            s.handle_input(at(now), &message);
            let no = Answer::Refused(Refusal::new(StatusCode::NotFound, "no"));
            exchange(&mut s, b"", |q| if grant { yes(q) } else { no.clone() });
        }
    }
}
