//! Writing descriptions of what this server plays.

use crate::rtp::send::carries;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use media::{Catalog, Codec, G711Law, MediaKind, Track};
use std::fmt::Write;

/// The first dynamic payload type (RFC 3551 §3).
const DYNAMIC: u8 = 96;

/// The answer to DESCRIBE: all tracks of a stream that are carried, each with its `a=control`
/// ([`control`]) and its payload type ([`payload_type`]). `session` tells this description from
/// older ones of the same name (RFC 8866 §5.2).
pub fn describe(name: &str, session: u64, catalog: &Catalog) -> String {
    let name = name.replace(|c: char| c.is_control(), " ");
    let name = if name.is_empty() { "-" } else { &name };
    let mut out = format!(
        "v=0\r\no=- {session} 1 IN IP4 0.0.0.0\r\ns={name}\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    );
    out.push_str("a=control:*\r\na=range:npt=now-\r\n");
    for track in catalog.tracks.iter().filter(|track| carries(&track.codec)) {
        // Writing to a string does not fail.
        let _ = describe_track(&mut out, track);
    }
    out
}

/// The payload type under which a track is played: G.711's own where it has one, else a dynamic one
/// by the track's number.
pub fn payload_type(track: &Track) -> u8 {
    match track.codec {
        Codec::G711 { law: G711Law::Mu, rate: 8000, channels: 1 } => 0,
        Codec::G711 { law: G711Law::A, rate: 8000, channels: 1 } => 8,
        _ => DYNAMIC + track.id.0 % (128 - DYNAMIC),
    }
}

/// The relative URL of a track.
pub fn control(track: &Track) -> String {
    format!("trackID={}", track.id.0)
}

fn describe_track(out: &mut String, track: &Track) -> std::fmt::Result {
    let (pt, rate) = (payload_type(track), track.timescale);
    let media = match track.codec.kind() {
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
    };
    write!(out, "m={media} 0 RTP/AVP {pt}\r\na=control:{}\r\na=rtpmap:{pt} ", control(track))?;
    match &track.codec {
        Codec::H264(_) => write!(out, "H264/{rate}")?,
        Codec::H265(_) => write!(out, "H265/{rate}")?,
        // Left out above.
        Codec::Mjpeg(_) => {}
        Codec::Aac(aac) => write!(out, "MPEG4-GENERIC/{rate}/{}", aac.channels)?,
        Codec::Opus { .. } => write!(out, "opus/48000/2")?,
        Codec::G711 { law, channels, .. } => {
            write!(out, "{}/{rate}", if *law == G711Law::Mu { "PCMU" } else { "PCMA" })?;
            if *channels > 1 {
                write!(out, "/{channels}")?;
            }
        }
    }
    match parameters(&track.codec) {
        Some(parameters) => write!(out, "\r\na=fmtp:{pt} {parameters}\r\n"),
        None => write!(out, "\r\n"),
    }
}

fn parameters(codec: &Codec) -> Option<String> {
    let b64 = |set: &Bytes| BASE64_STANDARD.encode(set);
    match codec {
        Codec::H264(None) => Some("packetization-mode=1".into()),
        Codec::H264(Some(sets)) => {
            let [profile, constraints, level] = sets.profile_level_id();
            let (sps, pps) = (b64(&sets.sps), b64(&sets.pps));
            Some(format!(
                "packetization-mode=1; profile-level-id={profile:02X}{constraints:02X}{level:02X}; sprop-parameter-sets={sps},{pps}"
            ))
        }
        Codec::H265(None) | Codec::Mjpeg(_) => None,
        Codec::H265(Some(sets)) => {
            let [vps, sps, pps] = [&sets.vps, &sets.sps, &sets.pps].map(b64);
            Some(format!("sprop-vps={vps}; sprop-sps={sps}; sprop-pps={pps}"))
        }
        Codec::Aac(aac) => {
            let config = aac.config.iter().map(|b| format!("{b:02X}")).collect::<String>();
            Some(format!(
                "streamtype=5; profile-level-id=1; mode=AAC-hbr; sizelength=13; indexlength=3; indexdeltalength=3; config={config}"
            ))
        }
        Codec::Opus { channels } => Some(format!("sprop-stereo={}", u8::from(*channels > 1))),
        Codec::G711 { .. } => None,
    }
}
