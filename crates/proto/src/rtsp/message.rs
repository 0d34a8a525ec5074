//! Answers: status, headers, body.

use bytes::Bytes;
use rtsp_types::{HeaderName, Method, Response, Version, headers};

pub use rtsp_types::StatusCode;

/// The methods this server knows, as `Public` and `Allow` list them (RFC 2326 §12.28).
pub const METHODS: &str = "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, PAUSE, RECORD, GET_PARAMETER, SET_PARAMETER, TEARDOWN";
/// What is left of them where publishing is not possible.
const PLAY_METHODS: &str =
    "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN";
/// Longest reason phrase: most clients show nothing else of a refusal, but some read it into a
/// small buffer.
const MAX_PHRASE: usize = 200;

/// A request that is not granted, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The cause and the next step in words, free of secrets. Becomes part of the reason phrase and
    /// the body.
    pub detail: String,
}

impl Refusal {
    /// Refuses with `status`, and says why.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// An answer to no request in particular, for a client that is turned away unheard.
    pub fn to_bytes(&self) -> Bytes {
        write(&self.response(None))
    }

    /// The answer to the request numbered `cseq`.
    pub(super) fn response(&self, cseq: Option<&str>) -> Response<Bytes> {
        let phrase = format!("{}: {}", self.status, self.detail);
        let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
        let phrase: String = phrase.chars().map(printable).take(MAX_PHRASE).collect();
        let mut builder = Response::builder(Version::V1_0, self.status).reason_phrase(phrase);
        if let Some(cseq) = cseq {
            builder = builder.header(headers::CSEQ, cseq);
        }
        builder = match self.status {
            StatusCode::MethodNotAllowed => builder.header(headers::ALLOW, PLAY_METHODS),
            StatusCode::NotImplemented => builder.header(headers::PUBLIC, METHODS),
            StatusCode::OptionNotSupported => {
                builder.header(headers::UNSUPPORTED, self.detail.as_str())
            }
            _ => builder,
        };
        builder
            .header(headers::CONTENT_TYPE, "text/plain")
            .build(Bytes::from(format!("{}\r\n", self.detail)))
    }
}

/// A grant with `fields` beside `CSeq`.
pub(super) fn ok(
    cseq: &str,
    fields: impl IntoIterator<Item = (HeaderName, String)>,
    body: Bytes,
) -> Response<Bytes> {
    let builder = Response::builder(Version::V1_0, StatusCode::Ok)
        .reason_phrase("OK")
        .header(headers::CSEQ, cseq);
    fields.into_iter().fold(builder, |b, (name, value)| b.header(name, value)).build(body)
}

/// The bytes of an answer.
pub(super) fn write(response: &Response<Bytes>) -> Bytes {
    let mut out = Vec::with_capacity(256 + response.body().len());
    // Writing to memory cannot fail.
    let _ = response.write(&mut out);
    out.into()
}

/// The methods that act on a session.
pub(super) fn needs_session(method: &Method) -> bool {
    matches!(method, Method::Play | Method::Pause | Method::Record | Method::Teardown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_in_phrase_and_body() {
        let refusal = Refusal::new(StatusCode::NotFound, "no camera is named x\r\ny");
        let text = write(&refusal.response(Some("7")));
        let text = std::str::from_utf8(&text).unwrap();
        assert!(text.starts_with("RTSP/1.0 404 Not Found: no camera is named x??y\r\n"), "{text}");
        assert!(
            text.contains("\r\nCSeq: 7\r\n")
                && text.ends_with("\r\n\r\nno camera is named x\r\ny\r\n"),
            "{text}"
        );
    }
}
