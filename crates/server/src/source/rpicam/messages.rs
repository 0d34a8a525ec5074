//! What libcamera, picamera2 and rpicam-vid write when something is wrong, in words with the next
//! step.

use crate::supervise::{Exit, Fault};

/// What is wrong, as told on standard error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// Somebody else has the camera.
    Busy,
    /// libcamera sees none.
    NotFound,
    /// libcamera sees some, but not this one.
    WrongIndex,
    /// The sensor has stopped to send.
    Timeout,
    /// No memory for pictures.
    Memory,
    /// We may not open what the camera needs.
    Permission,
    /// The system is set up for the camera stack of old.
    Legacy,
    /// Not a Raspberry Pi.
    NoPi,
    /// There is nothing that encodes H.264.
    NoEncoder,
    /// An old version does not know an option.
    UnknownOption(String),
}

/// What a line says, if it says what is wrong.
pub(super) fn understand(line: &str) -> Option<Cause> {
    let has = |text: &str| line.contains(text);
    if let Some((_, option)) = line.split_once("unrecognised option '") {
        return Some(Cause::UnknownOption(
            option.split('\'').next().unwrap_or_default().chars().take(40).collect(),
        ));
    }
    Some(match () {
        () if has("in use by another process")
            || has("failed to acquire camera")
            || has("Failed to acquire camera") =>
        {
            Cause::Busy
        }
        () if has("camera.acquire()") && has("-16") => Cause::Busy,
        () if has("Camera frontend has timed out") || has("Device timeout detected") => {
            Cause::Timeout
        }
        () if has("no cameras available") || has("Camera(s) not found") => Cause::NotFound,
        () if has("selected camera is not available") => Cause::WrongIndex,
        () if has("Cannot allocate memory")
            || has("dmaHeap allocation failure")
            || has("failed to allocate capture buffers") =>
        {
            Cause::Memory
        }
        () if has("Permission denied") => Cause::Permission,
        () if has("legacy camera stack") => Cause::Legacy,
        () if has("only supports the Raspberry Pi") => Cause::NoPi,
        () if has("appropriate H.264 codec")
            || has("cannot find video encoder")
            || has("failed to open V4L2 H264 encoder") =>
        {
            Cause::NoEncoder
        }
        () => return None,
    })
}

impl Cause {
    /// Of what is said one after the other, the cause that explains the others.
    pub(super) fn outweighs(&self, other: &Self) -> bool {
        let weight = |cause: &Self| match cause {
            Self::Busy => 3,
            Self::Permission | Self::Legacy => 2,
            Self::Memory => 1,
            _ => 0,
        };
        weight(self) > weight(other)
    }

    /// No frame will come any more, though the program goes on.
    pub(super) fn is_final(&self) -> bool {
        *self == Self::Timeout
    }

    /// In words, of camera number `camera`.
    pub(super) fn exit(&self, camera: u32) -> Exit {
        let exit = |fault, words: String| Exit::new(fault, words);
        match self {
            Self::Busy => exit(
                Fault::Refused,
                "another process uses the camera: stop it (`sudo fuser -v /dev/media*` names it); only one can at a time".into(),
            ),
            Self::NotFound => exit(
                Fault::Unreachable,
                "no camera is detected: switch the Pi off and check the ribbon cable at both ends; \
                 `rpicam-hello --list-cameras` is to list it then"
                    .into(),
            ),
            Self::WrongIndex => exit(
                Fault::Unreachable,
                format!("there is no camera {camera}: `rpicam-hello --list-cameras` lists those there are"),
            ),
            Self::Timeout => exit(
                Fault::Stalled,
                "the sensor sends nothing (camera frontend timeout): check the ribbon cable and its plugs, or try another cable \
                 or power supply"
                    .into(),
            ),
            Self::Memory => exit(
                Fault::Refused,
                "no memory is left for pictures (CMA): choose a smaller width and height, or give it more with \
                 dtoverlay=vc4-kms-v3d,cma-512 in /boot/firmware/config.txt"
                    .into(),
            ),
            Self::Permission => exit(
                Fault::Refused,
                "the camera's devices may not be opened: add the user of the server to the group video \
                 (sudo usermod -aG video USER)"
                    .into(),
            ),
            Self::Legacy => exit(
                Fault::Refused,
                "the system is set up for the legacy camera stack: switch that off in `sudo raspi-config`, Interface Options, \
                 and reboot"
                    .into(),
            ),
            Self::NoPi => exit(Fault::Refused, "this machine is no Raspberry Pi: use `source: v4l2:…` for USB cameras".into()),
            Self::NoEncoder => exit(
                Fault::Refused,
                "no H.264 encoder is found: install rpicam-apps, the full one and not rpicam-apps-lite \
                 (sudo apt install rpicam-apps)"
                    .into(),
            ),
            Self::UnknownOption(option) => exit(
                Fault::Refused,
                format!("the rpicam-vid of this system is too old to know {option}: sudo apt update && sudo apt full-upgrade"),
            ),
        }
    }
}

/// As the helper tells of a camera that is not there.
pub(super) fn absent(camera: u32, found: &[String]) -> Exit {
    if found.is_empty() {
        return Cause::NotFound.exit(camera);
    }
    let clean =
        |name: &String| name.chars().filter(|c| !c.is_control()).take(40).collect::<String>();
    let found: Vec<_> = found
        .iter()
        .take(8)
        .enumerate()
        .map(|(i, name)| format!("{i} ({})", clean(name)))
        .collect();
    Exit::new(
        Fault::Unreachable,
        format!("there is no camera {camera}; libcamera finds {}", found.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_programs_write_is_understood() {
        for (line, cause) in [
            (
                "[0:19:06.4] [2746]  INFO Camera camera.cpp:839 Pipeline handler in use by another process",
                Cause::Busy,
            ),
            (
                "ERROR: *** failed to acquire camera /base/soc/i2c0mux/i2c@1/ov5647@36 ***",
                Cause::Busy,
            ),
            ("RuntimeError: camera.acquire() returned unexpected code: -16", Cause::Busy),
            ("RuntimeError: Failed to acquire camera: Device or resource busy", Cause::Busy),
            ("ERROR: *** no cameras available ***", Cause::NotFound),
            ("ERROR: *** selected camera is not available ***", Cause::WrongIndex),
            (
                "[0:05:44.3] [1582] ERROR RPI pipeline_base.cpp:1374 Camera frontend has timed out!",
                Cause::Timeout,
            ),
            ("OSError: [Errno 12] Cannot allocate memory", Cause::Memory),
            ("dmaHeap allocation failure for rpicam-apps0", Cause::Memory),
            (
                "ERROR: *** unrecognised option '--low-latency' ***",
                Cause::UnknownOption("--low-latency".into()),
            ),
            (
                "PermissionError: [Errno 13] Permission denied: '/dev/dma_heap/linux,cma'",
                Cause::Permission,
            ),
        ] {
            assert_eq!(understand(line), Some(cause), "{line}");
        }
        let harmless = [
            "[0:12:24.5] [1] INFO Camera camera_manager.cpp:293 libcamera v0.2.0+120-eb00c13d",
            "[0:09:27.4] [1] ERROR V4L2 v4l2_device.cpp:352 'imx477 10-001a': Unable to set controls: Device or resource busy",
            "WARN V4L2 v4l2_videodevice.cpp:2007 /dev/video0[18:cap]: Dequeue timer of 1000000.00us has expired!",
        ];
        assert!(harmless.iter().all(|line| understand(line).is_none()));
    }
}
