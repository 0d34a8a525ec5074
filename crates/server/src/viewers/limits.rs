//! How many may watch.

use std::{collections::BTreeMap, sync::Arc};

/// How many viewers there may be at once, all protocols together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ViewerLimits {
    /// In the whole server.
    pub(crate) total: usize,
    /// Of single cameras; those not named here have none of their own.
    pub(crate) cameras: BTreeMap<Arc<str>, usize>,
}

impl Default for ViewerLimits {
    /// None.
    fn default() -> Self {
        Self { total: usize::MAX, cameras: BTreeMap::new() }
    }
}

/// Why somebody may not watch.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum JoinRefused {
    /// The server has its fill.
    #[error("this server already serves {0} viewers, as many as it is allowed to")]
    ServerFull(usize),
    /// The camera has its fill.
    #[error("camera {0} already has {1} viewers, as many as it may have")]
    CameraFull(Arc<str>, usize),
    /// An administrator has sent this viewer away.
    #[error("this session was ended by an administrator")]
    Ended,
}

impl JoinRefused {
    /// The word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::ServerFull(_) | Self::CameraFull(..) => "too_many_viewers",
            Self::Ended => "viewer_ended",
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::ServerFull(_) => {
                "try again when somebody has left; `limits.viewers` in the config sets the limit"
                    .to_owned()
            }
            Self::CameraFull(camera, _) => {
                format!(
                    "try again when somebody has left; `cameras.{camera}.max_viewers` in the config sets the limit"
                )
            }
            Self::Ended => "open the page again to begin a new session".to_owned(),
        }
    }
}

impl ViewerLimits {
    /// Is there room for one more, with so many viewers there and so many of them at this camera?
    pub(super) fn check(
        &self,
        camera: &Arc<str>,
        total: usize,
        of_camera: usize,
    ) -> Result<(), JoinRefused> {
        let limit = self.cameras.get(camera).copied().filter(|limit| of_camera >= *limit);
        match limit {
            _ if total >= self.total => Err(JoinRefused::ServerFull(self.total)),
            Some(limit) => Err(JoinRefused::CameraFull(camera.clone(), limit)),
            None => Ok(()),
        }
    }
}
