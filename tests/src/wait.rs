//! Waiting for something to become true, never for time to pass.

use anyhow::{Result, bail};
use std::time::{Duration, Instant, SystemTime};

/// How long a test waits for what should take moments. Long enough for a busy machine: a test that fails takes this long,
/// one that passes does not.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Asks `probe` again and again until it has an answer.
///
/// # Errors
/// If there is none within `limit`; the text says `what` was waited for.
pub fn wait_until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe() {
            return Ok(answer);
        }
        if start.elapsed() > limit {
            bail!("waited {:.1} s in vain: {what}", limit.as_secs_f64());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Milliseconds since 1970 on the wall clock, as pages and pictures count.
pub fn wall_clock() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |t| t.as_secs_f64() * 1e3)
}
