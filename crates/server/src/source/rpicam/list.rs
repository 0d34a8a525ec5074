//! Which cameras there are, as `rpicam-hello` or `libcamera-hello` lists them.

use super::arguments::find;
use std::{
    io::Read,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// As it is called now, and as it was called before.
const PROGRAMS: [&str; 2] = ["rpicam-hello", "libcamera-hello"];
/// One that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// No list is longer.
const MAX_LIST: u64 = 256 << 10;

/// A camera at a ribbon connector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    /// Its number.
    pub(crate) camera: u32,
    /// Its sensor.
    pub(crate) sensor: String,
}

/// All cameras; none where neither program is installed.
pub(crate) fn cameras() -> Vec<Found> {
    find(&PROGRAMS).map(|program| parse(&output(&mut Command::new(program)))).unwrap_or_default()
}

/// What a program writes before it ends, or is ended.
fn output(command: &mut Command) -> String {
    let piped = command
        .arg("--list-cameras")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let Ok(mut child) = piped.spawn() else { return String::new() };
    let reader = child.stdout.take().map(|stdout| {
        thread::spawn(move || {
            let mut text = Vec::new();
            // Half a list is better than none.
            let _ = stdout.take(MAX_LIST).read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    let deadline = Instant::now() + PATIENCE;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
}

/// Lines like `0 : imx708 [4608x2592 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx708@1a)`; others tell
/// of modes.
fn parse(list: &str) -> Vec<Found> {
    let found = |line: &str| {
        let (number, rest) = line.split_once(" : ")?;
        // USB cameras are listed, too, and are better used by their driver.
        if rest.contains("/usb") || number.starts_with(char::is_whitespace) {
            return None;
        }
        let sensor: String =
            rest.split([' ', '[']).next()?.chars().filter(|c| !c.is_control()).take(40).collect();
        Some(Found { camera: number.parse().ok()?, sensor })
    };
    list.lines().filter_map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_are_found_among_their_modes() {
        let list = "Available cameras\n-----------------\n\
            0 : imx708 [4608x2592 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx708@1a)\n    \
            Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps - (768, 432)/3072x1728 crop]\n                             \
            2304x1296 [56.03 fps - (0, 0)/4608x2592 crop]\n\n\
            1 : imx219 [3280x2464] (/base/soc/i2c0mux/i2c@0/imx219@10)\n\
            2 : HD Webcam: HD Webcam [1280x720] (/base/scb/pcie@7d500000/pci@0,0/usb@0,0-1.2:1.0-046d:0825)\n";
        let found = |camera, sensor: &str| Found { camera, sensor: sensor.into() };
        assert_eq!(parse(list), [found(0, "imx708"), found(1, "imx219")]);
        assert_eq!(parse("No cameras available!\n"), []);
    }

    #[test]
    fn a_program_that_says_nothing_is_no_camera() {
        assert_eq!(output(&mut Command::new("/no/such/program")), "");
        assert!(output(&mut Command::new("echo")).contains("--list-cameras"));
    }
}
