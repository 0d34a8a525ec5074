//! The cameras by name: where endpoints find the stream to play or to publish to, and where
//! everybody leaves word.
//!
//! A rendition of a camera is an entry of its own named `CAMERA/RENDITION`: it is played, published
//! to and kept running like a camera, and shown within its camera.

mod camera;
mod meter;

pub(crate) use camera::{Camera, Order, Origin, Restarts, SourceControl};

use crate::{
    event::{EventBus, EventKind},
    stream_name::parts,
};
use hub::{Hub, State, Stream, StreamOptions};
use media::{Catalog, ClockPair, Mono};
use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::watch;

/// Why a camera cannot be had.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub(crate) enum CameraError {
    /// No camera has this name.
    #[error("there is no camera named {name:?}")]
    NotFound {
        /// What was asked for, shortened.
        name: String,
        /// The camera that was probably meant.
        similar: Option<Arc<str>>,
    },
    /// The camera is there, but nothing of this name within it.
    #[error("camera {camera} has no rendition named {name:?}")]
    NoRendition {
        /// The camera.
        camera: Arc<str>,
        /// What was asked for, shortened.
        name: String,
        /// The renditions it has.
        has: Vec<String>,
    },
    /// The camera has a source of its own.
    #[error("camera {name} takes its picture from its own source, so nobody can publish to it")]
    NotPublishable {
        /// The camera.
        name: Arc<str>,
    },
    /// There is no picture now.
    #[error("camera {name} has no picture now: {reason}")]
    NotLive {
        /// The camera, or the rendition.
        name: Arc<str>,
        /// Its state, and why it is so.
        reason: String,
    },
    /// What the camera sends cannot be carried by the protocol asked for.
    #[error("what camera {name} sends ({tracks}) cannot be carried by {protocol}")]
    NotCarried {
        /// The camera, or the rendition.
        name: Arc<str>,
        /// Its tracks in words.
        tracks: String,
        /// The protocol, or the container.
        protocol: &'static str,
    },
    /// The camera was told to start, and there is nothing to be seen.
    #[error("camera {name} was told to start, and cannot be watched after {waited:.1} s: {reason}")]
    NotStarted {
        /// The camera, or the rendition.
        name: Arc<str>,
        /// Seconds for which was waited.
        waited: f64,
        /// Its state, and why it is so.
        reason: String,
        /// What to do about it.
        hint: &'static str,
    },
}

impl CameraError {
    /// There is no picture of `stream`, for the reason that its state tells.
    pub(crate) fn not_live(stream: &Stream) -> Self {
        Self::NotLive { name: stream.name().clone(), reason: in_words(stream) }
    }

    /// `stream` cannot be watched though it was told to start `waited` ago; `hint` is what to do
    /// about it.
    pub(crate) fn not_started(stream: &Stream, waited: Duration, hint: &'static str) -> Self {
        Self::NotStarted {
            name: stream.name().clone(),
            waited: waited.as_secs_f64(),
            reason: in_words(stream),
            hint,
        }
    }

    /// `protocol` cannot carry what `stream` consists of.
    pub(crate) fn not_carried(stream: &Stream, catalog: &Catalog, protocol: &'static str) -> Self {
        let tracks: Vec<_> = catalog.tracks.iter().map(|t| t.codec.to_string()).collect();
        Self::NotCarried { name: stream.name().clone(), tracks: tracks.join(", "), protocol }
    }

    /// The word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "camera_not_found",
            Self::NoRendition { .. } => "rendition_not_found",
            Self::NotPublishable { .. } => "camera_not_publishable",
            Self::NotLive { .. } => "camera_not_live",
            Self::NotCarried { .. } => "codec_not_supported",
            Self::NotStarted { .. } => "camera_not_started",
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::NotFound { similar: Some(similar), .. } => format!("did you mean {similar}? GET /api/v1/cameras lists all"),
            Self::NotFound { .. } => "GET /api/v1/cameras lists all; cameras are added in the config".to_owned(),
            Self::NoRendition { camera, has, .. } if has.is_empty() => {
                format!("camera {camera} has none; renditions are added in the config under cameras.{camera}.renditions")
            }
            Self::NoRendition { camera, has, .. } => format!("camera {camera} has: {}", has.join(", ")),
            Self::NotPublishable { name } => format!("give camera {name} `source: publish`, or publish to another name"),
            Self::NotLive { name, .. } => {
                let camera = name.split('/').next().unwrap_or_default();
                format!("GET /api/v1/cameras/{camera} tells more; try again in a few seconds")
            }
            Self::NotCarried { .. } => {
                "set the camera to H.264 or H.265, with AAC or Opus for sound; /live/CAMERA/mjpeg shows JPEG".to_owned()
            }
            Self::NotStarted { hint, .. } => (*hint).to_owned(),
        }
    }
}

/// The state of a stream, and why it is so.
fn in_words(stream: &Stream) -> String {
    let status = stream.status();
    match &*status.reason {
        "" => status.state.as_str().to_owned(),
        reason => format!("{}, {reason}", status.state.as_str()),
    }
}

/// The character after the slash: names of renditions sort before a camera's name with it behind.
const AFTER_SLASH: char = '0';

/// All cameras. A cheap handle.
#[derive(Clone)]
pub(crate) struct Cameras {
    shared: Arc<Shared>,
}

struct Shared {
    hub: Hub,
    /// Renditions among them. Written only when cameras come and go.
    cameras: RwLock<BTreeMap<Arc<str>, Arc<Camera>>>,
    /// Rises when a camera comes, goes, or changes its state.
    changed: watch::Sender<u64>,
    events: EventBus,
}

impl Cameras {
    /// No cameras yet. What happens to them is emitted on `events`.
    pub(crate) fn new(events: EventBus) -> Self {
        let shared = Shared {
            hub: Hub::default(),
            cameras: RwLock::default(),
            changed: watch::Sender::new(0),
            events,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Adds a camera or a rendition, which is offline until somebody publishes; one that is there
    /// already is changed, and keeps its readers.
    pub(crate) fn add(
        &self,
        name: &Arc<str>,
        origin: Origin,
        options: StreamOptions,
        now: Mono,
    ) -> Arc<Camera> {
        let stream = self.shared.hub.get_or_create(name, options, now);
        stream.set_stall_after(options.stall_after);
        let make = || Arc::new(Camera::new(stream, origin.clone()));
        let camera = self.write().entry(name.clone()).or_insert_with(make).clone();
        camera.set_origin(origin);
        self.announce();
        camera
    }

    /// Takes a camera or a rendition away and ends its stream for its publisher and readers.
    pub(crate) fn remove(&self, name: &str, reason: &str, now: Mono) {
        self.write().remove(name);
        self.shared.hub.remove(name, reason, now);
        self.announce();
    }

    /// The stream to read.
    ///
    /// # Errors
    /// [`CameraError::NotFound`].
    pub(crate) fn play(&self, name: &str) -> Result<Arc<Stream>, CameraError> {
        Ok(self.get(name)?.stream().clone())
    }

    /// The stream to publish to.
    ///
    /// # Errors
    /// [`CameraError::NotFound`], or [`CameraError::NotPublishable`] if the camera has a source of
    /// its own.
    pub(crate) fn publish(&self, name: &str) -> Result<Arc<Stream>, CameraError> {
        let camera = self.get(name)?;
        match camera.origin().publishable {
            true => Ok(camera.stream().clone()),
            false => Err(CameraError::NotPublishable { name: camera.name().clone() }),
        }
    }

    /// True if nothing will come of waiting for a picture of `stream`: nobody publishes, and nobody
    /// will because of that.
    pub(crate) fn is_idle(&self, stream: &Stream) -> bool {
        if stream.is_disabled() {
            return true;
        }
        let camera = self.get(stream.name());
        stream.status().state == State::Offline
            && !camera.is_ok_and(|camera| camera.origin().on_demand)
    }

    /// A camera or a rendition by its name.
    ///
    /// # Errors
    /// [`CameraError::NotFound`].
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Camera>, CameraError> {
        self.read().get(name).cloned().ok_or_else(|| self.not_found(name))
    }

    /// All cameras in the order of their names, without renditions.
    pub(crate) fn list(&self) -> Vec<Arc<Camera>> {
        self.read().values().filter(|entry| entry.rendition().is_none()).cloned().collect()
    }

    /// All cameras in the order of their names, each with its renditions behind it.
    pub(crate) fn with_renditions(&self) -> Vec<Arc<Camera>> {
        self.list().iter().flat_map(|camera| self.renditions(camera.name())).collect()
    }

    /// What can be shown of a camera: its own picture first, then its renditions in the order of
    /// their names; nothing if there is no such camera. Cheap enough to be asked for by every
    /// viewer once a second: a read lock held for a few look-ups in a tree, and an `Arc` for each.
    pub(crate) fn renditions(&self, camera: &str) -> Vec<Arc<Camera>> {
        let (first, end) = (format!("{camera}/"), format!("{camera}{AFTER_SLASH}"));
        let cameras = self.read();
        let Some(own) = cameras.get(camera) else { return Vec::new() };
        let renditions = cameras
            .range::<str, _>((Bound::Included(&*first), Bound::Excluded(&*end)))
            .map(|(_, entry)| entry);
        [own].into_iter().chain(renditions).cloned().collect()
    }

    /// Rises when a camera comes, goes, or changes its state.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// Where everything that happens is emitted.
    pub(crate) fn events(&self) -> &EventBus {
        &self.shared.events
    }

    /// Notices what has happened since the last call: silence, new states, frame rates. To be
    /// called a few times a second.
    pub(crate) fn tick(&self, now: ClockPair) {
        let mut changed = false;
        for camera in self.with_renditions() {
            let noticed = camera.tick(now);
            changed |= noticed.changed;
            for (at, kind, text) in noticed.events {
                // Whoever keeps a source logs its faults, and knows more about them.
                if kind == EventKind::CameraFrozen {
                    tracing::warn!(camera = %camera.name(), reason = &*text, "{}", kind.as_words());
                } else if camera.origin().publishable || kind == EventKind::CameraUnfrozen {
                    tracing::info!(camera = %camera.name(), reason = &*text, "{}", kind.as_words());
                }
                self.events().emit(at, kind, Some(camera.name()), text);
            }
        }
        if changed {
            self.announce();
        }
    }

    fn announce(&self) {
        self.shared.changed.send_modify(|n| *n += 1);
    }

    fn not_found(&self, name: &str) -> CameraError {
        if let (camera, Some(rendition)) = parts(name)
            && let [own, renditions @ ..] = self.renditions(camera).as_slice()
        {
            let has = renditions
                .iter()
                .filter_map(|entry| entry.rendition())
                .map(str::to_owned)
                .collect();
            return CameraError::NoRendition {
                camera: own.name().clone(),
                name: rendition.chars().take(64).collect(),
                has,
            };
        }
        let similar = |known: &Arc<str>| strsim::damerau_levenshtein(known, name) <= 2;
        let name: String = name.chars().take(64).collect();
        CameraError::NotFound {
            similar: self.read().keys().find(|known| similar(known)).cloned(),
            name,
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Arc<str>, Arc<Camera>>> {
        self.shared.cameras.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<Arc<str>, Arc<Camera>>> {
        self.shared.cameras.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
