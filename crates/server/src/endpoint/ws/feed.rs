//! One viewer's messages: reads from the hub as fast as the viewer takes them.

use super::message::{Format, Header, Kind, Said, micros};
use crate::clock::Clock;
use bytes::Bytes;
use hub::{Event, ReaderKind, ReaderOptions, Start, Stream, Subscriber};
use media::{
    AccessUnit, Catalog, MediaKind, Track,
    mp4::{self, Fragmenter},
};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// A viewer further behind than this goes on at the newest keyframe, if that is ahead of it.
const MAX_LAG: Duration = Duration::from_millis(500);

/// What a viewer wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) format: Format,
    /// With sound, if there is any.
    pub(super) audio: bool,
}

/// Something to be sent.
#[derive(Debug)]
pub(super) enum Output {
    Text(String),
    /// A message of media, and whether it holds a picture.
    Media(Bytes, bool),
    /// Units that this viewer will not get.
    Skipped(u64),
    /// Nothing comes behind this.
    End,
}

/// The stream of one viewer.
pub(super) struct Feed {
    subscriber: Subscriber,
    wish: Wish,
    clock: Clock,
    tracks: Vec<Track>,
    /// With fragments only.
    fragmenter: Option<Fragmenter>,
    /// Made and not yet taken.
    ready: VecDeque<Output>,
}

impl Feed {
    /// Begins at the newest keyframe.
    pub(super) fn new(stream: &Arc<Stream>, wish: Wish, clock: Clock) -> Self {
        let subscriber = stream.subscribe(ReaderOptions {
            kind: ReaderKind::Viewer,
            start: Start::NewestKey,
            max_lag: MAX_LAG,
        });
        Self {
            subscriber,
            wish,
            clock,
            tracks: Vec::new(),
            fragmenter: None,
            ready: VecDeque::new(),
        }
    }

    /// The next output, waiting for it as long as it takes. Cancel safe.
    pub(super) async fn next(&mut self) -> Output {
        loop {
            if let Some(output) = self.ready.pop_front() {
                return output;
            }
            let event = self.subscriber.next().await;
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Catalog(catalog) => self.follow(&catalog),
            Event::Unit(unit, _) => self.frame(&unit),
            Event::Skipped { units } => self.skip(units),
            Event::Status(status) => self.say(&Said::state(&status, self.clock.now())),
            Event::Ended(reason) => {
                self.say(&Said::Ended { reason: &reason });
                self.ready.push_back(Output::End);
            }
        }
    }

    fn say(&mut self, said: &Said<'_>) {
        self.ready.push_back(Output::Text(said.text()));
    }

    /// The tracks have changed: whoever decodes begins anew.
    fn follow(&mut self, catalog: &Catalog) {
        let tracks = self.choose(catalog);
        let awaits_sets = catalog.video().is_some_and(|v| v.codec.video_params().is_none());
        if tracks.is_empty() && !awaits_sets {
            let codecs: Vec<_> = catalog.tracks.iter().map(|t| t.codec.to_string()).collect();
            self.say(&Said::Unsupported {
                message: format!("players of this kind cannot show {}", codecs.join(", ")),
            });
        }
        if tracks.is_empty() || tracks == self.tracks {
            return;
        }
        self.say(&Said::tracks(&tracks));
        if self.wish.format == Format::Fmp4 {
            self.ready.push_back(Output::Media(
                Header::init().message(&[&[mp4::init_segment(&tracks)]]),
                false,
            ));
            self.fragmenter = Fragmenter::new(&tracks);
        }
        self.tracks = tracks;
    }

    fn choose(&self, catalog: &Catalog) -> Vec<Track> {
        let mut tracks = mp4::tracks(catalog);
        tracks.retain(|t| self.wish.audio || t.codec.kind() == MediaKind::Video);
        tracks
    }

    /// What it has missed is told, and the file has a hole there.
    fn skip(&mut self, units: u64) {
        if let Some(fragmenter) = &mut self.fragmenter {
            fragmenter.restart();
        }
        self.ready.push_back(Output::Skipped(units));
        self.say(&Said::Skipped { units });
    }

    fn frame(&mut self, unit: &Arc<AccessUnit>) {
        let Some(track) = self.tracks.iter().find(|t| t.id == unit.track) else { return };
        let picture = track.codec.kind() == MediaKind::Video;
        let message = match self.wish.format {
            Format::Units => Some(self.unit(unit, track)),
            Format::Fmp4 => self.fragment(unit),
        };
        self.ready.extend(message.map(|message| Output::Media(message, picture)));
    }

    fn unit(&self, unit: &AccessUnit, track: &Track) -> Bytes {
        let kind = if track.codec.kind() == MediaKind::Video { Kind::Picture } else { Kind::Sound };
        let behind = self.subscriber.lag() > Duration::ZERO;
        let header = Header {
            pts: micros(unit.pts, track),
            behind,
            ..Header::of(kind, unit, self.clock.pair())
        };
        header.message(&[mp4::sample(unit, &track.codec)])
    }

    /// A fragment of this one frame; `None` if it has no place in the file.
    fn fragment(&mut self, unit: &Arc<AccessUnit>) -> Option<Bytes> {
        let track = self.tracks.iter().find(|t| t.id == unit.track)?;
        let fragmenter = self.fragmenter.as_mut()?;
        let frame = fragmenter.admit(unit)?;
        let (pts, length) = (frame.pts(), frame.length());
        fragmenter.add(frame);
        let fragment = fragmenter.cut(None, i64::MAX)?;
        let behind = self.subscriber.lag() > Duration::ZERO;
        let duration = u32::try_from(micros(length, track)).unwrap_or(0);
        // A frame that came late is decoded where the one before it ended, and cannot be shown
        // before that.
        let shown =
            if fragmenter.leading().id == track.id { pts.max(fragment.span.0) } else { pts };
        let header = Header {
            pts: micros(shown, track),
            duration,
            behind,
            ..Header::of(Kind::Fragment, unit, self.clock.pair())
        };
        Some(header.message(&[std::slice::from_ref(&fragment.head), &fragment.body]))
    }
}

#[cfg(test)]
mod tests;
