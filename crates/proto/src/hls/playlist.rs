//! What is shown to the world at one time.

use super::segment::{Init, Micros, Part, Segment};
use bytes::Bytes;
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// Segments that have left the playlist and can still be fetched: a player that read the playlist
/// before has time to.
const RETIRED: usize = 2;
/// A live playlist is never shorter than this many target durations (§6.2.2).
pub(super) const LEAST: u64 = 3;
/// What players hold back, in parts: two is the least allowed (§4.4.3.8), and what latency wants.
const PART_HOLD_BACK: u64 = 2;
/// With sound in the same parts: it comes in lumps of its own, later than its picture, and what is
/// short of sound stalls.
const PART_HOLD_BACK_WITH_SOUND: u64 = 3;
/// A first picture that is later by more than this is no longer outweighed by a stream that is
/// nearer to live.
const WORTH_WAITING: Micros = 1_000_000;

/// The complete segments.
#[derive(Debug)]
pub(super) struct Window {
    listed: VecDeque<Arc<Segment>>,
    retired: VecDeque<Arc<Segment>>,
    /// Discontinuities that have left the playlist.
    discontinuities: u64,
    targets: u64,
    max_bytes: usize,
}

impl Window {
    pub(super) fn new(targets: u32, max_bytes: usize) -> Self {
        let targets = u64::from(targets).max(LEAST);
        Self {
            listed: VecDeque::new(),
            retired: VecDeque::new(),
            discontinuities: 0,
            targets,
            max_bytes,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The longest segment.
    pub(super) fn longest(&self) -> Micros {
        self.listed.iter().map(|s| s.duration).max().unwrap_or(0)
    }

    /// The longest part of all segments.
    pub(super) fn longest_part(&self) -> Micros {
        self.listed.iter().flat_map(|s| &s.parts).map(|p| p.duration).max().unwrap_or(0)
    }

    /// Adds the newest segment and retires what is no longer needed.
    pub(super) fn push(&mut self, segment: Arc<Segment>, target: Option<u64>) {
        self.listed.push_back(segment);
        // Two at a time and those of before only: what has left all at once goes by and by.
        for _ in 0..2 {
            if self.retired.len() > RETIRED {
                self.retired.pop_front();
            }
        }
        let Some(target) = target else { return };
        while self.may_retire_oldest(target * 1_000_000) {
            self.retire();
        }
    }

    fn may_retire_oldest(&self, target: Micros) -> bool {
        let Some(oldest) = self.listed.front().filter(|_| self.listed.len() > 1) else {
            return false;
        };
        let left = self.listed.iter().map(|s| s.duration).sum::<Micros>() - oldest.duration;
        let bytes: usize = self.listed.iter().map(|s| s.bytes()).sum();
        let large = bytes > self.max_bytes;
        left >= self.targets * target
            || large && left >= LEAST * target
            || bytes / 2 > self.max_bytes
    }

    fn retire(&mut self) {
        let Some(segment) = self.listed.pop_front() else { return };
        self.discontinuities += u64::from(segment.discontinuity);
        self.retired.push_back(segment);
    }

    /// Takes everything off the list.
    pub(super) fn forget(&mut self) {
        while !self.listed.is_empty() {
            self.retire();
        }
    }

    pub(super) fn playlist(
        &self,
        run: Arc<str>,
        target: u64,
        part_target: Micros,
        open: Option<Segment>,
        next_sequence: u64,
        next_part: u64,
    ) -> Option<Playlist> {
        (!self.is_empty()).then(|| Playlist {
            run,
            target,
            part_target,
            discontinuities: self.discontinuities,
            segments: self.listed.iter().cloned().collect(),
            retired: self.retired.iter().cloned().collect(),
            open: open.filter(|s| !s.parts.is_empty()),
            next_sequence,
            next_part,
        })
    }
}

/// A media playlist and its files, as they are at one time.
#[derive(Clone, Debug)]
pub struct Playlist {
    pub(super) run: Arc<str>,
    /// Seconds.
    pub(super) target: u64,
    pub(super) part_target: Micros,
    /// Discontinuities before the first segment.
    pub(super) discontinuities: u64,
    /// Complete ones, at least one.
    pub(super) segments: Vec<Arc<Segment>>,
    retired: Vec<Arc<Segment>>,
    /// The growing one, if it has a part.
    pub(super) open: Option<Segment>,
    /// Sequence number of the growing segment, or of the next.
    pub(super) next_sequence: u64,
    /// Number of the part to come.
    pub(super) next_part: u64,
}

/// What a file name stands for.
#[derive(Clone, Debug)]
pub enum File {
    /// How to decode what follows.
    Init(Bytes),
    /// A part, and how many pictures are in it.
    Part(Bytes, u64),
    /// A whole segment, as the parts it consists of, and how many pictures are in it.
    Segment(Vec<Bytes>, u64),
    /// The part that comes next: wait for the next playlist.
    Next,
    /// Nothing, or no longer anything.
    None,
}

impl Playlist {
    /// The target duration, in seconds.
    pub fn target(&self) -> u64 {
        self.target
    }

    /// In how much time a page comes that is better to begin by than this one, if that is soon
    /// enough to be worth waiting for.
    ///
    /// A player begins before the edge by what it is told to hold back. What lies between that
    /// place and the keyframe before it is loaded part by part before anything is shown, and many
    /// stay behind the camera by the time that takes. Right after a keyframe that is nothing.
    pub fn better_in(&self) -> Option<Duration> {
        let mut edge = 0;
        let mut keys = Vec::new();
        for part in self.listed().flat_map(|s| &s.parts) {
            if part.independent {
                keys.push(edge);
            }
            edge += part.duration;
        }
        let newest = *keys.last()?;
        let interval = newest - keys.iter().rev().nth(1)?;
        let begin = edge.saturating_sub(self.hold_back());
        // Not on the keyframe itself: players who round would begin before it, and load all that
        // led up to it.
        let margin = self.part_target / 2;
        let lead = begin - keys.into_iter().rfind(|key| *key <= begin)?;
        if (margin..2 * self.part_target).contains(&lead) {
            return None;
        }
        // A place before the newest keyframe waits for that one, others for the next to come.
        let next = margin + if begin < newest + margin { newest } else { newest + interval };
        Some(next - begin).filter(|wait| *wait <= WORTH_WAITING).map(Duration::from_micros)
    }

    /// How far from the edge players stay.
    pub(super) fn hold_back(&self) -> Micros {
        let mixed = self.listed().any(|s| s.init.codecs.len() > 1);
        self.part_target * if mixed { PART_HOLD_BACK_WITH_SOUND } else { PART_HOLD_BACK }
    }

    /// The file of this name.
    pub fn file(&self, name: &str) -> File {
        let number = |kind: &str, end: &str| -> Option<u64> {
            name.strip_prefix(kind)?
                .strip_prefix(&*self.run)?
                .strip_prefix('-')?
                .strip_suffix(end)?
                .parse()
                .ok()
        };
        if let Some(number) = number("part-", ".m4s") {
            return self.part(number);
        }
        if let Some(sequence) = number("seg-", ".m4s") {
            let found = self.complete().find(|s| s.sequence == sequence);
            return found.map_or(File::None, |s| {
                let pictures = s.parts.iter().map(|p| p.frames).sum();
                File::Segment(s.parts.iter().map(|p| p.bytes.clone()).collect(), pictures)
            });
        }
        let wanted = number("init-", ".mp4");
        let found = self.inits().find(|init| Some(init.number) == wanted);
        found.map_or(File::None, |init| File::Init(init.bytes.clone()))
    }

    fn part(&self, number: u64) -> File {
        if number == self.next_part {
            return File::Next;
        }
        let found = self.open.as_ref().and_then(|s| s.part(number));
        let found = found.or_else(|| self.complete().find_map(|s| s.part(number)));
        found.map_or(File::None, |part: &Arc<Part>| File::Part(part.bytes.clone(), part.frames))
    }

    fn complete(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.retired.iter().chain(&self.segments).map(|s| &**s)
    }

    /// Of all files that can be fetched, with repetitions.
    fn inits(&self) -> impl Iterator<Item = &Init> {
        self.complete().chain(&self.open).map(|s| &*s.init)
    }

    /// Of what is listed, oldest first.
    pub(super) fn listed(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().map(|s| &**s).chain(&self.open)
    }

    pub(super) fn init_name(&self, init: &Init) -> String {
        format!("init-{}-{}.mp4", self.run, init.number)
    }

    pub(super) fn segment_name(&self, segment: &Segment) -> String {
        format!("seg-{}-{}.m4s", self.run, segment.sequence)
    }

    pub(super) fn part_name(&self, number: u64) -> String {
        format!("part-{}-{number}.m4s", self.run)
    }
}
