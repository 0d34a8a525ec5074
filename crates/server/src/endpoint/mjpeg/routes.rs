//! HTTP: an endless answer of pictures, or one.

use super::{
    Access, part,
    query::Query,
    show::{Show, Visitor},
};
use crate::{connection::Connection, error::ApiError};
use axum::{
    Extension, Router,
    body::Body,
    extract::{ConnectInfo, Path, RawQuery, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use std::{convert::Infallible, net::SocketAddr};

const NEVER: HeaderValue = HeaderValue::from_static("no-store");
const JPEG: HeaderValue = HeaderValue::from_static("image/jpeg");
const MULTIPART: HeaderValue = HeaderValue::from_static(part::CONTENT_TYPE);

pub(super) fn router(access: Access) -> Router {
    Router::new()
        .route("/live/{camera}/mjpeg", get(mjpeg))
        .route("/live/{camera}/{rendition}/mjpeg", get(mjpeg_of_rendition))
        .route("/live/{camera}/snapshot.jpg", get(snapshot))
        .route("/live/{camera}/{rendition}/snapshot.jpg", get(snapshot_of_rendition))
        .with_state(access)
}

/// From where, and by which connection.
type Came = (Option<Extension<ConnectInfo<SocketAddr>>>, Option<Extension<Connection>>);
type Rendition = Path<(String, String)>;

/// A request, whatever its path.
struct Asked {
    query: Query,
    peer: Option<SocketAddr>,
    connection: Option<Connection>,
}

impl Asked {
    fn new(RawQuery(query): RawQuery, (peer, connection): Came) -> Result<Self, ApiError> {
        let query = Query::parse(query.as_deref().unwrap_or_default())?;
        Ok(Self {
            query,
            peer: peer.map(|Extension(info)| info.0),
            connection: connection.map(|Extension(c)| c),
        })
    }
}

async fn mjpeg(
    State(access): State<Access>,
    Path(name): Path<String>,
    q: RawQuery,
    came: Came,
) -> Result<Response, ApiError> {
    endless(access, &name, Asked::new(q, came)?).await
}

async fn mjpeg_of_rendition(
    State(access): State<Access>,
    Path((camera, rendition)): Rendition,
    q: RawQuery,
    came: Came,
) -> Result<Response, ApiError> {
    endless(access, &format!("{camera}/{rendition}"), Asked::new(q, came)?).await
}

async fn snapshot(
    State(access): State<Access>,
    Path(name): Path<String>,
    q: RawQuery,
    came: Came,
) -> Result<Response, ApiError> {
    single(&access, &name, &Asked::new(q, came)?).await
}

async fn snapshot_of_rendition(
    State(access): State<Access>,
    Path((camera, rendition)): Rendition,
    q: RawQuery,
    came: Came,
) -> Result<Response, ApiError> {
    single(&access, &format!("{camera}/{rendition}"), &Asked::new(q, came)?).await
}

/// Waits for the first picture, so that whoever asks in vain is told why, then answers for ever.
async fn endless(access: Access, name: &str, asked: Asked) -> Result<Response, ApiError> {
    let Asked { query, peer, connection } = asked;
    let mut visitor = Visitor::enter(&access, name, query.stream(), peer)?;
    let first = visitor.first(true).await?;
    connection.iter().for_each(Connection::carry_live);
    let show = Show::new(visitor, access, query, first);
    let parts = stream::unfold(show, async |mut show| Some((show.next().await?, show)));
    let beginning = (!query.headers).then_some(Bytes::from_static(part::BEGINNING));
    let body = stream::iter(beginning).chain(parts).map(Ok::<_, Infallible>);
    let headers = [(header::CONTENT_TYPE, MULTIPART), (header::CACHE_CONTROL, NEVER)];
    Ok((headers, Body::from_stream(body)).into_response())
}

async fn single(access: &Access, name: &str, asked: &Asked) -> Result<Response, ApiError> {
    let mut visitor = Visitor::enter(access, name, asked.query.snapshot(), asked.peer)?;
    let picture = match visitor.found(access.clock.now(), asked.query.max_age) {
        Some(picture) => picture,
        None => visitor.first(false).await?,
    };
    visitor.count(picture.file.len());
    let mut response =
        ([(header::CONTENT_TYPE, JPEG), (header::CACHE_CONTROL, NEVER)], picture.file.clone())
            .into_response();
    for (name, value) in part::story(&picture, access.clock.pair()) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
