//! One client's stream: reads from the hub as fast as the client takes it, and muxes.

use crate::viewers::ViewerHandle;
use bytes::Bytes;
use hub::{Event, ReaderKind, ReaderOptions, Start, Stream, Subscriber};
use media::{
    AccessUnit, Catalog, MediaKind, Track, TrackId,
    mp4::{self, Fragmenter},
    ts,
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// A client further behind than this goes on at the newest keyframe.
const MAX_LAG: Duration = Duration::from_secs(2);
/// As much is put into one piece when there is more than one frame to send.
const ENOUGH: usize = 64 << 10;
/// No fragment holds more than one picture, so no pause is to be spread.
const MOST: i64 = i64::MAX;

/// Which container.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Container {
    Mp4,
    Ts,
}

/// The stream of one client.
pub(super) struct Feed {
    subscriber: Subscriber,
    /// How often the stream had been held when this began.
    disabled_count: u64,
    container: Container,
    mux: Mux,
    handle: ViewerHandle,
    ended: CancellationToken,
    out: Vec<u8>,
}

enum Mux {
    /// No tracks are known yet.
    None,
    Mp4 {
        fragmenter: Box<Fragmenter>,
        tracks: Vec<Track>,
    },
    Ts {
        muxer: Box<ts::TsMuxer>,
        video: Option<TrackId>,
    },
}

/// Why there is nothing more.
pub(super) enum End {
    /// The tracks cannot be carried by the container.
    NotCarried(Arc<Catalog>),
    /// The stream or the server ends, the camera is stopped, the viewer was sent away, or the
    /// tracks have changed in a way that the file cannot tell.
    Over,
}

impl Container {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mp4 => "MP4",
            Self::Ts => "MPEG-TS",
        }
    }
}

impl Feed {
    /// Begins at the newest keyframe. It ends with `ended`.
    pub(super) fn new(
        stream: &Arc<Stream>,
        container: Container,
        handle: ViewerHandle,
        ended: CancellationToken,
    ) -> Self {
        let disabled_count = stream.disabled_count();
        let subscriber = stream.subscribe(ReaderOptions {
            kind: ReaderKind::Viewer,
            start: Start::NewestKey,
            max_lag: MAX_LAG,
        });
        Self {
            subscriber,
            disabled_count,
            container,
            mux: Mux::None,
            handle,
            ended,
            out: Vec::new(),
        }
    }

    /// The next piece: a frame, or as many as wait for a client that is behind.
    pub(super) async fn next(&mut self) -> Result<Bytes, End> {
        while self.out.is_empty() {
            let ended = self.ended.clone();
            let event = ended.run_until_cancelled(self.subscriber.next()).await.ok_or(End::Over)?;
            self.handle(event)?;
        }
        while self.out.len() < ENOUGH
            && let Some(event) = self.subscriber.try_next()
        {
            if self.handle(event).is_err() {
                // What is there is sent first; the cause comes again with the next call, as the
                // stream has ended.
                self.ended.cancel();
                break;
            }
        }
        self.handle.sent_bytes(self.out.len());
        Ok(std::mem::take(&mut self.out).into())
    }

    fn handle(&mut self, event: Event) -> Result<(), End> {
        // A recording of a camera that was stopped is complete.
        if self.subscriber.stream().disabled_count() != self.disabled_count {
            return Err(End::Over);
        }
        match event {
            Event::Catalog(catalog) => self.follow(&catalog),
            Event::Unit(unit, _) => {
                self.write(&unit);
                Ok(())
            }
            Event::Skipped { units } => {
                self.handle.skipped(units);
                match &mut self.mux {
                    Mux::None => {}
                    Mux::Mp4 { fragmenter, .. } => fragmenter.restart(),
                    Mux::Ts { muxer, .. } => muxer.restart(),
                }
                Ok(())
            }
            Event::Status(_) => Ok(()),
            Event::Ended(_) => Err(End::Over),
        }
    }

    /// Follows a change of tracks, which an MP4 file cannot.
    fn follow(&mut self, catalog: &Arc<Catalog>) -> Result<(), End> {
        let not_carried = || End::NotCarried(catalog.clone());
        match (&mut self.mux, self.container) {
            (Mux::None, Container::Mp4) if awaits_sets(catalog) => {}
            (Mux::None, Container::Mp4) => {
                let tracks = mp4::tracks(catalog);
                let fragmenter = Box::new(Fragmenter::new(&tracks).ok_or_else(not_carried)?);
                self.out.extend_from_slice(&mp4::init_segment(&tracks));
                self.mux = Mux::Mp4 { fragmenter, tracks };
            }
            (Mux::None, Container::Ts) => {
                let muxer = Box::new(ts::TsMuxer::new(catalog).ok_or_else(not_carried)?);
                self.mux = Mux::Ts { muxer, video: video(catalog) };
            }
            (Mux::Mp4 { tracks, .. }, _) if *tracks == mp4::tracks(catalog) => {}
            (Mux::Mp4 { .. }, _) => return Err(End::Over),
            (Mux::Ts { muxer, video: shown }, _) => {
                *shown = video(catalog);
                if !muxer.set_catalog(catalog) {
                    return Err(End::Over);
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, unit: &Arc<AccessUnit>) {
        let before = self.out.len();
        let picture = match &mut self.mux {
            Mux::None => false,
            Mux::Mp4 { fragmenter, tracks } => {
                if let Some(frame) = fragmenter.admit(unit) {
                    fragmenter.add(frame);
                }
                if let Some(fragment) = fragmenter.cut(None, MOST) {
                    self.out.extend_from_slice(&fragment.head);
                    fragment.body.iter().for_each(|piece| self.out.extend_from_slice(piece));
                }
                tracks.iter().any(|t| t.id == unit.track && t.codec.kind() == MediaKind::Video)
            }
            Mux::Ts { muxer, video } => {
                muxer.push(unit, &mut self.out);
                *video == Some(unit.track)
            }
        };
        if picture && self.out.len() > before {
            self.handle.sent_frames(1);
        }
    }
}

fn video(catalog: &Catalog) -> Option<TrackId> {
    catalog.video().map(|t| t.id)
}

/// Its picture cannot be described yet, but will be with its first keyframe.
fn awaits_sets(catalog: &Catalog) -> bool {
    catalog.video().is_some_and(|track| track.codec.video_params().is_none())
}
