//! Skipping what this machine cannot do, so that nobody overlooks it.

use std::{fs::OpenOptions, io::Write};

/// True if every one of `tools` is on the path. If not, says so loudly; the test should return.
///
/// With `NEVERBLINK_TOOLS_REQUIRED` set (as the continuous integration does) a missing tool is a
/// failure.
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
    let text = format!("{tools} not installed (`./x setup test` installs what the tests need)");
    assert!(std::env::var_os("NEVERBLINK_TOOLS_REQUIRED").is_none(), "{text}");
    skip(&text);
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
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {why}\n", thread.name().unwrap_or("test"));
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(list) = std::env::var_os("NEVERBLINK_SKIPPED_LIST") {
        let file = OpenOptions::new().create(true).append(true).open(list);
        let _ = file.and_then(|mut f| f.write_all(line.as_bytes()));
    }
}
