//! Looks whether a camera's picture stands still, where nobody else does who sees its pixels.
//!
//! JPEG files are compared as they are, a few times a second. Of H.264 and H.265 the keyframes
//! alone are decoded, by a worker (and an `ffmpeg` before it for H.265), and only while
//! [`Stillness::wants_look`] says so, or somebody watches H.265 as JPEG. It reads without being
//! counted, so that no source runs on for it.

use super::{
    Pictures, Wish,
    board::Board,
    film::{self, Film},
    room::{MAX_LAG, Retry},
    tally::Tally,
    view::View,
    worker::{End, Worker, coded},
};
use crate::stillness::{Eye, Files, Stillness};
use hub::{Event, KeyframeRequest, ReaderKind, ReaderOptions, Start, Stream, Subscriber};
use media::{AccessUnit, Codec, Mono};
use proto::ipc::Coded;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::DropGuard;

/// From look to look.
const ROUND: Duration = Duration::from_millis(250);
/// Without a keyframe for this long one is asked for: some publishers send none by themselves.
const KEY_WITHIN: Duration = Duration::from_secs(10);
/// What `ffmpeg` makes of H.265 for this.
const WISH: Wish = Wish { width: 1280, quality: 90, interval: Duration::ZERO };

pub(super) struct Looker {
    pictures: Pictures,
    stream: Arc<Stream>,
    stillness: Stillness,
    /// Counts the stream's publishers: each run is looked at anew.
    run: u64,
    files: Files,
    subscriber: Option<Subscriber>,
    /// When the newest keyframe was found.
    key: Mono,
    worker: Option<Worker>,
    film: Option<Filming>,
    retry: Retry,
}

/// An `ffmpeg` that makes JPEGs of H.265, ended when this is dropped.
struct Filming {
    board: Arc<Board>,
    _view: View,
    _stop: DropGuard,
    /// The picture that was looked at last.
    seen: u64,
}

impl Looker {
    pub(super) fn new(pictures: Pictures, stream: Arc<Stream>, stillness: Stillness) -> Self {
        let (run, retry) = (stream.stats().publishers, Retry::new());
        Self {
            pictures,
            stream,
            stillness,
            run,
            files: Files::default(),
            subscriber: None,
            key: Mono::default(),
            worker: None,
            film: None,
            retry,
        }
    }

    /// Looks until it is dropped.
    pub(super) async fn run(mut self) {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            self.round().await;
        }
    }

    async fn round(&mut self) {
        let (now, run) = (self.now(), self.stream.stats().publishers);
        if std::mem::replace(&mut self.run, run) != run {
            self.rest();
        }
        let catalog = self.stream.catalog();
        match catalog.as_ref().and_then(|catalog| catalog.video()).map(|track| &track.codec) {
            Some(Codec::Mjpeg(_)) => self.compare(now),
            Some(Codec::H264(_)) if self.stillness.wants_look(now) => self.decode(now).await,
            // Those who watch it see pictures that `ffmpeg` has made, which tell nobody whether
            // they stand still.
            Some(Codec::H265(_)) if self.stillness.wants_look(now) || self.is_watched() => {
                self.film(now).await;
            }
            _ => self.rest(),
        }
    }

    /// Looks at nothing, and forgets what it has seen.
    fn rest(&mut self) {
        (self.subscriber, self.film, self.files) = (None, None, Files::default());
        if let Some(worker) = self.worker.take() {
            self.pictures.house().tasks.spawn(worker.stop());
        }
    }

    fn compare(&mut self, now: Mono) {
        let file = self.newest(now, |_| true).and_then(|unit| unit.payload.first().cloned());
        if let Some(look) = file.and_then(|file| self.files.look(now, &file)) {
            self.eye().tell(now, look);
        }
    }

    async fn decode(&mut self, now: Mono) {
        if !self.employ(now).await {
            return;
        }
        let key = self.newest(now, |unit| unit.key);
        if key.is_none()
            && now.since(self.key) > KEY_WITHIN
            && self.stream.request_keyframe(now) == KeyframeRequest::Sent
        {
            self.key = now;
        }
        if let (Some(unit), Some(worker)) = (key, &mut self.worker) {
            self.key = now;
            worker.decode(coded(&unit, false));
        }
    }

    async fn film(&mut self, now: Mono) {
        if !self.employ(now).await {
            return;
        }
        if self.film.is_none() {
            self.film = self.start_film();
        }
        let Some(film) = &mut self.film else { return };
        let newest = film
            .board
            .newest(WISH.width, WISH.quality)
            .filter(|picture| picture.number > film.seen);
        if let (Some(picture), Some(worker)) = (newest, &mut self.worker) {
            film.seen = picture.number;
            let (captured, received, payload) =
                (picture.captured, picture.received, [picture.file.clone()].into_iter().collect());
            worker.decode(Coded { pts: 0, key: true, show: false, captured, received, payload });
        }
    }

    fn start_film(&self) -> Option<Filming> {
        let (program, board, house) =
            (film::program()?, Arc::new(Board::default()), self.pictures.house());
        let view = View::enter(board.clone(), WISH).ok()?;
        let (stream, tally, stop) =
            (self.stream.clone(), Arc::new(Tally::default()), house.stop.child_token());
        let (width, quality) = (WISH.width, WISH.quality);
        let film = Film {
            program,
            stream,
            board: board.clone(),
            tally,
            clock: house.clock,
            width,
            quality,
            keys_only: true,
        };
        house.tasks.spawn(film.run(stop.clone()));
        Some(Filming { board, _view: view, _stop: stop.drop_guard(), seen: 0 })
    }

    /// Sees to it that there is a worker, and hears it; false if there is none, or it has enough to
    /// do.
    async fn employ(&mut self, now: Mono) -> bool {
        // What it makes and counts is of no interest: it makes nothing.
        let (board, tally) = (Board::default(), Tally::default());
        let heard = self.worker.as_mut().map(|worker| worker.listen(now, &board, &tally));
        let silent = self.worker.as_ref().is_some_and(|worker| worker.deadline <= Instant::now());
        if let Some(end) = heard.and_then(Result::err).or(silent.then_some(End::Silent)) {
            self.lose(end);
        }
        if self.worker.is_none() && self.retry.at <= Instant::now() {
            match Worker::start(&self.pictures.house().spawner, self.stream.name(), self.eye())
                .await
            {
                Ok(worker) => self.worker = Some(worker),
                Err(e) => {
                    self.retry.after(Duration::ZERO);
                    tracing::error!(camera = %self.stream.name(), "cannot start a worker process that looks at pictures: {e}");
                }
            }
        }
        self.worker.as_ref().is_some_and(Worker::takes_more)
    }

    fn lose(&mut self, end: End) {
        let Some(worker) = self.worker.take() else { return };
        self.retry.after(worker.since.elapsed());
        let camera = self.stream.name().clone();
        self.pictures.house().tasks.spawn(async move {
            let cause = worker.bury(end).await;
            tracing::warn!(%camera, "the worker process that looks at pictures {cause}; it is replaced");
        });
    }

    /// The newest unit with pictures that has come since the last round and is `good`.
    fn newest(&mut self, now: Mono, good: impl Fn(&AccessUnit) -> bool) -> Option<Arc<AccessUnit>> {
        let video = self.stream.catalog()?.video()?.id;
        let options =
            ReaderOptions { kind: ReaderKind::Decoder, start: Start::NewestKey, max_lag: MAX_LAG };
        if self.subscriber.is_none() {
            self.key = now;
        }
        let subscriber = self.subscriber.get_or_insert_with(|| self.stream.observe(options));
        let mut newest = None;
        while let Some(event) = subscriber.try_next() {
            match event {
                Event::Unit(unit, _) if unit.track == video && good(&unit) => newest = Some(unit),
                Event::Ended(_) => break,
                _ => {}
            }
        }
        newest
    }

    /// True while somebody has pictures made of the stream.
    fn is_watched(&self) -> bool {
        self.pictures.is_working(self.stream.name())
    }

    fn eye(&self) -> Eye {
        self.stillness.eye(true)
    }

    fn now(&self) -> Mono {
        self.pictures.house().clock.now()
    }
}
