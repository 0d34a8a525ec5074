//! Frames in place of a camera that has none: they reach readers, and change nothing of what is
//! said and counted of the camera.

use super::{Core, PublishError, Turn};
use crate::State;
use media::{AccessUnit, Catalog, Mono};
use std::sync::Arc;

/// Whoever stands in.
pub(super) struct StandIn {
    pub(super) turn: Turn,
    pub(super) catalog: Arc<Catalog>,
}

impl Core {
    /// Begins a turn that ends with the camera's next frame.
    ///
    /// # Errors
    /// [`PublishError::Busy`] while frames arrive, otherwise as [`Core::begin`].
    pub(crate) fn begin_stand_in(&mut self, catalog: Arc<Catalog>) -> Result<Turn, PublishError> {
        self.check_open()?;
        if let Some(current) = self.publisher.as_mut() {
            if self.status.state != State::Stalled {
                return Err(PublishError::Busy { by: current.by.clone() });
            }
            // Whatever it may go on with refers to pictures that readers no longer have.
            current.awaits_key = true;
        }
        self.turns += 1;
        self.stand_in = Some(StandIn { turn: self.turns, catalog });
        self.rebase.restart();
        self.ring.close_gop();
        Ok(self.turns)
    }

    pub(super) fn push_stand_in(
        &mut self,
        now: Mono,
        mut unit: AccessUnit,
    ) -> Result<(), PublishError> {
        let Some(StandIn { catalog, .. }) = &self.stand_in else {
            return Err(PublishError::Replaced);
        };
        let catalog = catalog.clone();
        if catalog.track(unit.track).is_none() {
            return Ok(());
        }
        self.rebase.apply(now, &mut unit, &catalog);
        unit.timing.published = now;
        self.ring.push(Arc::new(unit), catalog);
        Ok(())
    }

    /// A publisher that was stalled has a frame again.
    pub(super) fn take_over_from_stand_in(&mut self, now: Mono) {
        if self.stand_in.take().is_some() {
            self.rebase.restart();
            self.ring.close_gop();
            // Nobody can begin with what it goes on with. A wish that is held back is made with the
            // next frame.
            let _ = self.request_keyframe(now);
        }
    }
}
