//! Waiting for something to become true, never for time to pass.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::time::{Duration, Instant, SystemTime};

/// How long a test waits for what should take moments. Long enough for a busy machine: a test that
/// fails takes this long, one that passes does not.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Between two questions: one that takes long is not asked so often that it costs others the
/// processor.
const LONGEST_PAUSE: Duration = Duration::from_millis(30);

/// Asks `probe` again and again until it has an answer.
///
/// # Errors
/// If there is none within `limit`; the text says `what` was waited for.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Option<T>,
) -> Result<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        if let Some(answer) = probe() {
            return Ok(answer);
        }
        if start.elapsed() > limit {
            bail!("waited {:.1} s in vain: {what}", limit.as_secs_f64());
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Waits until what `ask` says of a camera is this state, for a reason with these words in it.
///
/// # Errors
/// If that does not happen within `limit`; the text tells what was said last.
pub(crate) fn wait_for_words(
    camera: &str,
    state: &str,
    words: &str,
    limit: Duration,
    ask: impl Fn() -> Result<Value>,
) -> Result<Value> {
    let mut last = Value::Null;
    let found = wait_until(&format!("{camera} {state}: …{words}…"), limit, || {
        last = ask().ok()?;
        let told = last["reason"].as_str().is_some_and(|reason| reason.contains(words));
        (last["state"] == state && (words.is_empty() || told)).then(|| last.clone())
    });
    found.with_context(|| format!("last: {last}"))
}

/// Milliseconds since 1970 on the wall clock, as pages and pictures count.
pub fn wall_clock() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |t| t.as_secs_f64() * 1e3)
}
