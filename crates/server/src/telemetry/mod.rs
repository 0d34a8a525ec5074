//! What the server says about itself: logs, metrics.

mod fold;
mod log;
mod metrics;
mod panics;
mod redact;

pub(crate) use fold::Fold;
pub(crate) use log::LogArgs;
pub(crate) use metrics::{Collector, Exposition, Kind, Metrics};
pub(crate) use panics::Panics;

/// What runs beside the log once it has started.
#[derive(Clone)]
pub(crate) struct Telemetry {
    /// Folds repeating faults; to be flushed.
    pub(crate) fold: Fold,
    /// Counts panics.
    pub(crate) panics: Panics,
}
