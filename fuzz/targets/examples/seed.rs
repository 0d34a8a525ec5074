//! Writes the first inputs of the corpora, from what real peers say: `cargo run -p neverblink-fuzz-targets --example seed`.

use bytes::Bytes;
use media::bits::split_annex_b;
use proto::rtp::Packet;
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
        for (i, unit) in split_annex_b(&stream).filter(|unit| unit.len() < 200).take(4).enumerate() {
            save("parameters", &format!("{name}-{i}"), &unit)?;
        }
        save("parameters", &format!("{name}-stream"), &stream[..stream.len().min(700)])?;
    }
    save("parameters", "aac", &[0x11, 0x90, 0x56, 0xe5, 0])?;
    save("sdp", "camera", CAMERA.as_bytes())?;
    for (name, dialogue) in DIALOGUES {
        save("rtsp", name, &said(dialogue))?;
    }
    Ok(())
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
        let step = packet.timestamp.wrapping_sub(timestamp.replace(packet.timestamp).unwrap_or(packet.timestamp)) >> 4;
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

/// Each message of a client as one piece, in the language of the `rtsp` target.
fn said(messages: &[&str]) -> Vec<u8> {
    let piece = |message: &&str| [&[1][..], &(message.len() as u16).to_be_bytes(), message.as_bytes()].concat();
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
        &["DESCRIBE rtsp://u:p@h/front/sd?x=1 RTSP/1.0\r\nCSeq: 1\r\nRequire: x\r\nSession: nope;timeout=60\r\n\r\n"],
    ),
];
