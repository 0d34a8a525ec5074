//! A fault that repeats a hundred times a second fills disks and hides everything else: it is told
//! once, and then once a second with a count.

use crate::clock::Clock;
use media::Mono;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tracing::{
    Event, Level, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// Between two lines of the same fault.
const EVERY: Duration = Duration::from_secs(1);
/// Different faults remembered; beyond that they are told unfolded.
const MAX_FAULTS: usize = 1024;
/// The target of the lines that carry a count; they are not folded themselves.
const TARGET: &str = "neverblink::repeated";

/// The layer that folds. A cheap handle.
#[derive(Clone)]
pub(crate) struct Fold {
    clock: Clock,
    faults: Arc<Mutex<Faults>>,
}

impl Fold {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, faults: Arc::default() }
    }

    /// Tells what was folded. To be called a few times a second.
    pub(crate) fn flush(&self) {
        let due = self.faults.lock().unwrap_or_else(PoisonError::into_inner).due(self.clock.now());
        for Repeated { level, message, camera, count } in due {
            if level == Level::ERROR {
                tracing::error!(target: TARGET, camera, repeated = count, "{message}");
            } else {
                tracing::warn!(target: TARGET, camera, repeated = count, "{message}");
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for Fold {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let about = event.metadata();
        if *about.level() > Level::WARN || about.target() == TARGET {
            return true;
        }
        let mut said = Said::default();
        event.record(&mut said);
        let key = Key { callsite: about.callsite(), camera: said.camera };
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.admit(self.clock.now(), key, *about.level(), said.message)
    }
}

/// What makes two lines the same fault: the place in the program, and the camera.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    callsite: Identifier,
    camera: Option<String>,
}

struct Fault {
    told: Mono,
    folded: u64,
    level: Level,
    message: String,
}

/// A line with a count.
#[derive(PartialEq, Eq, Debug)]
struct Repeated {
    level: Level,
    message: String,
    camera: Option<String>,
    count: u64,
}

/// The faults of the last second.
#[derive(Default)]
struct Faults(HashMap<Key, Fault>);

impl Faults {
    /// True if the line is to be told now.
    fn admit(&mut self, now: Mono, key: Key, level: Level, message: String) -> bool {
        let full = self.0.len() >= MAX_FAULTS;
        match self.0.get_mut(&key) {
            Some(fault) if fault.folded > 0 || now.since(fault.told) < EVERY => {
                fault.folded += 1;
                fault.message = message;
                false
            }
            Some(fault) => {
                fault.told = now;
                true
            }
            None => {
                if !full {
                    self.0.insert(key, Fault { told: now, folded: 0, level, message });
                }
                true
            }
        }
    }

    /// The lines to be told now; faults that have stopped are forgotten.
    fn due(&mut self, now: Mono) -> Vec<Repeated> {
        let mut due = Vec::new();
        self.0.retain(|key, fault| {
            if now.since(fault.told) < EVERY {
                return true;
            }
            let count = std::mem::take(&mut fault.folded);
            fault.told = now;
            if count > 0 {
                due.push(Repeated {
                    level: fault.level,
                    message: fault.message.clone(),
                    camera: key.camera.clone(),
                    count,
                });
            }
            count > 0
        });
        due
    }
}

/// The fields that matter here.
#[derive(Default)]
struct Said {
    message: String,
    camera: Option<String>,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "camera" => self.camera = Some(format!("{value:?}")),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "camera" => self.camera = Some(value.to_owned()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
