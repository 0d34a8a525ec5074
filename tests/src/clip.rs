//! A clip that ffmpeg encoded beforehand: a camera that costs the machine next to nothing.

use crate::{DEADLINE, Process, process};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// So many seconds of ffmpeg's test picture at 30 fps, as H.264 in MP4: two keyframes a second, no
/// B-frames, which browsers do not show, and the index in front.
///
/// # Errors
/// If ffmpeg does not make it.
pub(crate) fn film(path: &Path, (width, height): (u32, u32), seconds: u32) -> Result<()> {
    let picture = format!("testsrc2=size={width}x{height}:rate=30:duration={seconds}");
    let mut ffmpeg = process::command(
        "ffmpeg",
        ["-loglevel", "error", "-nostdin", "-f", "lavfi", "-i", &picture],
    );
    ffmpeg.args([
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-bf",
        "0",
        "-g",
        "15",
        "-pix_fmt",
        "yuv420p",
    ]);
    let made = Process::spawn("ffmpeg", ffmpeg.args(["-movflags", "faststart"]).arg(path))?
        .wait(DEADLINE)?;
    ensure!(made.success(), "ffmpeg makes no {}", path.display());
    Ok(())
}

/// Ten seconds of a film, 320x240.
pub struct Clip {
    directory: TempDir,
}

impl Clip {
    /// Makes it.
    ///
    /// # Errors
    /// If ffmpeg does not.
    pub fn make() -> Result<Self> {
        let clip = Self { directory: TempDir::with_prefix("neverblink-clip-")? };
        film(&clip.path(), (320, 240), 10)?;
        Ok(clip)
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("clip.mp4")
    }

    /// Has ffmpeg publish it by RTSP, again and again, in real time and as it is.
    ///
    /// # Errors
    /// If ffmpeg cannot be started.
    pub fn publish(&self, url: &str) -> Result<Process> {
        let mut ffmpeg = process::command(
            "ffmpeg",
            ["-loglevel", "warning", "-nostdin", "-re", "-stream_loop", "-1", "-i"],
        );
        ffmpeg.arg(self.path()).args(["-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", url]);
        Process::spawn("ffmpeg", &mut ffmpeg)
    }
}
