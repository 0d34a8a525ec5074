//! One camera's muxer at work: reads the stream, and shows pages.

use super::page::Page;
use crate::{
    cameras::{CameraError, Cameras},
    clock::Clock,
};
use hub::{Event, ReaderKind, ReaderOptions, Start, Stream, Subscriber};
use media::{Catalog, Mono};
use proto::hls::{Muxer, Options};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::watch;

/// Players stay two parts behind: in less than this there is no room for a hiccup, and every part
/// is two more requests.
const PART: Duration = Duration::from_millis(100);
const SEGMENT: Duration = Duration::from_secs(1);
const TARGET: Duration = Duration::from_secs(4);
/// Target durations that the playlist reaches back; six is what a delta update must leave in.
const WINDOW: u32 = 8;
const MAX_BYTES: usize = 48 << 20;
/// The muxer reads what the ring holds, however old.
const NO_LAG: Duration = Duration::from_secs(3600);

/// What the muxer has to show.
#[derive(Clone)]
pub(super) enum Stage {
    /// Nothing yet.
    Dark,
    /// The newest page.
    Page(Arc<Page>),
    /// Nothing, because of the tracks.
    Refused(CameraError),
}

/// The handle of a running muxer.
pub(super) struct Show {
    stream: Arc<Stream>,
    stage: watch::Receiver<Stage>,
    /// How often the stream had been held when this began.
    disabled_count: u64,
    /// When somebody last asked for anything.
    touched: AtomicU64,
}

/// The muxer's own side.
pub(super) struct Player {
    subscriber: Subscriber,
    disabled_count: u64,
    catalog: Option<Arc<Catalog>>,
    muxer: Muxer,
    clock: Clock,
    stage: watch::Sender<Stage>,
}

impl Show {
    /// A muxer for `stream`, to be run.
    pub(super) fn new(stream: Arc<Stream>, clock: Clock) -> (Arc<Self>, Player) {
        let (sender, stage) = watch::channel(Stage::Dark);
        let seconds = clock.pair().wall.as_micros().div_euclid(1_000_000);
        let options = Options {
            part: PART,
            segment: SEGMENT,
            target: TARGET,
            window: WINDOW,
            max_bytes: MAX_BYTES,
            run: format!("{:08x}", fastrand::u32(..)).into(),
            // Segments are rarely shorter than a second, so a later run begins higher.
            first_sequence: seconds.max(0).cast_unsigned(),
        };
        // Before anything is read: what is of an earlier run is never taken for one of this.
        let disabled_count = stream.disabled_count();
        let subscriber = stream.subscribe(ReaderOptions {
            kind: ReaderKind::Muxer,
            start: Start::OldestKey,
            max_lag: NO_LAG,
        });
        let player = Player {
            subscriber,
            disabled_count,
            catalog: None,
            muxer: Muxer::new(options),
            clock,
            stage: sender,
        };
        (
            Arc::new(Self {
                stream,
                stage,
                disabled_count,
                touched: AtomicU64::new(clock.now().as_nanos()),
            }),
            player,
        )
    }

    pub(super) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// What is shown, and a way to wait for more.
    pub(super) fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.clone()
    }

    /// Somebody asked for something.
    pub(super) fn touch(&self, now: Mono) {
        self.touched.fetch_max(now.as_nanos(), Relaxed);
    }

    /// For how long nobody has asked for anything.
    pub(super) fn idle(&self, now: Mono) -> Duration {
        now.since(Mono::from_nanos(self.touched.load(Relaxed)))
    }

    /// Its task has ended, or shows what was before the camera was stopped.
    pub(super) fn is_over(&self) -> bool {
        self.stage.has_changed().is_err() || self.stream.disabled_count() != self.disabled_count
    }
}

impl Player {
    /// Shows the stream until it is stopped or ends for good.
    pub(super) async fn run(mut self, cameras: Cameras) {
        while let Some(event) = self.subscriber.try_next() {
            if self.handle(event).is_none() {
                return;
            }
            tokio::task::consume_budget().await;
        }
        self.muxer.settle(self.keyframe_interval(&cameras));
        self.show();
        loop {
            let event = self.subscriber.next().await;
            match self.handle(event) {
                Some(true) => self.show(),
                Some(false) => {}
                None => return,
            }
        }
    }

    /// True if there may be something new to show, `None` at the end.
    fn handle(&mut self, event: Event) -> Option<bool> {
        if self.subscriber.stream().disabled_count() != self.disabled_count {
            return None;
        }
        match event {
            Event::Catalog(catalog) => {
                if Muxer::cannot_carry(&catalog) {
                    let refused =
                        CameraError::not_carried(self.subscriber.stream(), &catalog, "HLS");
                    self.stage.send_replace(Stage::Refused(refused));
                }
                self.catalog = Some(catalog);
                Some(false)
            }
            Event::Unit(unit, _) => {
                let catalog = self.catalog.as_ref().filter(|c| !Muxer::cannot_carry(c));
                Some(
                    catalog
                        .is_some_and(|catalog| self.muxer.push(&self.clock.pair(), catalog, &unit)),
                )
            }
            // Frames that are missing are a gap like any other.
            Event::Skipped { .. } | Event::Status(_) => Some(false),
            Event::Ended(_) => None,
        }
    }

    fn show(&self) {
        if let Some(playlist) = self.muxer.playlist() {
            self.stage.send_replace(Stage::Page(Arc::new(Page::new(playlist))));
        }
    }

    /// How far apart keyframes are, by what has been counted so far.
    fn keyframe_interval(&self, cameras: &Cameras) -> Option<Duration> {
        let stats = self.subscriber.stream().stats();
        let fps = cameras.get(self.subscriber.stream().name()).ok()?.rates().fps;
        let known = stats.keyframes >= 2 && fps > 1.0;
        known.then(|| {
            Duration::from_secs_f64((stats.frames as f64 / stats.keyframes as f64 / fps).min(60.0))
        })
    }
}
