//! The catalogue of a stream: its tracks and their codec parameters.

use crate::{h264, h265};
use bytes::Bytes;
use std::{fmt, sync::Arc};

/// Index of a track in its [`Catalog`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackId(pub u8);

/// Picture or sound.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MediaKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// All tracks of a stream at one time. A change of parameters makes a new catalogue, which readers
/// see as an event.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Catalog {
    /// The tracks; `tracks[i].id` is `i`.
    pub tracks: Vec<Track>,
}

impl Catalog {
    /// A catalogue of tracks with these codecs and RTP clock rates, numbered in order.
    pub fn new(tracks: impl IntoIterator<Item = (Codec, u32)>) -> Self {
        let tracks = tracks.into_iter().enumerate();
        let tracks =
            tracks.map(|(i, (codec, timescale))| Track { id: TrackId(i as u8), timescale, codec });
        Self { tracks: tracks.collect() }
    }

    /// The track `id`, if there is one.
    pub fn track(&self, id: TrackId) -> Option<&Track> {
        self.tracks.get(usize::from(id.0))
    }

    /// The first track with pictures.
    pub fn video(&self) -> Option<&Track> {
        self.tracks.iter().find(|t| t.codec.kind() == MediaKind::Video)
    }

    /// The first track with sound.
    pub fn audio(&self) -> Option<&Track> {
        self.tracks.iter().find(|t| t.codec.kind() == MediaKind::Audio)
    }
}

/// One track: a sequence of frames of one codec on one clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Track {
    /// Its index in the catalogue.
    pub id: TrackId,
    /// Ticks a second of its `dts` and `pts`: 90 000 for video, the RTP clock rate for audio.
    pub timescale: u32,
    /// The codec with what a decoder must know beforehand.
    pub codec: Codec,
}

/// A codec with its parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Codec {
    /// H.264 / AVC; `None` until the parameter sets have been seen.
    H264(Option<Arc<h264::ParameterSets>>),
    /// H.265 / HEVC; `None` until the parameter sets have been seen.
    H265(Option<Arc<h265::ParameterSets>>),
    /// Motion JPEG: a file an access unit. What the first file said of the picture.
    Mjpeg(VideoParams),
    /// AAC, one raw frame an access unit.
    Aac(Aac),
    /// Opus, always on a 48 kHz clock (RFC 7587 §4.1).
    Opus {
        /// 1 or 2.
        channels: u8,
    },
    /// G.711 at 8 kHz.
    G711 {
        /// µ-law or A-law.
        law: G711Law,
        /// Samples a second.
        rate: u32,
        /// Interleaved channels.
        channels: u8,
    },
}

impl Codec {
    /// Picture or sound.
    pub const fn kind(&self) -> MediaKind {
        match self {
            Self::H264(_) | Self::H265(_) | Self::Mjpeg(_) => MediaKind::Video,
            Self::Aac(_) | Self::Opus { .. } | Self::G711 { .. } => MediaKind::Audio,
        }
    }

    /// The short name used by the API and by people: `h264`, `h265`, `mjpeg`, `aac`, `opus`,
    /// `pcmu`, `pcma`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::H264(_) => "h264",
            Self::H265(_) => "h265",
            Self::Mjpeg(_) => "mjpeg",
            Self::Aac(_) => "aac",
            Self::Opus { .. } => "opus",
            Self::G711 { law: G711Law::Mu, .. } => "pcmu",
            Self::G711 { law: G711Law::A, .. } => "pcma",
        }
    }

    /// Width, height and nominal frame rate, once the parameter sets are known.
    pub fn video_params(&self) -> Option<VideoParams> {
        match self {
            Self::H264(Some(sets)) => Some(sets.video),
            Self::H265(Some(sets)) => Some(sets.video),
            Self::Mjpeg(video) => Some(*video),
            _ => None,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match (self, self.video_params()) {
            (_, Some(v)) => write!(f, " {}x{}", v.width, v.height),
            (Self::Aac(a), _) => write!(f, " {} Hz, {} channels", a.rate, a.channels),
            _ => Ok(()),
        }
    }
}

/// The picture's properties, from the sequence parameter set or the frame header of JPEG.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct VideoParams {
    /// Luma columns after cropping.
    pub width: u32,
    /// Luma rows after cropping.
    pub height: u32,
    /// Nominal frames a second, if the stream says; many cameras lie.
    pub fps: Option<f64>,
    /// How many frames may have to be held back for reordering; above zero means that B-frames are
    /// possible. `None` where the stream does not say.
    pub max_reorder: Option<u32>,
}

impl Eq for VideoParams {}

/// AAC parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Aac {
    /// `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1).
    pub config: Bytes,
    /// Samples a second.
    pub rate: u32,
    /// Channels.
    pub channels: u8,
}

/// The two companding laws of G.711.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum G711Law {
    /// µ-law, `PCMU`.
    Mu,
    /// A-law, `PCMA`.
    A,
}
