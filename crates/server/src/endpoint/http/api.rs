//! REST: `/api/v1/…`.

use super::{Api, view::CameraView};
use crate::error::ApiError;
use axum::{
    Json,
    extract::{Path, State},
};
use hub::KeyframeRequest;
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
