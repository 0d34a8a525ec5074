//! What went wrong, in words: the cause as the camera or the network gave it, and the next step.

use super::{target::Target, tls::Fingerprint};
use crate::supervise::{Exit, Fault};
use media::Wall;
use std::{io, time::Duration};
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, pki_types::UnixTime};

/// Longest cause that is quoted.
const MAX_QUOTE: usize = 100;

/// The connection cannot be made.
pub(super) fn not_connected(target: &Target, error: &io::Error) -> Exit {
    let (camera, host) = (target.address(), target.host());
    let words = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!(
                "{camera} refuses the connection: is the camera's web server switched on, and this its port?"
            )
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!(
                "no route to {camera}: is the camera switched on, and in a network that this machine reaches?"
            )
        }
        io::ErrorKind::TimedOut => {
            format!("no answer from {camera}: is the camera switched on, and this its address?")
        }
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
            let hint = "write them into the source, //user:password@…";
            (
                Fault::Unauthorized,
                format!("{camera} wants a user and a password (401 Unauthorized): {hint}"),
            )
        }
        401 => {
            let hint = "correct them in the source; special characters must be percent-encoded";
            (
                Fault::Unauthorized,
                format!("wrong user or password for {camera} (401 Unauthorized): {hint}"),
            )
        }
        403 => (
            Fault::Unauthorized,
            format!("{camera} forbids this user to watch (403 Forbidden): check the user's rights"),
        ),
        404 => (
            Fault::Refused,
            format!("{camera} has nothing at {path} (404 Not Found): check the path of the source"),
        ),
        300..=399 => (
            Fault::Refused,
            format!(
                "{camera} sends us elsewhere (error {status}): write the address it names as the source"
            ),
        ),
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
            format!(
                "{camera} answered with something that is no HTTP ({error}): is this its port?"
            ),
        );
    }
    // The library's own words are about itself; the cause is behind them.
    let cause =
        std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    Exit::new(Fault::Disconnected, format!("the connection with {camera} broke: {cause}"))
}

/// The camera has ended its answer.
pub(super) fn closed(target: &Target) -> Exit {
    Exit::new(Fault::Disconnected, format!("{} closed the connection", target.address()))
}

/// Its certificate is not taken.
pub(super) fn certificate(target: &Target, why: &CertificateError, seen: &Fingerprint) -> Exit {
    use CertificateError as Why;
    let (camera, own) = (target.address(), own(seen));
    let words = match why {
        Why::ApplicationVerificationFailure => format!(
            "{camera} shows another certificate than the one in the source: was it renewed, or is somebody in between? \
             The one it shows is #certificate={seen}"
        ),
        Why::Expired => format!("the certificate of {camera} has expired: renew it; or {own}"),
        Why::ExpiredContext { not_after, .. } => {
            format!(
                "the certificate of {camera} has expired on {}: renew it; or {own}",
                day(*not_after)
            )
        }
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            format!(
                "the certificate of {camera} is not valid yet: is this machine's clock right? If so, and {own}"
            )
        }
        Why::NotValidForName => format!(
            "the certificate of {camera} is for another name: write that as its address; or {own}"
        ),
        Why::NotValidForNameContext { presented, .. } => {
            format!(
                "the certificate of {camera} is for {}: write that as its address; or {own}",
                names(presented)
            )
        }
        // The latter says that it signed itself.
        Why::UnknownIssuer | Why::Other(_) => {
            format!(
                "the certificate of {camera} is signed by nobody whom this machine knows, as cameras do it themselves: {own}"
            )
        }
        _ => format!("the certificate of {camera} is not good ({why}): renew it; or {own}"),
    };
    Exit::new(Fault::Refused, words)
}

/// This machine knows no authorities.
pub(super) fn no_authorities(target: &Target, seen: &Fingerprint) -> Exit {
    let (camera, own) = (target.address(), own(seen));
    let words = format!(
        "this machine has no list of authorities by which to judge the certificate of {camera}: install ca-certificates; or {own}"
    );
    Exit::new(Fault::Refused, words)
}

fn own(seen: &Fingerprint) -> String {
    format!("if it is the camera's own, write #certificate={seen} behind the source")
}

fn day(time: UnixTime) -> String {
    let micros = i64::try_from(time.as_secs().saturating_mul(1_000_000)).unwrap_or(i64::MAX);
    Wall::from_micros(micros).to_string().chars().take(10).collect()
}

/// The names in a certificate, which the library writes as `DnsName("camera.example")`.
fn names(presented: &[String]) -> String {
    let bare =
        |name: &String| name.split(['(', ')']).nth(1).unwrap_or(name).trim_matches('"').to_owned();
    let all: Vec<_> = presented.iter().map(bare).collect();
    let all: String = all.join(", ").chars().filter(|c| !c.is_control()).take(MAX_QUOTE).collect();
    if all.is_empty() { "no name at all".to_owned() } else { all }
}

/// What it speaks is not what is understood.
pub(super) fn no_tls(target: &Target, error: &Error) -> Exit {
    let camera = target.address();
    let words = match error {
        Error::InvalidMessage(_) => {
            format!(
                "{camera} answers with something that is no TLS: is this its port for https, or is the source http://…?"
            )
        }
        Error::PeerIncompatible(_)
        | Error::AlertReceived(
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
        ) => {
            format!(
                "{camera} knows no TLS of today (1.2 or 1.3): update its software, or ask it by http://…"
            )
        }
        _ => format!("TLS with {camera} has failed: {error}"),
    };
    Exit::new(Fault::Refused, words)
}

/// The connection broke before there were keys.
pub(super) fn tls_broken(target: &Target, error: &io::Error) -> Exit {
    let words = format!(
        "{} broke off when TLS was to begin ({error}): is this its port for https?",
        target.address()
    );
    Exit::new(Fault::Disconnected, words)
}
