//! Demuxers of containers: bytes in, in pieces of any length; frames out.
//!
//! What a command writes to a pipe or a file holds is recognised by its first bytes
//! ([`Format::recognise`]) and taken apart by a [`Demux`]. None looks ahead: a frame is handed out
//! with its last byte where the container tells its length, or when nothing more comes for a few
//! milliseconds where only the next frame would tell.

pub mod annexb;
pub mod file;
pub mod flv;
mod lanes;
pub mod mjpeg;
pub mod mkv;
mod nals;

use crate::{AccessUnit, Catalog, Mono, mp4, ts};
use std::fmt;

pub(crate) use lanes::{ContainerTimes, Lanes, TrackContent, sound_aac, sound_opus};
pub(crate) use nals::Nals;

/// No frame of a real camera is larger.
pub(crate) const MAX_FRAME: usize = 8 << 20;

/// The output of a demuxer.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "most are units, which are moved on at once")]
pub enum Demuxed {
    /// The tracks of the stream from here on, as far as they are known.
    Catalog(Catalog),
    /// A frame of a track of the last catalogue.
    Unit(AccessUnit),
}

/// Something in a stream that it cannot be read beyond.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Broken {
    /// The byte, counted from the beginning.
    pub at: u64,
    /// The fault in words: "a box of 3 bytes".
    pub what: String,
}

/// Takes a stream apart: the first picture and the first sound of it.
pub trait Demux: Send {
    /// Takes what came in at `now`, in pieces of any length. Call [`Demux::poll`] until it has no
    /// more before the next.
    fn push(&mut self, now: Mono, bytes: &[u8]);

    /// Nothing more has come for a few milliseconds, or will ever come: a frame whose end only the
    /// next would tell is complete.
    fn pause(&mut self, _now: Mono) {}

    /// True if a frame waits for its end, and a pause would tell it.
    fn awaits_pause(&self) -> bool {
        false
    }

    /// Returns the next catalogue or frame, if one is complete.
    fn poll(&mut self) -> Option<Demuxed>;

    /// Tracks that are left out, and why.
    fn ignored(&self) -> &[String];

    /// True if its tracks are known and none can be carried.
    fn is_hopeless(&self) -> bool;

    /// Why nothing more will come out.
    fn broken(&self) -> Option<Broken> {
        None
    }

    /// Bytes that made no sense and were passed over.
    fn garbage(&self) -> u64 {
        0
    }
}

impl<D: Demux + ?Sized> Demux for Box<D> {
    fn push(&mut self, now: Mono, bytes: &[u8]) {
        (**self).push(now, bytes);
    }

    fn pause(&mut self, now: Mono) {
        (**self).pause(now);
    }

    fn awaits_pause(&self) -> bool {
        (**self).awaits_pause()
    }

    fn poll(&mut self) -> Option<Demuxed> {
        (**self).poll()
    }

    fn ignored(&self) -> &[String] {
        (**self).ignored()
    }

    fn is_hopeless(&self) -> bool {
        (**self).is_hopeless()
    }

    fn broken(&self) -> Option<Broken> {
        (**self).broken()
    }

    fn garbage(&self) -> u64 {
        (**self).garbage()
    }
}

/// Kinds of streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// MPEG-TS.
    Ts,
    /// H.264 as a byte stream (Annex B).
    H264,
    /// H.265 as a byte stream (Annex B).
    H265,
    /// Flash video, and its enhanced form.
    Flv,
    /// MP4, as a stream in fragments.
    Mp4,
    /// Matroska and WebM.
    Mkv,
    /// JPEG files, one behind the other.
    Mjpeg,
    /// JPEG files as parts of a multipart answer.
    Multipart,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ts,
        Self::H264,
        Self::H265,
        Self::Flv,
        Self::Mp4,
        Self::Mkv,
        Self::Mjpeg,
        Self::Multipart,
    ];
    /// The number of bytes that are enough to recognise a format.
    pub const TELLING: usize = 8;

    /// By the first [`Format::TELLING`] bytes of a stream, or fewer if there are no more. A
    /// transport stream may begin anywhere; it is recognised only where it begins with a packet.
    pub fn recognise(head: &[u8]) -> Option<Self> {
        match head {
            [0, 0, 0, 1, nal @ ..] | [0, 0, 1, nal @ ..] => {
                Some(if begins_h265(nal) { Self::H265 } else { Self::H264 })
            }
            [0x47, ..] => Some(Self::Ts),
            [b'F', b'L', b'V', ..] => Some(Self::Flv),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Some(Self::Mkv),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Mjpeg),
            [b'-', b'-', ..] | [b'\r', b'\n', b'-', b'-', ..] => Some(Self::Multipart),
            [_, _, _, _, name @ ..] if MP4_BEGINS.iter().any(|begin| name.starts_with(begin)) => {
                Some(Self::Mp4)
            }
            _ => None,
        }
    }

    /// The word for it in configs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ts => "ts",
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Flv => "flv",
            Self::Mp4 => "mp4",
            Self::Mkv => "mkv",
            Self::Mjpeg => "mjpeg",
            Self::Multipart => "multipart",
        }
    }

    /// Returns its demuxer; `None` for multipart answers, which are a matter of HTTP.
    pub fn demuxer(self) -> Option<Box<dyn Demux>> {
        Some(match self {
            Self::Ts => Box::new(ts::TsDemuxer::default()),
            Self::H264 => Box::new(annexb::AnnexBDemuxer::h264()),
            Self::H265 => Box::new(annexb::AnnexBDemuxer::h265()),
            Self::Flv => Box::new(flv::FlvDemuxer::default()),
            Self::Mp4 => Box::new(mp4::Mp4Demuxer::default()),
            Self::Mkv => Box::new(mkv::MkvDemuxer::default()),
            Self::Mjpeg => Box::new(mjpeg::MjpegDemuxer::default()),
            Self::Multipart => return None,
        })
    }
}

const MP4_BEGINS: [&[u8]; 7] = [b"ftyp", b"styp", b"moov", b"moof", b"free", b"skip", b"wide"];

/// The first byte stream unit is a parameter set, delimiter or message of H.265. H.264 has no such
/// two bytes at its beginning.
fn begins_h265(nal: &[u8]) -> bool {
    matches!(nal, [0x40 | 0x42 | 0x44 | 0x46 | 0x4e, 0x01, ..])
}

impl fmt::Display for Format {
    /// For people: `MPEG-TS`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ts => "MPEG-TS",
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Flv => "FLV",
            Self::Mp4 => "MP4",
            Self::Mkv => "Matroska",
            Self::Mjpeg => "JPEG",
            Self::Multipart => "multipart JPEG",
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
