//! One embedded file and its conditional answer (RFC 9110 §13).

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use rust_embed::EmbeddedFile;
use std::fmt::Write;

/// A file as it is sent.
#[derive(Clone)]
pub(super) struct Asset {
    body: Bytes,
    mime: HeaderValue,
    /// Weak (RFC 9110 §8.8.1), because the same tag stands for the plain and the compressed form.
    etag: HeaderValue,
}

impl Asset {
    /// Prepares an embedded file.
    pub(super) fn new(file: &EmbeddedFile) -> Self {
        let mime = HeaderValue::from_str(&mime(file.metadata.mimetype()));
        let etag = HeaderValue::from_str(&etag(&file.metadata.sha256_hash()));
        Self {
            body: Bytes::copy_from_slice(&file.data),
            mime: mime.unwrap_or(HeaderValue::from_static("application/octet-stream")),
            etag: etag.unwrap_or(HeaderValue::from_static("W/\"\"")),
        }
    }

    /// The file, or 304 when the browser has it already.
    pub(super) fn answer(&self, request: &Request) -> Response {
        let etag = (header::ETAG, self.etag.clone());
        if self.known_to(request.headers()) {
            return (StatusCode::NOT_MODIFIED, [etag]).into_response();
        }
        ([etag, (header::CONTENT_TYPE, self.mime.clone())], self.body.clone()).into_response()
    }

    /// Whether `If-None-Match` names this version, by weak comparison (RFC 9110 §13.1.2).
    fn known_to(&self, headers: &HeaderMap) -> bool {
        let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
        let ours = opaque(self.etag.as_bytes());
        let lists = headers.get_all(header::IF_NONE_MATCH).into_iter();
        let mut tags =
            lists.flat_map(|list| list.as_bytes().split(|&b| b == b',')).map(<[u8]>::trim_ascii);
        tags.any(|tag| tag == b"*" || opaque(tag) == ours)
    }
}

/// The media type with its character set, where it is text.
fn mime(guessed: &str) -> String {
    if guessed.starts_with("text/") {
        format!("{guessed}; charset=utf-8")
    } else {
        guessed.to_owned()
    }
}

/// The first eight bytes of the content's hash: enough to tell two versions of one file apart.
fn etag(hash: &[u8]) -> String {
    let hex = hash.iter().take(8).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!("W/\"{hex}\"")
}
