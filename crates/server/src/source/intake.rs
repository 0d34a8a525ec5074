//! From a stream of bytes to the hub: what the sources have in common that bring MPEG-TS, or any other container.

use crate::supervise::{Context, Exit};
use hub::Publisher;
use media::{
    Mono,
    container::{Demux, Demuxed},
};
use std::{sync::Arc, time::Duration};

/// A frame whose end only the next would tell is complete when nothing more comes for this long; then it was not the middle of a
/// burst.
pub(super) const PAUSE: Duration = Duration::from_millis(4);

/// Publishes what a stream holds, from the moment on when that is known.
pub(super) struct Intake<'a, D> {
    ctx: &'a Context,
    label: &'a Arc<str>,
    /// Tracks left out, as last told to the log.
    ignored: &'a mut Vec<String>,
    demuxer: D,
    publisher: Option<Publisher>,
}

impl<'a, D: Demux> Intake<'a, D> {
    /// Publishes what `demuxer` finds as `label`.
    pub(super) fn new(ctx: &'a Context, label: &'a Arc<str>, ignored: &'a mut Vec<String>, demuxer: D) -> Self {
        Self { ctx, label, ignored, demuxer, publisher: None }
    }

    /// Takes what came in at `now`.
    ///
    /// # Errors
    /// If somebody else publishes.
    pub(super) fn take(&mut self, now: Mono, bytes: &[u8]) -> Result<(), Exit> {
        self.demuxer.push(now, bytes);
        self.publish()
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
            match (found, &self.publisher) {
                (Demuxed::Catalog(catalog), Some(publisher)) => publisher.set_catalog(catalog)?,
                (Demuxed::Catalog(catalog), None) => self.publisher = Some(self.ctx.publish(self.label, catalog)?),
                (Demuxed::Unit(unit), Some(publisher)) => publisher.push(self.ctx.clock.now(), unit)?,
                // There is none without a catalogue.
                (Demuxed::Unit(_), None) => {}
            }
        }
        if self.demuxer.ignored() != *self.ignored {
            *self.ignored = self.demuxer.ignored().to_vec();
            let camera = self.ctx.stream.name();
            self.ignored.iter().for_each(|what| tracing::info!(%camera, "a track is left out: {what}"));
        }
        Ok(())
    }
}
