//! Moves the machine's inputs and actions: one task a source, which the source's own future runs
//! inside.

use super::{
    Context, Exit, Fault, Source,
    machine::{Action, Command, Machine, Note, Policy, Restarts},
};
use crate::clock::Clock;
use futures::FutureExt;
use hub::{Demand, Stream};
use media::Mono;
use std::{
    any::Any,
    future::Future,
    ops::Deref,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Keeps `source` running for `stream` until the handle is shut down or dropped.
pub(crate) fn supervise<S: Source>(
    source: S,
    stream: Arc<Stream>,
    policy: Policy,
    clock: Clock,
) -> Supervisor {
    let (commands, inbox) = mpsc::channel(8);
    let history = watch::Sender::new(History::default());
    let (stall_after, news) = watch::channel(policy.stall_after);
    let (shutdown, seen) = (CancellationToken::new(), history.subscribe());
    let mut demand = stream.demand();
    let mut machine = Machine::new(policy, source.label(), fastrand::u64(..), clock.now());
    machine.handle_readers(clock.now(), demand.borrow_and_update().readers());
    let changes = stream.changes();
    let driver = Driver {
        machine,
        stream,
        clock,
        inbox,
        demand,
        changes,
        shutdown: shutdown.clone(),
        ending: false,
        stop: None,
        history,
        stall_after: news,
    };
    let task = tokio::spawn(driver.keep(source));
    let remote = SupervisorHandle { commands, history: seen };
    Supervisor { remote, stall_after, shutdown: shutdown.drop_guard(), task }
}

/// Keeps a supervised source. Dropping it shuts the source down without waiting for that.
pub(crate) struct Supervisor {
    remote: SupervisorHandle,
    stall_after: watch::Sender<Duration>,
    shutdown: DropGuard,
    task: tokio::task::JoinHandle<()>,
}

/// Commands a supervised source and tells its history, without keeping it.
#[derive(Clone)]
pub(crate) struct SupervisorHandle {
    commands: mpsc::Sender<Command>,
    history: watch::Receiver<History>,
}

/// What went wrong so far.
#[derive(Clone, Default)]
struct History {
    restarts: Restarts,
    last: Option<(Mono, Arc<str>)>,
}

impl SupervisorHandle {
    /// Gives a command. One of a burst that cannot be taken in time is dropped.
    pub(crate) fn command(&self, command: Command) {
        if self.commands.try_send(command).is_err() {
            tracing::debug!(?command, "command dropped: too many at once");
        }
    }

    /// How often the source was started anew, by kind of fault; kinds that never happened are left
    /// out.
    pub(crate) fn restarts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.history.borrow().restarts;
        let named = Fault::ALL.iter().map(|f| f.as_str()).zip(counts);
        named.filter(|(_, n)| *n > 0).collect()
    }

    /// When a run last ended by a fault, and by which.
    pub(crate) fn last_fault(&self) -> Option<(Mono, Arc<str>)> {
        self.history.borrow().last.clone()
    }
}

/// A supervisor is a remote that also keeps the source; the remote itself is cloned to be given
/// away.
impl Deref for Supervisor {
    type Target = SupervisorHandle;

    fn deref(&self) -> &SupervisorHandle {
        &self.remote
    }
}

impl Supervisor {
    /// Changes [`Policy::stall_after`] while the source runs.
    pub(crate) fn set_stall_after(&self, stall_after: Duration) {
        self.stall_after.send_replace(stall_after);
    }

    /// Stops the source and waits for its goodbye, at most for [`Policy::stop_grace`].
    pub(crate) async fn shutdown(self) {
        drop(self.shutdown);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a supervisor crashed");
        }
    }
}

struct Driver {
    machine: Machine,
    stream: Arc<Stream>,
    clock: Clock,
    inbox: mpsc::Receiver<Command>,
    demand: watch::Receiver<Demand>,
    changes: watch::Receiver<u64>,
    shutdown: CancellationToken,
    /// The shutdown has been passed on to the machine.
    ending: bool,
    /// Stops the present run.
    stop: Option<CancellationToken>,
    history: watch::Sender<History>,
    stall_after: watch::Receiver<Duration>,
}

/// What [`Driver::act`] cannot do itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Run,
    Abort,
}

impl Driver {
    async fn keep<S: Source>(mut self, mut source: S) {
        while let Some(stop) = self.until_run().await {
            let ctx =
                Context { stream: self.stream.clone(), clock: self.clock, stop: stop.clone() };
            let exit = self.drive(source.run(ctx)).await;
            stop.cancel();
            self.feed_newest();
            self.machine.handle_exit(self.clock.now(), exit);
        }
    }

    /// Waits until the source is to run; `None` once it never will again.
    async fn until_run(&mut self) -> Option<CancellationToken> {
        loop {
            if self.act() == Some(Order::Run) {
                return Some(self.stop.insert(CancellationToken::new()).clone());
            }
            if self.ending && self.machine.is_idle() {
                return None;
            }
            self.input().await;
        }
    }

    /// Runs the source until it ends or must be dropped.
    async fn drive(&mut self, run: impl Future<Output = Exit>) -> Exit {
        let mut run = pin!(AssertUnwindSafe(run).catch_unwind());
        loop {
            if self.act() == Some(Order::Abort) {
                return Exit::stopped();
            }
            tokio::select! {
                exit = &mut run => return exit.unwrap_or_else(|panic| self.panicked(&*panic)),
                () = self.input() => {}
            }
        }
    }

    /// Waits for one input and gives it to the machine. Cancel safe.
    async fn input(&mut self) {
        let timeout = self.machine.poll_timeout().map(|at| self.clock.instant(at));
        tokio::select! {
            Some(command) = self.inbox.recv() => self.machine.handle_command(self.clock.now(), command),
            Ok(()) = self.demand.changed() => {
                let readers = self.demand.borrow_and_update().readers();
                self.machine.handle_readers(self.clock.now(), readers);
            }
            Ok(()) = self.stall_after.changed() => {
                let stall_after = *self.stall_after.borrow_and_update();
                self.machine.set_stall_after(stall_after);
            }
            Ok(()) = self.changes.changed(), if self.machine.awaits_frame() => self.feed_newest(),
            () = self.shutdown.cancelled(), if !self.ending => {
                self.ending = true;
                self.machine.handle_command(self.clock.now(), Command::Shutdown);
            }
            () = sleep_until(timeout) => {
                self.feed_newest();
                self.machine.handle_timeout(self.clock.now());
            }
        }
    }

    fn ask_to_stop(&self) {
        // If silence is the cause, readers are told so now and not at the next round of the stall
        // watch.
        self.stream.check_stall(self.clock.now());
        self.stop.iter().for_each(CancellationToken::cancel);
    }

    fn feed_newest(&mut self) {
        if let Some(at) = self.stream.stats().newest_at {
            self.machine.handle_frame(at);
        }
    }

    /// Does what the machine wants done, and returns what only the caller can do.
    fn act(&mut self) -> Option<Order> {
        let mut order = None;
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Run => order = Some(Order::Run),
                Action::Abort => order = Some(Order::Abort),
                Action::Stop => self.ask_to_stop(),
                Action::Report(status) => self.stream.report(status),
                Action::Disable(reason) => self.stream.disable(self.clock.now(), reason),
                Action::Enable => drop(self.stream.enable()),
                Action::Note(note) => self.log(&note),
            }
        }
        let restarts = self.machine.restarts();
        self.history.send_if_modified(|history| {
            std::mem::replace(&mut history.restarts, restarts) != restarts
        });
        order
    }

    fn log(&self, note: &Note) {
        let camera = self.stream.name();
        match note {
            Note::Live => tracing::info!(%camera, "camera live"),
            Note::Fault { exit, tries, wait } => {
                self.history.send_modify(|history| {
                    history.last = Some((self.clock.now(), exit.words.clone()));
                });
                tracing::warn!(
                    %camera, fault = exit.fault.as_str(), reason = %exit.words, tries, next_try_ms = wait.as_millis() as u64,
                    "camera offline"
                );
            }
        }
    }

    /// The words of the panic go to the log only: nobody has checked them for secrets or sense.
    fn panicked(&self, panic: &(dyn Any + Send)) -> Exit {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or(panic.downcast_ref::<String>().map(String::as_str));
        tracing::error!(camera = %self.stream.name(), panic = text.unwrap_or("?"), "a source crashed");
        Exit::new(Fault::Panicked, "internal error, contained and logged; please report it")
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
