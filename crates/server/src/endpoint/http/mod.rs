//! The HTTP port: the API, and whatever other features merge into its router.

mod api;
mod controls;
mod events;
mod feed;
mod health;
mod live;
mod live_socket;
mod origin;
mod run;
mod server;
mod view;
mod viewers;
mod write_deadline;

pub(crate) use health::ConfigState;
pub(crate) use run::FirstSegment;
pub(crate) use server::Http;

use crate::{
    cameras::Cameras, clock::Clock, controls::Settings, error::ApiError, stops::Stops,
    viewers::ViewerRegistry,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{Method, StatusCode, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The largest request body read: an SDP offer with many candidates is a tenth of it.
const MAX_BODY: usize = 64 * 1024;
/// A request that has not been answered after this long never will be: the body does not come.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What the API is served from.
#[derive(Clone)]
pub(crate) struct Api {
    /// The cameras shown.
    pub(crate) cameras: Cameras,
    /// The clock of ages.
    pub(crate) clock: Clock,
    /// What became of the newest config file.
    pub(crate) config: watch::Receiver<ConfigState>,
    /// Waits for the first segment of a stream.
    pub(crate) first_segment: FirstSegment,
    /// The viewers shown.
    pub(crate) viewers: ViewerRegistry,
    /// Keeps what is set in cameras.
    pub(crate) settings: Settings,
    /// Keeps which cameras are stopped.
    pub(crate) stops: Stops,
    /// Closes the long-lived connections.
    pub(crate) stop: CancellationToken,
}

impl Api {
    /// The routes of `/health`, `/ready` and `/api/v1`. Spawns the task that feeds the live
    /// WebSockets.
    pub(crate) fn router(self) -> Router {
        let live = Router::new()
            .route("/api/v1/live", get(live::upgrade))
            .with_state(live::Live::start(&self));
        let followers = Router::new()
            .route("/api/v1/events/stream", get(events::follow))
            .with_state(events::EventStreams::new(&self));
        Router::new()
            .route("/health", get(health::health))
            .route("/ready", get(async || "ready\n"))
            .route("/api/v1/cameras", get(api::cameras))
            .route("/api/v1/cameras/{name}", get(api::camera))
            .route("/api/v1/cameras/{name}/start", post(run::start))
            .route("/api/v1/cameras/{name}/stop", post(run::stop))
            .route("/api/v1/cameras/{name}/restart", post(run::restart))
            .route("/api/v1/cameras/{name}/keyframe", post(api::keyframe))
            .route("/api/v1/cameras/{name}/controls", get(controls::list).patch(controls::set))
            .route("/api/v1/viewers", get(viewers::list))
            .route("/api/v1/viewers/{id}", get(viewers::one).delete(viewers::end))
            .route("/api/v1/events", get(events::list))
            .route("/api/v1/time", get(api::time))
            .with_state(self)
            .merge(live)
            .merge(followers)
    }
}

/// Gives a router with all features merged its common manners: JSON errors, bounds on bodies and on
/// time.
pub(crate) fn finish(router: Router) -> Router {
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn(origin::guard))
}

async fn not_found(uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(100).collect();
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("there is nothing at {path}"),
        "GET / shows all cameras",
    )
}

async fn method_not_allowed(method: Method) -> ApiError {
    let message = format!("{method} is not possible here");
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
        "the Allow header lists what is",
    )
}

async fn in_time(request: Request, next: Next) -> Response {
    // Some may say themselves how long they wait.
    let within =
        if request.uri().path().ends_with("/start") { run::ANSWER_WITHIN } else { ANSWER_WITHIN };
    let answer = tokio::time::timeout(within, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let hint = "send the whole request at once";
        ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "the request took too long",
            hint,
        )
        .into_response()
    })
}
