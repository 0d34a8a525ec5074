//! What a playlist lists.

use bytes::Bytes;
use media::{
    Track, Wall,
    mp4::{codec_string, init_segment},
};
use std::sync::Arc;

/// Microseconds: the unit of all durations in a playlist.
pub(super) type Micros = u64;

/// An init segment, with what the multivariant playlist tells of it.
#[derive(PartialEq, Debug)]
pub struct Init {
    /// Counts the changes of tracks.
    pub(super) number: u64,
    /// The file.
    pub(super) bytes: Bytes,
    pub(super) codecs: Vec<String>,
    /// Columns and rows.
    pub(super) size: Option<(u32, u32)>,
    /// As the stream tells it.
    pub(super) fps: Option<f64>,
}

impl Init {
    pub(super) fn new(number: u64, tracks: &[Track]) -> Self {
        let video = tracks.iter().find_map(|t| t.codec.video_params());
        Self {
            number,
            bytes: init_segment(tracks),
            codecs: tracks.iter().filter_map(|t| codec_string(&t.codec)).collect(),
            size: video.map(|v| (v.width, v.height)),
            fps: video.and_then(|v| v.fps),
        }
    }
}

/// A partial segment: one fragment.
#[derive(Debug)]
pub struct Part {
    /// Counts all parts of a run, so that the next one's name is known before it is known to which
    /// segment it belongs.
    pub(super) number: u64,
    pub(super) duration: Micros,
    /// Decoding can start here.
    pub(super) independent: bool,
    /// Pictures in it.
    pub(super) frames: u64,
    pub(super) bytes: Bytes,
}

/// A media segment, complete or growing.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Media sequence number.
    pub(super) sequence: u64,
    /// It begins after a discontinuity.
    pub(super) discontinuity: bool,
    pub(super) init: Arc<Init>,
    /// When its first frame was captured.
    pub(super) date: Wall,
    pub(super) parts: Vec<Arc<Part>>,
    /// Frames of its leading track.
    pub(super) frames: u64,
    /// From its beginning to that of the next; of a growing one, the sum of its parts.
    pub(super) duration: Micros,
}

impl Segment {
    pub(super) fn independent(&self) -> bool {
        self.parts.first().is_some_and(|p| p.independent)
    }

    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|p| p.bytes.len()).sum()
    }

    pub(super) fn part(&self, number: u64) -> Option<&Arc<Part>> {
        let index = number.checked_sub(self.parts.first()?.number)?;
        self.parts.get(usize::try_from(index).ok()?)
    }
}
