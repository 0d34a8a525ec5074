//! The cameras that dial out, and which module dials for which kind of source.

use super::House;
use crate::{
    cameras::{Camera, Origin},
    config::{self, Source},
};
use hub::StreamOptions;
use std::{collections::BTreeMap, sync::Arc};
use tokio_util::sync::CancellationToken;

/// The sources that run.
pub(super) struct Sources {
    house: House,
    running: BTreeMap<Arc<str>, Running>,
}

struct Running {
    config: config::Camera,
    stop: CancellationToken,
}

impl Sources {
    /// None yet.
    pub(super) fn new(house: House) -> Self {
        Self { house, running: BTreeMap::new() }
    }

    /// Adds a camera and starts its source.
    pub(super) fn start(&mut self, name: &Arc<str>, config: &config::Camera) {
        let origin = Origin { text: config.source.to_string().into(), publishable: config.source == Source::Publish };
        let options = StreamOptions { stall_after: config.stall_after, ..StreamOptions::default() };
        let camera = self.house.cameras.add(name, origin, options, self.house.clock.now());
        let stop = self.house.stop.child_token();
        self.house.tasks.spawn(keep(self.house.clone(), camera, config.source.clone(), stop.clone()));
        self.running.insert(name.clone(), Running { config: config.clone(), stop });
    }
}

/// Runs a camera's source, and runs it anew when somebody asks for that.
async fn keep(house: House, camera: Arc<Camera>, source: Source, stop: CancellationToken) {
    let mut restarts = camera.restart_requests();
    loop {
        let turn = stop.child_token();
        tokio::select! {
            () = run(&house, &camera, &source, turn.clone()) => return,
            _ = restarts.changed() => turn.cancel(),
        }
        camera.count_restart(house.clock.now(), "request", "restarted by request");
    }
}

/// Runs a source until `stop`.
async fn run(_house: &House, _camera: &Arc<Camera>, source: &Source, stop: CancellationToken) {
    match source {
        // Publishers come by themselves.
        Source::Publish => stop.cancelled().await,
        Source::Rtsp(_) | Source::Test(_) => stop.cancelled().await,
    }
}
