//! The text of a media playlist.

use super::{
    playlist::{LEAST, Playlist},
    segment::{Micros, Segment},
};
use std::fmt::{self, Display, Write};

/// `EXT-X-SKIP` needs version 9 (§8).
const VERSION: u32 = 9;
/// What lies further back than this many target durations may be skipped: the least allowed
/// (§4.4.3.8).
const SKIP_UNTIL: u64 = 6;

impl Playlist {
    /// The playlist as text: all of it, or only what a player does not know that has read it lately
    /// (§6.2.5.1).
    pub fn render(&self, delta: bool) -> String {
        let mut out = String::with_capacity(8192);
        // Writing to a string cannot fail.
        let _ = self.write(&mut out, delta);
        out
    }

    fn write(&self, out: &mut String, delta: bool) -> fmt::Result {
        let skipped = if delta { self.skippable() } else { 0 };
        self.write_head(out)?;
        if skipped > 0 {
            writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")?;
        }
        let with_parts = self.first_with_parts();
        let mut before: Option<&Segment> = None;
        for (i, segment) in self.segments.iter().enumerate() {
            if i >= skipped {
                self.write_segment(out, segment, before, i >= with_parts)?;
                writeln!(
                    out,
                    "#EXTINF:{},\n{}",
                    Seconds(segment.duration),
                    self.segment_name(segment)
                )?;
            }
            before = Some(segment);
        }
        if let Some(open) = &self.open {
            self.write_segment(out, open, before, true)?;
        }
        writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}\"", self.part_name(self.next_part))
    }

    fn write_head(&self, out: &mut String) -> fmt::Result {
        let hold_back = Seconds(self.hold_back());
        writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{}", self.target)?;
        write!(out, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={hold_back}")?;
        writeln!(out, ",CAN-SKIP-UNTIL={}", Seconds(SKIP_UNTIL * self.target * 1_000_000))?;
        writeln!(out, "#EXT-X-PART-INF:PART-TARGET={}", Seconds(self.part_target))?;
        let first = self.segments.first().map_or(self.next_sequence, |s| s.sequence);
        writeln!(
            out,
            "#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-DISCONTINUITY-SEQUENCE:{}",
            self.discontinuities
        )?;
        if self.listed().all(Segment::independent) {
            writeln!(out, "#EXT-X-INDEPENDENT-SEGMENTS")?;
        }
        Ok(())
    }

    /// The tags of a segment, and its parts where these are still told.
    fn write_segment(
        &self,
        out: &mut String,
        segment: &Segment,
        before: Option<&Segment>,
        parts: bool,
    ) -> fmt::Result {
        if segment.discontinuity {
            writeln!(out, "#EXT-X-DISCONTINUITY")?;
        }
        if before.is_none_or(|b| b.init.number != segment.init.number) {
            writeln!(out, "#EXT-X-MAP:URI=\"{}\"", self.init_name(&segment.init))?;
        }
        writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", segment.date)?;
        for part in segment.parts.iter().filter(|_| parts) {
            let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
            let (duration, name) = (Seconds(part.duration), self.part_name(part.number));
            writeln!(out, "#EXT-X-PART:DURATION={duration},URI=\"{name}\"{independent}")?;
        }
        Ok(())
    }

    /// Segments further from the end of the last complete one than the skip boundary.
    fn skippable(&self) -> usize {
        let boundary = SKIP_UNTIL * self.target * 1_000_000;
        let mut behind = 0;
        let kept = self.segments.iter().rev().take_while(|s| {
            behind += s.duration;
            behind <= boundary
        });
        self.segments.len() - kept.count()
    }

    /// Parts are told of the last three target durations (§6.2.2).
    fn first_with_parts(&self) -> usize {
        let mut behind = self.open.as_ref().map_or(0, |s| s.duration);
        let near = self.segments.iter().rev().take_while(|s| {
            behind += s.duration;
            behind <= LEAST * self.target * 1_000_000
        });
        self.segments.len() - near.count()
    }
}

/// A decimal floating point number of seconds.
struct Seconds(Micros);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
