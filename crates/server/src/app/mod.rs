//! Puts the house together: the only module that names them all.

mod browsers;
mod endpoints;
mod jpegs;
mod limits;
mod reload;
mod signals;
mod sources;
mod state;

pub(crate) use sources::{ask, capture, drive, execute, listen, play, pull, test_picture};

use crate::{
    cameras::Cameras,
    clock::Clock,
    config::{Config, Loader},
    controls::Settings,
    endpoint::http::ConfigState,
    event::{EventKind, EventWriter},
    pictures::{self, Pictures},
    stops::Stops,
    telemetry::{LogArgs, Telemetry},
    viewers::ViewerRegistry,
    workers::Spawner,
};
use anyhow::Context;
use reload::Reload;
use signals::Signals;
use sources::Sources;
use std::{panic::AssertUnwindSafe, time::Duration};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How the server was started.
pub(crate) enum Mode {
    /// From a config that may change.
    Serve(Loader),
    /// With a built-in camera; says on stdout where to look.
    Demo {
        /// Nobody named a port, so one that is taken may be replaced by a free one.
        any_port: bool,
    },
}

/// A little less than the 3 s promised.
const STOP_WITHIN: Duration = Duration::from_millis(2500);
/// Events are on disk within this, if the disk is well.
const WRITTEN_WITHIN: Duration = Duration::from_millis(400);
/// How often silence, new states and frame rates are looked for.
const TICK: Duration = Duration::from_millis(100);

/// What the parts of the house share.
#[derive(Clone)]
struct House {
    cameras: Cameras,
    viewers: ViewerRegistry,
    clock: Clock,
    tasks: TaskTracker,
    stop: CancellationToken,
    spawner: Spawner,
    settings: Settings,
    stops: Stops,
    pictures: Pictures,
    telemetry: Telemetry,
}

impl House {
    fn event(&self, kind: EventKind) {
        self.cameras.events().emit(self.clock.pair().wall, kind, None, "");
    }

    fn set_titles(&self, config: &Config) {
        for (name, camera) in &config.cameras {
            if let Ok(known) = self.cameras.get(name) {
                known.set_title(camera.title.clone());
            }
        }
    }
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// A port that cannot be bound, or a signal handler that cannot be set.
pub(crate) async fn run(config: Config, mode: Mode, log: LogArgs) -> anyhow::Result<()> {
    let clock = Clock::new();
    let telemetry = log.init(clock);
    let state = state::directory(&config.state_dir, &mode)?;
    let spawner = Spawner::new().context("cannot start the thread that starts workers")?;
    let events = EventWriter::open(state.path(), clock.pair().wall);
    let (cameras, tasks, token) =
        (Cameras::new(events.bus()), TaskTracker::new(), CancellationToken::new());
    let pictures = pictures::House {
        cameras: cameras.clone(),
        spawner: spawner.clone(),
        clock,
        tasks: tasks.clone(),
        stop: token.clone(),
    };
    let house = House {
        cameras,
        viewers: ViewerRegistry::default(),
        clock,
        tasks,
        stop: token,
        spawner,
        pictures: Pictures::new(pictures),
        settings: Settings::open(state.clone()),
        stops: Stops::open(state),
        telemetry,
    };
    let signals = Signals::new().context("cannot listen for signals")?;
    house.viewers.set_limits(limits::of(&config));
    let (state, seen) = watch::channel(ConfigState::default());
    let ports =
        endpoints::hold(&house, &config, matches!(mode, Mode::Demo { any_port: true })).await?;
    let mut sources = Sources::new(house.clone());
    config.streams().iter().for_each(|(name, input)| sources.start(name, input));
    house.set_titles(&config);
    let bound = endpoints::serve(&house, ports, seen);
    house.event(EventKind::ServerStarted);
    // Beside the other tasks: it writes what they emit until their end.
    let written = CancellationToken::new();
    let writer = tokio::spawn(events.run(written.clone()));
    house.tasks.spawn(tick(house.clone()));
    bound.announce(matches!(mode, Mode::Demo { .. }));
    let loader = match mode {
        Mode::Serve(loader) => Some(loader),
        Mode::Demo { .. } => None,
    };
    let reload = Reload { house: house.clone(), config, loader, sources, state };
    house.tasks.spawn(reload.run(signals.hangup));
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    signals::until_stop(signals.terminate, signals.interrupt).await;
    stop(house).await;
    written.cancel();
    let _ = tokio::time::timeout(WRITTEN_WITHIN, writer).await;
    Ok(())
}

async fn tick(house: House) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    while house.stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // A bug here must not end the watch over everything else; the panic is logged and counted.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| {
            house.cameras.tick(house.clock.pair());
            house.viewers.tick(house.clock.now());
        }));
        house.telemetry.fold.flush();
    }
}

async fn stop(house: House) {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping");
    house.event(EventKind::ServerStopping);
    house.stop.cancel();
    house.tasks.close();
    if tokio::time::timeout(STOP_WITHIN, house.tasks.wait()).await.is_err() {
        tracing::warn!(tasks = house.tasks.len(), "some tasks did not end in time and are cut off");
    }
    tracing::info!("stopped");
}
