//! How much a worker may use.

use super::Missing;
use nix::sys::resource::{Resource, setrlimit};

/// Address space in bytes: several times what 4K needs, far below what hurts the machine.
const ADDRESS_SPACE: u64 = 2 << 30;
/// File descriptors: standard streams and the socket, with a few to spare.
const FILES: u64 = 16;

/// There is no limit on the size of files: a worker can open none, and where standard error is one
/// its last words would kill it.
pub(super) fn lower() -> Result<(), Missing> {
    let limits = [
        // A dump would hold pictures of a private home.
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, FILES),
        (Resource::RLIMIT_AS, ADDRESS_SPACE),
    ];
    // All are tried even if one fails.
    let results = limits.map(|(resource, limit)| setrlimit(resource, limit, limit));
    results.into_iter().collect::<Result<(), _>>().map_err(Missing::Limits)
}
