//! What can be set in a camera while it runs: brightness, focus, exposure, whatever it has.
//!
//! Each camera has a [`Desk`]. A source that has controls lays them out there while it runs
//! ([`Desk::offer`]) and takes what people set; people read and set through the desk whether a
//! source runs or not. What they have set is set again whenever a source begins to run, and kept
//! across restarts of the server ([`Settings`]). All checks that need no device are made here:
//! kind, range, step, menu.

mod check;
mod control;
mod desk;
mod error;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use check::check;
pub(crate) use control::{Access, Control, Item, Kind, Value};
pub(crate) use desk::{Desk, Offer, Order, Outcome, Setting};
pub(crate) use error::ControlError;
pub(crate) use settings::Settings;

/// What people have set, by control, as they wrote it.
pub(crate) type Wishes = serde_json::Map<String, serde_json::Value>;
