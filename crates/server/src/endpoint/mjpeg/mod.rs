//! JPEG over HTTP: `/live/CAMERA/mjpeg`, an endless multipart answer, and
//! `/live/CAMERA/snapshot.jpg`.
//!
//! For whatever shows an image and nothing else: dashboards, tablets on the wall, OctoPrint,
//! scripts. The pictures come from [`crate::pictures`], where all who want the same share them.

mod part;
mod query;
mod routes;
mod show;

use crate::{cameras::Cameras, clock::Clock, pictures::Pictures, viewers::ViewerRegistry};
use axum::Router;
use tokio_util::sync::CancellationToken;

/// What serving needs of the house.
#[derive(Clone)]
pub(crate) struct Access {
    /// Where the streams are found.
    pub(crate) cameras: Cameras,
    /// Where their pictures are made.
    pub(crate) pictures: Pictures,
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
