//! The limits of the config as the audience keeps them.

use crate::{audience::Limits, config::Config};

/// How many viewers a config allows.
pub(super) fn of(config: &Config) -> Limits {
    let cameras = config.cameras.iter();
    Limits {
        total: config.limits.viewers,
        cameras: cameras
            .filter_map(|(name, camera)| Some((name.clone(), camera.max_viewers?)))
            .collect(),
    }
}
