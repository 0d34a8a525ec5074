//! The limits of the config as the viewers keeps them.

use crate::{config::Config, viewers::ViewerLimits};

/// How many viewers a config allows.
pub(super) fn of(config: &Config) -> ViewerLimits {
    let cameras = config.cameras.iter();
    ViewerLimits {
        total: config.limits.viewers,
        cameras: cameras
            .filter_map(|(name, camera)| Some((name.clone(), camera.max_viewers?)))
            .collect(),
    }
}
