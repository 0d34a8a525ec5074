//! HTTP: playlists, init segments, parts and segments, with headers that let a CDN do its work.

use super::{
    page::{Page, Text},
    service::{Service, Visitor},
};
use crate::{error::ApiError, viewers::ViewerHandle};
use axum::{
    Extension, Router,
    body::Body,
    extract::{ConnectInfo, Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures::stream;
use proto::hls::{Answer, BadDirectives, Directives, File};
use std::{convert::Infallible, net::SocketAddr, sync::Arc};

const PLAYLIST: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const MP4: HeaderValue = HeaderValue::from_static("video/mp4");
/// Names are never used again, not even by another run.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// As old as a playlist may be: less than players wait from one to the next.
const A_MOMENT: HeaderValue = HeaderValue::from_static("public, max-age=1");
const NEVER: HeaderValue = HeaderValue::from_static("no-store");

type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;
type Shared = State<Arc<Service>>;

pub(super) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/live/{camera}/index.m3u8", get(index))
        .route("/live/{camera}/{rendition}/index.m3u8", get(index_of_rendition))
        .route("/live/{camera}/hls/{file}", get(file))
        .route("/live/{camera}/{rendition}/hls/{file}", get(file_of_rendition))
        .layer(middleware::map_response(keep_no_errors))
        .with_state(service)
}

/// Players try again at once; a cached error would outlive its cause.
async fn keep_no_errors(mut response: Response) -> Response {
    if !response.status().is_success() {
        response.headers_mut().insert(header::CACHE_CONTROL, NEVER);
    }
    response
}

async fn index(
    State(service): Shared,
    Path(camera): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    variants(&service, &camera, &headers).await
}

async fn index_of_rendition(
    State(service): Shared,
    Path((camera, rendition)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    variants(&service, &format!("{camera}/{rendition}"), &headers).await
}

async fn variants(
    service: &Arc<Service>,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let page = service.fresh_page(name).await?;
    Ok(text(page.variants(), headers, A_MOMENT))
}

async fn file(
    State(service): Shared,
    Path((camera, file)): Path<(String, String)>,
    query: RawQuery,
    headers: HeaderMap,
    peer: Peer,
) -> Result<Response, ApiError> {
    Asked { service, name: camera, query, headers, peer }.answer(&file).await
}

async fn file_of_rendition(
    State(service): Shared,
    Path((camera, rendition, file)): Path<(String, String, String)>,
    query: RawQuery,
    headers: HeaderMap,
    peer: Peer,
) -> Result<Response, ApiError> {
    Asked { service, name: format!("{camera}/{rendition}"), query, headers, peer }
        .answer(&file)
        .await
}

/// A request for a file of a stream.
struct Asked {
    service: Arc<Service>,
    name: String,
    query: RawQuery,
    headers: HeaderMap,
    peer: Peer,
}

impl Asked {
    async fn answer(self, file: &str) -> Result<Response, ApiError> {
        let handle = self.service.handle(&self.name, &self.visitor())?;
        if file == "media.m3u8" {
            return self.media(&handle).await;
        }
        let find = |page: &Page| match page.playlist().file(file) {
            File::Next => Ok(None),
            File::None => Err(gone(file)),
            found => Ok(Some(found)),
        };
        let (_, found) = self.service.page(&self.name, find).await?;
        Ok(match found {
            File::Init(bytes) => media(bytes.len(), bytes.into()),
            File::Part(bytes, pictures) => {
                count(&handle, bytes.len(), pictures);
                media(bytes.len(), bytes.into())
            }
            File::Segment(parts, pictures) => {
                let length = parts.iter().map(Bytes::len).sum();
                count(&handle, length, pictures);
                media(
                    length,
                    Body::from_stream(stream::iter(parts.into_iter().map(Ok::<_, Infallible>))),
                )
            }
            File::Next | File::None => return Err(gone(file)),
        })
    }

    async fn media(&self, handle: &ViewerHandle) -> Result<Response, ApiError> {
        let directives = Directives::parse(self.query.0.as_deref().unwrap_or_default())?;
        let ready =
            |page: &Page| Ok((page.playlist().answer(&directives)? == Answer::Now).then_some(()));
        let page = match directives.sequence {
            None => self.service.first_page(&self.name).await?,
            Some(_) => self.service.page(&self.name, ready).await?.0,
        };
        let lasting = match directives.sequence {
            // Whoever asks the same a little later is well served with the same.
            Some(_) => {
                HeaderValue::try_from(format!("public, max-age={}", page.playlist().target()))
                    .unwrap_or(A_MOMENT)
            }
            None => A_MOMENT,
        };
        let text = text(page.media(directives.skip), &self.headers, lasting);
        handle.sent_bytes(
            text.headers()
                .get(header::CONTENT_LENGTH)
                .and_then(|l| l.to_str().ok()?.parse().ok())
                .unwrap_or(0),
        );
        Ok(text)
    }

    fn visitor(&self) -> Visitor<'_> {
        let address = self.peer.as_ref().map(|Extension(info)| info.0);
        let agent =
            self.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        Visitor { address, agent: agent.get(..100).unwrap_or(agent) }
    }
}

fn count(handle: &ViewerHandle, bytes: usize, pictures: u64) {
    handle.sent_bytes(bytes);
    handle.sent_frames(pictures);
}

fn gone(file: &str) -> ApiError {
    let file: String = file.chars().take(80).collect();
    let hint = "read the playlist again; files leave it after some seconds";
    ApiError::new(
        StatusCode::NOT_FOUND,
        "file_not_found",
        format!("{file} is not there, or no longer"),
        hint,
    )
}

fn media(length: usize, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, MP4),
        (header::CACHE_CONTROL, FOR_EVER),
        (header::CONTENT_LENGTH, length.into()),
    ];
    (headers, body).into_response()
}

fn text(text: &Text, asked: &HeaderMap, lasting: HeaderValue) -> Response {
    let accepts = asked
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .any(accepts_gzip);
    let body = if accepts { &text.gzip } else { &text.plain };
    let headers = [
        (header::CONTENT_TYPE, PLAYLIST),
        (header::CACHE_CONTROL, lasting),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
        (header::CONTENT_LENGTH, body.len().into()),
    ];
    let mut response = (headers, body.clone()).into_response();
    if accepts {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// `gzip` is on the list, and not with a weight of zero (RFC 9110 §12.5.3).
fn accepts_gzip(list: &str) -> bool {
    list.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named =
            parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip") || coding == "*");
        named && !parts.any(|p| p.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)))
    })
}

impl From<BadDirectives> for ApiError {
    fn from(error: BadDirectives) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad_directives",
            error.to_string(),
            "load the playlist without directives first",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_is_for_those_who_want_it() {
        for list in ["gzip", "deflate, gzip;q=0.5", "br, GZIP", "*"] {
            assert!(accepts_gzip(list), "{list}");
        }
        for list in ["", "br", "gzip;q=0", "deflate, gzip; q=0.000"] {
            assert!(!accepts_gzip(list), "{list}");
        }
    }
}
