//! One camera, or a rendition of one: its stream, and what is known about it beyond the stream.

use super::meter::{Meter, Rates};
use crate::{
    controls::Desk,
    event::EventKind,
    stillness::{self, News, Stillness},
    stream_name::parts,
};
use hub::{State, Status, Stream};
use media::{Catalog, ClockPair, Mono, Wall};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Where a camera's picture comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    /// The source in words, without secrets: `rtsp://192.0.2.10/stream1`, `publish`.
    pub(crate) text: Arc<str>,
    /// The camera waits for somebody to publish.
    pub(crate) publishable: bool,
    /// Its source runs only while somebody watches.
    pub(crate) on_demand: bool,
}

/// What can be asked of a camera's source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Run (again) after a stop, without waiting for the next try.
    Start,
    /// Stop until told to start.
    Stop,
    /// Stop and run anew at once.
    Restart,
    /// Run anew, because the picture has not changed for so long.
    Mend(Duration),
}

/// How often, and why, a camera's source had to be started again after a fault.
#[derive(Clone, Default, Debug)]
pub(crate) struct Restarts {
    /// By reason: one of a few fixed words, because it is a label of a metric.
    pub(crate) by_reason: Vec<(&'static str, u64)>,
    /// When the last fault was, and its cause in words without secrets.
    pub(crate) last: Option<(Mono, Arc<str>)>,
}

impl Restarts {
    /// All together.
    pub(crate) fn total(&self) -> u64 {
        self.by_reason.iter().map(|(_, n)| n).sum()
    }
}

/// Whoever keeps a camera's source running.
pub(crate) trait SourceControl: Send + Sync {
    /// Passes an order on; never waits for it.
    fn order(&self, order: Order);
    /// What went wrong so far.
    fn restarts(&self) -> Restarts;
}

/// What is said of a camera that was told to stop.
const STOPPED: &str = "stopped by command; it stays so until it is started again";

/// A camera, or a rendition of one, as the directory knows it.
pub(crate) struct Camera {
    stream: Arc<Stream>,
    /// Bits a second as of the last tick; beside the notes, so that media threads read it without
    /// their lock.
    bitrate: AtomicU64,
    controls: Desk,
    stillness: Stillness,
    /// Held for a moment, never across an await.
    notes: Mutex<Notes>,
}

struct Notes {
    origin: Origin,
    title: Option<Arc<str>>,
    /// `None` for a camera that waits for publishers.
    control: Option<Arc<dyn SourceControl>>,
    /// Restarts that earlier source controls counted.
    earlier: Vec<(&'static str, u64)>,
    meter: Meter,
    seen: Option<Seen>,
    /// The last state told as an event, and why.
    told: Option<(State, Arc<str>)>,
}

/// What the last tick saw, to notice changes.
#[derive(PartialEq)]
struct Seen {
    status: Arc<Status>,
    publisher: Option<Arc<str>>,
    catalog: Option<Arc<Catalog>>,
    restarts: u64,
}

/// What a tick noticed.
#[derive(Default)]
pub(super) struct Noticed {
    /// Users should be shown the camera anew.
    pub(super) changed: bool,
    /// What is worth an event.
    pub(super) events: Vec<(Wall, EventKind, Arc<str>)>,
}

impl Camera {
    pub(super) fn new(stream: Arc<Stream>, origin: Origin) -> Self {
        let notes = Notes {
            origin,
            title: None,
            control: None,
            earlier: Vec::new(),
            meter: Meter::default(),
            seen: None,
            told: None,
        };
        Self {
            stream,
            bitrate: AtomicU64::new(0),
            controls: Desk::default(),
            stillness: Stillness::default(),
            notes: Mutex::new(notes),
        }
    }

    /// The name of its stream: `CAMERA`, or `CAMERA/RENDITION`.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.stream.name()
    }

    /// The camera that this is, or is a rendition of.
    pub(crate) fn camera_name(&self) -> &str {
        parts(self.name()).0
    }

    /// The name of the rendition within its camera; `None` for the camera's own picture.
    pub(crate) fn rendition(&self) -> Option<&str> {
        parts(self.name()).1
    }

    /// Bits of payload a second, over the last three seconds, as of the last tick: at most 0.1 s
    /// old. Zero while no frames came for three seconds, and before the second tick: not known is
    /// not free of cost, so whoever compares has to look at the state too. One load of an atomic.
    pub(crate) fn bitrate(&self) -> u64 {
        self.bitrate.load(Relaxed)
    }

    /// What can be set in it while it runs.
    pub(crate) fn controls(&self) -> &Desk {
        &self.controls
    }

    /// Whether its picture stands still.
    pub(crate) fn stillness(&self) -> &Stillness {
        &self.stillness
    }

    /// Its stream.
    pub(crate) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Where its picture comes from.
    pub(crate) fn origin(&self) -> Origin {
        self.notes().origin.clone()
    }

    /// The name for people, if it has one beside its own.
    pub(crate) fn title(&self) -> Option<Arc<str>> {
        self.notes().title.clone()
    }

    /// Gives it a name for people.
    pub(crate) fn set_title(&self, title: Option<Arc<str>>) {
        self.notes().title = title;
    }

    pub(super) fn set_origin(&self, origin: Origin) {
        self.notes().origin = origin;
    }

    /// Sets who keeps its source running.
    pub(crate) fn set_source_control(&self, control: Option<Arc<dyn SourceControl>>) {
        let mut notes = self.notes();
        notes.earlier = notes.restarts().by_reason;
        notes.control = control;
    }

    /// Gives an order to its source. A camera that waits for publishers has none: a restart sends
    /// the present one away, a stop does so too and lets nobody publish until a start.
    pub(crate) fn order(&self, now: Mono, order: Order) {
        let control = self.notes().control.clone();
        match control {
            Some(control) => control.order(order),
            None => self.order_publisher(now, order),
        }
    }

    /// Holds its stream because it was stopped by command at `since`, which may have been before
    /// the server was started.
    pub(crate) fn stay_stopped(&self, since: Wall, now: ClockPair) {
        let (day, time) = since.day_and_minute();
        let words = format!(
            "stopped by command on {day} at {time} UTC; it stays so until it is started again"
        );
        self.stream.disable(now.mono_at(since).min(now.mono), words);
    }

    fn order_publisher(&self, now: Mono, order: Order) {
        match order {
            Order::Stop if self.stream.is_disabled() => {}
            Order::Stop => self.stream.disable(now, STOPPED),
            Order::Start => self.let_publish(now),
            Order::Restart => {
                self.let_publish(now);
                self.stream.kick_publisher(now, "its publisher was asked to begin anew");
            }
            Order::Mend(still) => {
                let reason = format!(
                    "the picture had not changed for {}; publish anew",
                    stillness::in_words(still)
                );
                if self.stream.kick_publisher(now, reason) {
                    self.notes().count("frozen");
                }
            }
        }
    }

    fn let_publish(&self, now: Mono) {
        if self.stream.enable() {
            // Ignored if somebody was quick enough to publish.
            self.stream.report(Status::new(
                State::Offline,
                "nobody has published since it was started",
                now,
            ));
        }
    }

    /// Frame rate and bit rate over the last seconds.
    pub(crate) fn rates(&self) -> Rates {
        self.notes().meter.rates()
    }

    /// What went wrong with the source so far.
    pub(crate) fn restarts(&self) -> Restarts {
        self.notes().restarts()
    }

    /// Notices what has happened since the last tick.
    pub(super) fn tick(&self, clocks: ClockPair) -> Noticed {
        let now = clocks.mono;
        self.stream.check_stall(now);
        let still = self.watch(clocks);
        let stats = self.stream.stats();
        let (status, publisher, catalog) =
            (self.stream.status(), self.stream.publisher(), self.stream.catalog());
        let mut notes = self.notes();
        notes.meter.sample(now, stats.frames, stats.bytes);
        self.bitrate.store(notes.meter.rates().bitrate as u64, Relaxed);
        let restarts = notes.restarts();
        let mut noticed = Noticed { changed: still.is_some(), ..Noticed::default() };
        for status in self.stream.take_transitions() {
            noticed.events.extend(notes.tell(&status, clocks));
        }
        noticed.events.extend(still.map(|(kind, why)| (clocks.wall, kind, why)));
        let total = restarts.total();
        if notes.seen.as_ref().is_some_and(|seen| seen.restarts < total) {
            noticed.events.insert(
                0,
                (
                    clocks.wall,
                    EventKind::CameraRestarted,
                    restarts.last.map_or_else(|| "".into(), |(_, why)| why),
                ),
            );
        }
        let seen = Some(Seen { status, publisher, catalog, restarts: total });
        noticed.changed |= notes.seen != seen;
        notes.seen = seen;
        noticed
    }

    /// Looks what has become of the picture, and does what the config asks for.
    fn watch(&self, now: ClockPair) -> Option<(EventKind, Arc<str>)> {
        let verdict = self.stillness.tick(now, self.stream.status().state == State::Live);
        if let Some(still) = verdict.restart {
            self.order(now.mono, Order::Mend(still));
        }
        verdict.news.map(in_words)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of a picture that stands still, as an event.
fn in_words(news: News) -> (EventKind, Arc<str>) {
    match news {
        News::Moves(after) => (
            EventKind::CameraUnfrozen,
            format!("the picture changes again, after {}", stillness::in_words(after)).into(),
        ),
        News::Frozen { still, restart } => {
            let next = match restart {
                Some(Duration::ZERO) => "its source is started anew".to_owned(),
                Some(wait) => format!("its source is started anew in {}", stillness::in_words(wait)),
                None => {
                    "restart the camera, or its source, which `frozen_restart: true` does by itself; if the scene is as still as \
                         that, set `frozen_after`"
                        .to_owned()
                }
            };
            let still = stillness::in_words(still);
            (
                EventKind::CameraFrozen,
                format!(
                    "the picture has not changed for {still}, though frames keep coming: {next}"
                )
                .into(),
            )
        }
    }
}

impl Notes {
    /// Counts a restart that no source control counts.
    fn count(&mut self, reason: &'static str) {
        match self.earlier.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.earlier.push((reason, 1)),
        }
    }

    fn restarts(&self) -> Restarts {
        let mut restarts =
            self.control.as_ref().map_or_else(Restarts::default, |control| control.restarts());
        for (reason, count) in &self.earlier {
            match restarts.by_reason.iter_mut().find(|(known, _)| known == reason) {
                Some((_, counted)) => *counted += count,
                None => restarts.by_reason.push((reason, *count)),
            }
        }
        restarts
    }

    /// The event that a state makes, and when it began. Every attempt to connect again passes
    /// through `connecting`; that is no news.
    fn tell(&mut self, status: &Status, clocks: ClockPair) -> Option<(Wall, EventKind, Arc<str>)> {
        let kind = match status.state {
            State::Connecting => return None,
            State::Live => EventKind::CameraLive,
            State::Stalled => EventKind::CameraStalled,
            State::Offline => EventKind::CameraOffline,
        };
        // A new camera begins offline; that is no news either.
        let begins = self.told.is_none() && status.state == State::Offline;
        let before = self.told.replace((status.state, status.reason.clone()));
        let news = before != self.told;
        let same = before.is_some_and(|(state, _)| state == status.state);
        // Another reason for a state that goes on is of this moment.
        let at = if same { clocks.wall } else { clocks.wall_at(status.since) };
        (news && !begins).then(|| (at, kind, status.reason.clone()))
    }
}

#[cfg(test)]
mod tests;
