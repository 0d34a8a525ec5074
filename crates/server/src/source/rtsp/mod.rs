//! RTSP pull: we dial the camera (RFC 2326). The library `retina` is the session layer; packets are
//! taken raw and read by [`proto::rtp::receive`], as those of publishers are.
//!
//! The camera's password goes into `retina` and nowhere else: errors are put into words here, from
//! their causes. What is absent on purpose: retries (see [`crate::supervise`]), and receiver
//! reports, which `retina` cannot send; cameras take its keepalive requests as the sign of life
//! that they are.

mod faults;
mod observer;
mod session;
mod target;

pub(crate) use observer::{Observation, Observer, TrackObservation};

use crate::supervise::{Context, Exit, Source};
use hub::Publisher;
use retina::client::SessionGroup;
use std::{sync::Arc, time::Duration};
use target::Target;
use tokio::time::timeout;
use url::Url;

/// How long a goodbye (TEARDOWN) may take; less than the supervisor's grace.
const GOODBYE: Duration = Duration::from_millis(800);

/// A camera that is dialled.
pub(crate) struct Pull {
    target: Target,
    /// Tracks left out, as last told to the log.
    ignored: Vec<String>,
    observer: Observer,
}

impl Pull {
    /// Reaches the camera at `url`, which is without credentials. `login` is its user and password,
    /// decoded; `label` names it to people and holds no secret.
    pub(crate) fn new(url: &Url, login: Option<(&str, &str)>, label: impl Into<Arc<str>>) -> Self {
        Self {
            target: Target::new(url, login, label),
            ignored: Vec::new(),
            observer: Observer::default(),
        }
    }

    /// The same, with a witness of what comes.
    pub(crate) fn observed(self, observer: Observer) -> Self {
        Self { observer, ..self }
    }

    /// Ends with whoever still publishes, if it was asked to stop: until the goodbye is said
    /// nothing else is to be told of the camera.
    async fn pull(&mut self, ctx: &Context, group: Arc<SessionGroup>) -> (Exit, Option<Publisher>) {
        let opened = tokio::select! {
            () = ctx.stop.cancelled() => return (Exit::stopped(), None),
            opened = session::open(&self.target, group) => opened,
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(exit) => return (exit, None),
        };
        let camera = ctx.stream.name();
        if self.ignored != opened.ignored {
            opened
                .ignored
                .iter()
                .for_each(|what| tracing::info!(%camera, "a track is left out: {what}"));
            self.ignored.clone_from(&opened.ignored);
        }
        let tracks: Vec<_> =
            opened.catalog.tracks.iter().map(|track| track.codec.to_string()).collect();
        tracing::info!(%camera, source = %self.target.label(), transport = opened.transport, tracks = tracks.join(", "), "connected");
        self.observer.note(|seen| {
            (seen.transport, seen.ignored) = (opened.transport, opened.ignored.clone());
            seen.tracks = vec![TrackObservation::default(); opened.catalog.tracks.len()];
        });
        opened.receive(&self.target, ctx, &self.observer).await
    }
}

impl Source for Pull {
    fn label(&self) -> Arc<str> {
        self.target.label().clone()
    }

    async fn run(&mut self, ctx: Context) -> Exit {
        let group = Arc::new(SessionGroup::default());
        let (exit, publisher) = self.pull(&ctx, group.clone()).await;
        // The session was dropped, which has begun its teardown; a camera that does not answer must
        // not hold us up.
        let _ = timeout(GOODBYE, group.await_teardown()).await;
        if let Some(publisher) = publisher {
            publisher.finish(ctx.clock.now(), exit.words.clone());
        }
        exit
    }
}
