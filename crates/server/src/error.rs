//! The one table from errors inside to answers outside: `{"error":{"code","message","hint"}}` with
//! the right status.

use crate::{
    cameras::CameraError,
    controls::ControlError,
    viewers::{JoinRefused, NoViewer},
};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::borrow::Cow;

/// An answer that tells an API client what went wrong and what to do next. Holds no secret.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    hint: Cow<'static, str>,
    retry: bool,
}

impl ApiError {
    /// An error with a code for programs, and a message and a hint for people.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, message: message.into(), hint: hint.into(), retry: false }
    }

    /// The same, with the header `Retry-After`: trying again by itself is of use.
    pub(crate) fn retry_later(self) -> Self {
        Self { retry: true, ..self }
    }
}

/// Seconds after which a client may try again what is not possible now.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

#[derive(Serialize)]
struct Body<'a> {
    error: Detail<'a>,
}

#[derive(Serialize)]
struct Detail<'a> {
    code: &'a str,
    message: &'a str,
    hint: &'a str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = Detail { code: self.code, message: &self.message, hint: &self.hint };
        let mut response = (self.status, Json(Body { error })).into_response();
        if self.retry {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

impl From<CameraError> for ApiError {
    fn from(error: CameraError) -> Self {
        let status = match error {
            CameraError::NotFound { .. } | CameraError::NoRendition { .. } => StatusCode::NOT_FOUND,
            CameraError::NotPublishable { .. } => StatusCode::FORBIDDEN,
            CameraError::NotLive { .. } | CameraError::NotStarted { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            CameraError::NotCarried { .. } => StatusCode::NOT_ACCEPTABLE,
        };
        let answer = Self::new(status, error.code(), error.to_string(), error.hint());
        if status == StatusCode::SERVICE_UNAVAILABLE { answer.retry_later() } else { answer }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        let status = match error {
            ControlError::None | ControlError::NotChangeable { .. } => StatusCode::CONFLICT,
            ControlError::Busy => StatusCode::TOO_MANY_REQUESTS,
            ControlError::NoAnswer(_) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let answer = Self::new(status, error.code(), error.to_string(), error.hint());
        if status == StatusCode::TOO_MANY_REQUESTS { answer.retry_later() } else { answer }
    }
}

impl From<JoinRefused> for ApiError {
    fn from(refused: JoinRefused) -> Self {
        let error = |status| Self::new(status, refused.code(), refused.to_string(), refused.hint());
        match refused {
            JoinRefused::ServerFull(_) | JoinRefused::CameraFull(..) => {
                error(StatusCode::SERVICE_UNAVAILABLE).retry_later()
            }
            JoinRefused::Ended => error(StatusCode::GONE),
        }
    }
}

impl From<NoViewer> for ApiError {
    fn from(error: NoViewer) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "viewer_not_found",
            error.to_string(),
            "GET /api/v1/viewers lists all with their ids",
        )
    }
}
