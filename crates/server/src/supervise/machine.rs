//! When a source runs, and what is said of it meanwhile. Pure: every input carries the time.

use super::{Exit, Fault, backoff::Backoff};
use hub::{State, Status};
use media::Mono;
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// How a source is to be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Silence of a live source for this long is a fault. The same as the stream's own.
    pub(crate) stall_after: Duration,
    /// From the start of a run to its first frame; longer than any time-out of the source's own.
    pub(crate) start_within: Duration,
    /// Run only while somebody watches, and this much longer; `None` runs always.
    pub(crate) on_demand: Option<Duration>,
    /// How long a source may take to say goodbye.
    pub(crate) stop_grace: Duration,
    /// It waits for somebody to send: silence is told by the stream and the source itself, and
    /// nothing is begun anew for it.
    pub(crate) waits: bool,
    /// It was stopped by command before, and its stream is held: it runs once it is told to start.
    pub(crate) stopped: bool,
}

impl Default for Policy {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            stall_after: seconds(5),
            start_within: seconds(25),
            on_demand: None,
            stop_grace: seconds(1),
            waits: false,
            stopped: false,
        }
    }
}

/// What people and the server may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    /// Run (again) after a stop, without waiting for the next try.
    Start,
    /// Stop until told to start.
    Stop,
    /// Stop and run anew at once.
    Restart,
    /// The same, because frames come of a picture that has not changed for so long: a fault of the
    /// run, if there is one.
    Mend(Duration),
    /// Stop for good: the server ends, or the camera was removed.
    Shutdown,
}

/// What the machine wants done, in order.
#[derive(Debug)]
pub(super) enum Action {
    /// Begin a run. Its end is to be told by [`Machine::handle_exit`].
    Run,
    /// Ask the run to end.
    Stop,
    /// Drop the run, and tell its end.
    Abort,
    /// Tell the stream.
    Report(Status),
    /// Nothing runs, by command: have the stream let go of all it holds, for this reason.
    Disable(&'static str),
    /// Let the stream have a publisher again.
    Enable,
    /// Tell the log.
    Note(Note),
}

/// What happened, for the log.
#[derive(Debug)]
pub(super) enum Note {
    /// The first frame of a run.
    Live,
    /// A run has ended by a fault, for the `tries`th time in a row with the same words.
    Fault { exit: Exit, tries: u32, wait: Duration },
}

/// Frames for longer than this prove a source good: its next fault is met with the small delay
/// again.
const PROVEN: Duration = Duration::from_secs(10);
/// Cameras lock an account after a handful of wrong passwords, so a refused one is not offered more
/// often than this.
const AFTER_WRONG_PASSWORD: Duration = super::backoff::CAP;

const BY_COMMAND: &str = "stopped by command; it stays so until it is started again";
const SHUTDOWN: &str = "stopped with the server";
const ON_DEMAND: &str = "on demand: starts with its first viewer";

/// Keeps one source.
pub(super) struct Machine {
    policy: Policy,
    label: Arc<str>,
    phase: Phase,
    /// Why it must not run, if so.
    held: Option<&'static str>,
    readers: usize,
    /// The last reader left; run until then all the same.
    linger_until: Option<Mono>,
    down: Option<Down>,
    backoff: Backoff,
    restarts: Restarts,
    actions: VecDeque<Action>,
}

/// How often a source was started anew, by the fault that made it necessary.
pub(crate) type Restarts = [u64; Fault::ALL.len()];

#[derive(Clone, Debug)]
enum Phase {
    Idle,
    Running(Run),
    /// Asked to end, because of a fault or by wish.
    Stopping {
        run: Run,
        fault: Option<Exit>,
        deadline: Mono,
    },
    Waiting {
        until: Mono,
    },
}

#[derive(Clone, Copy, Debug)]
struct Run {
    since: Mono,
    /// Its newest frame.
    heard: Option<Mono>,
}

/// The time without frames that began with the first fault after the last frame.
#[derive(Debug)]
struct Down {
    exit: Exit,
    since: Mono,
    tries: u32,
}

impl Machine {
    pub(super) fn new(policy: Policy, label: Arc<str>, seed: u64, now: Mono) -> Self {
        let mut machine = Self {
            policy,
            label,
            phase: Phase::Idle,
            held: policy.stopped.then_some(BY_COMMAND),
            readers: 0,
            linger_until: None,
            down: None,
            backoff: Backoff::new(seed),
            restarts: [0; _],
            actions: VecDeque::new(),
        };
        if !policy.stopped {
            machine.rest(now);
        }
        machine.settle(now);
        machine
    }

    /// The next thing to be done.
    pub(super) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        let lingering = self.linger_until.filter(|_| self.readers == 0);
        match &self.phase {
            Phase::Idle => None,
            Phase::Running(run) => [lingering, self.silent_at(run)].into_iter().flatten().min(),
            Phase::Stopping { deadline, .. } => Some(*deadline),
            Phase::Waiting { until } => Some(lingering.map_or(*until, |at| at.min(*until))),
        }
    }

    /// True while a run has not produced a frame yet.
    pub(super) fn awaits_frame(&self) -> bool {
        matches!(self.phase, Phase::Running(Run { heard: None, .. }))
    }

    /// True if nothing runs and nothing will without a command or a reader.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    pub(super) fn restarts(&self) -> Restarts {
        self.restarts
    }

    pub(super) fn handle_command(&mut self, now: Mono, command: Command) {
        if self.held == Some(SHUTDOWN) {
            return;
        }
        if let Command::Mend(still) = command {
            self.stop(now, Some(frozen(still)));
            return;
        }
        let held = match command {
            Command::Start | Command::Restart | Command::Mend(_) => None,
            Command::Stop => Some(BY_COMMAND),
            Command::Shutdown => Some(SHUTDOWN),
        };
        let before = std::mem::replace(&mut self.held, held);
        if before == Some(BY_COMMAND) && held != before {
            self.actions.push_back(Action::Enable);
        }
        if self.is_idle() && held != before {
            self.rest(now);
        }
        if matches!(command, Command::Start | Command::Restart) {
            self.backoff.reset();
            self.hasten(now);
        }
        if command == Command::Restart {
            self.stop(now, None);
        }
        self.settle(now);
    }

    /// Silence is a fault after this time from now on.
    pub(super) fn set_stall_after(&mut self, stall_after: Duration) {
        self.policy.stall_after = stall_after;
    }

    /// How many watch now.
    pub(super) fn handle_readers(&mut self, now: Mono, readers: usize) {
        if self.readers > 0 && readers == 0 {
            self.linger_until = self.policy.on_demand.map(|linger| now + linger);
        }
        self.readers = readers;
        self.settle(now);
    }

    /// The stream's newest frame was published at `at`, which may have been before this run.
    pub(super) fn handle_frame(&mut self, at: Mono) {
        let (Phase::Running(run) | Phase::Stopping { run, .. }) = &mut self.phase else { return };
        if at < run.since {
            return;
        }
        if run.heard.replace(at).is_none() {
            self.down = None;
            self.actions.push_back(Action::Note(Note::Live));
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Mono) {
        match &self.phase {
            Phase::Running(run) if self.silent_at(run).is_some_and(|at| now >= at) => {
                let fault = self.silence(run);
                self.stop(now, Some(fault));
            }
            Phase::Stopping { deadline, .. } if now >= *deadline => {
                self.actions.push_back(Action::Abort);
            }
            _ => {}
        }
        self.settle(now);
    }

    /// The run has ended.
    pub(super) fn handle_exit(&mut self, now: Mono, exit: Exit) {
        let (run, fault) = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Running(run) => (run, Some(exit)),
            Phase::Stopping { run, fault, .. } => (run, fault),
            Phase::Idle | Phase::Waiting { .. } => return,
        };
        match fault {
            Some(exit) => self.retry(now, run, exit),
            None => self.rest(now),
        }
        self.settle(now);
    }

    /// Brings what happens in line with what is wanted.
    fn settle(&mut self, now: Mono) {
        let wanted = self.wanted(now);
        match (&self.phase, wanted) {
            (Phase::Idle, true) => self.run(now),
            (Phase::Waiting { until }, true) if now >= *until => self.run(now),
            (Phase::Waiting { .. }, false) => self.rest(now),
            (Phase::Running(_), false) => self.stop(now, None),
            _ => {}
        }
    }

    fn wanted(&self, now: Mono) -> bool {
        let lingers = self.linger_until.is_some_and(|until| now < until);
        self.held.is_none() && (self.policy.on_demand.is_none() || self.readers > 0 || lingers)
    }

    fn run(&mut self, now: Mono) {
        let status = match &self.down {
            // Still offline, and for the reason known, until a frame proves otherwise: no flicker
            // with every try.
            Some(down) => down.status(format!("{}; trying again now", down.exit.words)),
            None => Status::new(State::Connecting, format!("connecting to {}", self.label), now),
        };
        self.phase = Phase::Running(Run { since: now, heard: None });
        self.actions.extend([Action::Report(status), Action::Run]);
    }

    fn stop(&mut self, now: Mono, fault: Option<Exit>) {
        if let Phase::Running(run) = self.phase {
            self.phase = Phase::Stopping { run, fault, deadline: now + self.policy.stop_grace };
            self.actions.push_back(Action::Stop);
        }
    }

    /// Makes the next try due at once.
    fn hasten(&mut self, now: Mono) {
        if let Phase::Waiting { until } = &mut self.phase {
            *until = now;
        }
    }

    fn rest(&mut self, now: Mono) {
        self.phase = Phase::Idle;
        self.down = None;
        if self.wanted(now) {
            return;
        }
        self.actions.push_back(match self.held {
            Some(BY_COMMAND) => Action::Disable(BY_COMMAND),
            held => Action::Report(Status::new(State::Offline, held.unwrap_or(ON_DEMAND), now)),
        });
    }

    fn retry(&mut self, now: Mono, run: Run, exit: Exit) {
        if run.heard.is_some_and(|heard| heard.since(run.since) > PROVEN) {
            self.backoff.reset();
        }
        let wait = match exit.fault {
            Fault::Unauthorized => self.backoff.next().max(AFTER_WRONG_PASSWORD),
            _ => self.backoff.next(),
        };
        if let Some(n) = Fault::ALL.iter().position(|f| *f == exit.fault) {
            self.restarts[n] += 1;
        }
        self.phase = Phase::Waiting { until: now + wait };
        let down = self.fallen(now, exit);
        let (tries, exit) = (down.tries, down.exit.clone());
        let status = Status { next_try: Some(now + wait), ..down.status(exit.words.clone()) };
        self.actions.push_back(Action::Report(status));
        // The first time, and then ever more rarely: a camera that is away for a night writes a
        // dozen lines.
        if tries.is_power_of_two() {
            self.actions.push_back(Action::Note(Note::Fault { exit, tries, wait }));
        }
    }

    /// Notes a fault within the present time without frames, which it begins if there is none.
    fn fallen(&mut self, now: Mono, exit: Exit) -> &Down {
        let down =
            self.down.get_or_insert_with(|| Down { exit: exit.clone(), since: now, tries: 0 });
        down.tries = if down.exit == exit { down.tries.saturating_add(1) } else { 1 };
        down.exit = exit;
        down
    }

    /// When silence becomes a fault.
    fn silent_at(&self, run: &Run) -> Option<Mono> {
        let at = match run.heard {
            Some(heard) => heard + self.policy.stall_after,
            None => run.since + self.policy.start_within,
        };
        (!self.policy.waits).then_some(at)
    }

    fn silence(&self, run: &Run) -> Exit {
        let words = match run.heard {
            Some(_) => format!(
                "connected, but no frame for {}; reconnecting",
                seconds(self.policy.stall_after)
            ),
            None => format!(
                "no picture within {} of connecting to {}; is its encoder running?",
                seconds(self.policy.start_within),
                self.label
            ),
        };
        Exit::new(Fault::Stalled, words)
    }
}

impl Down {
    fn status(&self, words: impl Into<Arc<str>>) -> Status {
        let state = if self.exit.fault == Fault::Stalled { State::Stalled } else { State::Offline };
        Status::new(state, words, self.since)
    }
}

fn frozen(still: Duration) -> Exit {
    let words = format!(
        "the picture has not changed for {}, though frames kept coming; starting anew",
        seconds(still)
    );
    Exit::new(Fault::Frozen, words)
}

fn seconds(d: Duration) -> String {
    format!("{} s", (d.as_secs_f64() * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests;
