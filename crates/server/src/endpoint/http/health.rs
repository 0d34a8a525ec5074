//! `GET /health`: is everything that should deliver pictures delivering them?

use super::{
    Api,
    view::{self, CameraView},
};
use crate::cameras::Camera;
use axum::{Json, extract::State, http::StatusCode};
use hub::State as Is;
use serde::Serialize;

/// What became of the newest config file.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Debug)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum ConfigState {
    /// It is what runs.
    #[default]
    Ok,
    /// It runs, but for what only a restart of the server can change.
    NeedsRestart {
        /// Which keys.
        keys: Vec<&'static str>,
    },
    /// It is wrong, and the one before it keeps running.
    Rejected {
        /// Every problem with its file and line.
        error: String,
    },
}

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
    config: ConfigState,
    cameras: Vec<CameraView>,
}

/// 200 while everything is fine, 503 when degraded.
pub(super) async fn health(State(api): State<Api>) -> (StatusCode, Json<Health>) {
    let degraded = api.cameras.with_renditions().iter().any(|camera| degraded(camera));
    let (code, status) = match degraded {
        true => (StatusCode::SERVICE_UNAVAILABLE, "degraded"),
        false => (StatusCode::OK, "ok"),
    };
    let cameras = view::all(&api);
    (code, Json(Health { status, config: api.config.borrow().clone(), cameras }))
}

/// A camera or a rendition that should deliver and does not: somebody counts on the rendition, and
/// would not hear of it otherwise. One that waits for its first publisher has not been promised to
/// anybody yet, one that is only just connecting gets the benefit of the doubt, and one that rests
/// because nobody watches is fine: had its source failed, there would be a next try.
fn degraded(camera: &Camera) -> bool {
    let (stream, origin) = (camera.stream(), camera.origin());
    let status = stream.status();
    match status.state {
        Is::Live | Is::Connecting => false,
        Is::Stalled => true,
        Is::Offline if origin.publishable => stream.stats().publishers > 0,
        Is::Offline => !origin.on_demand || status.next_try.is_some(),
    }
}
