//! What one viewer is shown: the first picture, or why there is none, and then the newest one
//! whenever it has room for it.

use super::{Access, part, query::Query};
use crate::{
    cameras::CameraError,
    error::ApiError,
    pictures::{Jpeg, News, TooMany, Trouble, View, Wish},
    viewers::{JoinRequest, Protocol, ViewerHandle, ViewerTransport},
};
use axum::http::StatusCode;
use bytes::Bytes;
use hub::{State, Stream};
use media::{Codec, Mono, Thin};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// A source that runs on demand has this long to bring its first picture.
pub(super) const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// A viewer with a handle, and a place where the pictures come.
pub(super) struct Visitor {
    view: View,
    pub(super) handle: ViewerHandle,
    pub(super) ended: CancellationToken,
    stream: Arc<Stream>,
    /// When it came.
    since: Mono,
}

impl Visitor {
    /// Lets a viewer in.
    ///
    /// # Errors
    /// If there is no such camera, nothing to hope for from it, or no place.
    pub(super) fn enter(
        access: &Access,
        name: &str,
        wish: Wish,
        peer: Option<SocketAddr>,
    ) -> Result<Self, ApiError> {
        let stream = access.cameras.play(name)?;
        if access.cameras.is_idle(&stream) {
            return Err(CameraError::not_live(&stream).into());
        }
        let ended = access.stop.child_token();
        let end = ended.clone();
        let request = JoinRequest {
            protocol: Protocol::Mjpeg,
            stream: name,
            end: Arc::new(move |_| end.cancel()),
        };
        let handle = access.viewers.join(request, access.clock.pair())?;
        handle.set_connected(ViewerTransport::Tcp, peer);
        let since = access.clock.now();
        Ok(Self { view: access.pictures.watch(&stream, wish)?, handle, ended, stream, since })
    }

    /// A picture that was there already and is young enough.
    pub(super) fn found(&self, now: Mono, max_age: Duration) -> Option<Arc<Jpeg>> {
        self.view
            .found()
            .filter(|picture| now.since(picture.captured) <= max_age && self.is_of_now(picture))
            .cloned()
    }

    /// Of the present run of a camera that is live, and not of one before that it has just ended.
    fn is_of_now(&self, picture: &Jpeg) -> bool {
        let status = self.stream.status();
        status.state == State::Live && picture.decoded >= status.since
    }

    /// The first picture of a camera that is live, made since this viewer came unless an older one
    /// will do, or why there is none.
    pub(super) async fn first(&mut self, old_will_do: bool) -> Result<Arc<Jpeg>, ApiError> {
        let mut changes = self.stream.changes();
        let mut hopeless = self.hopeless();
        let limit = tokio::time::sleep(FIRST_WITHIN);
        tokio::pin!(limit);
        loop {
            if hopeless {
                return Err(CameraError::not_live(&self.stream).into());
            }
            tokio::select! {
                biased;
                () = self.ended.cancelled() => return Err(CameraError::not_live(&self.stream).into()),
                news = self.view.next() => match news {
                    News::Picture(picture) if (old_will_do || !self.is_found(&picture)) && self.is_of_now(&picture) => {
                        return Ok(picture);
                    }
                    News::Picture(_) => {}
                    News::Trouble(Trouble::Codec(catalog)) => return Err(not_decoded(&self.stream, &catalog)),
                    News::Trouble(Trouble::Ended) => return Err(CameraError::not_live(&self.stream).into()),
                },
                Ok(()) = changes.changed() => hopeless = self.hopeless(),
                () = &mut limit => return Err(CameraError::not_live(&self.stream).into()),
            }
        }
    }

    fn is_found(&self, picture: &Arc<Jpeg>) -> bool {
        self.view.found().is_some_and(|found| Arc::ptr_eq(found, picture))
    }

    /// The camera shows a picture that is long past, or its source was tried and failed.
    fn hopeless(&self) -> bool {
        let status = self.stream.status();
        match status.state {
            State::Stalled => true,
            State::Offline => status.next_try.is_some() || status.since > self.since,
            State::Connecting | State::Live => false,
        }
    }

    /// Counts a picture that is sent.
    pub(super) fn count(&self, bytes: usize) {
        self.handle.sent_frames(1);
        self.handle.sent_bytes(bytes);
    }
}

/// An endless answer.
pub(super) struct Show {
    visitor: Visitor,
    access: Access,
    query: Query,
    thin: Thin,
    /// Sent at once, though it may not be the newest any more.
    first: Option<Arc<Jpeg>>,
    /// Number of the picture that was sent last.
    last: Option<u64>,
}

impl Show {
    pub(super) fn new(visitor: Visitor, access: Access, query: Query, first: Arc<Jpeg>) -> Self {
        let thin = Thin::new(query.stream().interval);
        Self { visitor, access, query, thin, first: Some(first), last: None }
    }

    /// The next part, or `None` at the end. It is asked for when the client has taken almost all
    /// before, so what comes is always the newest.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let picture = match self.first.take() {
            Some(picture) => picture,
            None => self.newest().await?,
        };
        self.thin.take(picture.captured);
        self.skip(&picture);
        let part = self.form(&picture);
        self.visitor.count(part.len());
        Some(part)
    }

    async fn newest(&mut self) -> Option<Arc<Jpeg>> {
        loop {
            let ended = self.visitor.ended.clone();
            match ended.run_until_cancelled(self.visitor.view.next()).await? {
                News::Picture(picture) if self.thin.clone().take(picture.captured) => {
                    return Some(picture);
                }
                // Too early for this viewer, or of a codec that may change back.
                News::Picture(_) | News::Trouble(Trouble::Codec(_)) => {}
                News::Trouble(Trouble::Ended) => return None,
            }
        }
    }

    fn form(&self, picture: &Jpeg) -> Bytes {
        if self.query.headers {
            part::telling(picture, || self.access.clock.pair())
        } else {
            part::eager(picture)
        }
    }

    /// Counts what was made meanwhile and not sent; who asked for fewer lost nothing.
    fn skip(&mut self, picture: &Jpeg) {
        let last = self.last.replace(picture.number);
        let gap = last.map_or(0, |last| picture.number.saturating_sub(last + 1));
        if gap > 0 && self.query.stream().interval.is_zero() {
            self.visitor.handle.skipped(gap);
        }
    }
}

fn not_decoded(stream: &Stream, catalog: &media::Catalog) -> ApiError {
    let codec = catalog.video().map_or("no picture", |track| track.codec.name());
    let message =
        format!("camera {} sends {codec}, which this server does not decode", stream.name());
    let hint = match catalog.video().map(|track| &track.codec) {
        Some(Codec::H265(_)) => {
            "install ffmpeg where the server finds it (PATH), set the camera to H.264, or publish a rendition in H.264"
        }
        _ => {
            "set the camera to H.264, or publish a rendition in H.264 and ask for /live/CAMERA/RENDITION/…"
        }
    };
    ApiError::new(StatusCode::NOT_IMPLEMENTED, "codec_not_decoded", message, hint)
}

impl From<TooMany> for ApiError {
    fn from(error: TooMany) -> Self {
        let name = |(width, quality): &(u16, u8)| match width {
            0 => format!("quality={quality}"),
            width => format!("width={width}&quality={quality}"),
        };
        let kinds: Vec<_> = error.kinds.iter().map(name).collect();
        let hint = format!("ask for one of them: {}", kinds.join(", "));
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_kinds_of_pictures",
            error.to_string(),
            hint,
        )
        .retry_later()
    }
}
