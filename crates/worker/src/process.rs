//! A worker's life from its first line to its exit code.

use crate::{
    capture, clock,
    link::{Closed, Link},
    pictures, sandbox, test_picture, v4l2,
};
use nix::sys::{prctl, socket::getsockopt, socket::sockopt::PeerCredentials};
use proto::ipc::{Capture, Job, Level, Slate, TestPicture, ToServer, ToWorker};
use rustix::process::{getpriority_process, setpriority_process};
use std::{
    any::Any,
    ffi::CString,
    io::{self, Write},
    os::fd::AsFd,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::Duration,
};

/// Exit code after a fault that was reported.
const FAILED: u8 = 1;
/// Exit code when there is no server to work for.
const NO_SERVER: u8 = 2;
/// Exit code after a panic, as of any Rust program.
const PANICKED: u8 = 101;
/// How long the server has to read the last words.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long the server has to say what is to be done.
const FIRST_WORD: Duration = Duration::from_secs(10);

/// Entry of the binary when it is executed as `neverblink worker`, before any thread or runtime has
/// started.
///
/// The conversation with the server ([`proto::ipc`]) runs over standard input, which is one end of
/// a Unix socket pair: an inherited descriptor that needs no agreement on its number and leaks into
/// no other child. Standard error is for last words.
pub fn main() -> ExitCode {
    close_inherited();
    give_way();
    match connect() {
        Ok(mut link) => live(&mut link),
        Err(e) => {
            complain(&e);
            ExitCode::from(NO_SERVER)
        }
    }
}

/// Closes what the parent of the server left open for its children: a worker owns the standard
/// streams and nothing else.
#[expect(unsafe_code, reason = "no safe wrapper closes descriptors without an owner")]
fn close_inherited() {
    // SAFETY: this is the first thing the process does. No value of this program owns a descriptor
    // from 3 on yet, so none can be used after it was closed here. On kernels before 5.9 the call
    // fails and nothing happens.
    unsafe { nix::libc::syscall(nix::libc::SYS_close_range, 3, u32::MAX, 0) };
}

/// The server may run ahead of ordinary programs; work on pixels, which takes all that it can get,
/// may not.
fn give_way() {
    if getpriority_process(None).is_ok_and(|nice| nice < 0) {
        // Giving way is never refused.
        let _ = setpriority_process(None, 0);
    }
}

fn connect() -> Result<Link, String> {
    let stdin = io::stdin();
    getsockopt(&stdin, PeerCredentials).map_err(|_| sandbox::Orphan::NoServer.to_string())?;
    let socket = stdin.as_fd().try_clone_to_owned().map_err(|e| format!("standard input: {e}"))?;
    Link::new(socket).map_err(|e| format!("socket to the server: {e}"))
}

/// Why the work ended before it was told to.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error(transparent)]
    TestPicture(#[from] test_picture::Fault),
    #[error(transparent)]
    Pictures(#[from] pictures::Fault),
    #[error(transparent)]
    Capture(#[from] capture::Fault),
}

impl Fault {
    /// The server has closed the connection.
    fn is_goodbye(&self) -> bool {
        let (Self::Closed(closed)
        | Self::TestPicture(test_picture::Fault::Closed(closed))
        | Self::Pictures(pictures::Fault::Closed(closed))
        | Self::Capture(capture::Fault::Closed(closed))) = self
        else {
            return false;
        };
        matches!(closed, Closed::ByServer)
    }

    /// For the server.
    fn message(self) -> ToServer {
        match self {
            Self::Capture(capture::Fault::Camera(loss, words)) => ToServer::Lost(loss, words),
            other => ToServer::Failed(other.to_string()),
        }
    }
}

fn live(link: &mut Link) -> ExitCode {
    let (last, code) = match catch_unwind(AssertUnwindSafe(|| work(link))) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(fault)) if fault.is_goodbye() => return ExitCode::SUCCESS,
        Ok(Err(fault)) => (fault.message(), FAILED),
        Err(panic) => (ToServer::Failed(format!("panic: {}", words(&*panic))), PANICKED),
    };
    if let ToServer::Failed(text) | ToServer::Lost(_, text) = &last {
        complain(text);
    }
    // The server may be gone; the exit code tells as much.
    let _ = link.send(&last).and_then(|()| link.finish(LAST_WORDS));
    ExitCode::from(code)
}

/// A job with what it needs of the world outside.
enum Work {
    TestPicture(TestPicture),
    Slate(Slate),
    Pictures,
    Capture(Capture, capture::Opened),
}

/// The server is trusted, so its job is heard before the doors are closed; what a camera sends is
/// looked at behind them.
fn work(link: &mut Link) -> Result<(), Fault> {
    link.send(&ToServer::Hello { pid: std::process::id() })?;
    let Some(job) = first_job(link)? else { return Ok(()) };
    call_it(&job);
    let work = match job {
        Job::TestPicture(job) => Work::TestPicture(job),
        Job::Slate(job) => Work::Slate(job),
        Job::Pictures { .. } => Work::Pictures,
        Job::Capture(job) => {
            let opened = capture::open(&job)?;
            Work::Capture(job, opened)
        }
    };
    close_the_doors(link, matches!(work, Work::Capture(..)).then_some(v4l2::LETTER))?;
    match work {
        Work::TestPicture(job) => test_picture::run(link, &job)?,
        Work::Slate(job) => test_picture::run_slate(link, &job)?,
        Work::Pictures => pictures::run(link)?,
        Work::Capture(job, opened) => capture::run(link, &job, opened)?,
    }
    Ok(())
}

/// Gives up all that the work does not need; `requests` is the letter of those that it makes to a
/// device.
fn close_the_doors(link: &mut Link, requests: Option<u8>) -> Result<(), Closed> {
    let missing = sandbox::enter();
    if let Err(orphan) = sandbox::die_with_parent(link.socket()) {
        complain(&orphan);
        return Err(Closed::ByServer);
    }
    for layer in missing.into_iter().chain(sandbox::filter_calls(requests).err()) {
        link.send(&ToServer::Log(Level::Warn, format!("worker sandbox is incomplete: {layer}")))?;
    }
    Ok(())
}

/// Waits for the job. `None`: there is nothing to do.
fn first_job(link: &mut Link) -> Result<Option<Job>, Closed> {
    let deadline = clock::mono() + FIRST_WORD;
    while clock::mono() < deadline {
        link.wait(deadline)?;
        match link.receive()? {
            Some(ToWorker::Start(job)) => return Ok(Some(job)),
            Some(ToWorker::Stop) => break,
            // Nothing that makes sense before it.
            Some(_) | None => {}
        }
    }
    Ok(None)
}

/// Shows the camera's name in `ps` and `top`, cut to the 15 bytes the kernel keeps.
fn call_it(job: &Job) {
    let name = match job {
        Job::TestPicture(job) => format!("nb:{}", job.name),
        Job::Capture(job) => format!("nb:{}", job.name),
        Job::Slate(job) => format!("nbslate:{}", job.title),
        Job::Pictures { name } => format!("nbjpeg:{name}"),
    };
    if let Ok(name) = CString::new(name) {
        let _ = prctl::set_name(&name);
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

/// Standard error is read by the server; if it is closed, the message has no reader.
fn complain(text: &impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "neverblink worker: {text}");
}
