//! Where a camera's picture comes from: one file for each kind.

mod address;
mod exec;
mod file;
mod http;
mod rpicam;
mod rtsp;
mod test;
mod udp;
mod v4l2;

pub(crate) use exec::ExecCommand;
pub(crate) use file::FileSource;
pub(crate) use http::{Certificate, HttpSource};
pub(crate) use rpicam::{RpicamDriver, RpicamEncoder, RpicamSource};
pub(crate) use rtsp::RtspSource;
pub(crate) use test::TestSource;
pub(crate) use udp::UdpSource;
pub(crate) use v4l2::V4l2Source;

use std::fmt;

/// The `source:` of a camera.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// `publish`: waits for somebody to publish.
    Publish,
    /// `rtsp://…`, `rtsps://…`: we dial the camera.
    Rtsp(RtspSource),
    /// `http://…`, `https://…`: JPEG files, without end or one by one.
    Http(HttpSource),
    /// `udp://…`: MPEG-TS that is sent to us.
    Udp(UdpSource),
    /// `exec:…`: a command that writes a stream.
    Exec(ExecCommand),
    /// `rpicam:0?…`: the camera of a Raspberry Pi.
    Rpicam(RpicamSource),
    /// `file:…`: a file that is played again and again.
    File(FileSource),
    /// `v4l2:/dev/video0?…`: a camera of this machine.
    V4l2(V4l2Source),
    /// `test:?…`: a moving test picture with a clock.
    Test(TestSource),
}

impl fmt::Display for Source {
    /// The source in words, without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish => f.write_str("publish"),
            Self::Rtsp(rtsp) => rtsp.fmt(f),
            Self::Http(http) => http.fmt(f),
            Self::Udp(udp) => udp.fmt(f),
            Self::Exec(exec) => exec.fmt(f),
            Self::Rpicam(pi) => pi.fmt(f),
            Self::File(file) => file.fmt(f),
            Self::V4l2(camera) => camera.fmt(f),
            Self::Test(test) => test.fmt(f),
        }
    }
}

/// What is understood, for error messages.
const UNDERSTOOD: &str = "rtsp://…, rtsps://…, http://… and https://… (JPEG), udp://… (MPEG-TS), exec:COMMAND, file:/PATH, rpicam:0, v4l2:/dev/video0, publish, or test:";

impl std::str::FromStr for Source {
    type Err = String;

    /// The errors show nothing of what may be a secret.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "publish" {
            return Ok(Self::Publish);
        }
        // YAML takes no bare colon at the end of a line.
        if text == "test" {
            return Ok(Self::Test(TestSource::default()));
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(no_source(text));
        };
        match scheme {
            "rtsp" | "rtsps" => rtsp::parse(text).map(Self::Rtsp),
            "http" | "https" => http::parse(text).map(Self::Http),
            "udp" => udp::parse(text).map(Self::Udp),
            "rpicam" => rpicam::parse(rest).map(Self::Rpicam),
            "file" => file::parse(rest).map(Self::File),
            "v4l2" => v4l2::parse(rest).map(Self::V4l2),
            _ if scheme == "exec" || scheme.starts_with("exec+") => exec::parse(scheme, rest).map(Self::Exec),
            "test" => test::parse(rest).map(Self::Test),
            // No crate for it is both finished and kept; a passphrase may stand behind it, so
            // nothing of it is repeated.
            "srt" => Err("srt: sources are not supported by this version; let ffmpeg carry them: write exec:ffmpeg -i \"srt://…\" -c copy \
                          -f mpegts -, with ?mode=listener behind the address to wait for a caller"
                .to_owned()),
            _ => Err(unknown(scheme, rest)),
        }
    }
}

/// What stands there may be a password in the wrong place, so only the word that was probably meant
/// is shown.
fn no_source(text: &str) -> String {
    match crate::config::values::similar(text, ["publish"].into_iter()) {
        Some(meant) => format!("this is no source; did you mean {meant:?}?"),
        None => format!("this is no source; write {UNDERSTOOD}"),
    }
}

/// What stands before the colon is shown only if it looks like a scheme: it may as well be a user
/// or a password.
fn unknown(scheme: &str, rest: &str) -> String {
    let known =
        ["rtsp", "rtsps", "http", "https", "udp", "exec", "file", "rpicam", "v4l2", "test", "srt"]
            .into_iter();
    match crate::config::values::similar(scheme, known) {
        Some(meant) => format!("unknown kind of source {scheme:?}; did you mean {meant:?}?"),
        None if rest.starts_with("//") => {
            format!("unknown kind of source {scheme:?}; write {UNDERSTOOD}")
        }
        None => no_source(scheme),
    }
}
