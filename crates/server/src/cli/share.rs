//! The share of the machine that a server asks for. What is refused it does without.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::process::{getpriority_process, setpriority_process};

/// Ahead of ordinary programs (0), as sound servers are, and behind what keeps the machine alive
/// (-20). With two processors and an encoder on each, one frame in fifty otherwise waits
/// milliseconds for its turn.
const AHEAD: i32 = -10;

/// Asks for it, before there is a second thread: all of them inherit it.
pub(super) fn take() {
    more_descriptors();
    run_ahead();
}

/// A server has a descriptor for every viewer; the usual soft limit of 1024 is meant for programs
/// that use `select`.
fn more_descriptors() {
    const WANTED: u64 = 1 << 16;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard.min(WANTED)
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(WANTED), hard);
    }
}

/// The server moves bytes, and little else; whoever encodes, decodes or draws does it in a worker,
/// which gives way again. A nice value that somebody chose stays.
fn run_ahead() {
    if getpriority_process(None) == Ok(0) {
        let _ = setpriority_process(None, AHEAD);
    }
}
