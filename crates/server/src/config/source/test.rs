//! `test:?…`.

use crate::config::values::{even, number};
use std::fmt;

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

impl fmt::Display for TestSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, fps, gop, bitrate, noise } = self;
        write!(f, "test:?width={width}&height={height}&fps={fps}&gop={gop}&bitrate={bitrate}")?;
        if *noise > 0 { write!(f, "&noise={noise}") } else { Ok(()) }
    }
}

impl Default for TestSource {
    fn default() -> Self {
        Self { width: 1280, height: 720, fps: 30, gop: 30, bitrate: 2_500_000, noise: 0 }
    }
}

pub(super) fn parse(rest: &str) -> Result<TestSource, String> {
    let mut test = TestSource::default();
    let query = rest.strip_prefix('?').unwrap_or(rest);
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "width" => test.width = even(&key, &value, 64, 3840)?,
            "height" => test.height = even(&key, &value, 64, 2160)?,
            "fps" => test.fps = number(&key, &value, 1, 120)?,
            "gop" => test.gop = number(&key, &value, 1, 6000)?,
            "bitrate" => test.bitrate = number(&key, &value, 50_000, 50_000_000)?,
            "noise" => test.noise = number(&key, &value, 0, 60)?,
            _ => return Err(unknown_option(&key)),
        }
    }
    Ok(test)
}

fn unknown_option(key: &str) -> String {
    let known = ["width", "height", "fps", "gop", "bitrate", "noise"];
    match crate::config::values::similar(key, known.into_iter()) {
        Some(meant) => {
            format!("unknown option {key:?} of the test picture; did you mean {meant:?}?")
        }
        None => format!("unknown option {key:?} of the test picture; known: {}", known.join(", ")),
    }
}
