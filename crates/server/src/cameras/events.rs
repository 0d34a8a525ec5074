//! What happened lately, in words.

use super::parts;
use media::Wall;
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// Events kept; a camera that flaps all night must not push the morning's restart out too soon.
const KEPT: usize = 1000;

/// Kinds of events.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventKind {
    /// Frames arrive again, or for the first time.
    CameraLive,
    /// No frame for the stall time.
    CameraStalled,
    /// Nobody publishes.
    CameraOffline,
    /// Frames keep coming, but of a picture that does not change.
    CameraFrozen,
    /// The picture changes again.
    CameraMoves,
    /// Its source was started again after a fault.
    CameraRestarted,
    /// It came with a new config.
    CameraAdded,
    /// It went with a new config.
    CameraRemoved,
    /// A new config changed it.
    CameraChanged,
    /// A new config runs.
    ConfigLoaded,
    /// A new config was refused, and the old one keeps running.
    ConfigRejected,
}

impl EventKind {
    /// For the log.
    pub(super) const fn as_words(self) -> &'static str {
        match self {
            Self::CameraLive => "camera live",
            Self::CameraStalled => "camera stalled",
            Self::CameraOffline => "camera offline",
            Self::CameraFrozen => "camera frozen",
            Self::CameraMoves => "camera moves again",
            Self::CameraRestarted => "camera restarted",
            Self::CameraAdded => "camera added",
            Self::CameraRemoved => "camera removed",
            Self::CameraChanged => "camera changed",
            Self::ConfigLoaded => "config loaded",
            Self::ConfigRejected => "config rejected",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Serialize, Debug)]
pub(crate) struct Event {
    /// Rises by one with each event.
    pub(crate) id: u64,
    /// When, in microseconds since 1970 on the server's wall clock.
    at_us: i64,
    /// What.
    pub(crate) kind: EventKind,
    /// To which camera, if to one.
    pub(crate) camera: Option<Arc<str>>,
    /// To which of its renditions, if to one.
    rendition: Option<Arc<str>>,
    /// Why, in words without secrets; empty if there is no more to say.
    text: Arc<str>,
}

/// The newest events.
#[derive(Default)]
pub(crate) struct Events(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    events: VecDeque<Event>,
    next: u64,
}

impl Events {
    /// Notes that something happened, to the stream of this name if to one.
    pub(crate) fn add(
        &self,
        at: Wall,
        kind: EventKind,
        stream: Option<&Arc<str>>,
        text: impl Into<Arc<str>>,
    ) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.events.len() >= KEPT {
            ring.events.pop_front();
        }
        let (camera, rendition) = stream.map(|name| parts(name)).unzip();
        let (camera, rendition) = (camera.map(Into::into), rendition.flatten().map(Into::into));
        let event = Event {
            id: ring.next,
            at_us: at.as_micros(),
            kind,
            camera,
            rendition,
            text: text.into(),
        };
        ring.next += 1;
        ring.events.push_back(event);
    }

    /// The events that `wanted` accepts, oldest first, at most the newest `limit`.
    pub(crate) fn newest(&self, limit: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut newest: Vec<Event> =
            ring.events.iter().rev().filter(|e| wanted(e)).take(limit).cloned().collect();
        newest.reverse();
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_and_the_numbers_stay() {
        let events = Events::default();
        for n in 0..KEPT + 10 {
            events.add(Wall::from_micros(n as i64), EventKind::CameraLive, Some(&"a".into()), "");
        }
        let all = events.newest(usize::MAX, |_| true);
        assert_eq!((all.len(), all[0].id, all[KEPT - 1].id), (KEPT, 10, KEPT as u64 + 9));
        let some: Vec<u64> = events.newest(2, |e| e.id < 15).iter().map(|e| e.id).collect();
        assert_eq!(some, [13, 14]);
    }
}
