//! What the server says about itself: logs, metrics.

mod log;

pub(crate) use log::LogArgs;
