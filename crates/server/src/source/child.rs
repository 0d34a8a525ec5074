//! The process of a command, and its end in words: what the sources that are programs have in
//! common.

use crate::{
    redact::redact,
    supervise::{Exit, Fault},
    workers::{Hears, Tail},
};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{
    io, os::unix::process::ExitStatusExt, path::Path, process::ExitStatus, process::Stdio,
    time::Duration,
};
use tokio::process::{self, ChildStdin, ChildStdout, Command};

/// How long a process may take to end after it was asked to.
const GRACE: Duration = Duration::from_millis(500);
/// What every command needs of the server's environment; the rest may hold passwords.
const ENVIRONMENT: [&str; 7] =
    ["PATH", "HOME", "USER", "LANG", "TZ", "LD_LIBRARY_PATH", "XDG_RUNTIME_DIR"];

/// A process with its group. Dropping it kills them all.
pub(super) struct Child {
    name: String,
    process: process::Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    words: Tail,
}

/// How to start a process, beyond its words.
#[derive(Default)]
pub(super) struct How {
    /// Variables of the server's environment that it needs, too.
    pub(super) environment: &'static [&'static str],
    /// It is talked to.
    pub(super) talks: bool,
    /// Hears each line of its standard error.
    pub(super) hears: Option<Hears>,
}

impl Child {
    /// Starts the program that the first word names.
    pub(super) fn start(words: &[String], how: How) -> Result<Self, Exit> {
        let [program, arguments @ ..] = words else {
            return Err(not_started("nothing", &io::ErrorKind::NotFound.into()));
        };
        let name = Path::new(program)
            .file_name()
            .map_or_else(|| program.clone(), |name| name.to_string_lossy().into_owned());
        let mut command = Command::new(program);
        let stdin = if how.talks { Stdio::piped() } else { Stdio::null() };
        command.args(arguments).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let environment = ENVIRONMENT.iter().chain(how.environment);
        command.env_clear().envs(environment.filter_map(|key| Some((key, std::env::var_os(key)?))));
        command.process_group(0).kill_on_drop(true);
        let mut process = command.spawn().map_err(|error| not_started(&name, &error))?;
        let words = Tail::follow_with(process.stderr.take(), how.hears);
        let stdout = process
            .stdout
            .take()
            .ok_or_else(|| not_started(&name, &io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { name, stdin: process.stdin.take(), process, stdout, words })
    }

    /// The program's name, without its folder.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The process's number, while it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Its standard input, once, if it is talked to.
    pub(super) fn stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    pub(super) fn stdout(&mut self) -> &mut ChildStdout {
        &mut self.stdout
    }

    /// Sees a process to its end that has closed its output, and says why it ended.
    pub(super) async fn ended(&mut self) -> Exit {
        self.ended_with().await.0
    }

    /// As [`Child::ended`], with the status if it has told one.
    pub(super) async fn ended_with(&mut self) -> (Exit, Option<i32>) {
        self.signal(Signal::SIGTERM);
        let status = match tokio::time::timeout(GRACE, self.process.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => {
                self.signal(Signal::SIGKILL);
                self.process.wait().await.ok()
            }
        };
        let said = self.words.last_lines().await;
        let code = status.and_then(|status| status.code());
        let how = status.map_or_else(|| "has ended".to_owned(), how);
        let words = if said.is_empty() {
            format!("{} {how}", self.name)
        } else {
            format!("{} {how}: {said}", self.name)
        };
        (Exit::new(Fault::Disconnected, redact(&words).into_owned()), code)
    }

    /// To the whole group, while its leader has not been waited for and its number is nobody
    /// else's.
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.process.id().and_then(|id| i32::try_from(id).ok()) {
            // Fails only if it is gone.
            let _ = killpg(Pid::from_raw(leader), signal);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal().and_then(|number| Signal::try_from(number).ok())) {
        (Some(0), _) | (_, Some(Signal::SIGTERM)) => "has closed its output".to_owned(),
        (Some(code), _) => format!("has ended with status {code}"),
        (None, Some(signal)) => format!("was killed by {signal}"),
        (None, None) => "has ended".to_owned(),
    }
}

fn not_started(name: &str, error: &io::Error) -> Exit {
    let words = match error.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no program {name}: install it, or write its whole path")
        }
        io::ErrorKind::PermissionDenied => {
            format!("{name} may not be executed: see to its permissions (chmod +x)")
        }
        _ => format!("{name} cannot be started: {error}"),
    };
    Exit::new(Fault::Unreachable, words)
}
