//! `/api/v1/cameras/NAME/controls`: what can be set in a camera while it runs.

use super::Api;
use crate::{
    cameras::Camera,
    controls::{Control, ControlError, Outcome, Wishes},
    error::ApiError,
};
use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
};
use serde::Serialize;
use std::sync::Arc;

/// The controls of a camera.
#[derive(Serialize)]
pub(super) struct Controls {
    /// The camera is there and takes settings now.
    online: bool,
    /// As last told by the camera; empty if it was never there.
    controls: Vec<Control>,
    /// What people have set: it is set again when the camera comes back.
    set: Wishes,
    /// `set` survives a restart of the server.
    persistent: bool,
}

impl Controls {
    fn of(api: &Api, camera: &Camera) -> Result<Self, ControlError> {
        let desk = camera.controls();
        let (controls, online) = desk.list()?;
        Ok(Self { online, controls, set: desk.wishes(), persistent: api.settings.is_persistent() })
    }
}

/// `GET`: all controls. A camera without any has an empty list.
pub(super) async fn list(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Controls>, ApiError> {
    let camera = api.cameras.get(&name)?;
    let none =
        |_| Controls { online: false, controls: Vec::new(), set: Wishes::new(), persistent: false };
    Ok(Json(Controls::of(&api, &camera).unwrap_or_else(none)))
}

/// `PATCH`: sets some, all or none of them. 202 if the camera is not there, and they are set when
/// it is.
pub(super) async fn set(
    State(api): State<Api>,
    Path(name): Path<String>,
    wishes: Result<Json<Wishes>, JsonRejection>,
) -> Result<(StatusCode, Json<Controls>), ApiError> {
    let camera = api.cameras.get(&name)?;
    let Json(wishes) = wishes.map_err(|error| {
        let hint = "send an object as application/json: {\"brightness\": 0.2}";
        ApiError::new(error.status(), "bad_body", error.body_text(), hint)
    })?;
    // What was begun is kept even if whoever asked does not wait for the answer.
    let work = tokio::spawn(settle(api, camera, wishes));
    work.await.unwrap_or_else(|_| {
        let hint = "it is in the log; please report it";
        Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "setting controls has crashed",
            hint,
        ))
    })
}

async fn settle(
    api: Api,
    camera: Arc<Camera>,
    wishes: Wishes,
) -> Result<(StatusCode, Json<Controls>), ApiError> {
    let named: Vec<_> =
        wishes.keys().map(|name| name.chars().take(64).collect::<String>()).collect();
    let done = camera.controls().set(wishes).await;
    if done.is_ok() || matches!(done, Err(ControlError::Refused { .. } | ControlError::NoAnswer(_)))
    {
        tracing::info!(camera = %camera.name(), controls = named.join(", "), ?done, "controls set");
        if let Err(error) = api.settings.save(camera.name(), camera.controls()).await {
            tracing::error!(camera = %camera.name(), %error, "what was set cannot be written to the state directory");
        }
    }
    let status = match done? {
        Outcome::Done => StatusCode::OK,
        Outcome::Kept => StatusCode::ACCEPTED,
    };
    Ok((status, Json(Controls::of(&api, &camera)?)))
}
