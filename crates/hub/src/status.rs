//! The state of a stream in words.

use media::Mono;
use std::sync::Arc;

/// What a camera is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// No frame yet, but somebody is working on it.
    Connecting,
    /// Frames arrive.
    Live,
    /// Connected, but no frame arrived within the stall time.
    Stalled,
    /// Nobody publishes.
    Offline,
}

impl State {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Connecting, Self::Live, Self::Stalled, Self::Offline];

    /// The word that users, API clients and metrics see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Stalled => "stalled",
            Self::Offline => "offline",
        }
    }
}

/// A state, why it is so, and since when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The state.
    pub state: State,
    /// The cause in words that a person understands, free of secrets; empty when live.
    pub reason: Arc<str>,
    /// When this state began.
    pub since: Mono,
    /// When the next attempt is due, while offline.
    pub next_try: Option<Mono>,
}

impl Status {
    /// A status that begins at `now`.
    pub fn new(state: State, reason: impl Into<Arc<str>>, now: Mono) -> Self {
        Self { state, reason: reason.into(), since: now, next_try: None }
    }
}
