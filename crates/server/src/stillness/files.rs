//! Looks at pictures that come as whole files, such as JPEG: a picture that stands still in a
//! camera is the same file again and again.

use bytes::Bytes;
use media::Mono;
use proto::ipc::Look;
use std::time::Duration;

/// From look to look, at least.
const PACE: Duration = Duration::from_millis(250);

/// The newest file of a camera that was looked at. Files of different pictures differ in length or
/// within their first part, so that comparing costs something only while nothing moves.
#[derive(Default)]
pub(crate) struct Files {
    last: Bytes,
    found: Option<Look>,
}

impl Files {
    /// Looks at a file, unless it has looked at one just before. Returns what the looks have found.
    pub(crate) fn look(&mut self, now: Mono, file: &Bytes) -> Option<Look> {
        if self.found.is_some_and(|found| now.since(found.newest) < PACE) {
            return None;
        }
        let found = self.found.get_or_insert(Look { since: now, newest: now, moved: None });
        found.newest = now;
        if self.last != *file {
            found.since = now;
            found.moved = (!self.last.is_empty()).then_some(now);
            self.last = file.clone();
        }
        self.found
    }
}
