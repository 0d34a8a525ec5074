//! What readers want from a publisher: the only thing that flows upstream.

use media::Mono;
use std::time::Duration;

/// What a reader does with the units it reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReaderKind {
    /// It sends them to one viewer.
    Viewer,
    /// It writes them to a disk.
    Recorder,
    /// It decodes them, for pictures or for analysis.
    Decoder,
    /// It packs them once for any number of viewers.
    Muxer,
    /// It sends nothing: it keeps a source running while a client waits for the first picture.
    Waiter,
}

impl ReaderKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Viewer, Self::Recorder, Self::Decoder, Self::Muxer, Self::Waiter];

    /// The label of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Recorder => "recorder",
            Self::Decoder => "decoder",
            Self::Muxer => "muxer",
            Self::Waiter => "waiter",
        }
    }
}

/// What became of a request for a keyframe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyframeRequest {
    /// The publisher was asked.
    Sent,
    /// The publisher was asked just before; it is asked again when the interval is over, unless a
    /// keyframe comes meanwhile.
    Delayed,
    /// The present publisher has no way to make one: viewers wait for its next.
    Unsupported,
    /// There is no publisher.
    NoPublisher,
}

/// What all readers together want.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Demand {
    /// Readers attached now, in the order of [`ReaderKind::ALL`].
    readers: [usize; ReaderKind::ALL.len()],
    /// Counts keyframe requests that passed the throttle; a publisher acts when it rises.
    pub keyframes: u64,
}

impl Demand {
    /// Readers attached now, of all kinds. A source that runs on demand starts with the first and
    /// stops, after a linger, with the last.
    pub fn readers(&self) -> usize {
        self.readers.iter().sum()
    }

    /// Readers of this kind attached now.
    pub fn of(&self, kind: ReaderKind) -> usize {
        self.readers[kind as usize]
    }

    pub(crate) fn add(&mut self, kind: ReaderKind) {
        self.readers[kind as usize] += 1;
    }

    pub(crate) fn remove(&mut self, kind: ReaderKind) {
        let readers = &mut self.readers[kind as usize];
        *readers = readers.saturating_sub(1);
    }
}

/// Lets one keyframe request pass per interval. One that comes too early is kept, and passes when
/// the interval is over unless a keyframe has come by itself meanwhile.
#[derive(Debug)]
pub(crate) struct KeyframeThrottle {
    interval: Duration,
    last: Option<Mono>,
    kept: bool,
}

impl KeyframeThrottle {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, last: None, kept: false }
    }

    /// A request: true if it passes now.
    pub(crate) fn request(&mut self, now: Mono) -> bool {
        self.kept = true;
        self.release(now)
    }

    /// True if a request that was kept passes now.
    pub(crate) fn release(&mut self, now: Mono) -> bool {
        let pass = self.kept && self.last.is_none_or(|last| now.since(last) >= self.interval);
        if pass {
            self.last = Some(now);
            self.kept = false;
        }
        pass
    }

    /// A keyframe was published: whoever asked before has it.
    pub(crate) fn served(&mut self) {
        self.kept = false;
    }
}
