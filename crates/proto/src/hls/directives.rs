//! Delivery directives: what a player asks of a playlist (§6.2.5).

use super::playlist::Playlist;

/// The directives of a request.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Directives {
    /// `_HLS_msn`: not before this segment is there.
    pub sequence: Option<u64>,
    /// `_HLS_part`: not before this part of it is there.
    pub part: Option<u64>,
    /// `_HLS_skip`: without what the player knows already.
    pub skip: bool,
}

/// Directives that make no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadDirectives {
    /// A value that is none.
    #[error("{0} must be a whole number")]
    Number(&'static str),
    /// A part of no segment.
    #[error("_HLS_part needs _HLS_msn")]
    PartAlone,
    /// No playlist can have named that yet.
    #[error("segment {0} is too far ahead")]
    TooFarAhead(u64),
}

/// When a request is to be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// At once.
    Now,
    /// Not with this playlist; ask the next.
    Wait,
}

impl Directives {
    /// Reads a query string; what is not a directive is none of our business.
    ///
    /// # Errors
    /// If a number is none, or a part is asked for without its segment (§6.2.5.2).
    pub fn parse(query: &str) -> Result<Self, BadDirectives> {
        let mut directives = Self::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "_HLS_msn" => {
                    directives.sequence =
                        Some(value.parse().map_err(|_| BadDirectives::Number("_HLS_msn"))?);
                }
                "_HLS_part" => {
                    directives.part =
                        Some(value.parse().map_err(|_| BadDirectives::Number("_HLS_part"))?);
                }
                "_HLS_skip" => directives.skip = matches!(value, "YES" | "v2"),
                _ => {}
            }
        }
        match directives {
            Self { sequence: None, part: Some(_), .. } => Err(BadDirectives::PartAlone),
            directives => Ok(directives),
        }
    }
}

impl Playlist {
    /// Whether this playlist answers a request (§6.2.5.2).
    ///
    /// # Errors
    /// [`BadDirectives::TooFarAhead`].
    pub fn answer(&self, directives: &Directives) -> Result<Answer, BadDirectives> {
        let Some(sequence) = directives.sequence else { return Ok(Answer::Now) };
        let Some(part) = directives.part else { return self.whole(sequence) };
        // More parts than a complete segment has means the beginning of the one behind it.
        let beyond = self
            .segments
            .iter()
            .find(|s| s.sequence == sequence)
            .is_some_and(|s| part >= s.parts.len() as u64);
        let (sequence, part) =
            if beyond { (sequence.saturating_add(1), 0) } else { (sequence, part) };
        if sequence != self.next_sequence {
            return self.whole(sequence);
        }
        let there = self.open.as_ref().map_or(0, |s| s.parts.len() as u64);
        match part {
            part if part < there => Ok(Answer::Now),
            part if part >= there.saturating_add(self.advance_part_limit()) => {
                Err(BadDirectives::TooFarAhead(sequence))
            }
            _ => Ok(Answer::Wait),
        }
    }

    fn whole(&self, sequence: u64) -> Result<Answer, BadDirectives> {
        match sequence {
            n if n < self.next_sequence => Ok(Answer::Now),
            // The last complete one plus two.
            n if n > self.next_sequence.saturating_add(1) => Err(BadDirectives::TooFarAhead(n)),
            _ => Ok(Answer::Wait),
        }
    }

    fn advance_part_limit(&self) -> u64 {
        3_000_000_u64.div_ceil(self.part_target.clamp(1, 1_000_000))
    }
}
