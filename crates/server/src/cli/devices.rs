//! `neverblink devices`: the cameras of this machine, and what encodes their pictures.

use crate::source::rpicam;
use serde_json::{Value, json};
use std::{fmt::Write, process::ExitCode};
use worker::v4l2::{
    self, Found, Mode, Sizes, Unusable,
    m2m::{self, Found as Encoder},
};

/// Modes told of a format to people.
const MODES: usize = 4;

#[derive(clap::Args, Debug)]
pub(super) struct Devices {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Devices {
    pub(super) fn run(self) -> ExitCode {
        let ((found, closed), ribbons, encoders) =
            (v4l2::cameras(), rpicam::cameras(), m2m::encoders());
        if self.json {
            let closed = closed
                .iter()
                .map(|(path, why)| json!({ "device": path, "error": why.to_string() }));
            println!(
                "{}",
                json!({
                    "cameras": ribbons.iter().map(ribbon_as_json).chain(found.iter().map(as_json)).collect::<Vec<_>>(),
                    "unusable": closed.collect::<Vec<_>>(),
                    "encoders": encoders.iter().map(encoder_as_json).collect::<Vec<_>>(),
                })
            );
            return ExitCode::SUCCESS;
        }
        for ribbon in &ribbons {
            println!(
                "camera {} of this Raspberry Pi: {}\n  source: {}",
                ribbon.camera,
                ribbon.sensor,
                ribbon_source(ribbon)
            );
        }
        found.iter().for_each(|camera| print!("{}", in_words(camera)));
        for (path, why) in &closed {
            println!("{}: {why}{}", path.display(), hint(why));
        }
        if ribbons.is_empty() && found.is_empty() && closed.is_empty() {
            println!("no cameras: none is plugged in, or its driver is missing (`dmesg` tells)");
        }
        encoders.iter().for_each(|encoder| println!("{}", encoder_in_words(encoder)));
        ExitCode::SUCCESS
    }
}

/// The line to paste.
fn ribbon_source(ribbon: &rpicam::Found) -> String {
    format!("rpicam:{}?width=1280&height=720&fps=30", ribbon.camera)
}

fn ribbon_as_json(ribbon: &rpicam::Found) -> Value {
    json!({ "name": ribbon.sensor, "driver": "libcamera", "source": ribbon_source(ribbon) })
}

fn encoder_in_words(encoder: &Encoder) -> String {
    let Encoder { path, identity, largest, .. } = encoder;
    let upto = largest.map_or(String::new(), |(width, height)| format!(" up to {width}x{height}"));
    format!("{}: {} ({}) encodes H.264{upto}", path.display(), identity.name, identity.driver)
}

fn encoder_as_json(encoder: &Encoder) -> Value {
    let Encoder { path, identity, takes, largest } = encoder;
    json!({
        "device": path,
        "name": identity.name,
        "driver": identity.driver,
        "bus": identity.bus,
        "makes": "H264",
        "takes": takes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "width": largest.map(|(width, _)| width),
        "height": largest.map(|(_, height)| height),
    })
}

fn hint(why: &Unusable) -> &'static str {
    match why {
        Unusable::Closed(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            ": add your user to the group `video`, and log in again"
        }
        _ => "",
    }
}

fn in_words(camera: &Found) -> String {
    let Found { path, identity, modes, .. } = camera;
    let mut text =
        format!("{}: {} ({}, {})\n", path.display(), identity.name, identity.driver, identity.bus);
    let mut formats: Vec<_> = modes.iter().map(|mode| mode.code).collect();
    formats.dedup();
    for format in formats {
        let mut sizes: Vec<_> = modes.iter().filter(|mode| mode.code == format).collect();
        sizes.sort_by_key(|mode| {
            std::cmp::Reverse(mode.largest().map(|((w, h), _)| u64::from(w) * u64::from(h)))
        });
        let told: Vec<_> = sizes.iter().take(MODES).filter_map(|mode| size(mode)).collect();
        let more = sizes.len().saturating_sub(MODES);
        let more = if more > 0 { format!(", {more} more") } else { String::new() };
        let told = if told.is_empty() { "sizes are not told".to_owned() } else { told.join(", ") };
        // Writing to a text never fails.
        let _ = writeln!(text, "  {format}: {told}{more}");
    }
    if modes.is_empty() {
        text.push_str("  no format that is understood\n");
    } else {
        let _ = writeln!(text, "  source: {}", source(camera));
    }
    text
}

fn size(mode: &Mode) -> Option<String> {
    let ((width, height), fps) = mode.largest()?;
    let upto = if matches!(mode.sizes, Sizes::Range { .. }) { "up to " } else { "" };
    Some(match fps {
        0.0 => format!("{upto}{width}x{height}"),
        fps => format!("{upto}{width}x{height} at {} fps", round(fps)),
    })
}

fn round(fps: f64) -> f64 {
    (fps * 100.0).round() / 100.0
}

/// The line to paste: by the path that stays, and with what suits most cameras, as far as this one
/// has it.
fn source(camera: &Found) -> String {
    let path = camera.by_id.as_ref().unwrap_or(&camera.path).display();
    let asked =
        v4l2::Asked { width: 1280, height: 720, fps: 30, format: proto::ipc::PictureFormat::Any };
    match v4l2::choose(&camera.modes, &asked) {
        Some(best) => {
            let fps = best.interval.fps().round().max(1.0);
            format!("v4l2:{path}?width={}&height={}&fps={fps}", best.width, best.height)
        }
        None => format!("v4l2:{path}"),
    }
}

fn as_json(camera: &Found) -> Value {
    let modes = camera.modes.iter().map(|mode| {
        let largest = mode.largest();
        let range = matches!(mode.sizes, Sizes::Range { .. });
        json!({
            "format": mode.code.to_string(),
            "width": largest.map(|((width, _), _)| width),
            "height": largest.map(|((_, height), _)| height),
            "fps": largest.map(|(_, fps)| round(fps)),
            "smaller_sizes": range,
        })
    });
    json!({
        "device": camera.path,
        "by_id": camera.by_id,
        "name": camera.identity.name,
        "driver": camera.identity.driver,
        "bus": camera.identity.bus,
        "modes": modes.collect::<Vec<_>>(),
        "source": source(camera),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use worker::v4l2::{Format, FourCc, Identity, Interval, Intervals};

    #[test]
    fn a_camera_is_shown_with_a_source_that_the_config_takes() {
        let mode = |width, height, fps: &[u32]| Mode {
            code: FourCc::new(*b"MJPG"),
            format: Format::Jpeg,
            sizes: Sizes::One {
                width,
                height,
                intervals: Intervals::These(fps.iter().map(|f| Interval::of_fps(*f)).collect()),
            },
        };
        let modes = vec![mode(640, 480, &[30]), mode(1920, 1080, &[15, 30])];
        let identity =
            Identity { name: "HD Cam".into(), driver: "uvcvideo".into(), bus: "usb-1.2".into() };
        let camera = Found {
            path: "/dev/video0".into(),
            by_id: Some("/dev/v4l/by-id/usb-x".into()),
            identity,
            modes,
        };
        let text = in_words(&camera);
        assert!(
            text.starts_with("/dev/video0: HD Cam (uvcvideo, usb-1.2)\n  MJPG: 1920x1080 at 30 fps, 640x480 at 30 fps\n"),
            "{text}"
        );
        let source = source(&camera);
        assert!(
            source.starts_with("v4l2:/dev/v4l/by-id/usb-x?width=") && text.contains(&source),
            "{text}"
        );
        assert!(source.parse::<crate::config::Source>().is_ok(), "{source}");
        assert_eq!(as_json(&camera)["modes"][1]["fps"], 30.0);
    }

    #[test]
    fn an_encoder_is_shown_with_what_it_takes() {
        let identity = Identity {
            name: "bcm2835-codec-encode".into(),
            driver: "bcm2835-codec".into(),
            bus: "platform:bcm2835-codec".into(),
        };
        let takes = vec![FourCc::new(*b"YU12"), FourCc::new(*b"NV12")];
        let encoder =
            Encoder { path: "/dev/video11".into(), identity, takes, largest: Some((1920, 1920)) };
        let words =
            "/dev/video11: bcm2835-codec-encode (bcm2835-codec) encodes H.264 up to 1920x1920";
        assert_eq!(encoder_in_words(&encoder), words);
        assert_eq!(encoder_as_json(&encoder)["takes"], json!(["YU12", "NV12"]));
    }
}
