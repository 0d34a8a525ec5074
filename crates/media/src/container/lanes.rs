//! The tracks of a container that are carried: the first with pictures and the first with sound.

use super::{Demuxed, nals::Nals};
use crate::{
    Aac, AccessUnit, Catalog, Codec, MediaKind, Mono, Payload, Timing, TrackId, VideoParams,
    aac::AudioSpecificConfig, jpeg, opus, time::rescale,
};
use bytes::Bytes;
use smallvec::smallvec;
use std::collections::VecDeque;

/// Ticks a second of published pictures.
const CLOCK: u32 = 90_000;
/// More tracks than this are not looked at.
const MAX_IGNORED: usize = 16;

/// The times of a frame, on the clock of its container.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ContainerTimes {
    pub(crate) dts: i64,
    pub(crate) pts: i64,
    /// Ticks a second.
    pub(crate) clock: u32,
}

/// The content of a track.
#[derive(Debug)]
pub(crate) enum TrackContent {
    /// H.264 or H.265.
    Nals(Nals),
    /// JPEG files; the size of the last one.
    Jpeg(Option<VideoParams>),
    /// AAC or Opus.
    Sound(Codec),
}

/// AAC by its `AudioSpecificConfig`.
pub(crate) fn sound_aac(config: &Bytes) -> Option<TrackContent> {
    let told = AudioSpecificConfig::parse(config)?;
    let config = Bytes::copy_from_slice(config);
    Some(TrackContent::Sound(Codec::Aac(Aac { config, rate: told.rate, channels: told.channels })))
}

/// Opus with at most two channels.
pub(crate) fn sound_opus(channels: u8) -> Option<TrackContent> {
    matches!(channels, 1 | 2).then_some(TrackContent::Sound(Codec::Opus { channels }))
}

impl TrackContent {
    fn kind(&self) -> MediaKind {
        if matches!(self, Self::Sound(_)) { MediaKind::Audio } else { MediaKind::Video }
    }

    /// As far as it is known.
    fn codec(&self) -> Option<Codec> {
        match self {
            Self::Nals(nals) => Some(nals.codec().clone()),
            Self::Jpeg(video) => video.map(Codec::Mjpeg),
            Self::Sound(codec) => Some(codec.clone()),
        }
    }

    fn timescale(&self) -> u32 {
        match self {
            Self::Sound(Codec::Aac(aac)) => aac.rate,
            Self::Sound(_) => opus::CLOCK,
            _ => CLOCK,
        }
    }

    fn read(&mut self, bytes: &Bytes) -> Option<(Payload, bool)> {
        match self {
            Self::Nals(nals) => nals.sample(bytes),
            Self::Jpeg(video) => {
                let (width, height) = jpeg::size(bytes)?;
                *video = Some(VideoParams { width, height, fps: None, max_reorder: Some(0) });
                Some((smallvec![bytes.clone()], true))
            }
            Self::Sound(_) => (!bytes.is_empty()).then(|| (smallvec![bytes.clone()], true)),
        }
    }
}

/// Takes frames of all tracks, and hands on those that are carried.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// By their numbers in the container; pictures come first.
    lanes: Vec<(u64, TrackContent)>,
    ignored: Vec<String>,
    announced: Catalog,
    out: VecDeque<Demuxed>,
    /// The tracks are known.
    told: bool,
}

impl Lanes {
    /// Adds the track `id`, or what it is called if it cannot be carried.
    pub(crate) fn add(&mut self, id: u64, track: Result<TrackContent, String>) {
        self.told = true;
        match track {
            Ok(track) if self.lanes.iter().all(|(_, lane)| lane.kind() != track.kind()) => {
                self.lanes.push((id, track));
                self.lanes.sort_by_key(|(_, lane)| lane.kind() == MediaKind::Audio);
            }
            Ok(track) => self.ignore(format!(
                "a second track of {}",
                track.codec().map_or("mjpeg", |codec| codec.name())
            )),
            Err(name) => self.ignore(name),
        }
    }

    /// Replaces the track `id`, or adds it.
    pub(crate) fn set(&mut self, id: u64, track: Result<TrackContent, String>) {
        let place = self.lanes.iter_mut().find(|(known, _)| *known == id);
        match (track, place) {
            (Ok(track), Some((_, lane))) if lane.kind() == track.kind() => *lane = track,
            (track, _) => self.add(id, track),
        }
    }

    fn ignore(&mut self, name: String) {
        if self.ignored.len() < MAX_IGNORED && !self.ignored.contains(&name) {
            self.ignored.push(name);
        }
    }

    /// True if frames of `id` are carried.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.lanes.iter().any(|(known, _)| *known == id)
    }

    /// The tracks were told and none is carried.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.told && self.lanes.is_empty()
    }

    /// Names of what is left out.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// A frame of track `id` as its container stores it; false if it makes no sense.
    pub(crate) fn frame(
        &mut self,
        now: Mono,
        id: u64,
        times: ContainerTimes,
        bytes: &Bytes,
    ) -> bool {
        let Some(lane) = self.lanes.iter_mut().find(|(known, _)| *known == id) else { return true };
        let Some((payload, key)) = lane.1.read(bytes) else { return false };
        let to = lane.1.timescale();
        self.announce();
        // Those of which nothing is known yet have no number yet.
        let known = |(_, lane): &&(u64, TrackContent)| lane.codec().is_some();
        let Some(track) = self.lanes.iter().filter(known).position(|(known, _)| *known == id)
        else {
            return true;
        };
        let at = |ticks| rescale(ticks, times.clock, to);
        let mut unit = AccessUnit::new(
            TrackId(track as u8),
            at(times.pts),
            key,
            Timing::arrived(now),
            payload,
        );
        unit.dts = at(times.dts).min(unit.pts);
        self.out.push_back(Demuxed::Unit(unit));
        true
    }

    /// Tells what is known of the tracks, if that is new.
    fn announce(&mut self) {
        let known =
            self.lanes.iter().filter_map(|(_, lane)| Some((lane.codec()?, lane.timescale())));
        let catalog = Catalog::new(known);
        if catalog != self.announced {
            self.announced = catalog.clone();
            self.out.push_back(Demuxed::Catalog(catalog));
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Demuxed> {
        self.out.pop_front()
    }
}
