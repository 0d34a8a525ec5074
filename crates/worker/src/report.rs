//! What the server is told about the work itself.

use crate::{
    link::{Closed, Link},
    picture::I420,
    still::Watch,
};
use bytes::Bytes;
use media::Mono;
use proto::ipc::{Progress, Stats, ToServer};
use std::time::Duration;

const HEARTBEAT: Duration = Duration::from_secs(1);
/// Statistics go with every so many heartbeats.
const STATS_EVERY: u32 = 10;

/// Counts frames and says so once a second, also when there are none.
pub(crate) struct Report {
    due: Mono,
    beats: u32,
    progress: Progress,
    watch: Watch,
    sums: Sums,
}

/// Since the last statistics.
#[derive(Default)]
struct Sums {
    frames: u32,
    draw: Duration,
    encode: Duration,
    encode_max: Duration,
    bytes: u64,
}

impl Report {
    pub(crate) fn new(now: Mono) -> Self {
        Self {
            due: now + HEARTBEAT,
            beats: 0,
            progress: Progress::default(),
            watch: Watch::default(),
            sums: Sums::default(),
        }
    }

    /// When there is something to say at the latest.
    pub(crate) fn due(&self) -> Mono {
        self.due
    }

    /// Counts a frame.
    pub(crate) fn frame(&mut self, captured: Mono, drawn: Mono, encoded: Mono, payload: &[Bytes]) {
        self.progress.frames += 1;
        self.progress.newest = Some(captured);
        let encode = encoded.since(drawn);
        self.sums.frames += 1;
        self.sums.draw += drawn.since(captured);
        self.sums.encode += encode;
        self.sums.encode_max = self.sums.encode_max.max(encode);
        self.sums.bytes += payload.iter().map(|unit| unit.len() as u64).sum::<u64>();
    }

    /// Counts a frame that was decoded.
    pub(crate) fn decoded(&mut self, captured: Mono) {
        self.progress.frames += 1;
        self.progress.newest = Some(captured);
    }

    /// Looks at a picture now and then, whether it stands still.
    pub(crate) fn look(&mut self, now: Mono, picture: &I420) {
        self.watch.look(now, picture);
    }

    pub(crate) fn send_if_due(&mut self, link: &mut Link, skipped: u64) -> Result<(), Closed> {
        let now = crate::clock::mono();
        if now < self.due {
            return Ok(());
        }
        self.due = now + HEARTBEAT;
        self.beats += 1;
        self.progress.skipped = skipped;
        self.progress.look = self.watch.found();
        link.send(&ToServer::Heartbeat(self.progress))?;
        if self.beats.is_multiple_of(STATS_EVERY) {
            link.send(&ToServer::Stats(std::mem::take(&mut self.sums).means()))?;
        }
        Ok(())
    }
}

impl Sums {
    fn means(&self) -> Stats {
        let micros = |d: Duration| u32::try_from(d.as_micros()).unwrap_or(u32::MAX);
        let mean = |sum: Duration| micros(sum / self.frames.max(1));
        let (draw_us, encode_us) = (mean(self.draw), mean(self.encode));
        Stats {
            frames: self.frames,
            draw_us,
            encode_us,
            encode_us_max: micros(self.encode_max),
            bytes: self.bytes,
        }
    }
}
