//! The pages: the files of `/web/src`, embedded in the binary. The dashboard is at `/`, the page
//! that makes a device a camera at `/publish/CAMERA`.
//!
//! Every file gets its own route, so that an unknown path still ends in the server's own "not
//! found" answer, and a new page asset can never shadow an API route silently (axum refuses the
//! merge). The page names no host but its own, and the content security policy makes the browser
//! hold it to that.

mod asset;

use asset::Asset;
use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    routing::get,
};
use rust_embed::RustEmbed;
use tower_http::{compression::CompressionLayer, set_header::SetResponseHeaderLayer};

#[derive(RustEmbed)]
#[folder = "../../web/src"]
struct Files;

/// The file that answers `/`.
const INDEX: &str = "index.html";
/// The file that answers `/publish/CAMERA`.
const PUBLISH: &str = "publish.html";

/// Headers on every file. There is deliberately no `frame-ancestors`: people put this page into the
/// dashboards of their home automation. Media of `blob:` is what the page's own Media Source
/// Extensions play.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // File names carry no version: the browser asks each time, and the entity tag makes the answer
    // short.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

/// The routes of the dashboard, to be merged at the root.
pub(crate) fn router() -> Router {
    let files =
        Files::iter().filter_map(|name| Some((path(&name), Asset::new(&Files::get(&name)?))));
    let router = files.fold(Router::new(), |router, (path, asset)| {
        router.route(&path, get(move |request| std::future::ready(asset.answer(&request))))
    });
    let router = router.layer(CompressionLayer::new());
    HEADERS.into_iter().fold(router, |router, (name, value)| {
        router.layer(SetResponseHeaderLayer::overriding(name, value))
    })
}

/// Where a file is served.
fn path(name: &str) -> String {
    match name {
        INDEX => "/".to_owned(),
        PUBLISH => "/publish/{camera}".to_owned(),
        name => format!("/{name}"),
    }
}

#[cfg(test)]
mod tests;
