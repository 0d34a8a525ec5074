//! Runs the config: the one the server was started with, and every better one that is written
//! later.

use super::{House, limits, sources::Sources};
use crate::{
    config::{Config, Loader, Plan, StreamChange},
    endpoint::http::ConfigState,
    event::EventKind,
    stream_name::parts,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    signal::unix::Signal,
    sync::watch,
    time::{MissedTickBehavior, interval},
};

/// How often the file is looked at. It must look the same twice, so a change takes effect after one
/// to two of these.
const LOOK: Duration = Duration::from_secs(1);

/// Owns what runs, and changes it as the config changes.
pub(super) struct Reload {
    pub(super) house: House,
    pub(super) config: Config,
    /// `None` if the config came from nowhere and stays as it is.
    pub(super) loader: Option<Loader>,
    pub(super) sources: Sources,
    pub(super) state: watch::Sender<ConfigState>,
}

impl Reload {
    /// Follows the file and SIGHUP until the server stops, then stops the sources.
    pub(super) async fn run(mut self, mut hangup: Signal) {
        let stop = self.house.stop.clone();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(()) = hangup.recv() => self.reload("SIGHUP").await,
                _ = looks.tick() => if self.loader.as_mut().is_some_and(Loader::look) {
                    self.reload("the file was written").await;
                },
            }
        }
        self.sources.shutdown().await;
    }

    async fn reload(&mut self, cause: &str) {
        let Some(loader) = &mut self.loader else {
            tracing::info!(cause, "there is no config file to load again");
            return;
        };
        match loader.load() {
            Ok(config) => self.change_to(config, cause).await,
            Err(problems) => self.reject(&problems.to_string(), cause),
        }
    }

    fn reject(&mut self, error: &str, cause: &str) {
        tracing::error!(cause, error, "the new config is refused; the old one keeps running");
        self.event(EventKind::ConfigRefused, None, error);
        self.state.send_replace(ConfigState::Rejected { error: error.to_owned() });
    }

    async fn change_to(&mut self, new: Config, cause: &str) {
        self.house.viewers.set_limits(limits::of(&new));
        let plan = Plan::new(&self.config, &new);
        let counts = (plan.add.len(), plan.remove.len(), plan.change.len());
        for name in &plan.remove {
            self.remove(name).await;
        }
        for change in &plan.change {
            self.change(change).await;
        }
        for (name, input) in &plan.add {
            self.sources.start(name, input);
            self.event(EventKind::CameraAdded, Some(name), "");
        }
        self.house.set_titles(&new);
        let (added, removed, changed) = counts;
        tracing::info!(cause, added, removed, changed, "config loaded");
        self.event(EventKind::ConfigReloaded, None, "");
        self.settle(new, &plan);
    }

    /// Only a new source interrupts the stream.
    async fn change(&mut self, change: &StreamChange) {
        let StreamChange { name, input, keys, restart } = change;
        if *restart {
            self.sources.stop(name, "its source was changed").await;
            self.sources.start(name, input);
        } else {
            self.sources.adjust(name, input);
        }
        let effect = if *restart { "its source was restarted" } else { "its source runs on" };
        let text = format!("{} changed; {effect}", keys.join(", "));
        self.event(EventKind::CameraChanged, Some(name), &text);
    }

    async fn remove(&mut self, name: &Arc<str>) {
        let reason = match parts(name) {
            (_, None) => "the camera was removed from the config",
            (_, Some(_)) => "the rendition was removed from the config",
        };
        self.sources.stop(name, reason).await;
        self.house.cameras.remove(name, reason, self.house.clock.now());
        self.event(EventKind::CameraRemoved, Some(name), "");
    }

    /// What cannot change while running stays as it is, also for the next comparison.
    fn settle(&mut self, new: Config, plan: &Plan) {
        let Config { listen, webrtc, state_dir, .. } = self.config.clone();
        self.config = Config { listen, webrtc, state_dir, ..new };
        let state = match plan.needs_restart.as_slice() {
            [] => ConfigState::Ok,
            keys => {
                tracing::warn!(
                    keys = keys.join(", "),
                    "these changes need a restart of the server; until then the old values hold"
                );
                ConfigState::NeedsRestart { keys: keys.to_vec() }
            }
        };
        self.state.send_replace(state);
    }

    fn event(&self, kind: EventKind, camera: Option<&Arc<str>>, text: &str) {
        let at = self.house.clock.pair().wall;
        self.house.cameras.events().emit(at, kind, camera.map(|name| &**name), text);
    }
}
