//! The tracks of a file (RFC 9559 §5.1.4), and how codecs are named there (Matroska's "Codec
//! Specifications").

use super::ebml::{children, number};
use crate::{
    Codec, aac,
    container::{Nals, TrackContent, sound_aac, sound_opus},
    opus,
};
use bytes::Bytes;

const NUMBER: u32 = 0xd7;
const CODEC: u32 = 0x86;
const CODEC_PRIVATE: u32 = 0x63a2;
const CODEC_DELAY: u32 = 0x56aa;
const DEFAULT_DURATION: u32 = 0x23_e383;
const AUDIO: u32 = 0xe1;
const CHANNELS: u32 = 0x9f;
const ENCODINGS: u32 = 0x6d80;
const ENCODING: u32 = 0x6240;
const COMPRESSION: u32 = 0x5034;
const ENCRYPTION: u32 = 0x5035;
const ALGORITHM: u32 = 0x4254;
const SETTINGS: u32 = 0x4255;
/// What was stripped off is to be put before each frame.
const STRIPPED: u64 = 3;
const SECOND: i64 = 1_000_000_000;
/// From frame to frame, where the file does not tell.
const USUAL_INTERVAL: i64 = SECOND / 30;
const MAX_PREFIX: usize = 256;

/// The properties of a track beside its codec.
#[derive(Debug)]
pub(super) struct MkvTrack {
    pub(super) number: u64,
    /// Nanoseconds by which its times are too late.
    pub(super) delay: i64,
    /// Nanoseconds from frame to frame.
    pub(super) interval: i64,
    /// Bytes to put before each frame, because the file leaves them out.
    pub(super) prefix: Bytes,
    sound: Option<Codec>,
}

impl MkvTrack {
    /// How long a frame lasts, in nanoseconds.
    pub(super) fn interval_of(&self, frame: &[u8]) -> i64 {
        match &self.sound {
            Some(Codec::Opus { .. }) => {
                i64::from(opus::ticks(frame).unwrap_or(0)) * SECOND / i64::from(opus::CLOCK)
            }
            Some(Codec::Aac(told)) => aac::AudioSpecificConfig::parse(&told.config)
                .map_or(self.interval, |config| config.frame_ticks(SECOND as u32)),
            _ => self.interval,
        }
    }
}

/// What a track entry says; its name if it cannot be carried. `None` if it has no number.
pub(super) fn read(entry: &Bytes) -> Option<(MkvTrack, Result<TrackContent, String>)> {
    let found = |id: u32| children(entry).find(|(known, _)| *known == id).map(|(_, body)| body);
    let number_of = |id: u32| found(id).map(|body| number(&body));
    let described = MkvTrack {
        number: number_of(NUMBER).filter(|n| *n > 0)?,
        delay: number_of(CODEC_DELAY)
            .and_then(|n| i64::try_from(n).ok())
            .filter(|n| *n < SECOND)
            .unwrap_or(0),
        interval: number_of(DEFAULT_DURATION)
            .and_then(|n| i64::try_from(n).ok())
            .filter(|n| (1..SECOND * 60).contains(n))
            .unwrap_or(USUAL_INTERVAL),
        prefix: Bytes::new(),
        sound: None,
    };
    let codec = found(CODEC).unwrap_or_default();
    let codec = String::from_utf8_lossy(&codec).trim_end_matches('\0').to_owned();
    let prefix = match found(ENCODINGS).map_or(Ok(Bytes::new()), |encodings| prefix(&encodings)) {
        Ok(prefix) => prefix,
        Err(how) => return Some((described, Err(format!("{how} {}", name(&codec))))),
    };
    let channels = found(AUDIO).and_then(|audio| {
        children(&audio).find(|(id, _)| *id == CHANNELS).map(|(_, body)| number(&body))
    });
    let private = found(CODEC_PRIVATE).unwrap_or_default();
    let track = track(&codec, &private, channels.and_then(|n| u8::try_from(n).ok()).unwrap_or(1));
    let sound = match &track {
        Ok(TrackContent::Sound(codec)) => Some(codec.clone()),
        _ => None,
    };
    Some((MkvTrack { prefix, sound, ..described }, track))
}

fn track(codec: &str, private: &Bytes, channels: u8) -> Result<TrackContent, String> {
    let track = match codec {
        "V_MPEG4/ISO/AVC" => Nals::avc(private).map(TrackContent::Nals),
        "V_MPEGH/ISO/HEVC" => Nals::hevc(private).map(TrackContent::Nals),
        "V_MJPEG" => Some(TrackContent::Jpeg(None)),
        "A_OPUS" => sound_opus(channels),
        "A_AAC" => sound_aac(private),
        _ => None,
    };
    track.ok_or_else(|| name(codec))
}

/// Frames held back for reordering, of pictures that may be reordered.
pub(super) fn reorders(track: &TrackContent) -> Option<Option<u32>> {
    match track {
        TrackContent::Nals(nals) => {
            Some(nals.codec().video_params().and_then(|video| video.max_reorder))
        }
        TrackContent::Jpeg(_) | TrackContent::Sound(_) => None,
    }
}

/// What the only encoding that is carried strips off; the word for others.
fn prefix(encodings: &Bytes) -> Result<Bytes, &'static str> {
    let mut prefix = Bytes::new();
    for (_, encoding) in children(encodings).filter(|(id, _)| *id == ENCODING) {
        for (id, body) in children(&encoding) {
            let inside =
                |id: u32| children(&body).find(|(known, _)| *known == id).map(|(_, body)| body);
            match id {
                ENCRYPTION => return Err("encrypted"),
                COMPRESSION if inside(ALGORITHM).map_or(0, |a| number(&a)) != STRIPPED => {
                    return Err("compressed");
                }
                COMPRESSION => prefix = inside(SETTINGS).unwrap_or_default(),
                _ => {}
            }
        }
    }
    if prefix.len() > MAX_PREFIX { Err("compressed") } else { Ok(prefix) }
}

/// For people: `vp9`.
fn name(codec: &str) -> String {
    let plain = match codec {
        "V_VP8" => "vp8",
        "V_VP9" => "vp9",
        "V_AV1" => "av1",
        "V_MPEG4/ISO/AVC" => "broken h264",
        "V_MPEGH/ISO/HEVC" => "broken h265",
        "V_MPEG4/ISO/ASP" => "mpeg4",
        "V_MPEG2" => "mpeg2",
        "A_AAC" => "broken aac",
        "A_OPUS" => "opus with many channels",
        "A_VORBIS" => "vorbis",
        "A_FLAC" => "flac",
        "A_AC3" => "ac3",
        "A_EAC3" => "eac3",
        "A_DTS" => "dts",
        "A_MPEG/L3" => "mp3",
        _ => return codec.chars().filter(|c| c.is_ascii_graphic()).take(40).collect(),
    };
    plain.to_owned()
}
