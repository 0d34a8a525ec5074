//! Panics are bugs of ours: contained where they happen, told in the log, and counted.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::PanicHookInfo,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Counts panics of all threads and tasks.
#[derive(Clone, Default)]
pub(crate) struct Panics(Arc<AtomicU64>);

impl Panics {
    /// Logs and counts panics from now on, instead of printing them.
    pub(super) fn watch() -> Self {
        let panics = Self::default();
        let counted = panics.clone();
        std::panic::set_hook(Box::new(move |info| {
            counted.0.fetch_add(1, Relaxed);
            log(info);
        }));
        panics
    }

    /// Panics so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

fn log(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or(payload.downcast_ref::<String>().map(String::as_str));
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("?").to_owned();
    // Taken only if RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(
        panic = text.unwrap_or("?"),
        place,
        thread,
        backtrace,
        "internal error, contained; please report it"
    );
}
