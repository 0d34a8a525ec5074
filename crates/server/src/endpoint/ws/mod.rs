//! Live media over a WebSocket: `/live/CAMERA/ws`, for players without WebRTC.
//!
//! Two framings of the same frames: access units for WebCodecs, fragments of MP4 for Media Source
//! Extensions. Each viewer begins at the newest keyframe, gets every frame in a message of its own,
//! and goes on at the newest keyframe when its link does not keep up. The kernel is kept from
//! queueing more than a moment, so that what is skipped is really skipped.

mod feed;
mod message;
mod pulse;
mod routes;
mod session;

use crate::{cameras::Cameras, clock::Clock, viewers::ViewerRegistry};
use axum::Router;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What serving needs of the house.
#[derive(Clone)]
pub(crate) struct Access {
    /// Where the streams are found.
    pub(crate) cameras: Cameras,
    /// The time.
    pub(crate) clock: Clock,
    /// Where viewers have their handles.
    pub(crate) viewers: ViewerRegistry,
    /// Has every session as a task.
    pub(crate) tasks: TaskTracker,
    /// Ends all sessions.
    pub(crate) stop: CancellationToken,
}

/// The routes.
pub(crate) fn router(access: Access) -> Router {
    routes::router(access)
}
