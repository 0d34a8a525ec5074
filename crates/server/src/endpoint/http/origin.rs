//! Which pages of other origins may use this server.
//!
//! Players are embedded anywhere: whoever can reach the server may read and play from any page.
//! Changing something is another matter: a page that a person happens to visit must not restart the
//! cameras of their house, so such requests are refused when the browser says that they come from
//! somewhere else.

use crate::error::ApiError;
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Paths whose requests change the server. Those below `/live/` begin and end sessions of the
/// asker's own, but for publishing.
const CONTROL: &str = "/api/";
/// Whoever publishes puts a picture of their own before everybody.
const PUBLISH: &str = "/whip";
/// Response headers that players read (WHEP: `draft-ietf-wish-whep`, §4).
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "location, etag, link, accept-patch, accept-post, www-authenticate, retry-after, x-viewer",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PATCH, DELETE, OPTIONS");
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("7200");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Answers preflights, lets other pages read answers, and refuses changes that they ask for.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let foreign = is_foreign(request.headers());
    if foreign && is_control(request.uri().path()) && !request.method().is_safe() {
        let hint = "open the dashboard of this server itself, or call the API from a program";
        return ApiError::new(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            "a page of another site may not change this server",
            hint,
        )
        .into_response();
    }
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    if preflight {
        allow(headers, asked);
    }
    response
}

fn is_control(path: &str) -> bool {
    path.starts_with(CONTROL) || path.contains(PUBLISH)
}

fn allow(headers: &mut HeaderMap, asked: Option<HeaderValue>) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    headers.extend(asked.map(|asked| (header::ACCESS_CONTROL_ALLOW_HEADERS, asked)));
}

/// The request comes from a page of another origin. Programs send no `Origin`, and are not meant.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    // A proxy may have changed `Host`, but the browser knows best.
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.to_str().ok().and_then(|o| o.split_once("://")).map(|(_, host)| host);
    origin.is_none() || origin != text(header::HOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(headers: &[(&'static str, &'static str)]) -> bool {
        is_foreign(
            &headers
                .iter()
                .map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v)))
                .collect(),
        )
    }

    #[test]
    fn what_a_browser_says_of_its_page() {
        let host = ("host", "cam.example:8080");
        assert!(!foreign(&[host]), "a program");
        assert!(!foreign(&[host, ("origin", "http://cam.example:8080")]));
        assert!(
            !foreign(&[
                ("host", "inner"),
                ("origin", "https://cam.example"),
                ("sec-fetch-site", "same-origin")
            ]),
            "a proxy"
        );
        assert!(
            foreign(&[host, ("origin", "http://cam.example:9")]),
            "another port is another origin"
        );
        assert!(foreign(&[host, ("origin", "null")]));
        assert!(foreign(&[
            host,
            ("origin", "http://cam.example:8080"),
            ("sec-fetch-site", "same-site")
        ]));
        assert!(foreign(&[host, ("sec-fetch-site", "cross-site")]));
    }
}
