//! HLS: `/live/CAMERA/index.m3u8` and what it leads to.
//!
//! One muxer for a camera, however many watch. It begins with the first request, from what the
//! stream's ring still holds, so that there is something to play at once, and ends when nobody has
//! asked for anything for a while. What it shows is an unchanging page, made anew with every part;
//! requests that must wait for a part wait for the next page. A page's texts are written and
//! compressed once, by whoever asks first, and shared by all.

mod page;
mod routes;
mod service;
mod show;

use crate::{
    cameras::{CameraError, Cameras},
    clock::Clock,
    viewers::ViewerRegistry,
};
use axum::Router;
use service::Service;
use std::sync::Arc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What serving HLS needs of the house.
#[derive(Clone)]
pub(crate) struct Access {
    /// Where the streams are found.
    pub(crate) cameras: Cameras,
    /// The time.
    pub(crate) clock: Clock,
    /// Where viewers have their handles.
    pub(crate) viewers: ViewerRegistry,
    /// Where muxers run.
    pub(crate) tasks: TaskTracker,
    /// Ends them.
    pub(crate) stop: CancellationToken,
}

/// All muxers. A cheap handle.
#[derive(Clone)]
pub(crate) struct Hls(Arc<Service>);

impl Hls {
    /// None yet.
    pub(crate) fn new(access: Access) -> Self {
        Self(Service::new(access))
    }

    /// The routes.
    pub(crate) fn router(&self) -> Router {
        routes::router(self.0.clone())
    }

    /// Waits until there is a segment of a stream to play, or it is known that there will be none
    /// because of its codecs.
    ///
    /// # Errors
    /// If there is no such camera, or it stops.
    pub(crate) async fn first_segment(&self, name: &str) -> Result<(), CameraError> {
        self.0.first_segment(name).await
    }
}
