//! `GET /api/v1/live`: the state of all cameras as it changes, and a clock to measure one's own
//! against.

use super::{Api, feed};
use crate::{clock::Clock, error::ApiError};
use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Number, json};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// A ping is a tenth of this; nothing else is expected.
const MAX_MESSAGE: usize = 4096;
/// What may wait for a client to read it. A snapshot of a thousand cameras is half a megabyte.
const MAX_UNSENT: usize = 1 << 20;
/// A client that has not taken a message for this long is gone.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// What every live WebSocket is served from.
#[derive(Clone)]
pub(super) struct Live {
    feed: watch::Receiver<Utf8Bytes>,
    clock: Clock,
    stop: CancellationToken,
    /// One for each client there may be: an upgraded connection no longer counts among the HTTP
    /// ones.
    places: Arc<Semaphore>,
}

/// Clients at once.
const MAX_CLIENTS: usize = 512;

impl Live {
    /// Starts the feed.
    pub(super) fn start(api: &Api) -> Self {
        Self {
            feed: feed::start(api),
            clock: api.clock,
            stop: api.stop.clone(),
            places: Arc::new(Semaphore::new(MAX_CLIENTS)),
        }
    }
}

/// Turns the request into a WebSocket.
pub(super) async fn upgrade(State(live): State<Live>, upgrade: WebSocketUpgrade) -> Response {
    let Ok(place) = live.places.clone().try_acquire_owned() else {
        let hint = "close other pages, or poll GET /api/v1/cameras";
        return ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_clients",
            "too many live clients at once",
            hint,
        )
        .into_response();
    };
    upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .max_write_buffer_size(MAX_UNSENT)
        .on_upgrade(|socket| async move {
            live.serve(socket).await.unwrap_or_default();
            drop(place);
        })
}

impl Live {
    /// Serves one client until it goes, breaks the rules or the server stops. `None` if it did not
    /// say goodbye.
    async fn serve(mut self, mut socket: WebSocket) -> Option<()> {
        self.feed.mark_changed();
        loop {
            let message = tokio::select! {
                changed = self.feed.changed() => {
                    changed.ok()?;
                    Message::Text(self.feed.borrow_and_update().clone())
                }
                received = socket.recv() => match received?.ok()? {
                    Message::Text(text) => self.pong(&text)?,
                    Message::Close(_) => return Some(()),
                    Message::Ping(_) | Message::Pong(_) => continue,
                    Message::Binary(_) => return None,
                },
                () = self.stop.cancelled() => Message::Close(None),
            };
            let last = matches!(message, Message::Close(_));
            tokio::time::timeout(SEND_WITHIN, socket.send(message)).await.ok()?.ok()?;
            if last {
                return Some(());
            }
        }
    }

    fn pong(&self, text: &str) -> Option<Message> {
        let Request::Ping { t0 } = serde_json::from_str(text).ok()?;
        let pong =
            json!({ "type": "pong", "t0": t0, "server_us": self.clock.pair().wall.as_micros() });
        Some(Message::Text(pong.to_string().into()))
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Request {
    Ping { t0: Number },
}
