//! `v4l2:/dev/video0?…`.

use crate::config::values::number;
use proto::ipc::{EncoderChoice, PictureFormat};
use std::fmt;

/// A camera of this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct V4l2Source {
    /// Path of its device.
    pub(crate) device: String,
    /// Columns wished for.
    pub(crate) width: u16,
    /// Rows wished for.
    pub(crate) height: u16,
    /// Pictures a second wished for.
    pub(crate) fps: u16,
    /// What is to come of them.
    pub(crate) format: PictureFormat,
    /// Frames from one keyframe to the next; a second's if not told.
    pub(crate) gop: Option<u16>,
    /// Bits a second; what suits the size if not told.
    pub(crate) bitrate: Option<u32>,
    /// What encodes.
    pub(crate) encoder: EncoderChoice,
}

impl fmt::Display for V4l2Source {
    /// Nothing of it is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, width, height, fps, .. } = self;
        write!(f, "v4l2:{device}?width={width}&height={height}&fps={fps}")?;
        if self.format != PictureFormat::Any {
            write!(f, "&format={}", self.format.as_str())?;
        }
        self.gop.map_or(Ok(()), |gop| write!(f, "&gop={gop}"))?;
        self.bitrate.map_or(Ok(()), |bitrate| write!(f, "&bitrate={bitrate}"))?;
        match self.encoder {
            EncoderChoice::Auto => Ok(()),
            told => write!(f, "&encoder={}", told.as_str()),
        }
    }
}

const EXAMPLE: &str = "write v4l2:/dev/video0?width=1280&height=720&fps=30; `neverblink devices` lists the cameras of this machine";

pub(super) fn parse(rest: &str) -> Result<V4l2Source, String> {
    let (device, query) = rest.split_once('?').unwrap_or((rest, ""));
    // As `v4l2-ctl -d 0` names it.
    let device = if !device.is_empty() && device.bytes().all(|b| b.is_ascii_digit()) {
        format!("/dev/video{device}")
    } else {
        device.to_owned()
    };
    if !device.starts_with('/') {
        return Err(format!("{device:?} is no device; {EXAMPLE}"));
    }
    let (width, height, fps) = (1280, 720, 30);
    let (format, encoder) = (PictureFormat::Any, EncoderChoice::Auto);
    let mut source =
        V4l2Source { device, width, height, fps, format, gop: None, bitrate: None, encoder };
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "width" => source.width = number(&key, &value, 16, 8192)?,
            "height" => source.height = number(&key, &value, 16, 8192)?,
            "fps" => source.fps = number(&key, &value, 1, 240)?,
            "gop" => source.gop = Some(number(&key, &value, 1, 6000)?),
            "bitrate" => source.bitrate = Some(number(&key, &value, 50_000, 50_000_000)?),
            "format" => source.format = picture_format(&value)?,
            "encoder" => source.encoder = encoder_choice(&value)?,
            _ => return Err(unknown_option(&key)),
        }
    }
    Ok(source)
}

fn encoder_choice(value: &str) -> Result<EncoderChoice, String> {
    let found = EncoderChoice::ALL.into_iter().find(|e| e.as_str().eq_ignore_ascii_case(value));
    found.ok_or_else(|| {
        format!("encoder={value:?} is not possible; it may be auto, hardware, or software")
    })
}

fn picture_format(value: &str) -> Result<PictureFormat, String> {
    let found = PictureFormat::ALL.into_iter().find(|f| f.as_str().eq_ignore_ascii_case(value));
    found.ok_or_else(|| {
        let known = PictureFormat::ALL.map(PictureFormat::as_str).join(", ");
        format!("format={value:?} is not known; known: {known}")
    })
}

fn unknown_option(key: &str) -> String {
    let known = ["width", "height", "fps", "format", "gop", "bitrate", "encoder"];
    match crate::config::values::similar(key, known.into_iter()) {
        Some(meant) => {
            format!("unknown option {key:?} of a camera of this machine; did you mean {meant:?}?")
        }
        None => format!(
            "unknown option {key:?} of a camera of this machine; known: {}",
            known.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_understood_and_shown_again() {
        for (text, shown) in [
            ("/dev/video0", "v4l2:/dev/video0?width=1280&height=720&fps=30"),
            ("2", "v4l2:/dev/video2?width=1280&height=720&fps=30"),
            (
                "/dev/v4l/by-id/usb-046d_C920-video-index0?fps=15",
                "v4l2:/dev/v4l/by-id/usb-046d_C920-video-index0?width=1280&height=720&fps=15",
            ),
            (
                "/dev/video0?width=640&height=480&fps=25&format=MJPEG&gop=50&bitrate=900000",
                "v4l2:/dev/video0?width=640&height=480&fps=25&format=mjpeg&gop=50&bitrate=900000",
            ),
            (
                "0?encoder=Hardware",
                "v4l2:/dev/video0?width=1280&height=720&fps=30&encoder=hardware",
            ),
            ("0?encoder=auto", "v4l2:/dev/video0?width=1280&height=720&fps=30"),
        ] {
            let source = parse(text).unwrap();
            assert_eq!(source.to_string(), shown);
            assert_eq!(parse(shown.strip_prefix("v4l2:").unwrap()).unwrap(), source);
        }
    }

    #[test]
    fn mistakes_are_told_with_what_would_be_right() {
        for (text, words) in [
            ("", "\"\" is no device; write v4l2:/dev/video0"),
            ("video0", "\"video0\" is no device"),
            ("/dev/video0?width=9", "width=\"9\" is not possible; it may be 16 to 8192"),
            ("/dev/video0?bitrate=1", "it may be 50000 to 50000000"),
            ("/dev/video0?format=h265", "format=\"h265\" is not known; known: any, h264, mjpeg"),
            ("/dev/video0?widht=640", "did you mean \"width\"?"),
            ("/dev/video0?encoder=gpu", "it may be auto, hardware, or software"),
            ("/dev/video0?x=1", "known: width, height, fps, format, gop, bitrate, encoder"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
