//! HTTP: one endless answer.

use super::{
    Access,
    feed::{Container, End, Feed},
};
use crate::{
    cameras::CameraError,
    error::ApiError,
    viewers::{JoinRequest, Protocol, ViewerTransport},
};
use axum::{
    Extension, Router,
    body::Body,
    extract::{ConnectInfo, Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::{StreamExt, stream};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

/// A source that runs on demand has this long to bring its first keyframe.
const FIRST_WITHIN: Duration = Duration::from_secs(12);

pub(super) fn router(access: Access) -> Router {
    Router::new()
        .route("/live/{camera}/stream.mp4", get(mp4))
        .route("/live/{camera}/stream.ts", get(ts))
        .route("/live/{camera}/{rendition}/stream.mp4", get(mp4_of_rendition))
        .route("/live/{camera}/{rendition}/stream.ts", get(ts_of_rendition))
        .with_state(access)
}

type Rendition = Path<(String, String)>;
type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

async fn mp4(
    State(access): State<Access>,
    Path(camera): Path<String>,
    peer: Peer,
) -> Result<Response, ApiError> {
    answer(&access, &camera, Container::Mp4, peer).await
}

async fn ts(
    State(access): State<Access>,
    Path(camera): Path<String>,
    peer: Peer,
) -> Result<Response, ApiError> {
    answer(&access, &camera, Container::Ts, peer).await
}

async fn mp4_of_rendition(
    State(access): State<Access>,
    Path(name): Rendition,
    peer: Peer,
) -> Result<Response, ApiError> {
    answer(&access, &format!("{}/{}", name.0, name.1), Container::Mp4, peer).await
}

async fn ts_of_rendition(
    State(access): State<Access>,
    Path(name): Rendition,
    peer: Peer,
) -> Result<Response, ApiError> {
    answer(&access, &format!("{}/{}", name.0, name.1), Container::Ts, peer).await
}

/// Waits for the first frame, so that whoever asks in vain is told why, then answers for ever.
async fn answer(
    access: &Access,
    name: &str,
    container: Container,
    peer: Peer,
) -> Result<Response, ApiError> {
    let stream = access.cameras.play(name)?;
    if access.cameras.is_idle(&stream) {
        return Err(CameraError::not_live(&stream).into());
    }
    let ended = access.stop.child_token();
    let end = ended.clone();
    let request = JoinRequest {
        protocol: Protocol::Http,
        stream: name,
        end: Arc::new(move |_| end.cancel()),
    };
    let handle = access.viewers.join(request, access.clock.pair())?;
    handle.set_connected(ViewerTransport::Tcp, peer.map(|Extension(info)| info.0));
    let mut feed = Feed::new(&stream, container, handle, ended);
    let first = tokio::time::timeout(FIRST_WITHIN, feed.next()).await;
    let first = first.map_err(|_| CameraError::not_live(&stream))?.map_err(|end| match end {
        End::NotCarried(catalog) => CameraError::not_carried(&stream, &catalog, container.name()),
        End::Over => CameraError::not_live(&stream),
    })?;
    let rest = stream::unfold(feed, async |mut feed| Some((feed.next().await.ok()?, feed)));
    let pieces = stream::once(async { first }).chain(rest).map(Ok::<_, Infallible>);
    let content = match container {
        Container::Mp4 => HeaderValue::from_static("video/mp4"),
        Container::Ts => HeaderValue::from_static("video/mp2t"),
    };
    let headers = [
        (header::CONTENT_TYPE, content),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
