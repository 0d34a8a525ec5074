//! From looks to a verdict. Pure: every input carries the time.

use media::Mono;
use proto::ipc::Look;
use std::time::Duration;

/// What is to be made of a picture that stands still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Policy {
    /// So long without a change, and the camera counts as frozen.
    pub(crate) after: Duration,
    /// Then its source is to be started anew.
    pub(crate) restart: bool,
}

/// What a tick has found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Verdict {
    /// What people should be told.
    pub(crate) news: Option<News>,
    /// The source is to be started anew now, because the picture has not changed for so long.
    pub(crate) restart: Option<Duration>,
}

/// What people should be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum News {
    /// The picture has not changed for so long.
    Frozen {
        /// So long.
        still: Duration,
        /// When the source is started anew, from now; `None` if it is not.
        restart: Option<Duration>,
    },
    /// It changes again, after so long.
    Moves(Duration),
}

/// Looks that must have found the same, beside the first.
const CONFIRMED: u32 = 2;
/// Without a look for this long, and for [`PACES`] times as long as it usually takes to the next,
/// nothing is known.
const PATIENCE: Duration = Duration::from_secs(15);
const PACES: u32 = 3;
/// Others who look say so once a second, new picture or not.
const OFTEN: Duration = Duration::from_secs(4);
/// A change so soon after a restart is thanks to it, beside the time that it takes to be frozen.
const SOON: Duration = Duration::from_secs(15);
/// Between two restarts, at most.
const MOST_WAIT: Duration = Duration::from_secs(3600);

/// Judges one camera.
#[derive(Default)]
pub(super) struct Judge {
    policy: Option<Policy>,
    /// Since when frames come, as of the last tick. What is seen otherwise is not of the camera: a
    /// slate, which never moves.
    live: Option<Mono>,
    /// Nobody who looks has seen a change since.
    since: Mono,
    newest: Option<Mono>,
    /// Looks since then that have found the same.
    confirmed: u32,
    /// The longest time from look to look.
    pace: Duration,
    /// When somebody was heard who looks anyway.
    others: Option<Mono>,
    /// Since when the camera has been frozen.
    frozen: Option<Mono>,
    /// When it changed again, if that is not told yet.
    moved: Option<Mono>,
    restarted: Option<Mono>,
    /// Restarts in a row that have not helped.
    tries: u32,
}

impl Judge {
    pub(super) fn new(policy: Option<Policy>) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Judges by other times from now on. A picture that stood still too short for them is not
    /// frozen any more.
    pub(super) fn set_policy(&mut self, policy: Policy) {
        self.policy = Some(policy);
        let still = |since: Mono| self.newest.is_some_and(|n| n.since(since) >= policy.after);
        self.frozen = self.frozen.filter(|since| still(*since));
    }

    pub(super) fn frozen_since(&self) -> Option<Mono> {
        self.frozen
    }

    /// Takes what somebody has found. Whoever sees most is believed: the newest change of all
    /// counts.
    pub(super) fn look(&mut self, now: Mono, look: Look, own: bool) {
        if !own {
            self.others = Some(now);
        }
        let newest = look.newest.min(now);
        let Some(live) = self.live.filter(|live| newest >= *live) else { return };
        let since = look.since.min(newest).max(live);
        if since > self.since {
            (self.since, self.confirmed) = (since, 0);
        }
        if self.newest.is_none_or(|before| newest > before) {
            self.pace = self.newest.map_or(self.pace, |before| self.pace.max(newest.since(before)));
            self.newest = Some(newest);
            // The first look of this picture confirms nothing.
            self.confirmed = self.confirmed.saturating_add(u32::from(newest > self.since));
        }
        // That a run begins is no change: a source that was started anew may show the same again.
        if let Some(moved) = look.moved.filter(|moved| (live..=now).contains(moved))
            && self.frozen.is_some_and(|frozen| moved > frozen)
        {
            self.moved = Some(moved);
        }
    }

    pub(super) fn wants_look(&self, now: Mono) -> bool {
        let wanted = self.policy.is_some_and(|policy| policy.restart || self.frozen.is_some());
        wanted && self.others.is_none_or(|at| now.since(at) > OFTEN)
    }

    pub(super) fn tick(&mut self, now: Mono, live: bool) -> Verdict {
        self.live = live.then(|| self.live.unwrap_or(now));
        let (Some(policy), Some(newest)) = (self.policy, self.newest) else {
            return Verdict::default();
        };
        let Some(since) = self.frozen else {
            let still = newest.since(self.since);
            return if self.confirmed >= CONFIRMED && still >= policy.after && live {
                self.freeze(now, policy)
            } else {
                Verdict::default()
            };
        };
        if let Some(moved) = self.moved.take() {
            return self.thaw(policy, since, moved);
        }
        if now.since(newest) > PATIENCE.max(self.pace * PACES) {
            self.forget();
            return Verdict::default();
        }
        Verdict {
            news: None,
            restart: (live && self.due(policy).is_some_and(|at| now >= at))
                .then(|| self.restart(now, since)),
        }
    }

    fn freeze(&mut self, now: Mono, policy: Policy) -> Verdict {
        let (since, still) = (self.since, now.since(self.since));
        self.frozen = Some(since);
        let wait = self.due(policy).map(|at| at.since(now));
        let restart = (wait == Some(Duration::ZERO)).then(|| self.restart(now, since));
        Verdict { news: Some(News::Frozen { still, restart: wait }), restart }
    }

    fn thaw(&mut self, policy: Policy, since: Mono, moved: Mono) -> Verdict {
        let helped =
            |restarted: Mono| moved > restarted && moved.since(restarted) <= policy.after + SOON;
        if self.restarted.is_some_and(helped) {
            self.tries = 0;
        }
        self.frozen = None;
        Verdict { news: Some(News::Moves(moved.since(since))), restart: None }
    }

    /// Nobody looks any more.
    fn forget(&mut self) {
        (self.frozen, self.moved, self.newest, self.confirmed, self.pace) =
            (None, None, None, 0, Duration::ZERO);
        // A still time begins with the next look.
        self.since = Mono::default();
    }

    /// When the source is to be started anew: at once, and then ever more rarely while that does
    /// not help.
    fn due(&self, policy: Policy) -> Option<Mono> {
        let wait =
            policy.after.saturating_mul(1 << self.tries.min(16)).min(MOST_WAIT.max(policy.after));
        policy.restart.then(|| self.restarted.map_or(Mono::default(), |at| at + wait))
    }

    fn restart(&mut self, now: Mono, since: Mono) -> Duration {
        (self.restarted, self.tries) = (Some(now), self.tries.saturating_add(1));
        now.since(since)
    }
}
