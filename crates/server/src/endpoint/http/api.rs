//! REST: `/api/v1/…`.

use super::{Api, view::CameraView};
use crate::{cameras::Event, error::ApiError};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use hub::KeyframeRequest;
use serde::Deserialize;
use serde_json::{Value, json};

/// `GET /api/v1/cameras`.
pub(super) async fn cameras(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "cameras": super::view::all(&api) }))
}

/// `GET /api/v1/cameras/NAME`.
pub(super) async fn camera(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<CameraView>, ApiError> {
    let camera = api.cameras.get(&name)?;
    Ok(Json(CameraView::new(&api, &camera)))
}

/// `GET /api/v1/time`: the server's wall clock in microseconds since 1970, read as late as
/// possible.
pub(super) async fn time(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "server_us": api.clock.pair().wall.as_micros() }))
}

/// `POST /api/v1/cameras/NAME/keyframe`: asks the camera's encoder for a keyframe, and tells
/// whether it was asked.
pub(super) async fn keyframe(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let result = match api.cameras.play(&name)?.request_keyframe(api.clock.now()) {
        KeyframeRequest::Sent => "sent",
        KeyframeRequest::Delayed => "delayed",
        KeyframeRequest::Unsupported => "unsupported",
        KeyframeRequest::NoPublisher => "not_live",
    };
    Ok(Json(json!({ "result": result })))
}

/// Which events are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Of this camera only.
    camera: Option<String>,
    /// Newer than the event of this number.
    after: Option<u64>,
    /// At most so many, the newest.
    limit: Option<usize>,
}

/// Events in one answer if the client names no limit.
const EVENTS: usize = 200;

/// `GET /api/v1/events?camera=NAME&after=ID&limit=N`: what happened lately, oldest first.
pub(super) async fn events(
    State(api): State<Api>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(wanted) = wanted.map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad_query",
            error.body_text(),
            "known here: camera, after, limit",
        )
    })?;
    let accepted = |event: &Event| {
        wanted.after.is_none_or(|after| event.id > after)
            && (wanted.camera.is_none() || event.camera.as_deref() == wanted.camera.as_deref())
    };
    Ok(Json(
        json!({ "events": api.cameras.events().newest(wanted.limit.unwrap_or(EVENTS), accepted) }),
    ))
}
