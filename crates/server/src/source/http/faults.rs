//! What went wrong, in words: the cause as the camera or the network gave it, and the next step.

use super::target::Target;
use crate::supervise::{Exit, Fault};
use std::{io, time::Duration};

/// Longest cause that is quoted.
const MAX_QUOTE: usize = 100;

/// The connection cannot be made.
pub(super) fn not_connected(target: &Target, error: &io::Error) -> Exit {
    let (camera, host) = (target.address(), target.host());
    let words = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("{camera} refuses the connection: is the camera's web server switched on, and this its port?")
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("no route to {camera}: is the camera switched on, and in a network that this machine reaches?")
        }
        io::ErrorKind::TimedOut => format!("no answer from {camera}: is the camera switched on, and this its address?"),
        _ if error.to_string().contains("lookup address") => {
            format!("the name {host} cannot be resolved: check its spelling, or the DNS server")
        }
        _ => format!("cannot connect to {camera}: {error}"),
    };
    Exit::new(Fault::Unreachable, words)
}

/// The camera is silent.
pub(super) fn no_answer(target: &Target, after: Duration) -> Exit {
    let words = format!(
        "no answer from {} within {} s: is the camera switched on, and this its address?",
        target.address(),
        after.as_secs()
    );
    Exit::new(Fault::Unreachable, words)
}

/// The camera answered something else than pictures.
pub(super) fn answered(target: &Target, status: u16) -> Exit {
    let (camera, path) = (target.address(), target.url.path());
    let (fault, words) = match status {
        401 if target.login.is_none() => {
            let hint = "write them into the source, http://user:password@…";
            (Fault::Unauthorized, format!("{camera} wants a user and a password (401 Unauthorized): {hint}"))
        }
        401 => {
            let hint = "correct them in the source; special characters must be percent-encoded";
            (Fault::Unauthorized, format!("wrong user or password for {camera} (401 Unauthorized): {hint}"))
        }
        403 => (Fault::Unauthorized, format!("{camera} forbids this user to watch (403 Forbidden): check the user's rights")),
        404 => (Fault::Refused, format!("{camera} has nothing at {path} (404 Not Found): check the path of the source")),
        300..=399 => {
            (Fault::Refused, format!("{camera} sends us elsewhere (error {status}): write the address it names as the source"))
        }
        _ => (Fault::Refused, format!("{camera} answered with error {status}")),
    };
    Exit::new(fault, words)
}

/// What is there is not pictures.
pub(super) fn no_pictures(target: &Target, kind: &str) -> Exit {
    let kind: String = kind.chars().filter(|c| !c.is_control()).take(MAX_QUOTE).collect();
    let words = format!(
        "{} sends {kind} at {}, not JPEG pictures: look for the camera's MJPEG stream or snapshot",
        target.address(),
        target.url.path()
    );
    Exit::new(Fault::Refused, words)
}

/// Pictures were expected, and something else came.
pub(super) fn content(target: &Target, fault: &proto::multipart::Fault) -> Exit {
    Exit::new(Fault::Refused, format!("{} sent {fault}", target.address()))
}

/// A file without a picture.
pub(super) fn unreadable(label: &str) -> Exit {
    Exit::new(Fault::Refused, format!("{label} sent a JPEG without a picture"))
}

/// The conversation broke.
pub(super) fn broken(target: &Target, error: &hyper::Error) -> Exit {
    let camera = target.address();
    if error.is_parse() {
        return Exit::new(
            Fault::Refused,
            format!("{camera} answered with something that is no HTTP ({error}): is this its port?"),
        );
    }
    // The library's own words are about itself; the cause is behind them.
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    Exit::new(Fault::Disconnected, format!("the connection with {camera} broke: {cause}"))
}

/// The camera has ended its answer.
pub(super) fn closed(target: &Target) -> Exit {
    Exit::new(Fault::Disconnected, format!("{} closed the connection", target.address()))
}
