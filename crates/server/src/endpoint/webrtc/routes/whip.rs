//! WHIP over HTTP: `POST /live/CAMERA/whip` and the session it makes (RFC 9725).

use super::{Api, FRAGMENT, SDP, host, options, quoted, session_methods, text};
use crate::{endpoint::webrtc::service::publish::Accepted, error::ApiError};
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use std::net::SocketAddr;

type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

/// The routes of WHIP.
pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/live/{camera}/whip", post(offer).options(options))
        .route("/live/{camera}/{rendition}/whip", post(offer_rendition).options(options))
        .route("/live/{camera}/whip/{session}", session_methods())
}

async fn offer(
    State(api): State<Api>,
    Path(camera): Path<String>,
    peer: Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    publish(&api, &camera, peer, &headers, &body).await
}

async fn offer_rendition(
    State(api): State<Api>,
    Path((camera, rendition)): Path<(String, String)>,
    peer: Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    publish(&api, &format!("{camera}/{rendition}"), peer, &headers, &body).await
}

async fn publish(
    api: &Api,
    camera: &str,
    peer: Peer,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, ApiError> {
    let stream = api.cameras.publish(camera)?;
    let offer = text(headers, SDP, body)?;
    let peer = peer.map(|Extension(ConnectInfo(peer))| peer);
    let Accepted { answer, secret, etag } =
        api.service.publish(&stream, offer, peer, host(headers)).await?;
    // One level for all: the secret alone finds the session.
    let base = camera.split('/').next().unwrap_or(camera);
    let answer_headers = [
        (header::CONTENT_TYPE, SDP.to_owned()),
        (header::LOCATION, format!("/live/{base}/whip/{secret}")),
        (header::ETAG, quoted(etag)),
        (HeaderName::from_static("accept-patch"), FRAGMENT.to_owned()),
    ];
    Ok((StatusCode::CREATED, answer_headers, answer).into_response())
}
