//! A clip that ffmpeg encoded beforehand: a camera that costs the machine next to nothing.

use crate::{DEADLINE, Process, process};
use anyhow::{Result, ensure};
use std::path::PathBuf;
use tempfile::TempDir;

/// Ten seconds of ffmpeg's test picture, 320x240 at 30 fps, as H.264 in MP4: a keyframe a second, and no B-frames, which browsers do
/// not show.
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
        let picture = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30", "-t", "10", "-pix_fmt", "yuv420p"];
        let mut ffmpeg = process::command("ffmpeg", ["-loglevel", "error", "-nostdin"]);
        ffmpeg.args(picture).args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30"]);
        let made = Process::spawn("ffmpeg", ffmpeg.arg(clip.path()))?.wait(DEADLINE)?;
        ensure!(made.success(), "ffmpeg makes no clip");
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
        let mut ffmpeg = process::command("ffmpeg", ["-loglevel", "warning", "-nostdin", "-re", "-stream_loop", "-1", "-i"]);
        ffmpeg.arg(self.path()).args(["-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", url]);
        Process::spawn("ffmpeg", &mut ffmpeg)
    }
}
