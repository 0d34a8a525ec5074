//! The multivariant playlist: one variant, and what it takes to play it.

use super::{
    playlist::Playlist,
    segment::{Init, Segment},
};
use std::fmt::Write;

impl Playlist {
    /// The text of a multivariant playlist that leads to the media playlist at `uri`.
    pub fn render_variants(&self, uri: &str) -> String {
        let mut out = "#EXTM3U\n#EXT-X-VERSION:6\n".to_owned();
        if self.listed().all(Segment::independent) {
            out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
        let (peak, average) = self.bandwidth();
        let codecs = self.codecs().join(",");
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codecs}\""
        );
        if let Some((width, height)) = self.newest().and_then(|init| init.size) {
            let _ = write!(out, ",RESOLUTION={width}x{height}");
            if let Some(fps) = self.fps() {
                let _ = write!(out, ",FRAME-RATE={fps:.3}");
            }
        }
        let _ = writeln!(out, "\n{uri}");
        out
    }

    fn newest(&self) -> Option<&Init> {
        self.listed().next_back().map(|s| &*s.init)
    }

    /// Of everything listed: a player must know all of them.
    fn codecs(&self) -> Vec<&str> {
        let mut codecs: Vec<&str> = Vec::new();
        for codec in self.listed().flat_map(|s| &s.init.codecs) {
            if !codecs.contains(&&**codec) {
                codecs.push(codec);
            }
        }
        codecs
    }

    /// Bits a second: of the largest segment, and of all together.
    fn bandwidth(&self) -> (u64, u64) {
        let rate = |bytes: usize, micros: u64| {
            (bytes as u64).saturating_mul(8_000_000).div_ceil(micros.max(1))
        };
        let peak = self.segments.iter().map(|s| rate(s.bytes(), s.duration)).max().unwrap_or(1);
        let bytes = self.segments.iter().map(|s| s.bytes()).sum();
        (peak.max(1), rate(bytes, self.segments.iter().map(|s| s.duration).sum()).max(1))
    }

    /// Frames a second, as counted; a whole number where it is one but for jitter.
    fn fps(&self) -> Option<f64> {
        let frames: u64 = self.segments.iter().map(|s| s.frames).sum();
        let micros: u64 = self.segments.iter().map(|s| s.duration).sum();
        let counted =
            (micros > 0).then(|| frames as f64 * 1e6 / micros as f64).or(self.newest()?.fps)?;
        let told = self.newest()?.fps.filter(|told| (told - counted).abs() < counted * 0.01);
        let whole = Some(counted.round()).filter(|whole| (whole - counted).abs() < counted * 0.01);
        told.or(whole).or(Some(counted))
    }
}
