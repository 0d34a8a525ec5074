use super::*;
use proptest::prelude::*;

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// A machine, its clock, and everything it has said.
struct Sim {
    now: Mono,
    machine: Machine,
    running: bool,
    asked_to_stop: bool,
    runs: usize,
    status: Option<Status>,
    notes: usize,
    holds: usize,
    held: bool,
}

impl Sim {
    fn new(on_demand: Option<Duration>) -> Self {
        Self::seeded(on_demand, 7)
    }

    fn seeded(on_demand: Option<Duration>, seed: u64) -> Self {
        Self::kept(Policy { on_demand, ..Policy::default() }, seed)
    }

    fn kept(policy: Policy, seed: u64) -> Self {
        let now = Mono::from_nanos(5_000_000_000);
        let machine = Machine::new(policy, "rtsp://cam/1".into(), seed, now);
        let mut sim = Self {
            now,
            machine,
            running: false,
            asked_to_stop: false,
            runs: 0,
            status: None,
            notes: 0,
            holds: 0,
            held: false,
        };
        sim.act();
        sim
    }

    fn act(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Run => {
                    assert!(
                        !self.running && !self.held,
                        "two runs at once, or one that may not be"
                    );
                    (self.running, self.asked_to_stop) = (true, false);
                    self.runs += 1;
                }
                Action::Stop => {
                    assert!(self.running);
                    self.asked_to_stop = true;
                }
                Action::Abort => {
                    self.running = false;
                    self.machine.handle_exit(self.now, Exit::stopped());
                }
                Action::Report(status) => self.status = Some(status),
                Action::Disable(reason) => {
                    assert!(!self.running, "held while it runs");
                    self.holds += 1;
                    self.held = true;
                    self.status = Some(Status::new(State::Offline, reason, self.now));
                }
                Action::Enable => self.held = false,
                Action::Note(_) => self.notes += 1,
            }
        }
    }

    /// Lets time pass, with a time-out at every moment the machine asked for.
    fn pass(&mut self, d: Duration) {
        let end = self.now + d;
        while let Some(at) = self.machine.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.machine.handle_timeout(self.now);
            self.act();
        }
        self.now = end;
    }

    fn exit(&mut self, fault: Fault, words: &str) {
        assert!(std::mem::take(&mut self.running), "no run to end");
        self.machine.handle_exit(self.now, Exit::new(fault, words));
        self.act();
    }

    fn frames(&mut self, d: Duration) {
        let end = self.now + d;
        while self.now < end {
            self.pass(100 * MS);
            self.machine.handle_frame(self.now);
            self.act();
        }
    }

    fn command(&mut self, command: Command) {
        self.machine.handle_command(self.now, command);
        self.act();
    }

    fn readers(&mut self, n: usize) {
        self.machine.handle_readers(self.now, n);
        self.act();
    }

    fn state(&self) -> (State, &str) {
        self.status.as_ref().map_or((State::Live, ""), |s| (s.state, &s.reason))
    }

    fn next_delay(&self) -> Duration {
        self.status.as_ref().and_then(|s| s.next_try).unwrap().since(self.now)
    }
}

#[test]
fn connects_at_once_and_says_to_what() {
    let sim = Sim::new(None);
    assert!(sim.running);
    assert_eq!(sim.state(), (State::Connecting, "connecting to rtsp://cam/1"));
}

#[test]
fn a_source_that_waits_for_somebody_is_not_begun_anew_for_silence() {
    let mut sim = Sim::kept(Policy { waits: true, on_demand: Some(S), ..Policy::default() }, 7);
    sim.readers(1);
    sim.pass(3600 * S);
    sim.frames(S);
    sim.pass(3600 * S);
    assert!(sim.running && sim.runs == 1 && !sim.asked_to_stop);
    sim.readers(0);
    sim.pass(2 * S);
    assert!(sim.asked_to_stop, "its last viewer has left");
}

#[test]
fn what_was_stopped_before_waits_for_the_start_and_leaves_its_words_alone() {
    let mut sim = Sim::kept(Policy { stopped: true, on_demand: Some(S), ..Policy::default() }, 7);
    sim.held = true;
    sim.readers(1);
    sim.command(Command::Stop);
    sim.pass(3600 * S);
    assert!(!sim.running && sim.runs == 0 && sim.status.is_none() && sim.held);
    sim.command(Command::Start);
    assert!(sim.running && !sim.held);
    let mut sim = Sim::kept(Policy { stopped: true, ..Policy::default() }, 7);
    sim.held = true;
    sim.command(Command::Shutdown);
    assert!(sim.machine.is_idle() && sim.runs == 0);
}

#[test]
fn a_failed_first_connect_is_retried_ever_more_slowly_and_stays_offline_since_the_first_fault() {
    let mut sim = Sim::new(None);
    let began = sim.now;
    let mut delays = vec![];
    for _ in 0..20 {
        sim.exit(Fault::Unreachable, "connection refused");
        assert_eq!(sim.state(), (State::Offline, "connection refused"));
        delays.push(sim.next_delay());
        sim.pass(sim.next_delay());
        assert_eq!(sim.state(), (State::Offline, "connection refused; trying again now"));
        assert_eq!(sim.status.as_ref().unwrap().since, began);
    }
    assert!(delays[0] >= 100 * MS && delays[0] <= 250 * MS, "{delays:?}");
    assert!(delays[19] >= 12 * S && delays[19] <= 30 * S, "{delays:?}");
    assert_eq!((sim.runs, sim.notes), (21, 5), "20 equal faults are told 1, 2, 4, 8, 16");
    assert_eq!(sim.machine.restarts().iter().sum::<u64>(), 20);
}

#[test]
fn a_source_that_was_live_for_long_is_retried_soon_and_one_that_flaps_is_not() {
    let mut sim = Sim::new(None);
    for _ in 0..8 {
        sim.frames(S);
        sim.exit(Fault::Disconnected, "closed");
        sim.pass(sim.next_delay());
    }
    sim.exit(Fault::Disconnected, "closed");
    assert!(sim.next_delay() > 5 * S);
    sim.pass(sim.next_delay());
    sim.frames(11 * S);
    sim.exit(Fault::Disconnected, "closed");
    assert!(sim.next_delay() <= 250 * MS);
    assert_eq!(sim.status.as_ref().unwrap().since, sim.now, "offline anew");
}

#[test]
fn silence_is_a_fault_although_connected() {
    let mut sim = Sim::new(None);
    sim.frames(20 * S);
    sim.pass(5 * S - MS);
    assert!(!sim.asked_to_stop);
    sim.pass(MS);
    assert!(sim.asked_to_stop && sim.running);
    sim.exit(Fault::Stopped, "stopped");
    assert_eq!(sim.state(), (State::Stalled, "connected, but no frame for 5 s; reconnecting"));
    assert!(sim.next_delay() <= 250 * MS);
    sim.pass(250 * MS);
    assert!(sim.running);
    sim.exit(Fault::Unreachable, "no answer");
    assert_eq!(sim.state(), (State::Offline, "no answer"));
}

#[test]
fn a_source_that_connects_but_never_sends_is_given_up() {
    let mut sim = Sim::new(None);
    sim.pass(25 * S);
    assert!(sim.asked_to_stop);
    sim.pass(S);
    assert!(!sim.running, "dropped after the grace");
    assert_eq!(sim.state().0, State::Stalled);
}

#[test]
fn frames_of_an_earlier_run_prove_nothing() {
    let mut sim = Sim::new(None);
    sim.frames(S);
    let old = sim.now;
    sim.exit(Fault::Disconnected, "closed");
    sim.pass(S);
    sim.machine.handle_frame(old);
    assert!(sim.running && sim.machine.awaits_frame());
}

#[test]
fn a_wrong_password_is_not_hammered() {
    let mut sim = Sim::new(None);
    sim.exit(Fault::Unauthorized, "401");
    assert_eq!(sim.next_delay(), 30 * S);
    sim.command(Command::Start);
    assert_eq!(sim.runs, 2, "but at once on command");
}

#[test]
fn on_demand_runs_from_the_first_viewer_until_a_linger_after_the_last() {
    let mut sim = Sim::new(Some(10 * S));
    assert!(!sim.running);
    assert_eq!(sim.state(), (State::Offline, "on demand: starts with its first viewer"));
    sim.pass(100 * S);
    sim.readers(1);
    assert!(sim.running);
    sim.frames(30 * S);
    sim.readers(0);
    sim.frames(9 * S);
    sim.readers(2);
    sim.frames(20 * S);
    assert!(!sim.asked_to_stop, "the viewer came back within the linger");
    sim.readers(0);
    sim.frames(10 * S);
    assert!(sim.asked_to_stop);
    sim.exit(Fault::Stopped, "stopped");
    assert_eq!(
        (sim.runs, sim.state()),
        (1, (State::Offline, "on demand: starts with its first viewer"))
    );
    assert_eq!(sim.machine.poll_timeout(), None);
}

#[test]
fn a_viewer_who_returns_during_the_goodbye_starts_it_anew() {
    let mut sim = Sim::new(Some(Duration::ZERO));
    sim.readers(1);
    sim.readers(0);
    assert!(sim.asked_to_stop);
    sim.readers(1);
    sim.exit(Fault::Stopped, "stopped");
    assert_eq!((sim.runs, sim.running), (2, true));
}

#[test]
fn stop_holds_until_start_and_restart_is_both() {
    let mut sim = Sim::new(None);
    sim.command(Command::Stop);
    sim.exit(Fault::Stopped, "stopped");
    sim.pass(1000 * S);
    assert_eq!(sim.state(), (State::Offline, BY_COMMAND));
    sim.command(Command::Start);
    assert!(sim.running);
    sim.command(Command::Restart);
    sim.exit(Fault::Stopped, "stopped");
    assert_eq!((sim.runs, sim.running), (3, true));
    sim.exit(Fault::Unreachable, "away");
    sim.command(Command::Restart);
    assert_eq!(sim.runs, 4, "a restart does not wait for the next try");
    sim.command(Command::Shutdown);
    sim.command(Command::Start);
    sim.exit(Fault::Stopped, "stopped");
    assert!(!sim.running && sim.machine.is_idle());
}

#[derive(Clone, Debug)]
enum Op {
    Pass(u64),
    Exit(usize),
    Frame,
    Readers(usize),
    Command(Command),
}

fn op() -> impl Strategy<Value = Op> {
    use Command::{Restart, Start, Stop};
    prop_oneof![
        (0u64..40_000).prop_map(Op::Pass),
        (0usize..Fault::ALL.len()).prop_map(Op::Exit),
        Just(Op::Frame),
        (0usize..3).prop_map(Op::Readers),
        prop::sample::select(vec![Start, Stop, Restart]).prop_map(Op::Command),
    ]
}

proptest! {
    /// Whatever happens: one run at a time (asserted by `Sim`), always a next step while it is
    /// wanted, never one while it is not.
    #[test]
    fn never_stuck_and_never_unasked(ops in prop::collection::vec(op(), 0..60), demand: bool, seed: u64) {
        let mut sim = Sim::seeded(demand.then_some(S), seed);
        let (mut held, mut readers) = (false, 0);
        for op in ops {
            match op {
                Op::Pass(ms) => sim.pass(Duration::from_millis(ms)),
                Op::Exit(n) if sim.running => sim.exit(Fault::ALL[n], "words"),
                Op::Exit(_) => {}
                Op::Frame => {
                    sim.machine.handle_frame(sim.now);
                    sim.act();
                }
                Op::Readers(n) => {
                    readers = n;
                    sim.readers(n);
                }
                Op::Command(c) => {
                    held = c == Command::Stop;
                    sim.command(c);
                }
            }
        }
        sim.pass(32 * S);
        if held || (demand && readers == 0) {
            prop_assert!(sim.machine.is_idle() && sim.machine.poll_timeout().is_none());
        } else {
            let runs = sim.runs;
            prop_assert!(sim.machine.poll_timeout().is_some());
            sim.pass(60 * S);
            prop_assert!(sim.runs > runs, "silent for a minute, and not tried again");
        }
    }
}

#[test]
fn a_stop_by_command_lets_the_stream_go_once_and_a_start_gives_it_back() {
    let mut sim = Sim::new(None);
    sim.frames(S);
    sim.command(Command::Stop);
    assert!(sim.asked_to_stop && !sim.held, "not before the run has ended");
    sim.exit(Fault::Stopped, "stopped");
    sim.command(Command::Stop);
    assert!((sim.held, sim.holds) == (true, 1) && sim.state().1.contains("by command"));
    sim.command(Command::Start);
    assert!(sim.running && !sim.held);
    sim.command(Command::Stop);
    sim.command(Command::Start);
    sim.exit(Fault::Stopped, "stopped");
    assert!(sim.running && sim.holds == 1, "whoever spoke last is obeyed");
}

#[test]
fn a_source_on_demand_that_rests_can_be_stopped_and_started() {
    let mut sim = Sim::new(Some(10 * S));
    sim.command(Command::Stop);
    assert!(sim.held && sim.state().1.contains("by command"));
    sim.readers(1);
    assert!(!sim.running);
    sim.readers(0);
    sim.pass(20 * S);
    sim.command(Command::Start);
    assert!(!sim.held && !sim.running && sim.state().1.contains("on demand"));
    sim.readers(1);
    assert!(sim.running);
    sim.command(Command::Stop);
    sim.exit(Fault::Stopped, "stopped");
    sim.command(Command::Shutdown);
    assert!(!sim.held && sim.state().1.contains("with the server"));
}

#[test]
fn a_picture_that_stands_still_is_a_fault_of_the_run_that_there_is() {
    let mut sim = Sim::new(None);
    sim.frames(40 * S);
    sim.command(Command::Mend(30 * S));
    assert!(sim.asked_to_stop);
    sim.exit(Fault::Stopped, "stopped");
    assert!(
        sim.state().1.starts_with("the picture has not changed for 30 s")
            && sim.next_delay() <= 250 * MS,
        "{:?}",
        sim.state()
    );
    sim.command(Command::Mend(30 * S));
    assert_eq!(
        sim.machine.restarts().iter().sum::<u64>(),
        1,
        "nothing runs that could be at fault"
    );
    sim.pass(S);
    assert_eq!(
        (
            sim.runs,
            sim.machine.restarts()[Fault::ALL.iter().position(|f| *f == Fault::Frozen).unwrap()]
        ),
        (2, 1)
    );
    sim.command(Command::Stop);
    sim.exit(Fault::Stopped, "stopped");
    sim.command(Command::Mend(30 * S));
    sim.pass(60 * S);
    assert_eq!((sim.runs, sim.held), (2, true));
}
