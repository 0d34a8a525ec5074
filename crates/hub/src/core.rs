//! A stream without locks, wake-ups or clocks: what happens when is decided by the caller.

use crate::{
    Limits, State, Status,
    demand::{Demand, KeyframeRequest, KeyframeThrottle},
    rebase::Rebase,
    ring::Ring,
};
use media::{AccessUnit, CaptureClock, Catalog, MediaKind, Mono};
use stand_in::StandIn;
use std::{collections::VecDeque, sync::Arc, time::Duration};

mod stand_in;

/// How a stream behaves.
#[derive(Clone, Copy, Debug)]
pub struct StreamOptions {
    /// What the ring may hold.
    pub limits: Limits,
    /// Without a frame for this long the stream is stalled, and another publisher may take over.
    pub stall_after: Duration,
    /// At most one keyframe request reaches the publisher in this time.
    pub keyframe_interval: Duration,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            stall_after: Duration::from_secs(5),
            keyframe_interval: Duration::from_millis(200),
        }
    }
}

/// Counters since the stream was made; they survive publishers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct StreamStats {
    /// Access units published.
    pub units: u64,
    /// Video frames among them.
    pub frames: u64,
    /// Payload bytes published.
    pub bytes: u64,
    /// Keyframes among the video frames.
    pub keyframes: u64,
    /// Publishers that have begun.
    pub publishers: u64,
    /// Units that readers lost because they were slow, all readers together.
    pub skipped: u64,
    /// Units that reached no reader: of a track that is not in the catalogue, or video that nobody
    /// could decode because it came before its publisher's first keyframe.
    pub discarded: u64,
    /// Published time of the newest frame: of video if the stream has any, else of sound.
    pub newest_at: Option<Mono>,
    /// How the capture time of that frame is known.
    pub newest_clock: Option<CaptureClock>,
}

/// Why publishing was refused or ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PublishError {
    /// Somebody else publishes, and their frames arrive.
    #[error("already published by {by}")]
    Busy {
        /// Who.
        by: Arc<str>,
    },
    /// Another publisher took over while this one was silent.
    #[error("replaced by another publisher")]
    Replaced,
    /// Nobody may publish for now, for this reason.
    #[error("{0}")]
    Disabled(Arc<str>),
    /// The stream is gone for good.
    #[error("{0}")]
    Ended(Arc<str>),
}

/// Identifies one publisher's turn.
pub(crate) type Turn = u64;

pub(crate) struct Core {
    pub(crate) ring: Ring,
    pub(crate) status: Arc<Status>,
    /// States since they were last taken, oldest first; bounded.
    transitions: VecDeque<Arc<Status>>,
    pub(crate) stats: StreamStats,
    pub(crate) demand: Demand,
    /// Why there will be no more publishers.
    pub(crate) ended: Option<Arc<str>>,
    /// Why there will be none for now.
    disabled: Option<Arc<str>>,
    options: StreamOptions,
    rebase: Rebase,
    throttle: KeyframeThrottle,
    publisher: Option<Current>,
    stand_in: Option<StandIn>,
    turns: Turn,
}

struct Current {
    turn: Turn,
    by: Arc<str>,
    catalog: Arc<Catalog>,
    /// Its newest frame, or its beginning.
    heard: Mono,
    /// No video keyframe has come from it yet.
    awaits_key: bool,
    /// It makes keyframes on request.
    makes_keyframes: bool,
}

/// Shown while a publisher's frames arrive that no decoder can start with.
/// States kept for the one who tells of them; a supervisor asks ten times a second.
const TRANSITIONS: usize = 16;
const AWAITS_KEY: &str = "waiting for the first keyframe";

impl Core {
    pub(crate) fn new(options: StreamOptions, now: Mono) -> Self {
        Self {
            ring: Ring::new(options.limits),
            status: Arc::new(Status::new(State::Offline, "nobody has published yet", now)),
            transitions: VecDeque::new(),
            stats: StreamStats::default(),
            demand: Demand::default(),
            ended: None,
            disabled: None,
            rebase: Rebase::default(),
            throttle: KeyframeThrottle::new(options.keyframe_interval),
            publisher: None,
            stand_in: None,
            turns: 0,
            options,
        }
    }

    /// Begins a publisher's turn.
    ///
    /// # Errors
    /// [`PublishError::Busy`] while another publisher's frames arrive, [`PublishError::Disabled`]
    /// while
    /// nobody may publish, [`PublishError::Ended`] if the stream is gone.
    pub(crate) fn begin(
        &mut self,
        now: Mono,
        by: Arc<str>,
        catalog: Arc<Catalog>,
    ) -> Result<Turn, PublishError> {
        self.check_open()?;
        if let Some(current) =
            self.publisher.as_ref().filter(|p| now.since(p.heard) < self.options.stall_after)
        {
            return Err(PublishError::Busy { by: current.by.clone() });
        }
        self.turns += 1;
        self.stand_in = None;
        self.stats.publishers += 1;
        self.publisher = Some(Current {
            turn: self.turns,
            by,
            catalog,
            heard: now,
            awaits_key: true,
            makes_keyframes: false,
        });
        self.rebase.restart();
        self.ring.close_gop();
        self.set_status(Status::new(State::Connecting, "waiting for the first frame", now));
        Ok(self.turns)
    }

    fn check_open(&self) -> Result<(), PublishError> {
        match (&self.ended, &self.disabled) {
            (Some(reason), _) => Err(PublishError::Ended(reason.clone())),
            (None, Some(reason)) => Err(PublishError::Disabled(reason.clone())),
            (None, None) => Ok(()),
        }
    }

    /// Adds a unit to the ring. True if that has set a kept keyframe request free.
    ///
    /// # Errors
    /// [`PublishError::Replaced`] if it is no longer this publisher's turn.
    pub(crate) fn push(
        &mut self,
        now: Mono,
        turn: Turn,
        mut unit: AccessUnit,
    ) -> Result<bool, PublishError> {
        if self.stand_in.as_ref().is_some_and(|stand_in| stand_in.turn == turn) {
            return self.push_stand_in(now, unit).map(|()| false);
        }
        let catalog = self.current(turn)?.catalog.clone();
        self.take_over_from_stand_in(now);
        let current = self.current(turn)?;
        let Some(track) = catalog.track(unit.track) else {
            self.stats.discarded += 1;
            return Ok(false);
        };
        let video = track.codec.kind() == MediaKind::Video;
        // Sound alone does not make a camera live: a frozen picture must be noticed although its
        // microphone works.
        let frame = video || catalog.video().is_none();
        if frame {
            current.heard = now;
        }
        if video && current.awaits_key && !unit.key {
            self.discard_before_key(now);
        } else {
            current.awaits_key &= !video;
            self.rebase.apply(now, &mut unit, &catalog);
            unit.timing.published = now;
            self.account(&unit, video, frame);
            self.ring.push(Arc::new(unit), catalog);
        }
        Ok(self.release_keyframe_request(now))
    }

    fn discard_before_key(&mut self, now: Mono) {
        self.stats.discarded += 1;
        if &*self.status.reason != AWAITS_KEY {
            self.set_status(Status::new(State::Connecting, AWAITS_KEY, now));
        }
    }

    fn current(&mut self, turn: Turn) -> Result<&mut Current, PublishError> {
        let ended = self.ended.clone().map(PublishError::Ended);
        let gone = ended
            .or_else(|| self.disabled.clone().map(PublishError::Disabled))
            .unwrap_or(PublishError::Replaced);
        self.publisher.as_mut().filter(|p| p.turn == turn).ok_or(gone)
    }

    fn account(&mut self, unit: &AccessUnit, video: bool, frame: bool) {
        self.stats.units += 1;
        self.stats.frames += u64::from(video);
        self.stats.keyframes += u64::from(video && unit.key);
        self.stats.bytes += unit.size() as u64;
        if frame {
            self.stats.newest_clock = Some(unit.timing.captured.clock);
            self.went_live(unit.timing.published);
        }
        if video && unit.key {
            self.throttle.served();
        }
    }

    fn went_live(&mut self, now: Mono) {
        self.stats.newest_at = Some(now);
        if self.status.state != State::Live {
            self.set_status(Status::new(State::Live, "", now));
        }
    }

    /// Changes what the current publisher's stream consists of.
    ///
    /// # Errors
    /// [`PublishError::Replaced`] if it is no longer this publisher's turn.
    pub(crate) fn set_catalog(
        &mut self,
        turn: Turn,
        catalog: Arc<Catalog>,
    ) -> Result<(), PublishError> {
        match self.stand_in.as_mut().filter(|stand_in| stand_in.turn == turn) {
            Some(stand_in) => stand_in.catalog = catalog,
            None => self.current(turn)?.catalog = catalog,
        }
        Ok(())
    }

    /// Ends a publisher's turn; readers stay. Does nothing if the turn is over. Without a time it
    /// ended with its last frame.
    pub(crate) fn end(&mut self, now: Option<Mono>, turn: Turn, reason: Arc<str>) -> bool {
        if self.stand_in.take_if(|stand_in| stand_in.turn == turn).is_some() {
            self.ring.close_gop();
            return true;
        }
        let Some(gone) = self.publisher.take_if(|p| p.turn == turn) else { return false };
        let at = now.unwrap_or(gone.heard).max(self.status.since);
        // Whoever comes from now on waits for the next publisher instead of seeing the last of this
        // one.
        self.ring.close_gop();
        self.set_status(Status::new(State::Offline, reason, at));
        true
    }

    /// Ends the current publisher's turn from outside; readers stay. Does nothing while nobody
    /// publishes.
    pub(crate) fn kick_publisher(&mut self, now: Mono, reason: Arc<str>) -> bool {
        let turn = self.publisher.as_ref().map(|p| p.turn);
        turn.is_some_and(|turn| self.end(Some(now), turn, reason))
    }

    /// Lets go of all units and of the publisher, and lets nobody publish until [`Core::enable`].
    pub(crate) fn disable(&mut self, now: Mono, reason: Arc<str>) {
        (self.publisher, self.stand_in) = (None, None);
        self.disabled = Some(reason.clone());
        self.ring.clear();
        self.set_status(Status::new(State::Offline, reason, now));
    }

    /// Lets publishers in again; true if they were not.
    pub(crate) fn enable(&mut self) -> bool {
        self.disabled.take().is_some()
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.disabled.is_some()
    }

    /// There is a picture now, and a keyframe of its publisher to begin with.
    pub(crate) fn is_watchable(&self) -> bool {
        self.status.state == State::Live && self.ring.newest_key().is_some()
    }

    pub(crate) fn set_stall_after(&mut self, stall_after: Duration) {
        self.options.stall_after = stall_after;
    }

    /// Ends the stream for good.
    pub(crate) fn end_stream(&mut self, now: Mono, reason: Arc<str>) {
        (self.publisher, self.stand_in) = (None, None);
        self.ring.close_gop();
        self.ended = Some(reason.clone());
        self.set_status(Status::new(State::Offline, reason, now));
    }

    /// Notices silence: true if the stream has just become stalled.
    pub(crate) fn check_stall(&mut self, now: Mono) -> bool {
        let Some(current) = &self.publisher else { return false };
        let silent = now.since(current.heard);
        if silent < self.options.stall_after || self.status.state == State::Stalled {
            return false;
        }
        let reason =
            format!("connected to {}, but no frame for {:.0} s", current.by, silent.as_secs_f64());
        self.set_status(Status::new(State::Stalled, reason, now));
        true
    }

    /// Sets the state in words. Ignored while frames arrive: then the stream is live, whatever a
    /// supervisor thinks.
    pub(crate) fn report(&mut self, status: Status) -> bool {
        if self.publisher.is_some() {
            return false;
        }
        self.set_status(status);
        true
    }

    /// The states since the last call, oldest first: none is missed, however short it was.
    pub(crate) fn take_transitions(&mut self) -> Vec<Arc<Status>> {
        self.transitions.drain(..).collect()
    }

    fn set_status(&mut self, mut status: Status) {
        if status.state == self.status.state && status.state != State::Live {
            status.since = status.since.min(self.status.since);
        }
        self.status = Arc::new(status);
        if self.transitions.len() >= TRANSITIONS {
            self.transitions.pop_front();
        }
        self.transitions.push_back(self.status.clone());
    }

    pub(crate) fn catalog(&self) -> Option<&Arc<Catalog>> {
        let stand_in = || self.stand_in.as_ref().map(|stand_in| &stand_in.catalog);
        self.publisher.as_ref().map(|p| &p.catalog).or_else(stand_in)
    }

    pub(crate) fn publisher(&self) -> Option<&Arc<str>> {
        self.publisher.as_ref().map(|p| &p.by)
    }

    /// Asks the present publisher, through the throttle.
    pub(crate) fn request_keyframe(&mut self, now: Mono) -> KeyframeRequest {
        let Some(publisher) = &self.publisher else { return KeyframeRequest::NoPublisher };
        if !publisher.makes_keyframes {
            return KeyframeRequest::Unsupported;
        }
        let pass = self.throttle.request(now);
        self.demand.keyframes += u64::from(pass);
        if pass { KeyframeRequest::Sent } else { KeyframeRequest::Delayed }
    }

    /// The publisher of this turn acts when [`Demand::keyframes`] rises.
    pub(crate) fn serve_keyframes(&mut self, turn: Turn) {
        self.publisher.iter_mut().filter(|p| p.turn == turn).for_each(|p| p.makes_keyframes = true);
    }

    fn release_keyframe_request(&mut self, now: Mono) -> bool {
        let pass = self.throttle.release(now);
        self.demand.keyframes += u64::from(pass);
        pass
    }
}

#[cfg(test)]
mod tests;
