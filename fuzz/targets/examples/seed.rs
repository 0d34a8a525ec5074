//! Writes the first inputs of the corpora, from what real peers say: `cargo run -p
//! neverblink-fuzz-targets --example seed`.

use bytes::Bytes;
use media::bits::split_annex_b;
use proto::rtp::{Packet, twcc};
use std::{fs, io, path::Path};

const NAMES: [&str; 5] = ["h264", "h265", "aac", "opus", "pcmu"];
/// First byte of the `rtp` target for each.
const HEADS: [u8; 5] = [0, 1, 2, 3, 4];
/// Packets taken of each recording.
const PACKETS: usize = 16;

fn main() -> io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (data, corpus) = (here.join("../../crates/proto/tests/data"), here.join("../corpus"));
    let save = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(corpus.join(target))?;
        fs::write(corpus.join(target).join(name), bytes)
    };
    for (name, head) in NAMES.into_iter().zip(HEADS) {
        save("sdp", name, &fs::read(data.join(format!("{name}.sdp")))?)?;
        let packets = recorded(&fs::read(data.join(format!("{name}.packets")))?);
        let rtcp: Vec<_> = packets.iter().filter(|(is_rtcp, _)| *is_rtcp).collect();
        rtcp.first().map_or(Ok(()), |(_, bytes)| save("rtcp", name, bytes))?;
        save("rtp", name, &operations(head, &packets, false))?;
        save("rtp", &format!("{name}-lossy"), &operations(head, &packets, true))?;
    }
    for name in ["h264", "h265"] {
        let stream = Bytes::from(fs::read(data.join(format!("{name}.coded")))?);
        for (i, unit) in split_annex_b(&stream).filter(|unit| unit.len() < 200).take(4).enumerate()
        {
            save("parameters", &format!("{name}-{i}"), &unit)?;
        }
        save("parameters", &format!("{name}-stream"), &stream[..stream.len().min(700)])?;
    }
    save("parameters", "aac", &[0x11, 0x90, 0x56, 0xe5, 0])?;
    save("sdp", "camera", CAMERA.as_bytes())?;
    for (name, bytes) in webrtc() {
        let (target, name) = name.split_once('/').unwrap_or((name, "first"));
        save(target, name, &bytes)?;
    }
    for (name, each) in [("clean", 0), ("limited", 12), ("stalled", 400)] {
        save("congestion", name, &link(each))?;
    }
    for (name, dialogue) in DIALOGUES {
        save("rtsp", name, &said(dialogue))?;
    }
    Ok(())
}

/// What browsers send to the WebRTC port, as `target/name`.
fn webrtc() -> Vec<(&'static str, Vec<u8>)> {
    let check = [
        &[0, 1, 0, 20, 0x21, 0x12, 0xa4, 0x42][..],
        &[7; 12],
        &[0, 6, 0, 11],
        b"ours:theirs",
        &[0, 0x80, 0x29, 0, 0],
    ]
    .concat();
    let named = [
        &[0, 1, 0, 28, 0x21, 0x12, 0xa4, 0x42][..],
        &[7; 12],
        &[0x80, 0x22, 0, 3],
        b"x.y\0",
        &[0, 6, 0, 9],
        b"abcd:efgh\0\0\0",
    ];
    let report: &[u8] = &[
        0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 9, 25, 0xff, 0xff, 0xfe, 0, 1, 0, 7, 0, 0, 0, 77, 1,
        2, 3, 4, 0, 0, 9, 9,
    ];
    let names: &[u8] = &[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 1, b'x', 0];
    let clock: &[u8] = &[0x80, 207, 0, 4, 0, 0, 0, 1, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
    let answer: &[u8] =
        &[0x80, 207, 0, 5, 0, 0, 0, 1, 5, 0, 0, 3, 0, 0, 0, 9, 3, 4, 5, 6, 0, 0, 9, 9];
    let nack: &[u8] = &[0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xfe, 0x80, 5];
    let pli: &[u8] = &[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9];
    let fir: &[u8] = &[0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 200, 0, 0, 0];
    let remb: &[u8] = &[
        0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, 0x13, 0x24, 0x9f, 0, 0,
        0, 9,
    ];
    let wide: &[u8] =
        &[0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 9, 0, 1, 0, 2, 0, 0, 1, 0, 0x20, 2, 4, 4];
    let bye: &[u8] = &[0xa1, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4];
    let talk = |head: u8| {
        let rtp = [
            &[0, 0, 0, 7][..],
            b"picture",
            &[1, 5, 0x3f, 0xf0, 3],
            b"two",
            &[1, 5, 0x3f, 0xf0, 1, 9],
        ]
        .concat();
        [
            &[head][..],
            &rtp,
            &[2, 8],
            b"feedback",
            &[3, 0, 3, 2, 4, 1, 0, 77, 5, 0, 20, 6, 20],
            &[0x80; 20],
            &[7, 20],
            &[0x80; 20],
        ]
        .concat()
    };
    let met: &[u8] = &[0x08, 5, 1];
    let hands_shaken: &[u8] = &[1, 1, 1, 4, 1, 1, 1, 1, 4, 1, 1, 4];
    let spoken: &[u8] = &[7, 4, 1, 2, 3, 4, 15, 4, 1, 2, 3, 4];
    let noise: &[u8] =
        &[6, 0, 15, 22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 1, 14, 0, 1, 0x80, 6, 0, 1, 21];
    let again: &[u8] = &[0x28, 0x48, 4, 0, 0x24, 0, 0, 0xd8, 4, 0x80, 0x22, 0, 0, 5, 250];
    vec![
        ("session/clean", [met, hands_shaken, spoken, &[23, 0, 1]].concat()),
        (
            "session/lossy",
            [met, &[2, 4, 5, 50], hands_shaken, &[5, 50], hands_shaken, again, spoken, &[39, 0]]
                .concat(),
        ),
        (
            "session/changed",
            [met, &[11, 0, 90, 9, 3, 1, 1], hands_shaken, noise, spoken, again, noise].concat(),
        ),
        ("stun/check", check),
        ("stun/named", named.concat()),
        ("stun/other", vec![0x16, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0, 0]),
        ("feedback/compound", [report, names, clock, remb, nack].concat()),
        ("feedback/reduced", [pli, fir, wide].concat()),
        ("feedback/end", [report, answer, bye].concat()),
        ("srtp/gcm256", talk(0)),
        ("srtp/gcm128", talk(1)),
        ("srtp/sha1", talk(2)),
    ]
}

fn recorded(mut rest: &[u8]) -> Vec<(bool, Bytes)> {
    let mut out = Vec::new();
    while let Some((head, tail)) = rest.split_at_checked(7) {
        let (bytes, tail) = tail.split_at(u16::from_be_bytes([head[5], head[6]]).into());
        out.push((head[0] == 1, Bytes::copy_from_slice(bytes)));
        rest = tail;
    }
    out
}

/// A recording in the language of the `rtp` target.
fn operations(head: u8, packets: &[(bool, Bytes)], lossy: bool) -> Vec<u8> {
    let mut out = vec![head];
    let mut timestamp = None;
    for (i, (is_rtcp, bytes)) in packets.iter().take(PACKETS).enumerate() {
        let parsed = Packet::parse(bytes.clone()).ok().filter(|_| !is_rtcp);
        let Some(packet) = parsed else {
            out.push(5);
            out.extend(&(bytes.len() as u16).to_be_bytes());
            out.extend(bytes);
            continue;
        };
        let step = packet
            .timestamp
            .wrapping_sub(timestamp.replace(packet.timestamp).unwrap_or(packet.timestamp))
            >> 4;
        let skip = lossy && i % 5 == 3;
        out.push(2 | u8::from(packet.marker) << 3 | u8::from(skip) << 4 | u8::from(step > 0) << 5);
        out.extend(skip.then_some([0, 2]).into_iter().flatten());
        out.extend((step > 0).then_some((step as u16).to_be_bytes()).into_iter().flatten());
        out.extend(&(packet.payload.len() as u16).to_be_bytes());
        out.extend(&packet.payload);
        out.extend([6, 10]);
    }
    out.push(7);
    out
}

/// Two seconds of frames of twelve packets over a link that takes `each` ticks of 250 µs a packet,
/// in the language of the `congestion` target.
fn link(each: i64) -> Vec<u8> {
    let (mut out, mut free) = (Vec::new(), 0);
    for frame in 0..60u16 {
        out.extend([
            3 | u8::from(frame % 30 == 0) << 2 | u8::from(frame % 2 == 1) << 3,
            0x20,
            0,
            0,
            0,
        ]);
        out.extend([60 << 2, 12, 2, 33]);
        let now = i64::from(frame) * 132;
        let mut arrive = |i: i64| {
            free = now.max(free) + each;
            (i % 7 != 3).then_some(free)
        };
        let arrivals: Vec<_> = (0..12).map(&mut arrive).collect();
        let base = 65_500u16.wrapping_add(frame * 13);
        let message = twcc::write(1, 2, frame as u8, base, &arrivals).unwrap_or_default();
        let body = message.get(12..).unwrap_or_default();
        out.extend([1, body.len() as u8]);
        out.extend(body);
    }
    out
}

/// Each message of a client as one piece, in the language of the `rtsp` target.
fn said(messages: &[&str]) -> Vec<u8> {
    let piece = |message: &&str| {
        [&[1][..], &(message.len() as u16).to_be_bytes(), message.as_bytes()].concat()
    };
    messages.iter().flat_map(piece).collect()
}

const CAMERA: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=Media Presentation\r\nb=AS:5100\r\nt=0 0\r\na=control:rtsp://192.0.2.10/\r\n\
m=video 0 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\na=fmtp:98 sprop-vps=QAEMAf//AWAAAAMAkAAAAwAAAwBdlZgJ; \
sprop-sps=QgEBAWAAAAMAkAAAAwAAAwBdoAKAgC0WWVmkkyuAQAAAAwBAAAAHgg==; sprop-pps=RAHBcrRiQA==\r\na=control:track1\r\n\
m=audio 0 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=control:track2\r\n\
m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=fmtp:97 sprop-stereo=0\r\n\
m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n";

const DIALOGUES: [(&str, &[&str]); 4] = [
    (
        "play",
        &[
            "OPTIONS rtsp://h:8554/front RTSP/1.0\r\nCSeq: 1\r\n\r\n",
            "DESCRIBE rtsp://h:8554/front RTSP/1.0\r\nCSeq: 2\r\nAccept: application/sdp\r\n\r\n",
            "SETUP rtsp://h:8554/front/trackID=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
            "PLAY rtsp://h:8554/front RTSP/1.0\r\nCSeq: 4\r\nSession: fuzz\r\nRange: npt=0.000-\r\n\r\n",
            "$\x01\x00\x08\x01\x02\x03\x04\x05\x06\x07\x00",
            "GET_PARAMETER rtsp://h:8554/front RTSP/1.0\r\nCSeq: 5\r\nSession: fuzz\r\n\r\n",
            "PAUSE rtsp://h:8554/front RTSP/1.0\r\nCSeq: 6\r\nSession: fuzz\r\n\r\n",
            "TEARDOWN rtsp://h:8554/front RTSP/1.0\r\nCSeq: 7\r\nSession: fuzz\r\n\r\n",
        ],
    ),
    (
        "publish",
        &[
            "ANNOUNCE rtsp://h:8554/robot RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 44\r\n\r\n\
             v=0\r\nm=audio 0 RTP/AVP 0\r\na=control:streamid=0",
            "SETUP rtsp://h:8554/robot/streamid=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/UDP;unicast;client_port=5000-5001;mode=record\r\n\r\n",
            "RECORD rtsp://h:8554/robot RTSP/1.0\r\nCSeq: 3\r\nSession: fuzz\r\n\r\n",
            "TEARDOWN rtsp://h:8554/robot RTSP/1.0\r\nCSeq: 4\r\nSession: fuzz\r\n\r\n",
        ],
    ),
    ("garbage", &["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "$\x07\x01\x00", "PLAY\r\n\r\n"]),
    (
        "credentials",
        &[
            "DESCRIBE rtsp://u:p@h/front/sd?x=1 RTSP/1.0\r\nCSeq: 1\r\nRequire: x\r\nSession: nope;timeout=60\r\n\r\n",
        ],
    ),
];
