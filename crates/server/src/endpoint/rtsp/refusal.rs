//! Why not, in RTSP's terms.

use crate::{cameras::CameraError, viewers::JoinRefused};
use hub::{PublishError, Status};
use proto::rtsp::{Refusal, StatusCode};

/// A camera that cannot be had. The detail carries the hint, since most clients show nothing else.
pub(super) fn camera(error: &CameraError) -> Refusal {
    let status = match error {
        CameraError::NotFound { .. } | CameraError::NoRendition { .. } => StatusCode::NotFound,
        CameraError::NotPublishable { .. } => StatusCode::MethodNotAllowed,
        CameraError::NotLive { .. } | CameraError::NotStarted { .. } => {
            StatusCode::ServiceUnavailable
        }
        CameraError::NotCarried { .. } => StatusCode::UnsupportedMediaType,
    };
    Refusal::new(status, error.to_string())
}

/// A viewer more than there may be.
pub(super) fn viewer(refused: &JoinRefused) -> Refusal {
    Refusal::new(StatusCode::ServiceUnavailable, format!("{refused}; {}", refused.hint()))
}

/// A stream that cannot be published.
pub(super) fn publish(error: &PublishError) -> Refusal {
    match error {
        PublishError::Busy { .. } => Refusal::new(
            StatusCode::Forbidden,
            format!("{error}; end that publisher first, or publish under another name"),
        ),
        PublishError::Disabled(_) => {
            Refusal::new(StatusCode::ServiceUnavailable, error.to_string())
        }
        PublishError::Replaced | PublishError::Ended(_) => {
            Refusal::new(StatusCode::NotFound, error.to_string())
        }
    }
}

/// A camera that exists but has no picture.
pub(super) fn offline(name: &str, status: &Status) -> Refusal {
    let (state, reason) = (status.state.as_str(), &status.reason);
    Refusal::new(StatusCode::ServiceUnavailable, format!("camera {name} is {state}: {reason}"))
}

/// Something on this side does not work.
pub(super) fn internal(what: &str, error: &std::io::Error) -> Refusal {
    Refusal::new(StatusCode::InternalServerError, format!("{what}: {error}"))
}

/// A description that cannot be taken.
pub(super) fn description(error: &proto::sdp::Error) -> Refusal {
    let status = match error {
        proto::sdp::Error::Unsupported(_) => StatusCode::UnsupportedMediaType,
        _ => StatusCode::BadRequest,
    };
    Refusal::new(status, error.to_string())
}
