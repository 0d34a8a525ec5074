//! Worker processes: how they start, and how they end in words.

use super::stderr::Tail;
use nix::sys::signal::Signal;
use std::{
    ffi::OsString,
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream as StdUnixStream, process::ExitStatusExt},
    },
    process::{ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};
use tokio::{
    net::UnixStream,
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
};

/// How long a worker may take to exit by itself after it was asked to, or has closed its socket.
const GRACE: Duration = Duration::from_millis(300);

/// Starts worker processes, from one thread that lives as long as any handle to it.
///
/// A worker asks the kernel to be killed when its parent dies, and for the kernel the parent is the
/// *thread* that started it: the threads of the runtime come and go, this one stays.
#[derive(Clone)]
pub(crate) struct Spawner {
    requests: mpsc::Sender<Request>,
}

struct Request {
    runtime: Handle,
    socket: OwnedFd,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// What is executed as a worker.
pub(crate) struct Program {
    /// The file.
    pub(crate) path: OsString,
    /// What is given to it.
    pub(crate) arguments: Vec<OsString>,
}

impl Program {
    /// This very binary, even if the file it came from has been replaced or removed since.
    fn itself() -> Self {
        Self { path: "/proc/self/exe".into(), arguments: vec!["worker".into()] }
    }
}

impl Spawner {
    /// Workers that are this binary.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(crate) fn new() -> io::Result<Self> {
        Self::of(Program::itself())
    }

    /// Workers that are another program.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(crate) fn of(program: Program) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel::<Request>();
        let serve = move || {
            for Request { runtime, socket, answer } in inbox {
                let _runtime = runtime.enter();
                // Whoever asked may have gone; dropping the child then kills it.
                let _ = answer.send(command(&program, socket).spawn());
            }
        };
        std::thread::Builder::new().name("spawner".to_owned()).spawn(serve)?;
        Ok(Self { requests })
    }

    /// Starts a worker; returns it with the server's end of its socket.
    ///
    /// # Errors
    /// Those of making a socket and a process.
    pub(crate) async fn spawn(&self) -> io::Result<(Process, UnixStream)> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let (answer, child) = oneshot::channel();
        let gone = |_| io::Error::other("the thread that starts workers is gone");
        let request = Request { runtime: Handle::current(), socket: theirs.into(), answer };
        self.requests.send(request).map_err(|e| gone(e.to_string()))?;
        let mut child = child.await.map_err(|e| gone(e.to_string()))??;
        let stderr = Tail::follow(child.stderr.take());
        Ok((Process { child, stderr }, UnixStream::from_std(ours)?))
    }
}

/// The socket becomes standard input: inherited for sure, and by this child alone.
fn command(program: &Program, socket: OwnedFd) -> Command {
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).arg0("neverblink");
    command.stdin(socket).stdout(Stdio::null()).stderr(Stdio::piped());
    // Its environment is empty: passwords may come from the server's. Ctrl-C in a terminal is for
    // the server alone.
    command.env_clear().current_dir("/").process_group(0).kill_on_drop(true);
    command
}

/// A running worker process. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    stderr: Tail,
}

impl Process {
    /// Waits for its end, and brings it about if that takes too long. `None`: it had to be killed.
    pub(crate) async fn wait_or_kill(&mut self) -> Option<ExitStatus> {
        if let Ok(Ok(status)) = tokio::time::timeout(GRACE, self.child.wait()).await {
            return Some(status);
        }
        self.kill().await;
        None
    }

    /// Kills it and waits for its end.
    pub(crate) async fn kill(&mut self) {
        // Fails only if it is gone already.
        let _ = self.child.kill().await;
    }

    /// Why a process that has closed its socket is gone: its end in words, and its last words.
    pub(crate) async fn cause(&mut self) -> String {
        let end = match self.wait_or_kill().await {
            Some(status) => in_words(status),
            None => "closed its connection, did not exit and was killed".to_owned(),
        };
        match self.stderr.last_lines().await {
            words if words.is_empty() => end,
            words => format!("{end}; its last words: {words}"),
        }
    }
}

fn in_words(status: ExitStatus) -> String {
    let Some(number) = status.signal() else {
        return format!("exited with code {}", status.code().unwrap_or_default());
    };
    let core = if status.core_dumped() { ", core dumped" } else { "" };
    match Signal::try_from(number) {
        Ok(signal) => format!("was killed by signal {number} ({signal}{core})"),
        Err(_) => format!("was killed by signal {number}{core}"),
    }
}
