//! GStreamer as a camera: an RTSP server that shows the test picture.

use crate::{DEADLINE, Process, process, publish::picture, repository, skip};
use anyhow::{Context, Result};
use std::process::{Command, Stdio};

use crate::PublisherOptions;

/// The system's own Python; the one on the path may be another, without GStreamer.
const PYTHON: &str = "/usr/bin/python3";

/// A running camera. Dropping it is like pulling its plug.
pub struct Camera {
    server: Process,
    _picture: Process,
    port: u16,
}

impl Camera {
    /// Starts one on a free port. `None`, said loudly, on a machine without GStreamer's RTSP
    /// server.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(options: &PublisherOptions) -> Result<Option<Self>> {
        Self::start_at(0, None, options)
    }

    /// Starts one on `port` (0: a free one), asking for `user` (`name:password`, digest) if given.
    ///
    /// # Errors
    /// If it does not come up, for example because the port is taken.
    pub fn start_at(
        port: u16,
        user: Option<&str>,
        options: &PublisherOptions,
    ) -> Result<Option<Self>> {
        if skip_without_gstreamer_server() {
            return Ok(None);
        }
        let (picture, frames) = picture(options)?;
        let script = repository().join("tests/peers/rtsp_server.py");
        let mut command = process::command(PYTHON, [script]);
        let numbers = [
            ("--port", u32::from(port)),
            ("--width", options.width),
            ("--height", options.height),
            ("--fps", options.fps),
        ];
        for (key, value) in
            numbers.into_iter().chain([("--gop", options.gop), ("--kbps", options.bitrate / 1000)])
        {
            command.arg(key).arg(value.to_string());
        }
        command.args(user.into_iter().flat_map(|u| ["--user", u]));
        let server = Process::spawn("GStreamer camera", command.stdin(frames))?;
        let listening = server
            .log()
            .wait_for("the camera listening", DEADLINE, |e| e["message"] == "listening")?;
        let port =
            listening["port"].as_u64().and_then(|p| u16::try_from(p).ok()).context("no port")?;
        Ok(Some(Self { server, _picture: picture, port }))
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is watched.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/camera", self.port)
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.server
    }
}

fn skip_without_gstreamer_server() -> bool {
    let script = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer";
    let mut python = Command::new(PYTHON);
    let works = python
        .args(["-c", script])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success());
    let has_encoder = || {
        Command::new("gst-inspect-1.0")
            .args(["--exists", "x264enc"])
            .status()
            .is_ok_and(|s| s.success())
    };
    if works && has_encoder() {
        return false;
    }
    skip::skip_unless_required("GStreamer's RTSP server, its Python bindings or x264enc");
    true
}
