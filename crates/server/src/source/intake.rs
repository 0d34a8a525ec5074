//! From a transport stream to the hub: what the sources that bring MPEG-TS have in common.

use crate::supervise::{Context, Exit};
use hub::Publisher;
use media::{
    Mono,
    ts::{Demuxed, Demuxer},
};
use std::{sync::Arc, time::Duration};

/// A frame whose last packet is full is complete when nothing more comes for this long; then it was not the middle of a burst.
pub(super) const PAUSE: Duration = Duration::from_millis(4);

/// Publishes what a stream holds, from the moment on when that is known.
pub(super) struct Intake<'a> {
    ctx: &'a Context,
    label: &'a Arc<str>,
    /// Tracks left out, as last told to the log.
    ignored: &'a mut Vec<String>,
    demuxer: Demuxer,
    publisher: Option<Publisher>,
}

impl<'a> Intake<'a> {
    /// Publishes as `label`.
    pub(super) fn new(ctx: &'a Context, label: &'a Arc<str>, ignored: &'a mut Vec<String>) -> Self {
        Self { ctx, label, ignored, demuxer: Demuxer::default(), publisher: None }
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
        self.demuxer.is_within_frame()
    }

    /// What is known of the stream.
    pub(super) fn demuxer(&self) -> &Demuxer {
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
