//! The command line of rpicam-vid.

use super::{Encoder, Options, panel::Panel};
use std::{collections::BTreeSet, path::PathBuf};

/// As it is called now, and as it was called before.
const PROGRAMS: [&str; 2] = ["rpicam-vid", "libcamera-vid"];
/// What there is to tell the board by.
const MODEL: &str = "/proc/device-tree/model";
/// The options that old versions may lack without harm.
pub(super) const OPTIONAL: [&str; 3] = ["--metadata", "--metadata-format", "--low-latency"];

/// The program, if it is installed.
pub(super) fn program() -> Option<PathBuf> {
    find(&PROGRAMS)
}

/// The first of these that is on `PATH`.
pub(super) fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let places: Vec<_> = std::env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| places.iter().map(move |place| place.join(name)))
        .find(|file| file.is_file())
}

/// What encodes here.
pub(super) fn encoder(wanted: Encoder) -> Encoder {
    match wanted {
        Encoder::Auto => by_model(&std::fs::read_to_string(MODEL).unwrap_or_default()),
        wanted => wanted,
    }
}

/// Every Raspberry Pi up to the fourth encodes H.264 in hardware, and none since.
fn by_model(model: &str) -> Encoder {
    let Some((_, number)) = model.split_once("Raspberry Pi ") else { return Encoder::Software };
    let number = number.strip_prefix("Compute Module ").unwrap_or(number);
    // `Model B`, `Zero 2 W`, `Compute Module Rev 1.0` are of the first ones.
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    match digits.parse() {
        Ok(number @ 5..) if number != 400 => Encoder::Software,
        _ => Encoder::Hardware,
    }
}

/// All arguments. `to` is where frames are written; `lacks` are options that this version does not
/// know.
pub(super) fn arguments(
    options: &Options,
    encoder: Encoder,
    panel: &Panel,
    to: &str,
    lacks: &BTreeSet<String>,
) -> Vec<String> {
    let Options { camera, width, height, fps, gop, .. } = options;
    let common = format!(
        "--nopreview --timeout 0 --camera {camera} --width {width} --height {height} --framerate {fps} --intra {gop} --bitrate {}",
        panel.bitrate()
    );
    let mut all: Vec<String> = common.split(' ').map(str::to_owned).collect();
    let knows = |option: &str| !lacks.contains(option);
    let mut add = |more: &[&str]| all.extend(more.iter().map(|word| (*word).to_owned()));
    match encoder {
        // The sensor's times, one for each frame as soon as it is written, come with the program's
        // words.
        Encoder::Hardware | Encoder::Auto => {
            add(&["--codec", "h264", "--inline", "--flush"]);
            if knows("--metadata") && knows("--metadata-format") {
                add(&["--metadata", "/dev/stderr", "--metadata-format", "txt"]);
            }
        }
        Encoder::Software => {
            add(&[
                "--codec",
                "libav",
                "--libav-video-codec",
                "libx264",
                "--libav-format",
                "mpegts",
            ]);
            match knows("--low-latency") {
                true => add(&["--low-latency"]),
                false => {
                    add(&["--libav-video-codec-opts", "preset=ultrafast;tune=zerolatency;bf=0"]);
                }
            }
        }
    }
    for (flag, set) in [("--hflip", options.hflip), ("--vflip", options.vflip)] {
        if set {
            add(&[flag]);
        }
    }
    all.extend(panel.flags());
    all.extend(["--output".to_owned(), to.to_owned()]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_are_known_by_their_model() {
        for (model, encoder) in [
            ("Raspberry Pi 4 Model B Rev 1.4\0", Encoder::Hardware),
            ("Raspberry Pi 3 Model B Plus Rev 1.3\0", Encoder::Hardware),
            ("Raspberry Pi 400 Rev 1.0\0", Encoder::Hardware),
            ("Raspberry Pi Zero 2 W Rev 1.0\0", Encoder::Hardware),
            ("Raspberry Pi Model B Rev 2\0", Encoder::Hardware),
            ("Raspberry Pi Compute Module 4 Rev 1.1\0", Encoder::Hardware),
            ("Raspberry Pi 5 Model B Rev 1.0\0", Encoder::Software),
            ("Raspberry Pi 500 Rev 1.0\0", Encoder::Software),
            ("Raspberry Pi Compute Module 5 Rev 1.0\0", Encoder::Software),
            ("Some Other Board\0", Encoder::Software),
            ("", Encoder::Software),
        ] {
            assert_eq!(by_model(model), encoder, "{model}");
        }
    }
}
