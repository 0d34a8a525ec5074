//! The worker that draws, and what becomes of its frames.

use crate::{
    clock::Clock,
    workers::{Line, Process, Spawner},
};
use hub::{Publisher, Stream};
use media::{Catalog, Codec, Mono, TrackId};
use proto::ipc::{Frame, Job, Slate, ToServer, ToWorker};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

pub(super) struct Painter {
    process: Process,
    line: Line,
    publisher: Option<Publisher>,
}

impl Painter {
    pub(super) async fn start(
        spawner: &Spawner,
        title: &str,
        text: &str,
        size: (u32, u32),
    ) -> Result<Self, String> {
        let (process, socket) = spawner
            .spawn()
            .await
            .map_err(|error| format!("cannot start a worker process: {error}"))?;
        let mut line = Line::new(socket);
        let narrow = |n: u32| u16::try_from(n).unwrap_or(u16::MAX - 1);
        let job = Slate {
            title: title.into(),
            text: text.into(),
            width: narrow(size.0),
            height: narrow(size.1),
        };
        line.tell(&ToWorker::Start(Job::Slate(job))).map_err(|error| error.to_string())?;
        Ok(Self { process, line, publisher: None })
    }

    /// Passes on what is drawn for a while; false once the camera itself publishes.
    pub(super) async fn work(
        &mut self,
        stream: &Arc<Stream>,
        clock: Clock,
        like: &Catalog,
        span: Duration,
    ) -> Result<bool, String> {
        if timeout(span, self.line.ready()).await.is_err() {
            return Ok(true);
        }
        let Ok(heard) = self.line.exchange() else { return Err(self.process.cause().await) };
        while heard && let Some(message) = self.line.poll().map_err(|error| error.to_string())? {
            if !self.take(message, stream, clock.now(), like)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn take(
        &mut self,
        message: ToServer,
        stream: &Arc<Stream>,
        now: Mono,
        like: &Catalog,
    ) -> Result<bool, String> {
        match message {
            ToServer::Tracks(own) => self.announce(stream, &own, like),
            ToServer::Frame(frame) => Ok(self.push(frame, now, like)),
            ToServer::Failed(text) => Err(text),
            _ => Ok(true),
        }
    }

    /// Beside our picture the camera's other tracks stay announced, so that players find what they
    /// have set up.
    fn announce(
        &mut self,
        stream: &Arc<Stream>,
        own: &Catalog,
        like: &Catalog,
    ) -> Result<bool, String> {
        let Some(drawn) = own.video().filter(|track| matches!(track.codec, Codec::H264(_))) else {
            return Err("the worker draws something else than H.264".to_owned());
        };
        let mut catalog = like.clone();
        for track in catalog.tracks.iter_mut().filter(|track| matches!(track.codec, Codec::H264(_)))
        {
            (track.codec, track.timescale) = (drawn.codec.clone(), drawn.timescale);
        }
        // Refused: there is a picture again.
        self.publisher = stream.stand_in(catalog).ok();
        Ok(self.publisher.is_some())
    }

    fn push(&self, mut frame: Frame, now: Mono, like: &Catalog) -> bool {
        frame.track = like.video().map_or(TrackId(0), |track| track.id);
        self.publisher
            .as_ref()
            .is_none_or(|publisher| publisher.push(now, frame.into_unit(now)).is_ok())
    }

    pub(super) async fn end(mut self, now: Mono) {
        if let Some(publisher) = self.publisher.take() {
            publisher.finish(now, "");
        }
        self.process.kill().await;
    }
}
