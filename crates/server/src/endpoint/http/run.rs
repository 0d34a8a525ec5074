//! Starting a camera until it can really be watched, and stopping it until nothing of it is left.

use super::{Api, view::CameraView};
use crate::{
    cameras::{Camera, CameraError, Order},
    error::ApiError,
    event::EventKind,
};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use futures::future::{BoxFuture, join_all};
use hub::{ReaderKind, ReaderOptions, State as Doing, Status, Stream};
use media::Mono;
use serde::Deserialize;
use std::{sync::Arc, time::Duration};

/// Waits until HLS has something to play of the stream of this name; at once where its codecs are
/// not for HLS.
pub(crate) type FirstSegment =
    Arc<dyn Fn(Arc<str>) -> BoxFuture<'static, Result<(), CameraError>> + Send + Sync>;

/// More patience than any caller may ask for.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(65);
/// Seconds that a start may take if the caller does not say, and at most.
const TIMEOUT: f64 = 10.0;
const MAX_TIMEOUT: f64 = 60.0;
/// Sources say goodbye within one second, or are cut off.
const STOPPED_WITHIN: Duration = Duration::from_secs(3);

const LOOK: &str = "GET /api/v1/cameras/NAME tells more; the server goes on trying, unless the camera runs on demand";
const AGAIN: &str = "somebody stopped the camera meanwhile: start it again";
const NO_PUBLISHER: &str =
    "publish to it first: rtsp://HOST:8554/NAME, or open /publish/NAME in a browser with a camera";
const NO_KEY: &str = "frames arrive, but not what HLS begins with: shorten the keyframe interval, or ask with ?hls=0";

/// How long to wait, and for what.
#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Seconds.
    timeout: Option<f64>,
    /// 0: do not wait for the first segment of HLS.
    hls: Option<u8>,
}

impl Asked {
    fn timeout(self) -> Result<Duration, ApiError> {
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        let bad = || {
            refused(
                format!("timeout={timeout} is not possible"),
                format!("use seconds from 0 to {MAX_TIMEOUT}"),
            )
        };
        let within = (0.0..=MAX_TIMEOUT).contains(&timeout);
        within.then(|| Duration::from_secs_f64(timeout)).ok_or_else(bad)
    }
}

fn refused(message: String, hint: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_query", message, hint)
}

/// `POST /api/v1/cameras/NAME/start?timeout=SECONDS&hls=0`: runs a source that was stopped, or
/// tries at once instead of waiting, and answers when there is a picture for whoever comes.
pub(super) async fn start(
    State(api): State<Api>,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<CameraView>, ApiError> {
    let Query(asked) =
        asked.map_err(|e| refused(e.body_text(), "known here: timeout, hls".to_owned()))?;
    let (within, camera) = (asked.timeout()?, api.cameras.get(&name)?);
    let start = Start::new(&api, &camera, within);
    order(&api, &api.cameras.renditions(&name), Order::Start).await;
    start.watchable(asked.hls != Some(0)).await?;
    Ok(Json(CameraView::new(&api, &camera)))
}

/// `POST /api/v1/cameras/NAME/stop`: stops the source until it is started again, and lets go of all
/// that is held of it. 202 if that takes unusually long.
pub(super) async fn stop(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<CameraView>), ApiError> {
    let camera = api.cameras.get(&name)?;
    let all = api.cameras.renditions(&name);
    order(&api, &all, Order::Stop).await;
    let stopped = join_all(all.into_iter().map(until_held));
    let done = tokio::time::timeout(STOPPED_WITHIN, stopped).await.is_ok();
    let status = if done { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(CameraView::new(&api, &camera))))
}

/// `POST /api/v1/cameras/NAME/restart`: starts the source anew; viewers stay. The state of the
/// camera tells what becomes of it.
pub(super) async fn restart(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    order(&api, &[api.cameras.get(&name)?], Order::Restart).await;
    Ok(StatusCode::ACCEPTED)
}

/// Gives an order to cameras and renditions, and returns when it would survive the end of the
/// server.
async fn order(api: &Api, streams: &[Arc<Camera>], order: Order) {
    let now = api.clock.pair();
    for camera in streams {
        let give = || camera.order(now.mono, order);
        match order {
            Order::Stop => api.stops.stop(camera.name(), now.wall, give),
            Order::Start | Order::Restart => api.stops.start(camera.name(), give),
            // Changes nothing about who is stopped.
            Order::Mend(_) => give(),
        }
    }
    let told = match order {
        Order::Start => Some(EventKind::CameraStarted),
        Order::Stop => Some(EventKind::CameraStopped),
        // The event of the restart itself tells of it.
        _ => None,
    };
    if let (Some(kind), Some(camera)) = (told, streams.first()) {
        api.cameras.events().emit(now.wall, kind, Some(camera.name()), "by command");
    }
    let stops = api.stops.clone();
    // What was ordered is kept even if whoever asked does not wait for the answer.
    let saved = tokio::spawn(async move { stops.save().await });
    if let Ok(Err(error)) = saved.await {
        tracing::error!(%error, "which cameras are stopped cannot be written to the state directory");
    }
}

async fn until_held(camera: Arc<Camera>) {
    let mut changes = camera.stream().changes();
    while !camera.stream().is_disabled() && changes.changed().await.is_ok() {}
}

/// Somebody waits for a camera that is told to start.
struct Start<'a> {
    api: &'a Api,
    stream: Arc<Stream>,
    begun: Mono,
    deadline: Mono,
    /// How it was before.
    status: Arc<Status>,
    disabled_count: u64,
}

impl<'a> Start<'a> {
    fn new(api: &'a Api, camera: &Camera, within: Duration) -> Self {
        let (stream, begun) = (camera.stream().clone(), api.clock.now());
        let (status, disabled_count) = (stream.status(), stream.disabled_count());
        Self { api, stream, begun, deadline: begun + within, status, disabled_count }
    }

    /// Waits until there is something to be seen.
    async fn watchable(&self, hls: bool) -> Result<(), CameraError> {
        // A source on demand runs while this reader is there, and goes on for a while after the
        // answer. It is no viewer.
        let _reader = self.stream.subscribe(ReaderOptions::of(ReaderKind::Waiter));
        let seen = tokio::time::timeout(self.deadline.since(self.begun), async {
            self.live().await?;
            if hls { (self.api.first_segment)(self.stream.name().clone()).await } else { Ok(()) }
        });
        match seen.await {
            Ok(Err(CameraError::NotLive { .. })) | Err(_) => Err(self.not_started()),
            Ok(seen) => seen,
        }
    }

    /// Waits for a picture. Ends before the time if it would be in vain.
    async fn live(&self) -> Result<(), CameraError> {
        let mut changes = self.stream.changes();
        while !self.stream.is_watchable() {
            // It may be removed meanwhile.
            self.api.cameras.get(self.stream.name())?;
            if self.is_in_vain() {
                return Err(self.not_started());
            }
            if changes.changed().await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// It was stopped again, or will not be tried again in time.
    fn is_in_vain(&self) -> bool {
        let status = self.stream.status();
        let news = !Arc::ptr_eq(&status, &self.status);
        self.stopped_again() || news && status.next_try.is_some_and(|at| at >= self.deadline)
    }

    fn stopped_again(&self) -> bool {
        self.stream.is_disabled() && self.stream.disabled_count() != self.disabled_count
    }

    fn not_started(&self) -> CameraError {
        let publishable = self
            .api
            .cameras
            .get(self.stream.name())
            .is_ok_and(|camera| camera.origin().publishable);
        let hint = match self.stream.status().state {
            _ if self.stopped_again() => AGAIN,
            Doing::Offline if publishable => NO_PUBLISHER,
            Doing::Live => NO_KEY,
            _ => LOOK,
        };
        CameraError::not_started(&self.stream, self.api.clock.now().since(self.begun), hint)
    }
}
