//! Where the server keeps what it has to remember.

use super::Mode;
use crate::{config, state::StateDir};
use anyhow::Context;

/// The state directory that the config asks for; none for a demo, which leaves nothing behind.
///
/// # Errors
/// If the config names one that cannot be used.
pub(super) fn directory(wanted: &config::StateDir, mode: &Mode) -> anyhow::Result<StateDir> {
    let dir = match (mode, wanted) {
        (Mode::Demo { .. }, _) => return Ok(StateDir::none()),
        (Mode::Serve(_), config::StateDir::Off) => StateDir::none(),
        (Mode::Serve(_), config::StateDir::At(path)) => StateDir::at(path).with_context(|| {
            format!("{} cannot be written to (state_dir); name another one, or off", path.display())
        })?,
        (Mode::Serve(_), config::StateDir::Usual) => StateDir::usual(),
    };
    match dir.path() {
        Some(path) => tracing::info!(path = %path.display(), "state directory"),
        None => tracing::info!(
            "no state directory: what is set in cameras, and which are stopped, is forgotten with the server's end (state_dir)"
        ),
    }
    Ok(dir)
}
