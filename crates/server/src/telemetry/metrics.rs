//! `GET /metrics`: everything that is counted, in Prometheus' text format.

mod cameras;
mod exposition;
mod system;
mod viewers;

pub(crate) use exposition::{Exposition, Kind};

use super::Panics;
use crate::{cameras::Cameras, clock::Clock, viewers::ViewerRegistry};
use axum::{Router, extract::State, http::header, response::IntoResponse, routing::get};
use media::Mono;
use std::sync::Arc;

/// Adds the numbers of another part of the house.
pub(crate) type Collector = Box<dyn Fn(&mut Exposition) + Send + Sync>;

/// All that is exposed.
pub(crate) struct Metrics {
    /// The cameras counted.
    pub(crate) cameras: Cameras,
    /// The viewers counted.
    pub(crate) viewers: ViewerRegistry,
    /// The clock of ages.
    pub(crate) clock: Clock,
    /// When the server was started.
    pub(crate) started: Mono,
    /// Panics.
    pub(crate) panics: Panics,
    /// The other parts.
    pub(crate) collectors: Vec<Collector>,
}

impl Metrics {
    /// The route `/metrics`.
    pub(crate) fn router(self) -> Router {
        Router::new().route("/metrics", get(answer)).with_state(Arc::new(self))
    }

    fn expose(&self) -> String {
        let mut out = Exposition::default();
        let now = self.clock.now();
        let cameras = self.cameras.with_renditions();
        cameras::expose(&mut out, &cameras, now);
        viewers::expose(&mut out, &self.viewers, &cameras);
        let lost = Some(self.cameras.events().lost() as f64);
        let help = "Events that the history misses, because the disk did not take them in time.";
        out.single("neverblink_events_lost_total", Kind::Counter, help, lost);
        self.collectors.iter().for_each(|collect| collect(&mut out));
        system::expose(&mut out, now.since(self.started), self.panics.count());
        out.finish()
    }
}

async fn answer(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.expose())
}
