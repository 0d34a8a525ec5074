//! A camera as API clients and the page see it.

use super::Api;
use crate::{cameras::Camera, viewers::Shown};
use media::{CaptureClock, MediaKind, Mono, Track, Wall};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A camera with its renditions.
#[derive(Serialize, Debug)]
pub(super) struct CameraView {
    #[serde(flatten)]
    own: StreamView,
    renditions: Vec<StreamView>,
}

/// All that is shown of a camera's own picture, or of a rendition.
#[derive(Serialize, Debug)]
struct StreamView {
    /// Of the camera, or of the rendition within it.
    name: Arc<str>,
    /// The name for people; of cameras only.
    title: Option<Arc<str>>,
    /// The source in words, without secrets.
    source: Arc<str>,
    state: &'static str,
    /// Why it is so; empty when live.
    reason: Arc<str>,
    /// Age of the state.
    since_ms: u64,
    /// Time to the next attempt, while there is one.
    next_try_ms: Option<u64>,
    /// Frames keep coming, of a picture that does not change.
    frozen: Option<FrozenView>,
    publisher: Option<Arc<str>>,
    tracks: Vec<TrackView>,
    /// Video frames a second, over the last seconds.
    fps: f64,
    /// Bits a second, over the last seconds.
    bitrate: u64,
    /// People and programs that watch, by any protocol.
    viewers: usize,
    restarts: u64,
    last_restart: Option<RestartView>,
    last_frame_age_ms: Option<u64>,
    /// How the capture time of the newest frame is known: `sensor`, `sender_report` or `arrival`.
    capture_clock: Option<&'static str>,
}

#[derive(Serialize, Debug)]
struct RestartView {
    age_ms: u64,
    cause: Arc<str>,
}

#[derive(Serialize, Debug)]
struct FrozenView {
    /// When it last changed (RFC 3339).
    since: String,
    /// The age of that.
    since_ms: u64,
}

#[derive(Serialize, Debug)]
struct TrackView {
    kind: &'static str,
    codec: &'static str,
    width: Option<u32>,
    height: Option<u32>,
}

/// All cameras in the order of their names.
pub(super) fn all(api: &Api) -> Vec<CameraView> {
    let (viewers, now) = (api.viewers.counts(), api.clock.now());
    let view = |camera: &Arc<Camera>| CameraView::build(api, camera, &viewers, now);
    api.cameras.list().iter().map(view).collect()
}

impl CameraView {
    /// The camera as it is now.
    pub(super) fn new(api: &Api, camera: &Camera) -> Self {
        Self::build(api, camera, &api.viewers.counts(), api.clock.now())
    }

    /// Viewers of a camera's renditions are viewers of the camera.
    fn build(api: &Api, camera: &Camera, viewers: &BTreeMap<Shown, usize>, now: Mono) -> Self {
        let view = |camera: &Camera| {
            let viewers = viewers.get(&Shown::new(camera.name())).copied();
            StreamView::new(camera, viewers.unwrap_or_default(), now)
        };
        let renditions = api.cameras.renditions(camera.name());
        let renditions: Vec<_> = renditions.iter().skip(1).map(|camera| view(camera)).collect();
        let mut own = view(camera);
        own.viewers += renditions.iter().map(|rendition| rendition.viewers).sum::<usize>();
        Self { own, renditions }
    }
}

impl StreamView {
    fn new(camera: &Camera, viewers: usize, now: Mono) -> Self {
        let (stream, rates, restarts) = (camera.stream(), camera.rates(), camera.restarts());
        let (status, stats) = (stream.status(), stream.stats());
        Self {
            name: camera.rendition().unwrap_or(camera.camera_name()).into(),
            title: camera.title(),
            source: camera.origin().text,
            state: status.state.as_str(),
            reason: status.reason.clone(),
            since_ms: ms(now.since(status.since)),
            next_try_ms: status.next_try.map(|at| ms(at.since(now))),
            frozen: camera.stillness().frozen().map(|frozen| FrozenView::new(frozen, now)),
            publisher: stream.publisher(),
            tracks: stream
                .catalog()
                .map_or_else(Vec::new, |c| c.tracks.iter().map(TrackView::new).collect()),
            fps: (rates.fps * 10.0).round() / 10.0,
            bitrate: camera.bitrate(),
            viewers,
            restarts: restarts.total(),
            last_restart: restarts
                .last
                .map(|(at, cause)| RestartView { age_ms: ms(now.since(at)), cause }),
            last_frame_age_ms: stats.newest_at.map(|at| ms(now.since(at))),
            capture_clock: stats.newest_clock.map(CaptureClock::as_str),
        }
    }
}

impl FrozenView {
    fn new((since, wall): (Mono, Wall), now: Mono) -> Self {
        Self { since: wall.to_string(), since_ms: ms(now.since(since)) }
    }
}

impl TrackView {
    fn new(track: &Track) -> Self {
        let video = track.codec.video_params();
        Self {
            kind: match track.codec.kind() {
                MediaKind::Video => "video",
                MediaKind::Audio => "audio",
            },
            codec: track.codec.name(),
            width: video.map(|v| v.width),
            height: video.map(|v| v.height),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
