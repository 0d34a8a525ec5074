//! ffmpeg as a camera: the test picture, encoded by x264 and published by RTSP.

use crate::{Process, binary, process};
use anyhow::Result;
use std::process::Stdio;

/// The options of a publisher.
#[derive(Clone, Debug)]
pub struct PublisherOptions {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
    /// Frames from keyframe to keyframe.
    pub gop: u32,
    /// Bits a second.
    pub bitrate: u32,
    /// `tcp` or `udp` for RTSP, or `mpegts` for that over plain UDP.
    pub transport: &'static str,
    /// Encoder and its options instead of x264's, for example `["-c:v", "libx265"]`; none of the
    /// numbers above apply then.
    pub encoder: Option<Vec<String>>,
    /// More inputs and output options, for example a tone and its codec.
    pub more: Vec<String>,
}

impl Default for PublisherOptions {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
            fps: 30,
            gop: 30,
            bitrate: 2_500_000,
            transport: "tcp",
            encoder: None,
            more: Vec::new(),
        }
    }
}

/// A publishing ffmpeg, fed with the test picture in real time.
pub struct Publisher {
    ffmpeg: Process,
    _picture: Process,
}

impl Publisher {
    /// Publishes 1280x720 at 30 fps, a keyframe a second, 2.5 Mbit/s, by RTSP over TCP.
    ///
    /// # Errors
    /// If ffmpeg or the picture generator cannot be started. Whether publishing works shows at the
    /// server.
    pub fn start(url: &str) -> Result<Self> {
        Self::start_with(url, &PublisherOptions::default())
    }

    /// Publishes as `options` say.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(url: &str, options: &PublisherOptions) -> Result<Self> {
        let (picture, frames) = picture(options)?;
        let mut command = process::command("ffmpeg", options.ffmpeg_arguments());
        match options.transport {
            "mpegts" => command.args(["-f", "mpegts", url]),
            transport => command.args(["-f", "rtsp", "-rtsp_transport", transport, url]),
        };
        let ffmpeg = Process::spawn("ffmpeg", command.stdin(frames))?;
        Ok(Self { ffmpeg, _picture: picture })
    }

    /// Dies as by a power cut: nothing is said to the server.
    pub fn kill(&mut self) {
        self.ffmpeg.kill();
    }

    /// The publishing process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.ffmpeg
    }
}

/// Starts the generator of raw I420 pictures with a clock in them.
pub(crate) fn picture(options: &PublisherOptions) -> Result<(Process, Stdio)> {
    let size = [("--width", options.width), ("--height", options.height), ("--fps", options.fps)];
    let mut command = process::command(binary("neverblink-bench")?, ["picture"]);
    command.args(size.iter().flat_map(|(key, value)| [(*key).to_owned(), value.to_string()]));
    let (picture, frames) = Process::spawn_with_output("picture", &mut command)?;
    Ok((picture, frames.into()))
}

impl PublisherOptions {
    fn ffmpeg_arguments(&self) -> Vec<String> {
        let size = format!("{}x{}", self.width, self.height);
        let fps = self.fps.to_string();
        let mut arguments =
            strings(&["-hide_banner", "-loglevel", "warning", "-nostdin", "-fflags", "nobuffer"]);
        arguments.extend(strings(&[
            "-use_wallclock_as_timestamps",
            "1",
            "-probesize",
            "32",
            "-analyzeduration",
            "0",
        ]));
        arguments.extend(strings(&[
            "-f",
            "rawvideo",
            "-pix_fmt",
            "yuv420p",
            "-s",
            &size,
            "-framerate",
            &fps,
            "-i",
            "pipe:0",
        ]));
        arguments.extend(self.more.clone());
        arguments.extend(strings(&["-vsync", "passthrough"]));
        arguments.extend(self.encoder.clone().unwrap_or_else(|| self.x264()));
        arguments
    }

    fn x264(&self) -> Vec<String> {
        let (gop, bitrate) = (self.gop.to_string(), self.bitrate.to_string());
        let mut arguments = strings(&[
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-bf",
            "0",
        ]);
        arguments.extend(strings(&["-g", &gop, "-keyint_min", &gop, "-sc_threshold", "0"]));
        let buffer = (self.bitrate / 4).to_string();
        arguments.extend(strings(&[
            "-b:v", &bitrate, "-maxrate", &bitrate, "-bufsize", &buffer, "-pix_fmt", "yuv420p",
        ]));
        arguments
    }
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

/// A UDP port of the loopback address that is not used now: for servers that must be told one.
///
/// # Panics
/// If there are none left.
#[allow(clippy::expect_used, reason = "helpers of tests fail as tests do")]
pub fn free_udp_port() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("a bound socket").port()
}
