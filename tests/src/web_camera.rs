//! A Python script as a camera: it sends the test picture as JPEG files by HTTP.

use crate::{DEADLINE, Process, PublisherOptions, process, publish::picture, repository};
use anyhow::{Context, Result};

/// A running script. Dropping it is like pulling its plug.
pub struct WebCamera {
    server: Process,
    port: u16,
    _ffmpeg: Process,
    _picture: Process,
}

impl WebCamera {
    /// Starts one on `port` (0: a free one), asking for `user` (`name:password`) if given. Of the
    /// options size and rate count.
    ///
    /// # Errors
    /// If it does not come up, for example because the port is taken.
    pub fn start_at(port: u16, user: Option<&str>, options: &PublisherOptions) -> Result<Self> {
        Self::start_with(port, user.map(|user| ["--user", user]), options)
    }

    /// Starts one on a free port that speaks TLS with the key and the certificate in this file.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_secure(certificate: &str, options: &PublisherOptions) -> Result<Self> {
        Self::start_with(0, Some(["--certificate", certificate]), options)
    }

    fn start_with(port: u16, more: Option<[&str; 2]>, options: &PublisherOptions) -> Result<Self> {
        let (picture, frames) = picture(options)?;
        let mut command = process::command("ffmpeg", ffmpeg_arguments(options));
        let (ffmpeg, files) = Process::spawn_with_output("ffmpeg", command.stdin(frames))?;
        let mut command = process::command(
            "/usr/bin/python3",
            [repository().join("tests/peers/mjpeg_server.py")],
        );
        command.arg("--port").arg(port.to_string()).args(more.into_iter().flatten());
        let server = Process::spawn("web camera", command.stdin(files))?;
        let listening = server
            .log()
            .wait_for("the camera listening", DEADLINE, |e| e["message"] == "listening")?;
        let port =
            listening["port"].as_u64().and_then(|p| u16::try_from(p).ok()).context("no port")?;
        Ok(Self { server, port, _ffmpeg: ffmpeg, _picture: picture })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.server
    }
}

/// More threads would hold a frame each, and the time of arrival, rounded to frames, would have
/// some refused.
fn ffmpeg_arguments(options: &PublisherOptions) -> Vec<String> {
    let PublisherOptions { width, height, fps, .. } = options;
    let text = format!(
        "-hide_banner -loglevel warning -nostdin -fflags nobuffer -probesize 32 -analyzeduration 0 -f rawvideo -pix_fmt yuv420p \
         -s {width}x{height} -framerate {fps} -i pipe:0 -c:v mjpeg -threads 1 -q:v 4 -pix_fmt yuvj420p -flush_packets 1 \
         -f image2pipe pipe:1"
    );
    text.split_whitespace().map(str::to_owned).collect()
}
