//! What comes in as packets, given to the readers of a stream: the last step of everything that
//! publishes by RTP.

use hub::{PublishError, Publisher, Stream};
use media::{Catalog, Mono};
use proto::{rtp::receive::Received, sdp::Format};
use std::sync::Arc;

/// The right to publish, and what the stream consists of as far as it is known.
pub(crate) struct Publication {
    publisher: Publisher,
    catalog: Catalog,
}

impl Publication {
    /// Goes on for a publisher that has begun with `catalog`.
    pub(crate) fn new(publisher: Publisher, catalog: Catalog) -> Self {
        Self { publisher, catalog }
    }

    /// Begins publishing on behalf of `by`, with a track for each format in their order.
    ///
    /// # Errors
    /// Those of [`Stream::publish`].
    pub(crate) fn begin<'a>(
        now: Mono,
        stream: &Arc<Stream>,
        by: &str,
        formats: impl IntoIterator<Item = &'a Format>,
    ) -> Result<Self, PublishError> {
        let catalog = Catalog::new(formats.into_iter().map(|f| (f.codec.clone(), f.clock_rate)));
        Ok(Self { publisher: stream.publish(now, by, catalog.clone())?, catalog })
    }

    /// Declares that the publisher is asked for a keyframe whenever readers want one.
    pub(crate) fn serve_keyframes(&self) {
        self.publisher.serve_keyframes();
    }

    /// Publishes what the track of this number has received.
    ///
    /// # Errors
    /// When it is no longer this publisher's turn.
    pub(crate) fn take(
        &mut self,
        now: Mono,
        track: usize,
        received: Received,
    ) -> Result<(), PublishError> {
        match received {
            Received::Unit(unit) => self.publisher.push(now, unit),
            Received::Codec(codec) => {
                if let Some(described) = self.catalog.tracks.get_mut(track) {
                    described.codec = codec;
                }
                self.publisher.set_catalog(self.catalog.clone())
            }
        }
    }

    /// The stream published to.
    pub(crate) fn stream(&self) -> &Arc<Stream> {
        self.publisher.stream()
    }

    /// The bare right to publish, for somebody else to end.
    pub(crate) fn into_publisher(self) -> Publisher {
        self.publisher
    }

    /// Ends publishing with a reason in words, free of secrets.
    pub(crate) fn finish(self, now: Mono, reason: impl Into<Arc<str>>) {
        self.publisher.finish(now, reason);
    }
}
