//! WHEP over HTTP: `POST /live/CAMERA/whep` and the session it makes (draft-ietf-wish-whep, RFC
//! 9725 for the shared parts); and [`whip`].

mod whip;

use super::service::{Joined, Patched, Refusal, Service};
use crate::{cameras::Cameras, error::ApiError};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use hub::PublishError;
use proto::webrtc::receive_negotiation::ReceiveRefusal;
use std::{net::IpAddr, sync::Arc};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// An offer of a browser has a tenth of this.
const MAX_OFFER: usize = 32 * 1024;
const USE_H264: &str = "publish H.264: in OBS choose an x264 or hardware H.264 encoder, in GStreamer x264enc; Chrome, Edge and Safari \
                        have it, Firefox after a start or two, and Chromium builds without it cannot publish here";

#[derive(Clone)]
struct Api {
    service: Arc<Service>,
    cameras: Cameras,
}

/// The routes of WHEP and WHIP.
pub(super) fn router(service: Arc<Service>, cameras: Cameras) -> Router {
    Router::new()
        .route("/live/{camera}/whep", post(offer).options(options))
        .route("/live/{camera}/{rendition}/whep", post(offer_rendition).options(options))
        .route("/live/{camera}/whep/{session}", session_methods())
        .merge(whip::router())
        .with_state(Api { service, cameras })
}

fn session_methods() -> axum::routing::MethodRouter<Api> {
    axum::routing::delete(leave).patch(patch).options(options)
}

async fn offer(
    State(api): State<Api>,
    Path(camera): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    join(&api, &camera, &headers, &body).await
}

async fn offer_rendition(
    State(api): State<Api>,
    Path((camera, rendition)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    join(&api, &format!("{camera}/{rendition}"), &headers, &body).await
}

async fn join(
    api: &Api,
    camera: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, ApiError> {
    let stream = api.cameras.play(camera)?;
    let offer = text(headers, SDP, body)?;
    // Who asks for a rendition gets that one; who asks for the camera gets what the link carries.
    let renditions = (!camera.contains('/')).then(|| api.cameras.clone());
    let Joined { answer, secret, viewer, etag } =
        api.service.join(stream, renditions, offer, host(headers)).await?;
    // One level for all: the secret alone finds the session.
    let base = camera.split('/').next().unwrap_or(camera);
    let location = format!("/live/{base}/whep/{secret}");
    let answer_headers = [
        (header::CONTENT_TYPE, SDP.to_owned()),
        (header::LOCATION, location),
        (header::ETAG, quoted(etag)),
        (HeaderName::from_static("accept-patch"), FRAGMENT.to_owned()),
        (HeaderName::from_static("x-viewer"), viewer),
    ];
    Ok((StatusCode::CREATED, answer_headers, answer).into_response())
}

async fn patch(
    State(api): State<Api>,
    Path((_, session)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let text = text(&headers, FRAGMENT, &body)?;
    let etag = if_match(&headers)?;
    Ok(match api.service.patch(&session, etag, text).await? {
        Patched::Candidates => StatusCode::NO_CONTENT.into_response(),
        Patched::Restarted { fragment, etag } => {
            ([(header::CONTENT_TYPE, FRAGMENT.to_owned()), (header::ETAG, quoted(etag))], fragment)
                .into_response()
        }
    })
}

async fn leave(
    State(api): State<Api>,
    Path((_, session)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    api.service.leave(&session).await?;
    Ok(StatusCode::OK)
}

/// What may be sent here (RFC 9725 §4.2). Preflights of browsers are answered for all routes
/// together.
async fn options() -> Response {
    let headers = [
        (HeaderName::from_static("accept-post"), SDP),
        (HeaderName::from_static("accept-patch"), FRAGMENT),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// The body, if it is of the right type and text.
fn text<'a>(headers: &HeaderMap, wanted: &str, body: &'a [u8]) -> Result<&'a str, ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !given.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(wanted)) {
        let message = format!(
            "the body must be {wanted}, not {:?}",
            given.chars().take(80).collect::<String>()
        );
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(ApiError::new(
            status,
            "wrong_content_type",
            message,
            format!("send the header Content-Type: {wanted}"),
        ));
    }
    if body.len() > MAX_OFFER {
        let message = format!("the body is longer than {MAX_OFFER} bytes");
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            message,
            "send the offer of one player only",
        ));
    }
    let bad = |_| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad_offer",
            "the body is not text",
            "send the SDP as the browser made it",
        )
    };
    std::str::from_utf8(body).map_err(bad)
}

/// The entity tag of `If-Match`, `None` for `*`, as RFC 9725 §4.3 wants it for every change.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        let hint = "send If-Match with the ETag of the answer to POST, or * for an ICE restart";
        return Err(ApiError::new(
            StatusCode::PRECONDITION_REQUIRED,
            "if_match_missing",
            "the header If-Match is missing",
            hint,
        ));
    };
    let value = value.to_str().unwrap_or_default().trim();
    if value == "*" {
        return Ok(None);
    }
    let tag = value.trim_matches('"').parse().map_err(|_| ApiError::from(Refusal::Stale))?;
    Ok(Some(tag))
}

/// The address by which the browser reached us, which the machine itself may not know: of a NAT, of
/// a container's host.
fn host(headers: &HeaderMap) -> Option<IpAddr> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => host.split(':').next()?,
    };
    name.parse().ok()
}

fn quoted(etag: u64) -> String {
    format!("\"{etag}\"")
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let (status, code, hint) = match &refusal {
            Refusal::Refused(refused) => return refused.clone().into(),
            Refusal::Offer(_) => (
                StatusCode::BAD_REQUEST,
                "bad_offer",
                "send the SDP of createOffer() as the browser made it",
            ),
            Refusal::Codec(_) => {
                let hint = "set the camera to H.264, or use another browser; HLS or MJPEG may show it as well";
                (StatusCode::NOT_ACCEPTABLE, "codec_not_supported", hint)
            }
            Refusal::ReceiveRefusal(ReceiveRefusal::Nothing) => (
                StatusCode::BAD_REQUEST,
                "bad_offer",
                "send an offer with a=sendonly; to watch, POST to /live/CAMERA/whep",
            ),
            Refusal::ReceiveRefusal(ReceiveRefusal::Picture(_)) => {
                (StatusCode::NOT_ACCEPTABLE, "codec_not_supported", USE_H264)
            }
            Refusal::ReceiveRefusal(ReceiveRefusal::Sound(_)) => (
                StatusCode::NOT_ACCEPTABLE,
                "codec_not_supported",
                "publish the sound as Opus, which every browser can",
            ),
            Refusal::Busy { refused: PublishError::Busy { .. }, .. } => {
                let hint = "end that one first; a publisher that has vanished is replaced after a few seconds";
                return Self::new(StatusCode::CONFLICT, "camera_busy", refusal.to_string(), hint)
                    .retry_later();
            }
            Refusal::Busy { refused: PublishError::Disabled(_), .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "camera_stopped",
                "POST /api/v1/cameras/NAME/start lets it run again",
            ),
            Refusal::Busy { .. } => {
                (StatusCode::NOT_FOUND, "camera_not_found", "GET /api/v1/cameras lists all")
            }
            Refusal::NoSession => (StatusCode::NOT_FOUND, "session_not_found", "POST a new offer"),
            Refusal::Stale => (
                StatusCode::PRECONDITION_FAILED,
                "session_changed",
                "POST a new offer, or send If-Match: *",
            ),
            Refusal::Stopping => {
                (StatusCode::SERVICE_UNAVAILABLE, "stopping", "try again in a few seconds")
            }
        };
        Self::new(status, code, refusal.to_string(), hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn hosts_that_are_addresses_are_offered() {
        let of = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            super::host(&headers).map(|ip| ip.to_string())
        };
        assert_eq!(of("192.0.2.1:8080").as_deref(), Some("192.0.2.1"));
        assert_eq!(of("[2001:db8::1]:8080").as_deref(), Some("2001:db8::1"));
        assert_eq!(of("camera.example:8080"), None);
    }
}
