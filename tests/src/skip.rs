//! Skipping what this machine cannot do, so that it is not overlooked.

use std::{fs::OpenOptions, io::Write};

/// What a machine may lack although `NEVERBLINK_TOOLS_REQUIRED` is set: beginnings of reasons. Any
/// other skip fails there, so that no test vanishes in silence.
const MAY_SKIP: &[&str] = &[];

/// True if every one of `tools` is on the path. If not, says so loudly; the test should return.
///
/// With `NEVERBLINK_TOOLS_REQUIRED` set (as the continuous integration does) a skip is a failure.
pub fn skip_without(tools: &[&str]) -> bool {
    let missing: Vec<_> = tools.iter().filter(|t| !has_tool(t)).copied().collect();
    if missing.is_empty() {
        return false;
    }
    skip_unless_required(&missing.join(", "));
    true
}

/// Skips for want of `tools`.
pub(crate) fn skip_unless_required(tools: &str) {
    skip(&format!("{tools} not installed (`./x setup test` installs what the tests need)"));
}

/// True if `tool` can be started.
pub fn has_tool(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|d| d.join(tool).is_file())
}

/// Says that the running test is skipped, past libtest's capture, and notes it for the summary of
/// `./x test`.
///
/// # Panics
/// With `NEVERBLINK_TOOLS_REQUIRED` set, unless the reason is in `MAY_SKIP`.
pub fn skip(why: &str) {
    let required = std::env::var_os("NEVERBLINK_TOOLS_REQUIRED").is_some();
    assert!(
        !required || MAY_SKIP.iter().any(|known| why.starts_with(known)),
        "may not skip: {why}"
    );
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {why}\n", thread.name().unwrap_or("test"));
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(list) = std::env::var_os("NEVERBLINK_SKIPPED_LIST") {
        let file = OpenOptions::new().create(true).append(true).open(list);
        let _ = file.and_then(|mut f| f.write_all(line.as_bytes()));
    }
}
