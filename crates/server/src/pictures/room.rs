//! The task of one stream's pictures: keeps a worker while somebody wants some, and gives it what
//! it needs.

use super::{
    Jpeg, Pictures,
    board::{Board, MAX_KINDS, Trouble},
    film::{self, Film},
    lock,
    tally::Tally,
    worker::{End, Worker, coded},
};
use hub::{Event, ReaderKind, ReaderOptions, Start, State, Stream, Subscriber};
use media::{AccessUnit, Catalog, Codec, TrackId};
use proto::ipc::Picture;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::DropGuard;

/// The worker goes on for this long after the last visitor: snapshots are often asked for every
/// second or two.
const LINGER: Duration = Duration::from_secs(5);
/// A worker further behind than this goes on at the newest keyframe.
pub(super) const MAX_LAG: Duration = Duration::from_millis(500);
/// What is so little behind the newest frame is worth a picture, should the worker have time for
/// it.
pub(super) const NEW: Duration = Duration::from_millis(50);
/// A worker that lived this long was well, whatever ended it.
const WELL: Duration = Duration::from_secs(10);
/// The first delay before a worker that ended again soon is replaced; each further one doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const MOST_DELAY: Duration = Duration::from_secs(5);

pub(super) struct Room {
    pictures: Pictures,
    stream: Arc<Stream>,
    board: Arc<Board>,
    tally: Arc<Tally>,
    subscriber: Subscriber,
    /// Counts the stream's publishers: what was made of another one's frames is of another run.
    run: u64,
    /// The track of pictures that can be decoded, or are JPEG already.
    video: Option<TrackId>,
    /// Columns and rows of pictures that are JPEG already: they are handed on untouched, and no
    /// worker is needed.
    untouched: Option<(u16, u16)>,
    worker: Option<Worker>,
    /// Decodes the stream where that is H.265, if there is such a program.
    ffmpeg: Option<PathBuf>,
    /// Its processes by width and quality.
    films: BTreeMap<(u16, u8), Filming>,
    retry: Retry,
    /// Since when nobody is here.
    empty: Option<Instant>,
}

/// A process that makes pictures of one kind, ended when this is dropped.
struct Filming {
    _stop: DropGuard,
    /// Since when nobody wants them.
    unwanted: Option<Instant>,
}

/// When the next worker may start.
pub(super) struct Retry {
    pub(super) at: Instant,
    /// Workers that have ended soon, one after another.
    tries: u32,
}

/// What woke the task.
enum Woken {
    Stop,
    Stream(Event),
    Wishes,
    Worker,
    Time,
}

impl Room {
    pub(super) fn new(
        pictures: Pictures,
        stream: Arc<Stream>,
        board: Arc<Board>,
        tally: Arc<Tally>,
    ) -> Self {
        let subscriber = stream.subscribe(ReaderOptions {
            kind: ReaderKind::Decoder,
            start: Start::NewestKey,
            max_lag: MAX_LAG,
        });
        let (ffmpeg, films, retry) = (None, BTreeMap::new(), Retry::new());
        let run = stream.stats().publishers;
        Self {
            pictures,
            stream,
            board,
            tally,
            subscriber,
            run,
            video: None,
            untouched: None,
            worker: None,
            ffmpeg,
            films,
            retry,
            empty: None,
        }
    }

    /// Runs until nobody wants a picture any more, the stream is gone, or the server stops.
    pub(super) async fn run(mut self) {
        let mut wishes = self.board.changed.subscribe();
        // Whoever opened this room may be gone already.
        wishes.mark_changed();
        let stop = self.pictures.house().stop.clone();
        loop {
            self.hire().await;
            self.film();
            let (hungry, deadline) =
                (self.worker.as_ref().is_none_or(Worker::takes_more), self.deadline());
            let woken = tokio::select! {
                () = stop.cancelled() => Woken::Stop,
                event = self.subscriber.next(), if hungry => Woken::Stream(event),
                Ok(()) = wishes.changed() => Woken::Wishes,
                () = heard(self.worker.as_ref()) => Woken::Worker,
                () = sleep_until(deadline) => Woken::Time,
            };
            if !self.handle(woken) {
                break;
            }
        }
        self.dismiss();
    }

    /// False if this is the end.
    fn handle(&mut self, woken: Woken) -> bool {
        match woken {
            Woken::Stop | Woken::Stream(Event::Ended(_)) => return false,
            Woken::Stream(event) => self.follow(event),
            Woken::Wishes => {
                let now = Instant::now();
                self.empty = self.board.is_empty().then(|| self.empty.unwrap_or(now));
                self.tell_wishes();
            }
            Woken::Worker => {
                let clock = self.pictures.house().clock;
                let heard = self
                    .worker
                    .as_mut()
                    .map(|worker| worker.listen(clock.now(), &self.board, &self.tally));
                if let Some(Err(end)) = heard {
                    self.lose(end);
                }
            }
            Woken::Time => {
                if self.worker.as_ref().is_some_and(|w| w.deadline <= Instant::now()) {
                    self.lose(End::Silent);
                }
                let over = self.empty.is_some_and(|since| since.elapsed() >= LINGER);
                return !(over && self.pictures.close(self.stream.name(), &self.board));
            }
        }
        true
    }

    /// When something is to be done though nothing happens.
    fn deadline(&self) -> Instant {
        let retry =
            (self.worker.is_none() && self.retry.at > Instant::now()).then_some(self.retry.at);
        let all = [
            self.empty.map(|since| since + LINGER),
            self.worker.as_ref().map(|w| w.deadline),
            retry,
        ];
        all.into_iter().flatten().min().unwrap_or_else(|| Instant::now() + LINGER)
    }

    fn follow(&mut self, event: Event) {
        let run = self.stream.stats().publishers;
        if std::mem::replace(&mut self.run, run) != run {
            // The time between them may have been too short to be seen.
            self.forget();
        }
        match event {
            Event::Catalog(catalog) => self.choose(&catalog),
            Event::Unit(unit, _) if self.video == Some(unit.track) => self.feed(&unit),
            Event::Status(status) if status.state == State::Offline => self.forget(),
            Event::Unit(..) | Event::Status(_) | Event::Skipped { .. } | Event::Ended(_) => {}
        }
    }

    /// What comes next is another run, of which nothing is to be mixed with this one.
    fn forget(&mut self) {
        self.dismiss();
        self.films.clear();
        self.board.clear();
    }

    fn choose(&mut self, catalog: &Arc<Catalog>) {
        let video = catalog.video();
        self.video = video
            .filter(|track| matches!(track.codec, Codec::H264(_) | Codec::Mjpeg(_)))
            .map(|track| track.id);
        self.untouched = match video.map(|track| &track.codec) {
            Some(Codec::Mjpeg(video)) => Some(
                [video.width, video.height].map(|n| u16::try_from(n).unwrap_or(u16::MAX)).into(),
            ),
            _ => None,
        };
        if self.video.is_none() || self.untouched.is_some() {
            self.forget();
        }
        self.ffmpeg = video
            .filter(|track| matches!(track.codec, Codec::H265(_)))
            .and_then(|_| film::program());
        let refused = self.video.is_none() && self.ffmpeg.is_none();
        self.board.trouble.send_replace(refused.then(|| Trouble::Codec(catalog.clone())));
    }

    fn feed(&mut self, unit: &AccessUnit) {
        if let Some(size) = self.untouched {
            self.hand_on(unit, size);
            return;
        }
        let Some(worker) = &mut self.worker else { return };
        worker.decode(coded(unit, self.subscriber.lag() <= NEW));
    }

    /// Shows a picture as the camera made it to all, whatever width and quality they want.
    fn hand_on(&self, unit: &AccessUnit, (width, height): (u16, u16)) {
        let (Some(jpeg), now) = (unit.payload.first(), self.pictures.house().clock.now()) else {
            return;
        };
        let timing = unit.timing;
        for want in self.board.wants() {
            let picture = Picture {
                want: want.id,
                width,
                height,
                captured: timing.captured.at,
                received: timing.received,
                decoded: timing.published,
                encoded: timing.published,
                jpeg: jpeg.clone(),
            };
            self.board.show(want.id, |number| Jpeg::new(picture, number, now));
        }
    }

    fn tell_wishes(&mut self) {
        if let Some(worker) = &mut self.worker {
            worker.want(self.board.wants());
        }
    }

    /// Starts a worker if one is needed and would have something to do.
    async fn hire(&mut self) {
        let useful = self.video.is_some()
            && self.untouched.is_none()
            && self.stream.publisher().is_some()
            && self.empty.is_none();
        if self.worker.is_some() || !useful || self.retry.at > Instant::now() {
            return;
        }
        match Worker::start(
            &self.pictures.house().spawner,
            self.stream.name(),
            self.pictures.eye(self.stream.name()),
        )
        .await
        {
            Ok(worker) => {
                self.worker = Some(worker);
                self.tally.set_working(true);
                self.tell_wishes();
                // It begins with the newest keyframe, whatever was read before.
                self.subscriber.restart();
            }
            Err(e) => {
                self.retry.after(Duration::ZERO);
                tracing::error!(camera = %self.stream.name(), "cannot start a worker process for pictures: {e}");
            }
        }
    }

    /// Sees to it that there is a process for each kind of picture that is wanted of H.265.
    fn film(&mut self) {
        let Some(program) = self.ffmpeg.clone() else { return };
        let publishes = self.stream.publisher().is_some();
        let wants: Vec<_> =
            self.board.wants().iter().map(|want| (want.width, want.quality)).collect();
        for kind in wants.iter().filter(|_| publishes) {
            if !self.films.contains_key(kind) {
                self.films.insert(*kind, self.start_film(program.clone(), *kind));
            }
        }
        for (kind, film) in &mut self.films {
            film.unwanted =
                if wants.contains(kind) { None } else { film.unwanted.or(Some(Instant::now())) };
        }
        self.films.retain(|_, film| {
            publishes && film.unwanted.is_none_or(|since| since.elapsed() < LINGER)
        });
        // Those that linger make room for those that are wanted.
        while self.films.len() > MAX_KINDS
            && let Some(kind) =
                self.films.iter().find(|(_, film)| film.unwanted.is_some()).map(|(kind, _)| *kind)
        {
            self.films.remove(&kind);
        }
        self.tally.set_working(!self.films.is_empty());
    }

    fn start_film(&self, program: PathBuf, (width, quality): (u16, u8)) -> Filming {
        let house = self.pictures.house();
        let (stream, board, tally) = (self.stream.clone(), self.board.clone(), self.tally.clone());
        let film = Film {
            program,
            stream,
            board,
            tally,
            clock: house.clock,
            width,
            quality,
            keys_only: false,
        };
        let stop = house.stop.child_token();
        house.tasks.spawn(film.run(stop.clone()));
        Filming { _stop: stop.drop_guard(), unwanted: None }
    }

    /// The worker has ended by itself, or must be ended.
    fn lose(&mut self, end: End) {
        let Some(worker) = self.worker.take() else { return };
        self.tally.set_working(false);
        self.tally.restarted();
        self.retry.after(worker.since.elapsed());
        let (camera, house) = (self.stream.name().clone(), self.pictures.house());
        house.tasks.spawn(async move {
            let cause = worker.bury(end).await;
            tracing::warn!(%camera, "the worker process for pictures {cause}; it is replaced");
        });
    }

    /// Sends the worker home.
    fn dismiss(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.tally.set_working(false);
            self.pictures.house().tasks.spawn(worker.stop());
        }
    }
}

/// A panic must not leave a room that nobody serves.
impl Drop for Room {
    fn drop(&mut self) {
        let mut rooms = lock(&self.pictures.shared.rooms);
        let ours =
            rooms.get(self.stream.name()).is_some_and(|board| Arc::ptr_eq(board, &self.board));
        if ours {
            rooms.remove(self.stream.name());
        }
        drop(rooms);
        self.tally.set_working(false);
        self.board.trouble.send_replace(Some(Trouble::Ended));
    }
}

impl Retry {
    /// At once.
    pub(super) fn new() -> Self {
        Self { at: Instant::now(), tries: 0 }
    }

    /// After a worker that lived for `lived`.
    pub(super) fn after(&mut self, lived: Duration) {
        self.tries = if lived >= WELL { 1 } else { self.tries.saturating_add(1) };
        let delay = match self.tries.checked_sub(2) {
            // Once may be chance.
            None => Duration::ZERO,
            Some(n) => FIRST_DELAY.saturating_mul(1 << n.min(10)).min(MOST_DELAY),
        };
        self.at = Instant::now() + delay;
    }
}

/// Waits until the worker has something to say, or takes more.
async fn heard(worker: Option<&Worker>) {
    match worker {
        Some(worker) => worker.ready().await,
        None => std::future::pending().await,
    }
}
