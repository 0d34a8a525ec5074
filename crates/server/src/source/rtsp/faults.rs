//! What went wrong, in words: the cause as the camera or the network gave it, and the next step.

use super::target::Target;
use crate::supervise::{Exit, Fault};
use std::{io, time::Duration};

/// What was being done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Connecting and asking for the description.
    Describe,
    Setup,
    Play,
    /// Frames were already coming.
    Receive,
}

impl Step {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
            Self::Receive => "RTSP",
        }
    }
}

/// What the library writes before the cause of a connection that cannot be made.
const CANNOT_CONNECT: &str = "Unable to connect to RTSP server: ";
/// What the standard library writes before the cause of a name that cannot be resolved.
const CANNOT_RESOLVE: &str = "failed to lookup address information: ";
/// Longest cause that is quoted.
const MAX_QUOTE: usize = 160;

/// The end of a run by an error of the library. It does not tell kinds of errors apart but by their
/// words; what is not recognised is quoted.
pub(super) fn exit(target: &Target, step: Step, error: &retina::Error) -> Exit {
    if let Some(status) = error.status_code() {
        return answered(target, step, status);
    }
    let text = error.to_string();
    match text.strip_prefix(CANNOT_CONNECT) {
        Some(cause) => not_connected(target, cause),
        None => broken(target, step, &text),
    }
}

/// Refuses what the library cannot speak, before it does so in its own words.
pub(super) fn check_scheme(target: &Target) -> Result<(), Exit> {
    match target.url.scheme() {
        "rtsp" => Ok(()),
        scheme => Err(Exit::new(
            Fault::Refused,
            format!("{scheme}:// sources are not supported by this version yet; write rtsp://"),
        )),
    }
}

/// The end of a run because the camera is silent.
pub(super) fn no_answer(target: &Target, step: Step, after: Duration) -> Exit {
    let (camera, after) = (target.address(), after.as_secs());
    let words = match step {
        Step::Describe => format!(
            "no answer from {camera} within {after} s: is the camera switched on, and this its address?"
        ),
        _ => format!(
            "no answer from {camera} to {} within {after} s: the camera may need a restart",
            step.as_str()
        ),
    };
    Exit::new(Fault::Unreachable, words)
}

/// The camera has agreed to everything, and nothing comes.
pub(super) fn silent(target: &Target, after: Duration) -> Exit {
    let words = format!(
        "{} has started the stream but sent nothing within {} s: is its encoder running, and this its path?",
        target.address(),
        after.as_secs()
    );
    Exit::new(Fault::Stalled, words)
}

/// The end of a run because the camera has ended the session.
pub(super) fn closed(target: &Target) -> Exit {
    Exit::new(Fault::Disconnected, format!("{} closed the connection", target.address()))
}

fn answered(target: &Target, step: Step, status: u16) -> Exit {
    let (camera, step) = (target.address(), step.as_str());
    let path = target.url.path();
    let (fault, words) = match status {
        401 if target.credentials.is_none() => (
            Fault::Unauthorized,
            format!(
                "{camera} wants a user and a password (401 Unauthorized): write them into the source, rtsp://user:password@…"
            ),
        ),
        401 => (
            Fault::Unauthorized,
            format!(
                "wrong user or password for {camera} (401 Unauthorized): correct them in the source; special characters must be percent-encoded"
            ),
        ),
        403 => (
            Fault::Unauthorized,
            format!(
                "{camera} forbids this user to watch (403 Forbidden): check the user's rights in the camera"
            ),
        ),
        404 => (
            Fault::Refused,
            format!(
                "{camera} has no stream at {path} (404 Not Found): check the path of the source"
            ),
        ),
        453 => (
            Fault::Refused,
            format!("{camera} has no bandwidth left (453): close other viewers of the camera"),
        ),
        461 => (
            Fault::Refused,
            format!(
                "{camera} does not offer this transport (461): try ?transport=udp or ?transport=tcp behind the source"
            ),
        ),
        454 => (
            Fault::Disconnected,
            format!("{camera} has forgotten the session (454 Session Not Found)"),
        ),
        200..=299 => (
            Fault::Refused,
            format!("{camera} answered {step} with something that cannot be understood"),
        ),
        500..=599 => (
            Fault::Refused,
            format!(
                "{camera} failed to answer {step} (error {status}): the camera may be overloaded or need a restart"
            ),
        ),
        _ => (Fault::Refused, format!("{camera} answered {step} with error {status}")),
    };
    Exit::new(fault, words)
}

fn not_connected(target: &Target, cause: &str) -> Exit {
    let (camera, host) = (target.address(), target.url.host_str().unwrap_or("?"));
    let words = match kind(cause) {
        _ if cause.starts_with(CANNOT_RESOLVE) => {
            let cause = cause.trim_start_matches(CANNOT_RESOLVE);
            format!(
                "the name {host} cannot be resolved ({}): check its spelling, or the DNS server",
                quote(target, cause)
            )
        }
        Some(io::ErrorKind::ConnectionRefused) => {
            format!(
                "{camera} refuses the connection: is RTSP switched on in the camera, and this its port?"
            )
        }
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            format!(
                "no route to {camera}: is the camera switched on, and in a network that this machine reaches?"
            )
        }
        Some(io::ErrorKind::TimedOut) => {
            format!("no answer from {camera}: is the camera switched on, and this its address?")
        }
        _ => format!("cannot connect to {camera}: {}", quote(target, cause)),
    };
    Exit::new(Fault::Unreachable, words)
}

/// The kind of the operating system's error that a text ends with.
fn kind(text: &str) -> Option<io::ErrorKind> {
    let number = text.rsplit_once("(os error ")?.1.strip_suffix(')')?;
    Some(io::Error::from_raw_os_error(number.parse().ok()?).kind())
}

fn broken(target: &Target, step: Step, text: &str) -> Exit {
    let camera = target.address();
    match text {
        _ if text.contains("respond to keepalive") || text.contains("write keepalive") => {
            Exit::new(Fault::Disconnected, format!("{camera} no longer answers"))
        }
        _ if text.contains("EOF") => closed(target),
        // Its own words are about bytes of a buffer, which help nobody.
        _ if text.contains("RTSP framing error") => Exit::new(
            Fault::Refused,
            format!(
                "{camera} sends something that is no RTSP: is this its port, and what stands between it and us?"
            ),
        ),
        _ if kind(first_line(text)) == Some(io::ErrorKind::ConnectionReset) => {
            Exit::new(Fault::Disconnected, format!("{camera} has cut the connection"))
        }
        _ if step == Step::Receive => Exit::new(
            Fault::Disconnected,
            format!("the session with {camera} broke: {}", quote(target, text)),
        ),
        _ => Exit::new(
            Fault::Refused,
            format!("{camera} answered {} wrongly: {}", step.as_str(), quote(target, text)),
        ),
    }
}

/// The first line of a text, shortened, without secrets and control characters.
fn quote(target: &Target, text: &str) -> String {
    target.scrub(first_line(text)).chars().filter(|c| !c.is_control()).take(MAX_QUOTE).collect()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: Option<(&str, &str)> = Some(("user", "secret"));

    fn target(url: &str, login: Option<(&str, &str)>) -> Target {
        Target::new(&url.parse().unwrap(), login, "camera")
    }

    #[test]
    fn causes_of_the_network_are_told_apart() {
        let target = target("rtsp://front.example:8554/s", LOGIN);
        for (cause, words) in [
            (
                "failed to lookup address information: Name or service not known",
                "the name front.example cannot be resolved (Name or",
            ),
            (
                "Connection refused (os error 111)",
                "front.example:8554 refuses the connection: is RTSP",
            ),
            ("No route to host (os error 113)", "no route to front.example:8554: is the"),
            ("Network is unreachable (os error 101)", "no route to front.example:8554: is the"),
            ("Connection timed out (os error 110)", "no answer from front.example:8554: is the"),
            (
                "Too many open files (os error 24)",
                "cannot connect to front.example:8554: Too many open files",
            ),
        ] {
            let exit = not_connected(&target, cause);
            assert!(exit.words.starts_with(words), "{}", exit.words);
            assert_eq!(exit.fault, Fault::Unreachable);
        }
    }

    #[test]
    fn answers_are_told_with_the_next_step() {
        let [with, without] = [target("rtsp://cam/path", LOGIN), target("rtsp://cam/path", None)];
        for (target, status, fault, words) in [
            (&with, 401, Fault::Unauthorized, "wrong user or password for cam:554"),
            (&without, 401, Fault::Unauthorized, "cam:554 wants a user and a password"),
            (&with, 404, Fault::Refused, "cam:554 has no stream at /path (404"),
            (&with, 461, Fault::Refused, "cam:554 does not offer this transport"),
            (&with, 503, Fault::Refused, "cam:554 failed to answer DESCRIBE (error 503)"),
            (&with, 302, Fault::Refused, "cam:554 answered DESCRIBE with error 302"),
        ] {
            let exit = answered(target, Step::Describe, status);
            assert!(exit.words.starts_with(words) && exit.fault == fault, "{}", exit.words);
        }
    }

    #[test]
    fn what_a_library_says_of_bytes_is_put_into_words() {
        let target = target("rtsp://cam/path", LOGIN);
        for (text, words) in [
            (
                "Error reading from RTSP peer: Connection reset by peer (os error 104)\n\nconn: 1",
                "cam:554 has cut the connection",
            ),
            (
                "RTSP framing error: Invalid RTSP message:\nbyte 98249: request-line",
                "cam:554 sends something that is no RTSP",
            ),
            ("Error reading from RTSP peer: unexpected EOF", "cam:554 closed the connection"),
        ] {
            for step in [Step::Describe, Step::Receive] {
                assert!(
                    broken(&target, step, text).words.starts_with(words),
                    "{}",
                    broken(&target, step, text).words
                );
            }
        }
    }

    #[test]
    fn encrypted_rtsp_is_refused_in_our_words() {
        let words = check_scheme(&target("rtsps://cam/path", LOGIN)).unwrap_err().words;
        assert!(words.starts_with("rtsps:// sources are not supported"), "{words}");
        assert!(check_scheme(&target("rtsp://cam/path", LOGIN)).is_ok());
    }

    #[test]
    fn what_is_quoted_is_short_and_holds_no_secret() {
        let target = target("rtsp://cam/path", LOGIN);
        let long = format!("your password is secret\u{7}{}\nconn: 1.2.3.4", "x".repeat(1000));
        let exit = broken(&target, Step::Describe, &long);
        assert!(
            exit.words.starts_with("cam:554 answered DESCRIBE wrongly: your password is ***xx"),
            "{}",
            exit.words
        );
        assert!(exit.words.len() < 250 && !exit.words.contains("1.2.3.4"));
    }
}
