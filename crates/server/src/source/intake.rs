//! From a stream of bytes to the hub: what the sources have in common that bring MPEG-TS, or any
//! other container.

use crate::supervise::{Context, Exit};
use hub::Publisher;
use media::{
    Catalog, Mono,
    container::{Demux, Demuxed},
};
use std::{future::pending, sync::Arc, time::Duration};
use tokio::time::sleep;

/// A frame whose end only the next would tell is complete when nothing more comes for this long;
/// then it was not the middle of a burst.
pub(super) const PAUSE: Duration = Duration::from_millis(4);

/// Completes after [`PAUSE`], if that is waited for.
pub(super) async fn quiet(awaited: bool) {
    match awaited {
        true => sleep(PAUSE).await,
        false => pending().await,
    }
}

/// So much that makes no sense, for so long without a frame, is no accident of the way.
const NONSENSE: u64 = 16 << 10;
const NONSENSE_FOR: Duration = Duration::from_secs(1);

/// Publishes what a stream holds, from the moment on when that is known.
pub(super) struct Intake<'a, D> {
    ctx: &'a Context,
    label: &'a Arc<str>,
    /// Tracks left out, as last told to the log.
    ignored: &'a mut Vec<String>,
    demuxer: D,
    publisher: Option<Publisher>,
    /// What was found last, for whoever publishes after a break.
    catalog: Option<Catalog>,
    /// The last frame, and how much had made no sense by then.
    sense: (Mono, u64),
}

impl<'a, D: Demux> Intake<'a, D> {
    /// Publishes what `demuxer` finds as `label`.
    pub(super) fn new(
        ctx: &'a Context,
        label: &'a Arc<str>,
        ignored: &'a mut Vec<String>,
        demuxer: D,
    ) -> Self {
        let sense = (ctx.clock.now(), 0);
        Self { ctx, label, ignored, demuxer, publisher: None, catalog: None, sense }
    }

    /// Takes what came in at `now`.
    ///
    /// # Errors
    /// If somebody else publishes.
    pub(super) fn take(&mut self, now: Mono, bytes: &[u8]) -> Result<(), Exit> {
        self.demuxer.push(now, bytes);
        self.publish()
    }

    /// True if frames came once, and now nothing but noise comes in their place.
    pub(super) fn is_nonsense(&self, now: Mono) -> bool {
        let (since, before) = self.sense;
        self.has_begun()
            && now.since(since) > NONSENSE_FOR
            && self.demuxer.garbage().saturating_sub(before) > NONSENSE
    }

    /// True from [`Intake::suspend`] to the next frame.
    pub(super) fn is_suspended(&self) -> bool {
        self.publisher.is_none() && self.catalog.is_some()
    }

    /// Tells readers why there are no frames; the next one begins anew.
    pub(super) fn suspend(&mut self, now: Mono, words: &str) {
        if let Some(publisher) = self.publisher.take() {
            publisher.finish(now, words);
        }
    }

    /// Nothing has come for [`PAUSE`].
    ///
    /// # Errors
    /// As [`Intake::take`].
    pub(super) fn pause(&mut self, now: Mono) -> Result<(), Exit> {
        self.demuxer.pause(now);
        self.publish()
    }

    /// True if [`Intake::pause`] is to be called when nothing comes.
    pub(super) fn awaits_pause(&self) -> bool {
        self.demuxer.awaits_pause()
    }

    /// What is known of the stream.
    pub(super) fn demuxer(&self) -> &D {
        &self.demuxer
    }

    /// True once there was something to publish.
    pub(super) fn has_begun(&self) -> bool {
        self.publisher.is_some()
    }

    /// Ends what was begun, for the reason of `exit`.
    pub(super) fn finish(self, exit: &Exit) {
        if let Some(publisher) = self.publisher {
            publisher.finish(self.ctx.clock.now(), exit.words.clone());
        }
    }

    fn publish(&mut self) -> Result<(), Exit> {
        while let Some(found) = self.demuxer.poll() {
            match found {
                Demuxed::Catalog(catalog) => self.announce(catalog)?,
                Demuxed::Unit(unit) => {
                    self.sense = (self.ctx.clock.now(), self.demuxer.garbage());
                    if self.publisher.is_none()
                        && let Some(catalog) = self.catalog.clone()
                    {
                        self.announce(catalog)?;
                    }
                    // There is none without a catalogue.
                    if let Some(publisher) = &self.publisher {
                        publisher.push(self.ctx.clock.now(), unit)?;
                    }
                }
            }
        }
        if self.demuxer.ignored() != *self.ignored {
            *self.ignored = self.demuxer.ignored().to_vec();
            let camera = self.ctx.stream.name();
            self.ignored
                .iter()
                .for_each(|what| tracing::info!(%camera, "a track is left out: {what}"));
        }
        Ok(())
    }

    fn announce(&mut self, catalog: Catalog) -> Result<(), Exit> {
        self.catalog = Some(catalog.clone());
        match &self.publisher {
            Some(publisher) => publisher.set_catalog(catalog)?,
            None => self.publisher = Some(self.ctx.publish(self.label, catalog)?),
        }
        Ok(())
    }
}
