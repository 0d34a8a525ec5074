//! The course of one fault: what the server said of it, and how long it took to be over it.

use super::{Fault, Patient};
use crate::{Server, wait_until};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long it may take until something is told, or is well again; the longest delay before a next
/// try is in it.
const LIMIT: Duration = Duration::from_secs(60);
/// How often the server is asked.
const ROUND: Duration = Duration::from_millis(40);
/// Frames at this rate are a live camera again.
const WELL: f64 = 25.0;

/// The course of a camera from a fault to its end.
#[derive(Clone, Debug)]
pub struct Course {
    /// The camera.
    pub camera: String,
    /// The fault.
    pub fault: Fault,
    /// Each state but `live` that was shown, with its reason, in order.
    pub told: Vec<(String, String)>,
    /// From the fault to the first of them, if there was any.
    pub told_after: Option<Duration>,
    /// The longest age of the newest frame from the fault on, if the camera was never called
    /// anything but live.
    pub longest_gap: Duration,
    /// Why it was restarted since the fault, if it was.
    pub restarted: Option<String>,
    /// From the end of the fault to the first frame after it.
    pub back_after: Duration,
}

impl Course {
    /// Strikes, waits until `enough` is seen, heals, and waits until frames come again.
    ///
    /// # Errors
    /// If it is not well before, or never afterwards, or `enough` is never seen.
    pub fn take(
        patient: &mut dyn Patient,
        fault: Fault,
        server: &Server,
        lasts: Duration,
        falls: bool,
    ) -> Result<Self> {
        let camera = patient.name().to_owned();
        let mut course = Self {
            camera: camera.clone(),
            fault,
            told: Vec::new(),
            told_after: None,
            longest_gap: Duration::ZERO,
            restarted: None,
            back_after: Duration::ZERO,
        };
        wait_until_well(server, &camera)?;
        let struck = Instant::now();
        patient.strike(fault, server)?;
        while struck.elapsed() < lasts || falls && course.told.is_empty() {
            ensure!(struck.elapsed() < LIMIT, "{camera} {fault:?}: nothing was told of it");
            course.observe(&server.camera(&camera)?, struck);
            std::thread::sleep(ROUND);
        }
        patient.heal(fault, server)?;
        let healed = Instant::now();
        while !course.observe(&server.camera(&camera)?, struck)
            || !newer(&server.camera(&camera)?, healed)
        {
            ensure!(
                healed.elapsed() < LIMIT,
                "{camera} {fault:?}: not live again; told: {:?}",
                course.told
            );
            std::thread::sleep(ROUND);
        }
        course.back_after = healed.elapsed();
        let last = &server.camera(&camera)?["last_restart"];
        let since = last["age_ms"].as_u64().is_some_and(|age| newer_than(age, struck));
        course.restarted = last["cause"].as_str().filter(|_| since).map(str::to_owned);
        Ok(course)
    }

    /// Notes what is shown now; true if that is a live camera.
    fn observe(&mut self, shown: &Value, struck: Instant) -> bool {
        let text = |key: &str| shown[key].as_str().unwrap_or_default().to_owned();
        let (state, reason) = (text("state"), text("reason"));
        self.longest_gap = self.longest_gap.max(age(shown));
        if state == "live" {
            return true;
        }
        self.told_after.get_or_insert_with(|| struck.elapsed());
        let said = (state, reason);
        if !self.told.contains(&said) {
            self.told.push(said);
        }
        false
    }

    /// True if one of the states was shown with these words.
    pub fn was_told(&self, states: &[&str], words: &str) -> bool {
        self.told
            .iter()
            .any(|(state, reason)| states.contains(&state.as_str()) && reason.contains(words))
    }
}

/// Frames flow at the camera's rate.
///
/// # Errors
/// If they do not before long.
pub fn wait_until_well(server: &Server, camera: &str) -> Result<()> {
    let mut last = Value::Null;
    let well = wait_until(&format!("{camera} being well"), LIMIT, || {
        last = server.camera(camera).ok()?;
        (last["state"] == "live" && last["fps"].as_f64()? > WELL).then_some(())
    });
    well.with_context(|| format!("last: {last}"))
}

fn newer_than(age_ms: u64, moment: Instant) -> bool {
    Duration::from_millis(age_ms) < moment.elapsed()
}

fn age(shown: &Value) -> Duration {
    Duration::from_millis(shown["last_frame_age_ms"].as_u64().unwrap_or(0))
}

fn newer(shown: &Value, than: Instant) -> bool {
    shown["last_frame_age_ms"].is_u64() && age(shown) < than.elapsed()
}
