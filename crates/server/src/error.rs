//! The one table from errors inside to answers outside: `{"error":{"code","message","hint"}}` with the right status.

use crate::cameras::CameraError;
use axum::{
    Json,
    http::StatusCode,
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
}

impl ApiError {
    /// An error with a code for programs, and a message and a hint for people.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, message: message.into(), hint: hint.into() }
    }
}

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
        (self.status, Json(Body { error })).into_response()
    }
}

impl From<CameraError> for ApiError {
    fn from(error: CameraError) -> Self {
        let status = match error {
            CameraError::NotFound { .. } => StatusCode::NOT_FOUND,
            CameraError::NotPublishable { .. } => StatusCode::FORBIDDEN,
            CameraError::NothingToRun { .. } => StatusCode::CONFLICT,
        };
        Self::new(status, error.code(), error.to_string(), error.hint())
    }
}
