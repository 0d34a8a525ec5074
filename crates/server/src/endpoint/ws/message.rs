//! What is said in both directions. `docs/ref/http.md` tells it to those who write players.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::{BufMut, Bytes};
use hub::Status;
use media::{
    AccessUnit, CaptureClock, ClockPair, Codec, MediaKind, Mono, Track, TrackId,
    mp4::{codec_string, decoder_config},
    opus,
    time::rescale,
};
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// How frames are put into messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// Access units.
    Units,
    /// Fragments of MP4.
    Fmp4,
}

/// What the server says in JSON.
#[derive(Serialize, Debug)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Said<'a> {
    /// First of all: who the viewer is.
    Hello { viewer: &'a str, camera: &'a str, rendition: Option<&'a str>, format: Format },
    /// What the camera does, at first and on every change.
    State { state: &'static str, reason: &'a str, since_ms: u64 },
    /// What the media that follows consists of.
    Tracks { mime: String, tracks: Vec<TrackSaid> },
    /// The camera sends nothing that can be put into messages; it may change.
    Unsupported { message: String },
    /// The viewer was too slow and has lost units; it goes on at a keyframe.
    Skipped { units: u64 },
    /// Answers a ping.
    Pong { t0: Number, server_us: i64 },
    /// There will be nothing more.
    Ended { reason: &'a str },
}

/// A track, with what a decoder must know beforehand.
#[derive(Serialize, Debug)]
pub(super) struct TrackSaid {
    id: u8,
    kind: &'static str,
    codec: String,
    /// In Base64.
    description: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    fps: Option<f64>,
    rate: Option<u32>,
    channels: Option<u8>,
}

/// What a viewer may say.
#[derive(Deserialize, Debug)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Heard {
    /// Asks for the server's clock.
    Ping { t0: Number },
    /// Tells what it measures, for the list of viewers.
    Latency { ms: f64 },
}

impl<'a> Said<'a> {
    /// A state in words.
    pub(super) fn state(status: &'a Status, now: Mono) -> Self {
        let since_ms = u64::try_from(now.since(status.since).as_millis()).unwrap_or(u64::MAX);
        Self::State { state: status.state.as_str(), reason: &status.reason, since_ms }
    }

    /// The tracks that follow, and the type of a file that holds them.
    pub(super) fn tracks(tracks: &[Track]) -> Self {
        let codecs: Vec<_> = tracks.iter().filter_map(|t| codec_string(&t.codec)).collect();
        let mime = format!("video/mp4; codecs=\"{}\"", codecs.join(","));
        Self::Tracks { mime, tracks: tracks.iter().map(TrackSaid::new).collect() }
    }

    /// As text. Nothing that is said can fail to be written.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl TrackSaid {
    fn new(track: &Track) -> Self {
        let (video, sound) = (track.codec.video_params(), sound(&track.codec));
        Self {
            id: track.id.0,
            kind: match track.codec.kind() {
                MediaKind::Video => "video",
                MediaKind::Audio => "audio",
            },
            codec: codec_string(&track.codec).unwrap_or_default(),
            description: decoder_config(&track.codec).map(|config| BASE64.encode(config)),
            width: video.map(|v| v.width),
            height: video.map(|v| v.height),
            fps: video.and_then(|v| v.fps),
            rate: sound.map(|(rate, _)| rate),
            channels: sound.map(|(_, channels)| channels),
        }
    }
}

/// Samples a second, and channels.
fn sound(codec: &Codec) -> Option<(u32, u8)> {
    match codec {
        Codec::Aac(aac) => Some((aac.rate, aac.channels)),
        Codec::Opus { channels } => Some((opus::CLOCK, *channels)),
        Codec::G711 { rate, channels, .. } => Some((*rate, *channels)),
        Codec::H264(_) | Codec::H265(_) | Codec::Mjpeg(_) => None,
    }
}

/// What a binary message holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    Picture = 1,
    Sound = 2,
    Init = 3,
    Fragment = 4,
}

/// What precedes the media in every binary message, all numbers in network order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// Decoding can begin here.
    pub(super) key: bool,
    /// The first frame after a gap.
    pub(super) discontinuity: bool,
    /// Newer frames are on their way already: it need not be shown, only decoded.
    pub(super) behind: bool,
    pub(super) track: TrackId,
    /// In microseconds; 0 where it is not known.
    pub(super) duration: u32,
    /// In microseconds: of the stream for units, of the file for fragments.
    pub(super) pts: i64,
    /// Microseconds since 1970 on this server's clock, and how they are known.
    pub(super) captured: Option<(i64, CaptureClock)>,
}

impl Header {
    /// Bytes. Told in the header itself, so that it may grow.
    pub(super) const LENGTH: usize = 24;

    /// The header of a frame.
    pub(super) fn of(kind: Kind, unit: &AccessUnit, now: ClockPair) -> Self {
        let captured = unit.timing.captured;
        let captured = Some((now.wall_at(captured.at).as_micros(), captured.clock));
        let (key, discontinuity) = (unit.key, unit.discontinuity);
        Self {
            kind,
            key,
            discontinuity,
            behind: false,
            track: unit.track,
            duration: 0,
            pts: 0,
            captured,
        }
    }

    /// The header of an init segment.
    pub(super) fn init() -> Self {
        let (kind, track) = (Kind::Init, TrackId(0));
        Self {
            kind,
            key: true,
            discontinuity: false,
            behind: false,
            track,
            duration: 0,
            pts: 0,
            captured: None,
        }
    }

    /// The whole message.
    pub(super) fn message(&self, pieces: &[&[Bytes]]) -> Bytes {
        let length: usize = pieces.iter().flat_map(|p| p.iter()).map(Bytes::len).sum();
        let mut out = Vec::with_capacity(Self::LENGTH + length);
        out.put_u8(self.kind as u8);
        out.put_u8(self.flags());
        out.put_u8(Self::LENGTH as u8);
        out.put_u8(self.track.0);
        out.put_u32(self.duration);
        out.put_i64(self.pts);
        out.put_i64(self.captured.map_or(0, |(at, _)| at));
        pieces.iter().flat_map(|p| p.iter()).for_each(|piece| out.put_slice(piece));
        out.into()
    }

    fn flags(&self) -> u8 {
        let clock = match self.captured {
            None => 0,
            Some((_, CaptureClock::Sensor)) => 1,
            Some((_, CaptureClock::SenderReport)) => 2,
            Some((_, CaptureClock::Arrival)) => 3,
        };
        u8::from(self.key)
            | u8::from(self.discontinuity) << 1
            | u8::from(self.behind) << 2
            | clock << 4
    }
}

/// Ticks of a track in microseconds.
pub(super) fn micros(ticks: i64, track: &Track) -> i64 {
    rescale(ticks, track.timescale, 1_000_000)
}
