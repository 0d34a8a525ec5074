//! A camera that flashes and beeps at once, once a second: what tells whether sound and picture
//! stay together.

use crate::{Process, command};
use anyhow::{Result, ensure};
use std::time::Duration;

/// Seconds of each flash and beep.
const LASTS: f64 = 0.2;

/// A publishing ffmpeg.
pub struct Flasher {
    ffmpeg: Process,
}

impl Flasher {
    /// H.264 without B-frames, and AAC; a keyframe a second, 30 fps.
    ///
    /// # Errors
    /// If ffmpeg cannot be started. Whether publishing works shows at the server.
    pub fn h264_and_aac(url: &str) -> Result<Self> {
        let video = [
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-g",
            "30",
            "-sc_threshold",
            "0",
        ];
        Self::start(url, "640x360", &video, &["-c:a", "aac", "-b:a", "96k"])
    }

    /// H.265 with B-frames, and Opus; a keyframe a second, 30 fps.
    ///
    /// # Errors
    /// As [`Self::h264_and_aac`].
    pub fn h265_and_opus(url: &str) -> Result<Self> {
        let x265 = "log-level=error:keyint=30:min-keyint=30:scenecut=0:bframes=2:open-gop=0:rc-lookahead=4:frame-threads=1";
        let video = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265];
        Self::start(url, "640x360", &video, &["-c:a", "libopus", "-b:a", "64k"])
    }

    /// H.264 of another size.
    ///
    /// # Errors
    /// As [`Self::h264_and_aac`].
    pub fn smaller(url: &str) -> Result<Self> {
        let video = [
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-g",
            "30",
            "-sc_threshold",
            "0",
        ];
        Self::start(url, "320x180", &video, &["-c:a", "aac", "-b:a", "96k"])
    }

    fn start(url: &str, size: &str, video: &[&str], audio: &[&str]) -> Result<Self> {
        let flash =
            format!("drawbox=x=0:y=0:w=iw:h=ih:color=white:t=fill:enable='lt(mod(t,1),{LASTS})'");
        let picture = format!("testsrc2=size={size}:rate=30,lutyuv=y=val/8:u=128:v=128,{flash}");
        let sound =
            format!("aevalsrc='0.5*sin(2*PI*1000*t)*lt(mod(t,1),{LASTS})':s=48000:c=stereo");
        let mut ffmpeg =
            command("ffmpeg", ["-hide_banner", "-loglevel", "warning", "-nostdin", "-re"]);
        ffmpeg.args(["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound]);
        ffmpeg.args(video).args(["-pix_fmt", "yuv420p"]).args(audio).args([
            "-f",
            "rtsp",
            "-rtsp_transport",
            "tcp",
            url,
        ]);
        Ok(Self { ffmpeg: Process::spawn("flasher", &mut ffmpeg)? })
    }

    /// Dies as by a power cut.
    pub fn kill(&mut self) {
        self.ffmpeg.kill();
    }
}

/// How much later than the beeps the flashes come in `url`, in seconds: the median over `seconds`
/// of it, as ffmpeg decodes it.
///
/// # Errors
/// If ffmpeg finds no flashes and beeps there, with all it said.
pub fn sound_to_picture(url: &str, seconds: u32) -> Result<f64> {
    Ok(median(apart(url, seconds)?))
}

/// The same at the beginning and at the end of a long time: the medians of the first and the last
/// twenty flashes that the log still holds.
///
/// # Errors
/// As [`sound_to_picture`], and if too few flashes come.
pub fn sound_to_picture_for_long(url: &str, seconds: u32) -> Result<(f64, f64)> {
    let all = apart(url, seconds)?;
    // ffmpeg says so much of HLS that the log lets go of the beginning.
    ensure!(all.len() >= 40, "{} flashes in {seconds} s", all.len());
    let last = all.len().saturating_sub(20);
    Ok((median(all[..all.len().min(20)].to_vec()), median(all[last..].to_vec())))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// How much later than its beep each flash comes, in seconds; one at least.
fn apart(url: &str, seconds: u32) -> Result<Vec<f64>> {
    let seconds_text = seconds.to_string();
    let mut ffmpeg = command(
        "ffmpeg",
        [
            "-hide_banner",
            "-nostdin",
            "-nostats",
            "-loglevel",
            "info",
            "-i",
            url,
            "-t",
            &seconds_text,
        ],
    );
    ffmpeg.args([
        "-vf",
        "blackdetect=d=0.1:pix_th=0.4",
        "-af",
        "silencedetect=n=-30dB:d=0.2",
        "-f",
        "null",
        "-",
    ]);
    let mut process = Process::spawn("detector", &mut ffmpeg)?;
    process.wait(Duration::from_secs(u64::from(seconds) + 30))?;
    let lines = process.log().lines();
    let numbers = |key: &str| -> Vec<f64> {
        let of = |l: &String| l.split(key).nth(1)?.split_whitespace().next()?.parse().ok();
        lines.iter().filter_map(of).collect()
    };
    let (flashes, beeps) = (numbers("black_end:"), numbers("silence_end: "));
    let nearest = |flash: &f64| {
        beeps.iter().map(|beep| flash - beep).min_by(|a, b| a.abs().total_cmp(&b.abs()))
    };
    let apart: Vec<f64> = flashes.iter().filter_map(nearest).collect();
    ensure!(!apart.is_empty(), "{flashes:?} and {beeps:?} in\n{}", lines.join("\n"));
    Ok(apart)
}
