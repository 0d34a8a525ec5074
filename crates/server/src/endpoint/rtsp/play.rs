//! A player: one reader of a stream, and the numbers of its RTP tracks.
//!
//! It outlives publishers: sequence numbers and timestamps run on, since the hub re-bases the
//! stream's times. When a new publisher's tracks differ, the tracks whose codec is still there go
//! on and the others fall silent.

mod pace;
mod track;

use crate::viewers::ViewerHandle;
use bytes::Bytes;
use hub::{Event, ReaderKind, ReaderOptions, ReaderStats, Start, Stream, Subscriber};
use media::{AccessUnit, Catalog, ClockPair, MediaKind, Mono, RtpFragment, time::rescale};
use pace::Pace;
use proto::{
    rtp::{
        HEADER_LEN,
        feedback::{self, Feedback},
        send::Anchor,
    },
    rtsp::{Refusal, StatusCode, StreamInfo},
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use track::PlayTrack;

/// A player that cannot take the stream as fast as it comes goes on at the newest keyframe when it
/// is this far behind.
const MAX_LAG: Duration = Duration::from_secs(3);
/// How many events are looked at for the first frame when playing begins: catalogue, then frame.
const PEEK: usize = 4;

/// One session that plays.
pub(super) struct Player {
    stream: Arc<Stream>,
    /// What the tracks were described and set up by.
    catalog: Arc<Catalog>,
    tracks: Vec<PlayTrack>,
    subscriber: Option<Subscriber>,
    /// Counters of the times before the last pause.
    earlier: ReaderStats,
    /// Found when PLAY was answered, to be sent behind the answer.
    held: VecDeque<Event>,
    pace: Option<Pace>,
    /// By the newest unit of the leading track, and what all tracks report by until that one's next
    /// report.
    newest: Option<Anchor>,
    anchor: Option<Anchor>,
    /// While it plays.
    handle: Option<ViewerHandle>,
}

impl Player {
    /// A player of `stream`, described to the client by `catalog`; `paced` if the way to it drops
    /// what comes too fast.
    pub(super) fn new(stream: Arc<Stream>, catalog: Arc<Catalog>, paced: bool) -> Self {
        let pace = paced.then(Pace::default);
        Self {
            stream,
            catalog,
            tracks: Vec::new(),
            subscriber: None,
            earlier: ReaderStats::default(),
            held: VecDeque::new(),
            pace,
            newest: None,
            anchor: None,
            handle: None,
        }
    }

    /// Adds a track, the only one if the client named none; gives its number and SSRC.
    pub(super) fn set_up(&mut self, index: Option<usize>) -> Result<(usize, u32), Refusal> {
        let count = self.catalog.tracks.len();
        if index.is_none() && count > 1 {
            let detail = format!("the stream has {count} tracks, set up each by its control URI");
            return Err(Refusal::new(StatusCode::AggregateOperationNotAllowed, detail));
        }
        let index = index.unwrap_or(0);
        let Some(track) = self.catalog.tracks.get(index) else {
            return Err(Refusal::new(
                StatusCode::NotFound,
                format!("the stream has {count} tracks, counted from 0"),
            ));
        };
        if self.tracks.iter().any(|t| t.index == index) {
            return Err(Refusal::new(
                StatusCode::MethodNotValidInThisState,
                "this track is set up already",
            ));
        }
        let track = PlayTrack::new(index, track);
        let ssrc = track.ssrc();
        self.tracks.push(track);
        Ok((index, ssrc))
    }

    /// Begins, or goes on, at the newest keyframe.
    pub(super) fn play(&mut self) -> Vec<StreamInfo> {
        let options =
            ReaderOptions { kind: ReaderKind::Viewer, start: Start::NewestKey, max_lag: MAX_LAG };
        let mut subscriber = self.stream.subscribe(options);
        self.held = std::iter::from_fn(|| subscriber.try_next()).take(PEEK).collect();
        self.subscriber = Some(subscriber);
        let first = self.held.iter().find_map(|event| match event {
            Event::Unit(unit, _) => Some((unit.pts, self.catalog.track(unit.track)?.timescale)),
            _ => None,
        });
        let info = |track: &PlayTrack| StreamInfo {
            track: track.index,
            sequence: track.next_sequence(),
            timestamp: first
                .map(|(pts, timescale)| track.timestamp(rescale(pts, timescale, track.timescale))),
        };
        self.tracks.iter().map(info).collect()
    }

    /// Stops until [`Player::play`].
    pub(super) fn pause(&mut self) {
        self.earlier = self.stats();
        self.subscriber = None;
        self.handle = None;
        self.held.clear();
    }

    /// It has a handle already: the client says PLAY while it plays.
    pub(super) fn is_seated(&self) -> bool {
        self.handle.is_some()
    }

    /// Has what it is sent counted from now on.
    pub(super) fn take_seat(&mut self, handle: ViewerHandle) {
        self.handle = Some(handle);
    }

    /// Was too slow for some units.
    pub(super) fn handle_skipped(&mut self, units: u64) {
        self.handle.iter().for_each(|handle| handle.skipped(units));
    }

    /// Takes note of what the client says of its link. Tracks share it, so the first one speaks for
    /// all.
    pub(super) fn handle_report(&self, now: &ClockPair, compound: &[u8]) {
        let (Some(handle), Some(track)) = (&self.handle, self.tracks.first()) else { return };
        for said in feedback::read(compound) {
            let Feedback::Report { block, .. } = said else { continue };
            if block.ssrc != track.ssrc() {
                continue;
            }
            handle.facts.loss.set_share(f32::from(block.fraction_lost) / 256.0);
            block.round_trip(now.wall).into_iter().for_each(|rtt| handle.facts.rtt.set_time(rtt));
        }
    }

    /// The next event. Cancel safe; never ends while paused.
    pub(super) async fn next(&mut self) -> Event {
        if let Some(event) = self.held.pop_front() {
            return event;
        }
        match &mut self.subscriber {
            Some(subscriber) => subscriber.next().await,
            None => std::future::pending().await,
        }
    }

    /// Not before then may the next event be taken; `None` if at once.
    pub(super) fn resume_at(&self) -> Option<Mono> {
        self.pace.as_ref()?.resume_at()
    }

    /// Follows a change of tracks: each goes on with the first one that it can carry and no other
    /// one does.
    pub(super) fn follow(&mut self, catalog: &Catalog) {
        let mut taken = Vec::new();
        for track in &mut self.tracks {
            track.follow(catalog, &taken);
            taken.extend(track.source());
        }
    }

    /// The packets of a unit and the number of its track; `None` if the client has not set that
    /// track up.
    pub(super) fn packets<'u>(
        &mut self,
        now: Mono,
        unit: &'u AccessUnit,
    ) -> Option<(usize, impl ExactSizeIterator<Item = ([u8; HEADER_LEN], &'u RtpFragment)> + use<'u>)>
    {
        let behind = self.subscriber.as_ref().is_some_and(|s| !s.lag().is_zero());
        if let Some(pace) = &mut self.pace {
            pace.sent(now, unit.size(), unit.timing.published, behind);
        }
        let leads = self.leading().is_some_and(|t| t.source() == Some(unit.track));
        let track = self.tracks.iter_mut().find(|t| t.source() == Some(unit.track))?;
        if leads {
            self.newest = Some(Anchor::of(unit, track.timescale));
        }
        let video = self
            .catalog
            .tracks
            .get(track.index)
            .is_some_and(|t| t.codec.kind() == MediaKind::Video);
        if let Some(handle) = &self.handle {
            handle.sent_frames(video.into());
            handle.sent_bytes(unit.size());
        }
        Some((track.index, track.packets(unit)))
    }

    /// The track by which all report: the first picture among those that flow, or the first sound.
    fn leading(&self) -> Option<&PlayTrack> {
        let is_video = |t: &&PlayTrack| {
            self.catalog.tracks.get(t.index).is_some_and(|t| t.codec.kind() == MediaKind::Video)
        };
        let mut flowing = self.tracks.iter().filter(|t| t.source().is_some());
        flowing.clone().find(is_video).or_else(|| flowing.next())
    }

    /// A sender report of a track, if one is due and there is something to report by.
    pub(super) fn report(&mut self, index: usize, clocks: &ClockPair) -> Option<Bytes> {
        let leads = self.leading().is_some_and(|t| t.index == index);
        let track =
            self.tracks.iter_mut().find(|t| t.index == index).filter(|t| t.is_due(clocks.mono))?;
        if leads || self.anchor.is_none() {
            self.anchor = self.newest;
        }
        Some(track.report(clocks.mono, clocks, &self.anchor?))
    }

    /// The last word about each track.
    pub(super) fn goodbyes(&self) -> Vec<(usize, Bytes)> {
        self.tracks.iter().map(|t| (t.index, t.goodbye())).collect()
    }

    /// The stream's name.
    pub(super) fn name(&self) -> &Arc<str> {
        self.stream.name()
    }

    /// What was read so far.
    pub(super) fn stats(&self) -> ReaderStats {
        let now = self.subscriber.as_ref().map(Subscriber::stats).unwrap_or_default();
        let ReaderStats { units, bytes, skipped } = self.earlier;
        ReaderStats {
            units: units + now.units,
            bytes: bytes + now.bytes,
            skipped: skipped + now.skipped,
        }
    }
}

#[cfg(test)]
mod tests;
