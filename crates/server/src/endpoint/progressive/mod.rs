//! Progressive streams: `/live/CAMERA/stream.mp4` and `/live/CAMERA/stream.ts`, one endless answer
//! for tools.
//!
//! Each begins at the newest keyframe. A client that reads too slowly goes on at the newest
//! keyframe again; nothing is queued for it beyond what the kernel holds.

mod feed;
mod routes;

use crate::{cameras::Cameras, clock::Clock, viewers::ViewerRegistry};
use axum::Router;
use tokio_util::sync::CancellationToken;

/// What serving needs of the house.
#[derive(Clone)]
pub(crate) struct Access {
    /// Where the streams are found.
    pub(crate) cameras: Cameras,
    /// The time.
    pub(crate) clock: Clock,
    /// Where viewers have their handles.
    pub(crate) viewers: ViewerRegistry,
    /// Ends all answers.
    pub(crate) stop: CancellationToken,
}

/// The routes.
pub(crate) fn router(access: Access) -> Router {
    routes::router(access)
}
