//! What a muxer shows at one time, with its texts.

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use proto::hls::Playlist;
use std::{io::Write, sync::OnceLock};

/// From `index.m3u8` to the media playlist.
const MEDIA: &str = "hls/media.m3u8";

/// A playlist with its texts, each written and compressed by whoever needs it first.
pub(super) struct Page {
    playlist: Playlist,
    variants: OnceLock<Text>,
    full: OnceLock<Text>,
    delta: OnceLock<Text>,
}

/// A text as it is, and compressed.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) plain: Bytes,
    pub(super) gzip: Bytes,
}

impl Page {
    pub(super) fn new(playlist: Playlist) -> Self {
        Self { playlist, variants: OnceLock::new(), full: OnceLock::new(), delta: OnceLock::new() }
    }

    pub(super) fn playlist(&self) -> &Playlist {
        &self.playlist
    }

    /// The multivariant playlist.
    pub(super) fn variants(&self) -> &Text {
        self.variants.get_or_init(|| Text::new(self.playlist.render_variants(MEDIA)))
    }

    /// The media playlist.
    pub(super) fn media(&self, delta: bool) -> &Text {
        let text = if delta { &self.delta } else { &self.full };
        text.get_or_init(|| Text::new(self.playlist.render(delta)))
    }
}

impl Text {
    fn new(text: String) -> Self {
        let mut gzip = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::fast());
        // Writing to memory cannot fail.
        let gzip = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish()).unwrap_or_default();
        Self { plain: text.into(), gzip: gzip.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn compressed_texts_are_the_same_texts() {
        let text = Text::new("#EXTM3U\n".repeat(100));
        let mut out = String::new();
        flate2::read::GzDecoder::new(&text.gzip[..]).read_to_string(&mut out).unwrap();
        assert!(out == text.plain && text.gzip.len() < 100);
    }
}
