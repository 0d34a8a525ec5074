//! `GET /api/v1/events` and its live form, `GET /api/v1/events/stream` (server-sent events, WHATWG
//! HTML §9.2).

use super::Api;
use crate::{
    error::ApiError,
    event::{Event, EventBus, EventFilter, EventKind},
};
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, stream};
use media::Wall;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Events in one answer if the client names no limit, and at most.
const EVENTS: usize = 200;
const MAX_EVENTS: usize = 10_000;
/// Events that a client of the stream is given before it has to take some.
const PAGE: usize = 64;
/// Clients of the stream at once.
const MAX_CLIENTS: usize = 256;
/// A comment this often shows proxies and clients that the connection lives.
const ALIVE: Duration = Duration::from_secs(15);
/// A client whose connection ended comes back after this.
const RETRY: Duration = Duration::from_secs(1);

const KNOWN: &str = "known here: kind, camera, from, to, after, limit";
const TIMES: &str = "write times like 2026-11-30T06:30:00Z, or with an offset like %2B01:00";
static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Which events are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventQuery {
    /// Of these kinds, with commas between them.
    kind: Option<String>,
    /// Of this camera and its renditions.
    camera: Option<String>,
    /// Not before this time (RFC 3339).
    from: Option<String>,
    /// Before this time (RFC 3339).
    to: Option<String>,
    /// Newer than the event of this number.
    after: Option<u64>,
    /// At most so many.
    limit: Option<usize>,
}

impl EventQuery {
    fn filter(&self) -> Result<EventFilter, ApiError> {
        let kinds = self.kind.iter().flat_map(|kinds| kinds.split(','));
        Ok(EventFilter {
            kinds: kinds.map(kind).collect::<Result<_, _>>()?,
            camera: self.camera.clone(),
            from: self.from.as_deref().map(wall).transpose()?,
            to: self.to.as_deref().map(wall).transpose()?,
        })
    }
}

fn kind(name: &str) -> Result<EventKind, ApiError> {
    let short: String = name.chars().take(64).collect();
    EventKind::named(name).ok_or_else(|| {
        refused(
            format!("there is no kind of event named {short:?}"),
            format!("there are: {}", EventKind::names()),
        )
    })
}

fn wall(text: &str) -> Result<Wall, ApiError> {
    let short: String = text.chars().take(64).collect();
    let parsed = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|error| refused(format!("{short:?} is no time: {error}"), TIMES.to_owned()))?;
    let micros = i64::try_from(parsed.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX);
    Ok(Wall::from_micros(micros))
}

fn refused(message: String, hint: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_query", message, hint)
}

fn query(asked: Result<Query<EventQuery>, QueryRejection>) -> Result<EventQuery, ApiError> {
    asked.map(|Query(query)| query).map_err(|e| refused(e.body_text(), KNOWN.to_owned()))
}

/// `GET /api/v1/events?kind=&camera=&from=&to=&after=&limit=`: oldest first. With `after` the first
/// `limit` behind that event, so that a client can read on; without it the newest `limit`.
pub(super) async fn list(
    State(api): State<Api>,
    asked: Result<Query<EventQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let query = query(asked)?;
    let (filter, limit) = (query.filter()?, query.limit.unwrap_or(EVENTS).min(MAX_EVENTS));
    let bus = api.cameras.events();
    let events = match query.after {
        Some(after) => bus.after(after, &filter, limit).await.events,
        None => bus.latest(&filter, limit).await,
    };
    let views: Vec<_> = events.iter().map(Event::view).collect();
    Ok(Json(json!({ "events": views })))
}

/// What every client of the stream is served from.
#[derive(Clone)]
pub(super) struct EventStreams {
    api: Api,
    places: Arc<Semaphore>,
}

impl EventStreams {
    pub(super) fn new(api: &Api) -> Self {
        Self { api: api.clone(), places: Arc::new(Semaphore::new(MAX_CLIENTS)) }
    }
}

/// `GET /api/v1/events/stream`: what the header `Last-Event-ID` or `?after=` says was missed, then
/// events as they happen. Without either, events from now on.
pub(super) async fn follow(
    State(EventStreams { api, places }): State<EventStreams>,
    headers: HeaderMap,
    asked: Result<Query<EventQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let query = query(asked)?;
    let filter = query.filter()?;
    let place = places.try_acquire_owned().map_err(|_| {
        let hint = "close other pages, or poll GET /api/v1/events?after=ID";
        let message = "too many clients follow the events at once";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_clients", message, hint)
            .retry_later()
    })?;
    let bus = api.cameras.events().clone();
    let newest = bus.newest();
    // What a browser sends when it comes back is newer than what the page asked for at first.
    let last = headers.get(&LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let upto = last.or(query.after).unwrap_or(*newest.borrow());
    let follower = Follower { bus, filter, upto, newest, ready: VecDeque::new(), _place: place };
    let hello = stream::iter([Ok(sse::Event::default().retry(RETRY).comment("events follow"))]);
    let events = hello.chain(follower.into_stream());
    let events = events.take_until(api.stop.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response())
}

/// One client of the stream. It takes a page when it has sent the one before, so nothing waits for
/// a slow client.
struct Follower {
    bus: EventBus,
    filter: EventFilter,
    /// Everything up to this id was taken.
    upto: u64,
    newest: watch::Receiver<u64>,
    ready: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn into_stream(self) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        stream::unfold(self, async |mut follower| {
            let event = follower.next().await?;
            let sent = sse::Event::default().id(event.id.to_string()).event(event.kind.as_str());
            let sent = sent.json_data(event.view()).ok()?;
            Some((Ok(sent), follower))
        })
    }

    /// The next event; `None` when the server ends.
    async fn next(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            // Looked at before, so that an event that comes meanwhile wakes.
            self.newest.mark_unchanged();
            let page = self.bus.after(self.upto, &self.filter, PAGE).await;
            (self.ready, self.upto) = (page.events.into(), page.upto.max(self.upto));
            if self.ready.is_empty() {
                self.newest.changed().await.ok()?;
            }
        }
        self.ready.pop_front()
    }
}
