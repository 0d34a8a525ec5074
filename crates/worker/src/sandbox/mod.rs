//! What a worker gives up before it touches data that others made.
//!
//! A codec is a large body of C++ that reads what a camera sends. An attacker that takes it over
//! finds a process that can compute, write to the socket it was given, and nothing else: no files,
//! no network, no other processes, not even core dumps. Each layer holds without the others,
//! because kernels and containers differ in which of them they offer.

mod calls;
mod files;
mod limits;
mod parent;
mod user;

pub use parent::{Orphan, die_with_parent};

/// Why a layer is missing, in words for the log.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// The user id could not be changed.
    #[error("running as root, and cannot change to an unprivileged user ({0})")]
    User(nix::Error),
    /// Privileges could come back by executing a privileged program.
    #[error("no_new_privs is refused ({0})")]
    Privileges(nix::Error),
    /// A resource limit could not be set.
    #[error("a resource limit is refused ({0})")]
    Limits(nix::Error),
    /// Files are reachable as far as the user's rights go.
    #[error("files are not fenced off: {0}")]
    Files(String),
    /// System calls are not filtered.
    #[error("system calls are not filtered: {0}")]
    Calls(String),
}

/// Enters the sandbox, for good. Every layer is tried; those that this machine does not offer are
/// returned.
///
/// Call it with one thread, after everything is opened. It may change the user id, which makes the
/// kernel forget the parent-death signal: [`die_with_parent`] comes between this and
/// [`filter_calls`].
pub fn enter() -> Vec<Missing> {
    let layers = [user::leave_root(), limits::lower(), files::fence_off()];
    layers.into_iter().filter_map(Result::err).collect()
}

/// Leaves only the system calls that computing and talking to the server need; all others fail with
/// `EPERM`. `requests` is the letter of the requests that may be made to a device that is open
/// already, as `V` to cameras.
///
/// # Errors
/// [`Missing::Calls`] if this kernel or machine has no such filter.
pub fn filter_calls(requests: Option<u8>) -> Result<(), Missing> {
    calls::filter(requests).map_err(Missing::Calls)
}
