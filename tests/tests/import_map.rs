//! Who may import whom, as data, and the test that fails on a breach.
//!
//! The map is the plan of the house (ARCHITECTURE.md): a change here is a change of the plan.

use harness::repository;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Each crate of `crates/` with all crates of the workspace that it may depend on.
const CRATES: &[(&str, &[&str])] = &[
    ("neverblink-media", &[]),
    ("neverblink-proto", &["neverblink-media"]),
    ("neverblink-hub", &["neverblink-media"]),
    ("neverblink-worker", &["neverblink-media", "neverblink-proto"]),
    (
        "neverblink",
        &["neverblink-media", "neverblink-proto", "neverblink-hub", "neverblink-worker"],
    ),
];

/// Of `proto`, the worker may use this module only.
const WORKER_MAY_USE_OF_PROTO: &str = "ipc";

/// Feature modules of the server: none may name another. `app` composes them.
const FEATURES: &[&str] = &[
    "config",
    "endpoint::hls",
    "endpoint::http",
    "endpoint::mjpeg",
    "endpoint::progressive",
    "endpoint::rtsp",
    "endpoint::webrtc",
    "endpoint::ws",
    "source::exec",
    "source::file",
    "source::http",
    "source::rpicam",
    "source::rtsp",
    "source::udp",
    "slate",
    "source::worker",
    "supervise",
    "telemetry",
    "web",
];

/// Modules of the server that every feature may name; they name no feature.
const COMMON: &[&str] = &[
    "cameras",
    "clock",
    "connection",
    "controls",
    "error",
    "event",
    "pictures",
    "publication",
    "redact",
    "source::child",
    "source::intake",
    "state",
    "stillness",
    "stops",
    "stream_name",
    "viewers",
    "workers",
];

/// What a feature may name nevertheless, each with its reason.
const EXCEPTIONS: &[(&str, &str)] = &[
    // A source is what the supervisor runs: it implements its trait.
    ("source", "supervise"),
];

/// The only modules that may name them all: `app` composes the server, `cli` runs it and the other
/// commands.
const COMPOSERS: &[&str] = &["app", "cli"];

#[test]
fn crates_depend_on_what_the_map_allows() {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<_> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let inside = package["manifest_path"].as_str().unwrap().contains("/crates/");
        let Some((_, allowed)) = CRATES.iter().find(|(n, _)| *n == name) else {
            assert!(
                !inside,
                "{name} is not in the map of crates: add it, with what it may depend on"
            );
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            assert!(!names.contains(on) || allowed.contains(&on), "{name} may not depend on {on}");
        }
    }
}

#[test]
fn the_worker_uses_only_the_conversation_with_its_parent() {
    for (file, code) in sources("crates/worker/src") {
        for path in paths(&code, "proto") {
            let module = path.split("::").nth(1).unwrap_or_default();
            assert_eq!(module, WORKER_MAY_USE_OF_PROTO, "{} names {path}", file.display());
        }
    }
}

#[test]
fn features_of_the_server_do_not_name_each_other() {
    let root = "crates/server/src";
    let mut breaches = Vec::new();
    for (file, code) in sources(root) {
        let module = module_of(&file, root);
        if COMPOSERS.iter().any(|c| within(&module, c)) || module.is_empty() {
            continue;
        }
        for path in paths(&code, "crate").into_iter().chain(paths(&code, "super")) {
            let named = resolve(&module, &path);
            if !allowed(&module, &named) {
                breaches.push(format!("{}: {module} names {path}", file.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "only `app` composes features:\n{}", breaches.join("\n"));
}

#[test]
fn every_module_of_the_server_is_on_the_map() {
    let known = |module: &str| {
        let listed = FEATURES.iter().chain(COMMON).chain(COMPOSERS);
        module.is_empty() || listed.into_iter().any(|f| within(module, f) || within(f, module))
    };
    for (file, _) in sources("crates/server/src") {
        let module = module_of(&file, "crates/server/src");
        assert!(known(&module), "{}: add module {module} to the map", file.display());
    }
}

#[test]
fn unsafe_code_lives_in_the_worker_only() {
    for crate_ in ["media", "proto", "hub", "server"] {
        let root = ["lib.rs", "main.rs"]
            .map(|f| repository().join("crates").join(crate_).join("src").join(f));
        let root = root.iter().find(|f| f.exists()).unwrap();
        assert!(
            fs::read_to_string(root).unwrap().contains("#![forbid(unsafe_code)]"),
            "{}",
            root.display()
        );
    }
}

#[test]
fn files_stay_small_enough_to_be_read() {
    const MOST_LINES: usize = 500;
    let roots = ["crates", "tests", "bench"];
    for (file, _) in roots.iter().flat_map(|r| sources(r)) {
        let lines = fs::read_to_string(repository().join(&file)).unwrap().lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines; cut it by concern", file.display());
    }
}

/// True if `module` is `of` or below it.
fn within(module: &str, of: &str) -> bool {
    module.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn allowed(module: &str, named: &str) -> bool {
    let home = FEATURES.iter().chain(COMMON).find(|f| within(module, f));
    let target = FEATURES.iter().find(|f| within(named, f));
    let except = EXCEPTIONS.iter().any(|(from, to)| within(module, from) && within(named, to));
    let composer = COMPOSERS.iter().any(|c| within(named, c));
    except || !composer && target.is_none_or(|target| home == Some(target))
}

/// The module a file holds, as a path below the crate's root: `endpoint::rtsp::session`; empty for
/// the root.
fn module_of(file: &Path, root: &str) -> String {
    let below = file.strip_prefix(root).expect("a file below the root").with_extension("");
    let parts: Vec<_> = below.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    let parts = parts.iter().filter(|p| !matches!(p.as_str(), "mod" | "main" | "lib"));
    parts.cloned().collect::<Vec<_>>().join("::")
}

/// A path as seen from `module`, from the crate's root on.
fn resolve(module: &str, path: &str) -> String {
    let mut at: Vec<_> = module.split("::").collect();
    for part in path.split("::") {
        match part {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            part => at.push(part),
        }
    }
    at.join("::")
}

/// All Rust files below `root` (relative to the repository), without their comments and strings.
fn sources(root: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![repository().join(root)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("a readable directory").flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let code = code_only(&fs::read_to_string(&path).expect("a readable file"));
                found.push((
                    path.strip_prefix(repository()).expect("a file of the repository").to_owned(),
                    code,
                ));
            }
        }
    }
    found.sort();
    found
}

/// Drops line comments; a `//` within a string drops the rest of its line, which holds no path that
/// matters.
fn code_only(source: &str) -> String {
    source.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// All paths that begin with `first`, with the trees of `use` spelled out: `crate::{a::{b, c}, d}`
/// is three paths.
fn paths(code: &str, first: &str) -> Vec<String> {
    let start = format!("{first}::");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&start) {
        let inside_a_word =
            code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        if !inside_a_word {
            expand(first, &mut code[at + start.len()..].chars().peekable(), &mut found);
        }
    }
    found
}

/// Reads the rest of a path behind `prefix::`.
fn expand(
    prefix: &str,
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    found: &mut Vec<String>,
) {
    let mut path = format!("{prefix}::");
    loop {
        match rest.peek() {
            Some(c) if c.is_alphanumeric() || matches!(c, '_' | ':' | '*') => {
                path.extend(rest.next());
            }
            Some('{') if path.ends_with("::") => {
                rest.next();
                return expand_group(path.trim_end_matches(':'), rest, found);
            }
            _ => break,
        }
    }
    found.push(path.trim_end_matches(':').to_owned());
}

fn expand_group(
    prefix: &str,
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    found: &mut Vec<String>,
) {
    while let Some(&c) = rest.peek() {
        match c {
            '}' => {
                rest.next();
                return;
            }
            c if c.is_alphanumeric() || matches!(c, '_' | '*' | '{') => {
                expand(prefix, rest, found);
                skip_alias(rest);
            }
            _ => {
                rest.next();
            }
        }
    }
}

/// Passes over ` as name`, up to the next comma or brace.
fn skip_alias(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while rest.next_if(|c| !matches!(c, ',' | '}')).is_some() {}
}

#[test]
fn paths_are_found_in_every_spelling() {
    let code = "use crate::{a::{self, b as c}, d};\nlet x = crate::e::f(1); mycrate::no(); use super::crate_::x; crate::g";
    let found = paths(code, "crate");
    assert_eq!(found, ["crate::a::self", "crate::a::b", "crate::d", "crate::e::f", "crate::g"]);
}

#[test]
fn a_breach_is_seen() {
    assert!(!allowed("endpoint::rtsp::session", "source::rtsp::Pull"));
    assert!(!allowed("endpoint::rtsp", "app::start"));
    assert!(!allowed("endpoint::rtsp", &resolve("endpoint::rtsp", "super::webrtc::Media")));
    assert!(!allowed(
        "endpoint::rtsp::session",
        &resolve("endpoint::rtsp::session", "super::super::webrtc")
    ));
    assert!(allowed(
        "endpoint::rtsp::session",
        &resolve("endpoint::rtsp::session", "super::auth::Digest")
    ));
    assert!(!allowed("cameras", "config::Camera"));
    assert!(allowed("endpoint::rtsp::session", "endpoint::rtsp::auth"));
    assert!(allowed("endpoint::rtsp::session", "cameras::Cameras"));
    assert!(allowed("web", "clock"));
}
