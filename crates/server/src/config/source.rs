//! Where a camera's picture comes from.

use std::{fmt, net::SocketAddr, sync::Arc};
use url::Url;

/// The `source:` of a camera.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// `publish`: waits for somebody to publish.
    Publish,
    /// `rtsp://…`, `rtsps://…`: we dial the camera.
    Rtsp(RtspSource),
    /// `http://…`: JPEG files, without end or one by one.
    Http(HttpSource),
    /// `udp://…`: MPEG-TS that is sent to us.
    Udp(UdpSource),
    /// `exec:…`: a command that writes MPEG-TS.
    Exec(ExecCommand),
    /// `test:?…`: a moving test picture with a clock.
    Test(TestSource),
}

/// An RTSP camera. Its text forms never show the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RtspSource {
    /// The URL without user and password.
    pub(crate) url: Url,
    /// How to log in.
    pub(crate) credentials: Option<Credentials>,
}

/// A camera that sends JPEG files by HTTP. Its text forms never show the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HttpSource {
    /// The URL without user, password and our own options.
    pub(crate) url: Url,
    /// How to log in.
    pub(crate) credentials: Option<Credentials>,
    /// How often to ask a camera that sends one file at a time, a second.
    pub(crate) fps: u32,
}

/// Where MPEG-TS is waited for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UdpSource {
    /// An address of this machine, or a multicast group.
    pub(crate) address: SocketAddr,
    /// By which interface a group is joined; any that leads there if none is named.
    pub(crate) interface: Option<String>,
}

impl fmt::Display for UdpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "udp://{}", self.address)?;
        self.interface.as_ref().map_or(Ok(()), |name| write!(f, "?interface={name}"))
    }
}

/// A command. Its text forms show the program alone: passwords stand in arguments.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ExecCommand {
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
}

impl fmt::Debug for ExecCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for ExecCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exec:{}", self.words.first().map_or("", String::as_str))?;
        f.write_str(if self.words.len() > 1 { " …" } else { "" })
    }
}

/// A user and a password, decoded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The user.
    pub(crate) user: String,
    /// The password.
    pub(crate) password: Secret,
}

/// A text that shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    /// The text itself, to be handed to the peer it was made for and to nobody else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for RtspSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for RtspSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(self.url.as_str()))
    }
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(self.url.as_str()))?;
        if self.fps == SNAPSHOTS { Ok(()) } else { write!(f, "#fps={}", self.fps) }
    }
}

/// The test picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TestSource {
    /// Columns.
    pub(crate) width: u32,
    /// Rows.
    pub(crate) height: u32,
    /// Frames a second.
    pub(crate) fps: u32,
    /// Frames from one keyframe to the next.
    pub(crate) gop: u32,
    /// Bits a second.
    pub(crate) bitrate: u32,
    /// Percent of the picture that is noise, to use the bitrate up.
    pub(crate) noise: u32,
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
            Self::Test(t) => {
                write!(f, "test:?width={}&height={}&fps={}&gop={}&bitrate={}", t.width, t.height, t.fps, t.gop, t.bitrate)?;
                if t.noise > 0 { write!(f, "&noise={}", t.noise) } else { Ok(()) }
            }
        }
    }
}

/// What is understood, for error messages.
const UNDERSTOOD: &str = "rtsp://…, rtsps://…, http://… (JPEG), udp://… (MPEG-TS), exec:COMMAND, publish, or test:";
/// Sources of later versions.
const NOT_YET: [&str; 5] = ["v4l2", "rpicam", "https", "file", "srt"];
/// How often a camera that sends one file at a time is asked, a second, and how often it may be.
const SNAPSHOTS: u32 = 5;
const MOST_SNAPSHOTS: u32 = 60;

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
            "rtsp" | "rtsps" => rtsp(text).map(Self::Rtsp),
            "http" => http(text).map(Self::Http),
            "udp" => udp(text).map(Self::Udp),
            "exec" => exec(rest).map(Self::Exec),
            "test" => test(rest).map(Self::Test),
            _ if NOT_YET.contains(&scheme) => {
                Err(format!("{scheme}: sources are not supported by this version yet; it takes {UNDERSTOOD}"))
            }
            _ => Err(unknown(scheme, rest)),
        }
    }
}

/// What stands there may be a password in the wrong place, so only the word that was probably meant is shown.
fn no_source(text: &str) -> String {
    match super::values::similar(text, ["publish"].into_iter()) {
        Some(meant) => format!("this is no source; did you mean {meant:?}?"),
        None => format!("this is no source; write {UNDERSTOOD}"),
    }
}

/// What stands before the colon is shown only if it looks like a scheme: it may as well be a user or a password.
fn unknown(scheme: &str, rest: &str) -> String {
    let known = ["rtsp", "rtsps", "http", "udp", "exec", "test"].into_iter().chain(NOT_YET);
    match super::values::similar(scheme, known) {
        Some(meant) => format!("unknown kind of source {scheme:?}; did you mean {meant:?}?"),
        None if rest.starts_with("//") => format!("unknown kind of source {scheme:?}; write {UNDERSTOOD}"),
        None => no_source(scheme),
    }
}

fn rtsp(text: &str) -> Result<RtspSource, String> {
    let (url, credentials) = address(text, "an RTSP URL", "rtsp://user:password@address/path")?;
    Ok(RtspSource { url, credentials })
}

/// Words as a shell would part them; nothing else of a shell is understood.
fn exec(command: &str) -> Result<ExecCommand, String> {
    const EXAMPLE: &str = "write for example exec:ffmpeg -i /dev/video0 -c:v libx264 -tune zerolatency -f mpegts -";
    let words = shlex::split(command).ok_or_else(|| format!("a quote in the command has no end; {EXAMPLE}"))?;
    match words.is_empty() {
        true => Err(format!("a command is missing; {EXAMPLE}")),
        false => Ok(ExecCommand { words }),
    }
}

/// Nothing is secret here: there is nobody to log in with.
fn udp(text: &str) -> Result<UdpSource, String> {
    const EXAMPLE: &str = "write udp://0.0.0.0:9999, or a multicast group as udp://239.0.0.1:9999?interface=eth0";
    let (address, options) = text
        .trim_start_matches("udp:")
        .trim_start_matches('/')
        .split_once('?')
        .map_or_else(|| (text.trim_start_matches("udp:").trim_start_matches('/'), ""), |(address, options)| (address, options));
    // As ffmpeg writes the addresses at which it listens.
    let address = address.trim_start_matches('@').trim_end_matches('/');
    let address = match address.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => address.to_owned(),
    };
    let address: SocketAddr =
        address.parse().map_err(|_| format!("{address:?} is no address with a port to listen at; {EXAMPLE}"))?;
    if address.port() == 0 {
        return Err(format!("a port is needed to which the camera sends; {EXAMPLE}"));
    }
    let mut source = UdpSource { address, interface: None };
    for (key, value) in url::form_urlencoded::parse(options.as_bytes()) {
        match &*key {
            "interface" if address.ip().is_multicast() => source.interface = Some(value.into_owned()),
            "interface" => return Err("interface is for multicast groups; name an address of this machine instead".to_owned()),
            _ => return Err(format!("unknown option {key:?}; known: interface")),
        }
    }
    Ok(source)
}

/// Our own options stand behind `#`, which no camera ever sees.
fn http(text: &str) -> Result<HttpSource, String> {
    let (mut url, credentials) = address(text, "a URL", "http://user:password@address/path")?;
    let mut fps = SNAPSHOTS;
    for (key, value) in url::form_urlencoded::parse(url.fragment().unwrap_or_default().as_bytes()) {
        if key != "fps" {
            // It may be the end of a password.
            return Err("unknown option behind #; known: fps. Within a password write # as %23".to_owned());
        }
        let good = value.parse().ok().filter(|n| (1..=MOST_SNAPSHOTS).contains(n));
        fps = good.ok_or_else(|| format!("fps={value:?} is not possible; it may be 1 to {MOST_SNAPSHOTS}"))?;
    }
    url.set_fragment(None);
    Ok(HttpSource { url, credentials, fps })
}

/// A URL without its credentials, and these.
fn address(text: &str, what: &str, example: &str) -> Result<(Url, Option<Credentials>), String> {
    let mut url = Url::parse(text).map_err(|e| format!("this is not {what} ({e}); write {example}"))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("this is not {what}, for it names no host; write {example}"));
    }
    let credentials = credentials(&url)?;
    // Neither fails on a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok((url, credentials))
}

/// Words that introduce a secret in the path or query of a URL; vendors put credentials there too.
const SECRET_KEYS: [&str; 7] = ["password=", "passwd=", "pass=", "pwd=", "token=", "secret=", "auth="];

/// Hides what follows a secret's key, up to the next separator.
fn redact(url: &str) -> String {
    let lower = url.to_ascii_lowercase();
    let mut out = String::new();
    let mut at = 0;
    while let Some((begin, key)) = SECRET_KEYS.iter().filter_map(|key| Some((lower[at..].find(key)? + at, key))).min() {
        let value = begin + key.len();
        out.push_str(&url[at..value]);
        out.push_str("***");
        at = lower[value..].find(['&', '_', '/', ';', '?', '#']).map_or(url.len(), |end| value + end);
    }
    out.push_str(&url[at..]);
    out
}

fn credentials(url: &Url) -> Result<Option<Credentials>, String> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decode = |part: &str| percent_decode(part).ok_or("user and password must be UTF-8 (percent-encoded where needed)");
    let password = Secret(decode(url.password().unwrap_or_default())?.into());
    Ok(Some(Credentials { user: decode(url.username())?, password }))
}

fn percent_decode(text: &str) -> Option<String> {
    let query = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    let decoded = url::form_urlencoded::parse(query.as_bytes()).next()?.1.into_owned();
    (!decoded.contains('\u{fffd}')).then_some(decoded)
}

impl Default for TestSource {
    fn default() -> Self {
        Self { width: 1280, height: 720, fps: 30, gop: 30, bitrate: 2_500_000, noise: 0 }
    }
}

fn test(rest: &str) -> Result<TestSource, String> {
    let mut test = TestSource::default();
    let query = rest.strip_prefix('?').unwrap_or(rest);
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let (slot, bounds) = match &*key {
            "width" => (&mut test.width, 64..=3840),
            "height" => (&mut test.height, 64..=2160),
            "fps" => (&mut test.fps, 1..=120),
            "gop" => (&mut test.gop, 1..=6000),
            "bitrate" => (&mut test.bitrate, 50_000..=50_000_000),
            "noise" => (&mut test.noise, 0..=60),
            _ => return Err(unknown_option(&key)),
        };
        let (least, most) = (*bounds.start(), *bounds.end());
        let good = value.parse().ok().filter(|n| bounds.contains(n));
        *slot = good.ok_or_else(|| format!("{key}={value:?} is not possible; it may be {least} to {most}"))?;
        // A chroma sample covers two columns and two rows.
        if matches!(&*key, "width" | "height") && *slot % 2 != 0 {
            return Err(format!("{key}={value:?} is not possible; it must be even"));
        }
    }
    Ok(test)
}

fn unknown_option(key: &str) -> String {
    let known = ["width", "height", "fps", "gop", "bitrate", "noise"];
    match super::values::similar(key, known.into_iter()) {
        Some(meant) => format!("unknown option {key:?} of the test picture; did you mean {meant:?}?"),
        None => format!("unknown option {key:?} of the test picture; known: {}", known.join(", ")),
    }
}
