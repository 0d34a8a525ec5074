//! What the server and a worker say to each other during one run.

use super::{Local, clerk::Clerk};
use crate::{
    clock::Clock,
    stillness::Eye,
    supervise::Context,
    workers::{HungUp, Line},
};
use hub::{Demand, PublishError, Publisher, Stream};
use media::{Catalog, Mono};
use proto::ipc::{self, Frame, Job, Level, Loss, Progress, ToServer, ToWorker};
use std::{sync::Arc, time::Duration};
use tokio::{net::UnixStream, sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// A worker says something every second; one that misses this many hangs.
const SILENCE: Duration = Duration::from_secs(4);
/// Log lines a worker may write in one run.
const LOG_LINES: u32 = 100;
/// Wishes the worker has not read yet; what goes beyond is dropped, for more of them say nothing
/// new.
const MAX_WISHES: usize = 4096;

/// How a conversation ended.
#[derive(Debug)]
pub(super) enum End {
    /// The server wanted it.
    Stopped,
    /// The stream does not take the frames.
    Publishing(PublishError),
    /// The worker gave up and said why.
    Failed(String),
    /// The worker gave up because of the camera, and said why.
    Lost(Loss, String),
    /// The worker closed the socket, or died.
    HungUp,
    /// The worker said nothing for this long.
    Silent(Duration),
    /// The worker broke the protocol.
    Protocol(ipc::Error),
}

impl From<ipc::Error> for End {
    fn from(e: ipc::Error) -> Self {
        Self::Protocol(e)
    }
}

impl From<HungUp> for End {
    fn from(_: HungUp) -> Self {
        Self::HungUp
    }
}

impl From<PublishError> for End {
    fn from(e: PublishError) -> Self {
        Self::Publishing(e)
    }
}

/// One run's conversation, and the publishing that comes of it.
pub(super) struct Conversation {
    line: Line,
    stop: CancellationToken,
    speaker: Speaker,
    clerk: Clerk,
}

impl Conversation {
    pub(super) fn new(
        socket: UnixStream,
        ctx: &Context,
        by: Arc<str>,
        camera: Option<Local>,
    ) -> Self {
        let demand = ctx.stream.demand();
        let (desk, eye) = camera.map(|camera| (camera.desk, camera.eye)).unzip();
        let speaker = Speaker {
            stream: ctx.stream.clone(),
            clock: ctx.clock,
            by,
            publisher: None,
            demand,
            keyframes: 0,
            greeted: false,
            log_lines: 0,
            seen: Progress::default(),
            eye,
        };
        Self { line: Line::new(socket), stop: ctx.stop.clone(), speaker, clerk: Clerk::new(desk) }
    }

    /// Gives the job and listens until the end, and asks the worker to stop if that is the end.
    pub(super) async fn hold(&mut self, job: &Job) -> End {
        self.tell(&ToWorker::Start(job.clone()));
        let mut deadline = Instant::now() + SILENCE;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => {
                    self.tell(&ToWorker::Stop);
                    return End::Stopped;
                }
                () = self.line.ready() => match self.exchange() {
                    Ok(true) => deadline = Instant::now() + SILENCE,
                    Ok(false) => {}
                    Err(end) => return end,
                },
                Ok(()) = self.speaker.demand.changed() => {
                    if self.speaker.wants_keyframe() {
                        self.tell(&ToWorker::ForceKeyframe);
                    }
                }
                order = self.clerk.next() => self.tell(&order),
                () = tokio::time::sleep_until(deadline) => return End::Silent(SILENCE),
            }
        }
    }

    /// Moves what can be moved without waiting; true if the worker has said something.
    fn exchange(&mut self) -> Result<bool, End> {
        if !self.line.exchange()? {
            return Ok(false);
        }
        let now = self.speaker.clock.now();
        while let Some(message) = self.line.poll()? {
            match message {
                ToServer::Controls(controls) if self.speaker.greeted => {
                    self.clerk.lay_out(controls);
                }
                ToServer::ControlsSet { order, refused } => self.clerk.done(order, refused),
                message => self.speaker.take(now, message)?,
            }
        }
        Ok(true)
    }

    /// Ends publishing, for this reason.
    pub(super) fn finish(self, words: &Arc<str>) {
        if let Some(publisher) = self.speaker.publisher {
            publisher.finish(self.speaker.clock.now(), words.clone());
        }
    }

    /// Never waits: a worker that does not listen must not keep the server from listening to it.
    fn tell(&mut self, message: &ToWorker) {
        if self.line.unsent() < MAX_WISHES {
            // Wishes are far shorter than the bound of messages, so this cannot fail.
            let _ = self.line.tell(message);
        }
    }
}

/// What the worker says, and what becomes of it.
struct Speaker {
    stream: Arc<Stream>,
    clock: Clock,
    by: Arc<str>,
    publisher: Option<Publisher>,
    demand: watch::Receiver<Demand>,
    /// Keyframe wishes passed on so far.
    keyframes: u64,
    greeted: bool,
    log_lines: u32,
    /// What the last heartbeat said.
    seen: Progress,
    /// Hears whether a camera's picture stands still.
    eye: Option<Eye>,
}

impl Speaker {
    fn take(&mut self, now: Mono, message: ToServer) -> Result<(), End> {
        if let ToServer::Hello { pid } = message {
            tracing::debug!(camera = %self.stream.name(), pid, "worker started");
            self.greeted = true;
            return Ok(());
        }
        if !self.greeted {
            // Only a worker of the same version knows how to begin.
            return Err(End::Protocol(ipc::Error::Version(0)));
        }
        match message {
            ToServer::Tracks(catalog) => self.announce(now, catalog)?,
            ToServer::Frame(frame) => self.publish(now, frame)?,
            ToServer::Log(level, text) => self.log(level, &text),
            ToServer::Failed(text) => return Err(End::Failed(text)),
            ToServer::Lost(loss, text) => return Err(End::Lost(loss, text)),
            ToServer::Heartbeat(progress) => self.note(now, progress),
            ToServer::Stats(stats) => {
                tracing::debug!(camera = %self.stream.name(), ?stats, "worker statistics");
            }
            // The former are for the clerk, pictures come from workers with another job.
            ToServer::Controls(_)
            | ToServer::ControlsSet { .. }
            | ToServer::Hello { .. }
            | ToServer::Picture(_) => {}
        }
        Ok(())
    }

    fn announce(&mut self, now: Mono, catalog: Catalog) -> Result<(), End> {
        match &self.publisher {
            Some(publisher) => publisher.set_catalog(catalog)?,
            None => {
                self.keyframes = self.demand.borrow_and_update().keyframes;
                let publisher = self.stream.publish(now, self.by.clone(), catalog)?;
                publisher.serve_keyframes();
                self.publisher = Some(publisher);
            }
        }
        Ok(())
    }

    /// A frame before its tracks, or one of a track that was not announced, is nothing a reader
    /// could use.
    fn publish(&mut self, now: Mono, frame: Frame) -> Result<(), End> {
        if let Some(publisher) = &self.publisher {
            publisher.push(now, frame.into_unit(now))?;
        }
        Ok(())
    }

    fn log(&mut self, level: Level, text: &str) {
        self.log_lines += 1;
        if self.log_lines > LOG_LINES {
            return;
        }
        let camera = self.stream.name();
        match level {
            Level::Error => tracing::error!(%camera, "{text}"),
            Level::Warn => tracing::warn!(%camera, "{text}"),
            Level::Info => tracing::info!(%camera, "{text}"),
        }
    }

    /// Some frames are left out on every busy machine; many are worth a word.
    fn note(&mut self, now: Mono, progress: Progress) {
        if let (Some(eye), Some(look)) = (&self.eye, progress.look) {
            eye.tell(now, look);
        }
        let news = |now: u64, before: &mut u64| now.saturating_sub(std::mem::replace(before, now));
        let made = news(progress.frames, &mut self.seen.frames);
        let skipped = news(progress.skipped, &mut self.seen.skipped);
        if skipped > made / 10 + 1 {
            let camera = self.stream.name();
            tracing::warn!(%camera, made, skipped, "this machine is too slow for the picture; choose a smaller size or fewer fps");
        }
    }

    /// True if readers want a keyframe that they have not wanted before.
    fn wants_keyframe(&mut self) -> bool {
        let wanted = self.demand.borrow_and_update().keyframes;
        std::mem::replace(&mut self.keyframes, wanted) < wanted
    }
}
