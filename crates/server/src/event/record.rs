//! One event, and which events a client wants.

use super::EventKind;
use media::Wall;
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// Something that happened.
#[derive(Clone, PartialEq, Serialize, Debug)]
pub(crate) struct Event {
    /// Rises with each event, also across restarts of the server; it may leave numbers out.
    pub(crate) id: u64,
    /// What happened.
    pub(crate) kind: EventKind,
    /// The camera it happened to, if to one.
    pub(crate) camera: Option<Arc<str>>,
    /// The rendition of that camera, if to one.
    pub(crate) rendition: Option<Arc<str>>,
    /// When it happened or began, by the server's wall clock.
    #[serde(serialize_with = "rfc3339")]
    pub(crate) at: Wall,
    /// The cause in words without secrets; empty if there is no more to say.
    pub(crate) message: Arc<str>,
}

/// An event as API clients see it.
#[derive(Serialize)]
pub(crate) struct EventView<'a> {
    #[serde(flatten)]
    event: &'a Event,
    severity: super::Severity,
}

impl Event {
    /// The event with all that follows from it.
    pub(crate) const fn view(&self) -> EventView<'_> {
        EventView { event: self, severity: self.kind.severity() }
    }
}

fn rfc3339<S: Serializer>(at: &Wall, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// Which events are wanted. The default wants all.
#[derive(Clone, Default, Debug)]
pub(crate) struct EventFilter {
    /// Of these kinds; all if empty.
    pub(crate) kinds: Vec<EventKind>,
    /// Of this camera and its renditions.
    pub(crate) camera: Option<String>,
    /// Not before.
    pub(crate) from: Option<Wall>,
    /// Before.
    pub(crate) to: Option<Wall>,
}

impl EventFilter {
    /// True if the event is wanted.
    pub(crate) fn accepts(&self, event: &Event) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && (self.camera.is_none() || self.camera.as_deref() == event.camera.as_deref())
            && self.from.is_none_or(|from| event.at >= from)
            && self.to.is_none_or(|to| event.at < to)
    }
}
