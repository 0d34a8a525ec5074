//! `rpicam:0?…`.

use crate::config::values::{even, number, similar, switch};
use std::fmt;

/// A camera at the ribbon connector of a Raspberry Pi.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RpicamSource {
    /// Which one, as `rpicam-hello --list-cameras` counts.
    pub(crate) camera: u32,
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
    /// Left and right are exchanged.
    pub(crate) hflip: bool,
    /// Top and bottom are exchanged.
    pub(crate) vflip: bool,
    /// What drives it.
    pub(crate) driver: RpicamDriver,
    /// What encodes, where it is to be chosen.
    pub(crate) encoder: RpicamEncoder,
    /// Controls as they are at the start, by name and as written.
    pub(crate) controls: Vec<(String, String)>,
}

/// What drives a Raspberry Pi's camera.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum RpicamDriver {
    /// The best there is.
    #[default]
    Auto,
    /// The system's picamera2, through a helper of ours.
    Picamera2,
    /// `rpicam-vid` or `libcamera-vid`.
    RpicamVid,
}

/// What encodes where rpicam-vid drives.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum RpicamEncoder {
    /// What the board has.
    #[default]
    Auto,
    /// That of the Pis up to the fourth.
    Hardware,
    /// The processors.
    Software,
}

const OPTIONS: [&str; 9] =
    ["width", "height", "fps", "gop", "bitrate", "hflip", "vflip", "driver", "encoder"];
/// What can be set at the start, and later by the API.
const CONTROLS: [&str; 19] = [
    "brightness",
    "contrast",
    "saturation",
    "sharpness",
    "exposure_value",
    "auto_exposure",
    "exposure_time",
    "gain",
    "exposure_mode",
    "metering",
    "auto_white_balance",
    "awb_mode",
    "red_gain",
    "blue_gain",
    "noise_reduction",
    "focus_mode",
    "focus_range",
    "focus_speed",
    "lens_position",
];

impl Default for RpicamSource {
    fn default() -> Self {
        Self {
            camera: 0,
            width: 1280,
            height: 720,
            fps: 30,
            gop: 30,
            bitrate: 2_500_000,
            hflip: false,
            vflip: false,
            driver: RpicamDriver::Auto,
            encoder: RpicamEncoder::Auto,
            controls: Vec::new(),
        }
    }
}

impl fmt::Display for RpicamSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { camera, width, height, fps, gop, bitrate, .. } = self;
        write!(
            f,
            "rpicam:{camera}?width={width}&height={height}&fps={fps}&gop={gop}&bitrate={bitrate}"
        )?;
        for (name, set) in [("hflip", self.hflip), ("vflip", self.vflip)] {
            if set {
                write!(f, "&{name}=1")?;
            }
        }
        match self.driver {
            RpicamDriver::Auto => {}
            RpicamDriver::Picamera2 => f.write_str("&driver=picamera2")?,
            RpicamDriver::RpicamVid => f.write_str("&driver=rpicam-vid")?,
        }
        match self.encoder {
            RpicamEncoder::Auto => {}
            RpicamEncoder::Hardware => f.write_str("&encoder=hardware")?,
            RpicamEncoder::Software => f.write_str("&encoder=software")?,
        }
        self.controls.iter().try_for_each(|(name, value)| write!(f, "&{name}={value}"))
    }
}

/// Without `gop` there is a keyframe a second.
pub(super) fn parse(rest: &str) -> Result<RpicamSource, String> {
    let (camera, query) = rest.split_once('?').unwrap_or((rest, ""));
    let wrong = |_| {
        format!(
            "{camera:?} is no camera's number; write for example rpicam:0?width=1280&height=720&fps=30"
        )
    };
    let mut pi = RpicamSource {
        camera: if camera.is_empty() { 0 } else { camera.parse().map_err(wrong)? },
        ..Default::default()
    };
    let mut gop = None;
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "width" => pi.width = even(&key, &value, 64, 4608)?,
            "height" => pi.height = even(&key, &value, 64, 3496)?,
            "fps" => pi.fps = number(&key, &value, 1, 240)?,
            "gop" => gop = Some(number(&key, &value, 1, 6000)?),
            "bitrate" => pi.bitrate = number(&key, &value, 100_000, 25_000_000)?,
            "hflip" => pi.hflip = flag(&key, &value)?,
            "vflip" => pi.vflip = flag(&key, &value)?,
            "driver" => pi.driver = driver(&value)?,
            "encoder" => pi.encoder = encoder(&value)?,
            control if CONTROLS.contains(&control) => {
                pi.controls.push((control.to_owned(), plain(&key, &value)?));
            }
            _ => return Err(unknown_option(&key)),
        }
    }
    pi.gop = gop.unwrap_or(pi.fps);
    Ok(pi)
}

fn flag(key: &str, value: &str) -> Result<bool, String> {
    let value = match value {
        "1" => "true",
        "0" => "false",
        other => other,
    };
    switch(value).map_err(|_| format!("{key}={value:?} is not possible; it may be 0 or 1"))
}

fn driver(value: &str) -> Result<RpicamDriver, String> {
    match value {
        "auto" => Ok(RpicamDriver::Auto),
        "picamera2" => Ok(RpicamDriver::Picamera2),
        "rpicam-vid" => Ok(RpicamDriver::RpicamVid),
        _ => Err(format!(
            "driver={value:?} is not possible; it may be auto, picamera2, or rpicam-vid"
        )),
    }
}

fn encoder(value: &str) -> Result<RpicamEncoder, String> {
    match value {
        "auto" => Ok(RpicamEncoder::Auto),
        "hardware" => Ok(RpicamEncoder::Hardware),
        "software" => Ok(RpicamEncoder::Software),
        _ => {
            Err(format!("encoder={value:?} is not possible; it may be auto, hardware, or software"))
        }
    }
}

/// Numbers, yes and no, and words of menus. The camera itself knows which of them it takes.
fn plain(key: &str, value: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match !value.is_empty() && value.len() <= 32 && value.chars().all(good) {
        true => Ok(value.to_owned()),
        false => Err(format!(
            "{key}={value:?} is not possible; write a number, true, false, or a word such as auto"
        )),
    }
}

fn unknown_option(key: &str) -> String {
    let known = || OPTIONS.into_iter().chain(CONTROLS);
    match similar(key, known()) {
        Some(meant) => {
            format!("unknown option {key:?} of a Raspberry Pi camera; did you mean {meant:?}?")
        }
        None => format!(
            "unknown option {key:?} of a Raspberry Pi camera; known: {}",
            known().collect::<Vec<_>>().join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_controls_are_read_and_shown() {
        let pi = parse("1?width=640&height=480&fps=25&vflip=1&brightness=0.1&awb_mode=indoor&driver=rpicam-vid&encoder=software")
            .unwrap();
        assert_eq!(
            (pi.camera, pi.width, pi.height, pi.fps, pi.gop, pi.hflip, pi.vflip),
            (1, 640, 480, 25, 25, false, true)
        );
        let shown = pi.to_string();
        assert!(
            shown.ends_with("&bitrate=2500000&vflip=1&driver=rpicam-vid&encoder=software&brightness=0.1&awb_mode=indoor"),
            "{shown}"
        );
        assert_eq!(parse(shown.strip_prefix("rpicam:").unwrap()), Ok(pi));
        assert_eq!(parse(""), Ok(RpicamSource::default()));
    }

    #[test]
    fn mistakes_are_told_with_what_would_be_right() {
        for (text, words) in [
            ("/dev/video0", "is no camera's number"),
            ("0?widht=1", "did you mean \"width\"?"),
            ("0?brightnes=1", "did you mean \"brightness\"?"),
            ("0?width=641", "it must be even"),
            ("0?fps=0", "it may be 1 to 240"),
            ("0?hflip=maybe", "it may be 0 or 1"),
            ("0?driver=raspivid", "it may be auto, picamera2, or rpicam-vid"),
            ("0?encoder=gpu", "it may be auto, hardware, or software"),
            ("0?awb_mode=a+b", "write a number, true, false, or a word"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }
}
