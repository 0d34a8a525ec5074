//! A worker process that makes pictures, as its room sees it.

use super::{Jpeg, board::Board, tally::Tally};
use crate::{
    stillness::Eye,
    workers::{HungUp, Line, Process, Spawner},
};
use media::{AccessUnit, Mono};
use proto::ipc::{self, Coded, Job, Level, Progress, ToServer, ToWorker, Want};
use std::{io, sync::Arc, time::Duration};
use tokio::time::Instant;

/// A worker says something every second; one that misses this many hangs.
const SILENCE: Duration = Duration::from_secs(4);
/// A worker that has not taken so much of what it was given is given no more.
const MAX_UNSENT: usize = 512 << 10;
/// Log lines a worker may write.
const LOG_LINES: u32 = 100;

/// How a worker ended that should not have.
pub(super) enum End {
    HungUp,
    Silent,
    Failed(String),
    Protocol(ipc::Error),
}

impl From<HungUp> for End {
    fn from(_: HungUp) -> Self {
        Self::HungUp
    }
}

impl From<ipc::Error> for End {
    fn from(e: ipc::Error) -> Self {
        Self::Protocol(e)
    }
}

/// A frame of the stream, as a worker is given it.
pub(super) fn coded(unit: &AccessUnit, show: bool) -> Coded {
    let (captured, received) = (unit.timing.captured.at, unit.timing.received);
    Coded { pts: unit.pts, key: unit.key, show, captured, received, payload: unit.payload.clone() }
}

pub(super) struct Worker {
    process: Process,
    line: Line,
    camera: Arc<str>,
    /// Hears whether the picture stands still.
    eye: Eye,
    pub(super) since: Instant,
    /// It hangs if nothing was heard by then.
    pub(super) deadline: Instant,
    wants: Vec<Want>,
    seen: Progress,
    log_lines: u32,
    greeted: bool,
}

impl Worker {
    pub(super) async fn start(spawner: &Spawner, camera: &Arc<str>, eye: Eye) -> io::Result<Self> {
        let (process, socket) = spawner.spawn().await?;
        let now = Instant::now();
        let mut worker = Self {
            process,
            line: Line::new(socket),
            camera: camera.clone(),
            eye,
            since: now,
            deadline: now + SILENCE,
            wants: Vec::new(),
            seen: Progress::default(),
            log_lines: 0,
            greeted: false,
        };
        worker.tell(&ToWorker::Start(Job::Pictures { name: camera.to_string() }));
        Ok(worker)
    }

    /// Waits until [`Worker::listen`] has something to do. Cancel safe.
    pub(super) async fn ready(&self) {
        self.line.ready().await;
    }

    /// It keeps up with what it is given.
    pub(super) fn takes_more(&self) -> bool {
        self.line.unsent() < MAX_UNSENT
    }

    /// A frame that is larger than any message may be is left out, and the decoder goes on at the
    /// next keyframe.
    pub(super) fn decode(&mut self, coded: Coded) {
        self.tell(&ToWorker::Decode(coded));
    }

    pub(super) fn want(&mut self, wants: Vec<Want>) {
        if self.wants != wants {
            self.tell(&ToWorker::Want(wants.clone()));
            self.wants = wants;
        }
    }

    fn tell(&mut self, message: &ToWorker) {
        if let Err(e) = self.line.tell(message) {
            tracing::debug!(camera = %self.camera, "a message to the worker process for pictures is left out: {e}");
        }
    }

    /// Takes what it has said.
    pub(super) fn listen(&mut self, now: Mono, board: &Board, tally: &Tally) -> Result<(), End> {
        if self.line.exchange()? {
            self.deadline = Instant::now() + SILENCE;
            while let Some(message) = self.line.poll()? {
                self.take(message, now, board, tally)?;
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        message: ToServer,
        now: Mono,
        board: &Board,
        tally: &Tally,
    ) -> Result<(), End> {
        if !std::mem::replace(&mut self.greeted, true) {
            // Only a worker of the same version knows how to begin.
            let greeted = matches!(message, ToServer::Hello { .. });
            return if greeted { Ok(()) } else { Err(End::Protocol(ipc::Error::Version(0))) };
        }
        match message {
            ToServer::Picture(picture) => {
                tally.encoded();
                board.show(picture.want, |number| Jpeg::new(picture, number, now));
            }
            ToServer::Heartbeat(progress) => self.note(progress, now, tally),
            ToServer::Log(level, text) => self.log(level, &text),
            ToServer::Failed(text) => return Err(End::Failed(text)),
            // Cameras are the business of workers with another job.
            ToServer::Lost(..) | ToServer::Controls(_) | ToServer::ControlsSet { .. } => {}
            ToServer::Hello { .. }
            | ToServer::Tracks(_)
            | ToServer::Frame(_)
            | ToServer::Stats(_) => {}
        }
        Ok(())
    }

    fn note(&mut self, progress: Progress, now: Mono, tally: &Tally) {
        if let Some(look) = progress.look {
            self.eye.tell(now, look);
        }
        let seen = std::mem::replace(&mut self.seen, progress);
        tally.decoded(
            progress.frames.saturating_sub(seen.frames),
            progress.skipped.saturating_sub(seen.skipped),
        );
    }

    fn log(&mut self, level: Level, text: &str) {
        self.log_lines += 1;
        let camera = &self.camera;
        match level {
            _ if self.log_lines > LOG_LINES => {}
            Level::Error => tracing::error!(%camera, "{text}"),
            Level::Warn => tracing::warn!(%camera, "{text}"),
            Level::Info => tracing::info!(%camera, "{text}"),
        }
    }

    /// Asks it to end, and sees to it.
    pub(super) async fn stop(mut self) {
        self.tell(&ToWorker::Stop);
        self.process.wait_or_kill().await;
    }

    /// Sees to it that it is gone, and puts into words why.
    pub(super) async fn bury(mut self, end: End) -> String {
        match end {
            End::HungUp => self.process.cause().await,
            End::Failed(words) => {
                self.process.wait_or_kill().await;
                format!("gave up: {words}")
            }
            End::Silent => {
                self.process.kill().await;
                format!("gave no sign of life for {} s and was killed", SILENCE.as_secs())
            }
            End::Protocol(error) => {
                self.process.kill().await;
                format!("talked nonsense and was killed: {error}")
            }
        }
    }
}
