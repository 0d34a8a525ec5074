//! Who watches, as API clients see it.

use super::Api;
use crate::{error::ApiError, viewers::ViewerInfo};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use media::Mono;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// All that is shown of a viewer. What a protocol cannot know is null.
#[derive(Serialize, Debug)]
pub(super) struct ViewerView {
    id: String,
    protocol: &'static str,
    transport: Option<&'static str>,
    camera: Arc<str>,
    rendition: Option<Arc<str>>,
    /// Why it is sent this rendition.
    rendition_reason: &'static str,
    address: Option<String>,
    since: String,
    connected: bool,
    frames_sent: u64,
    bytes_sent: u64,
    /// Units it did not get, for whatever reason.
    frames_skipped: u64,
    /// Of them, those for which its link was too thin.
    frames_skipped_congestion: u64,
    retransmits: u64,
    /// Bits a second, over the last seconds.
    bitrate: u64,
    /// What the link carries, in bits a second.
    estimate: Option<u64>,
    /// What the stream needs, in bits a second.
    needed: Option<u64>,
    link_limited: bool,
    /// Share of packets lost before repair, 0 to 1.
    loss: Option<f64>,
    rtt_ms: Option<f64>,
    /// From capture to the screen.
    latency_ms: Option<f64>,
    /// Least delay asked of the player.
    playout_ms: Option<f64>,
}

impl ViewerView {
    fn new(viewer: &ViewerInfo, now: Mono) -> Self {
        let (counts, facts, (transport, address)) = (viewer.counts(), &viewer.facts, viewer.path());
        let ms = |us: u64| us as f64 / 1000.0;
        Self {
            id: viewer.id(),
            protocol: viewer.protocol.as_str(),
            transport: transport.map(|t| t.as_str()),
            camera: viewer.camera.clone(),
            rendition: viewer.shown().rendition,
            rendition_reason: viewer.rendition_reason(),
            address: address.map(|a| a.to_string()),
            since: viewer.since.to_string(),
            connected: viewer.is_connected(),
            frames_sent: counts.frames,
            bytes_sent: counts.bytes,
            frames_skipped: counts.skipped(),
            frames_skipped_congestion: counts.congested,
            retransmits: counts.retransmits,
            bitrate: viewer.bitrate(now) as u64,
            estimate: facts.estimate.get(),
            needed: facts.needed.get(),
            link_limited: viewer.is_link_limited(),
            loss: facts.loss.get().map(|millionths| millionths as f64 / 1e6),
            rtt_ms: facts.rtt.get().map(ms),
            latency_ms: facts.latency.get().map(ms),
            playout_ms: facts.playout.get().map(ms),
        }
    }
}

/// Which viewers are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    camera: Option<String>,
    protocol: Option<String>,
}

/// `GET /api/v1/viewers?camera=NAME&protocol=NAME`: everybody who watches now, the oldest first.
pub(super) async fn list(
    State(api): State<Api>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(Wanted { camera, protocol }) = wanted.map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad_query",
            error.body_text(),
            "known here: camera, protocol",
        )
    })?;
    let now = api.clock.now();
    let mut list = api.viewers.list();
    list.retain(|viewer| {
        camera.as_deref().is_none_or(|camera| camera == &*viewer.camera)
            && protocol.as_deref().is_none_or(|protocol| protocol == viewer.protocol.as_str())
    });
    Ok(Json(
        json!({ "viewers": list.iter().map(|viewer| ViewerView::new(viewer, now)).collect::<Vec<_>>() }),
    ))
}

/// `GET /api/v1/viewers/ID`: one of them.
pub(super) async fn one(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<ViewerView>, ApiError> {
    let viewer = api.viewers.get(&id)?;
    Ok(Json(ViewerView::new(&viewer, api.clock.now())))
}

/// `DELETE /api/v1/viewers/ID`: ends one, who is off the list a moment later.
pub(super) async fn end(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.viewers.end(&id)?;
    tracing::info!(viewer = id, "viewer sent away by the API");
    Ok(StatusCode::ACCEPTED)
}
