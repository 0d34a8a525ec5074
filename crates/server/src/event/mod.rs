//! What happened: one bus, where every change of state is emitted, and its history on disk.

mod bus;
mod history;
mod kind;
mod record;
mod writer;

pub(crate) use bus::EventBus;
pub(crate) use kind::{EventKind, Severity};
pub(crate) use record::{Event, EventFilter};
pub(crate) use writer::EventWriter;

use media::Wall;

/// The first id where no history says otherwise: a thousand ids a second since 1970, more than are
/// ever given, and small enough for the numbers of JavaScript.
fn bus_start(now: Wall) -> u64 {
    u64::try_from(now.as_micros() / 1000).unwrap_or(1)
}
