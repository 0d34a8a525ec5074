//! Child processes that cannot be left behind.

use crate::{Log, Usage, wait_until};
use anyhow::{Context, Result};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use std::{
    ffi::OsStr,
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    time::Duration,
};

/// For what a process wrote before its end to be read.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A running program with its output. Dropping it kills it and everything it started.
///
/// It also dies with the thread that started it, so that an interrupted test leaves nothing behind.
pub struct Process {
    name: String,
    child: Child,
    log: Log,
}

impl Process {
    /// Starts `program`; `name` appears in messages. Its input is empty.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Self> {
        Self::spawn(name, &mut command(program, args))
    }

    /// Starts `command`, made by [`command`]. Standard streams that the caller has not set up are
    /// captured.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        let mut process = Self::spawn_raw(name, command.stdout(Stdio::piped()))?;
        if let Some(out) = process.child.stdout.take() {
            process.log.collect(out);
        }
        Ok(process)
    }

    /// Starts `command` with its output left to the caller.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn_with_output(name: &str, command: &mut Command) -> Result<(Self, ChildStdout)> {
        let mut process = Self::spawn_raw(name, command.stdout(Stdio::piped()))?;
        let out = process.child.stdout.take().context("no output")?;
        Ok((process, out))
    }

    fn spawn_raw(name: &str, command: &mut Command) -> Result<Self> {
        let child = command.stderr(Stdio::piped()).process_group(0).spawn();
        let mut child = child
            .with_context(|| format!("{name} ({:?}) cannot be started", command.get_program()))?;
        let log = Log::default();
        if let Some(err) = child.stderr.take() {
            log.collect(err);
        }
        Ok(Self { name: name.into(), child, log })
    }

    /// The lines that it wrote.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its input, if `command` was given a piped one and it has not been taken yet.
    pub fn take_input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its process id, also that of its process group.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("{} is gone", self.name))
    }

    /// Kills it and all of its group at once, as a power cut would.
    pub fn kill(&mut self) {
        match killpg(self.pid(), Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH | Errno::EPERM) => {}
            Err(e) => eprintln!("{}: {e}", self.name),
        }
        let _ = self.child.wait();
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait(limit)
    }

    /// Waits for it to end by itself, and for its last words.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        let status = wait_until(&what, limit, || self.child.try_wait().ok().flatten())?;
        // Children of its own may hold its output open.
        let _ = wait_until("its last words", LAST_WORDS, || self.log.is_complete().then_some(()));
        Ok(status)
    }

    /// True until it has ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// What it takes from the machine now.
    ///
    /// # Errors
    /// If it is gone.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        eprintln!("---- {} wrote:\n{}", self.name, self.log.tail(200));
    }
}

/// A command for [`Process::spawn`] that dies with the calling thread. Its input is empty.
pub fn command<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(args).stdin(Stdio::null());
    command
}
