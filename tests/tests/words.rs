//! The words of the project, as data, and the tests that keep them.
//!
//! `docs/glossary.md` has one word for one thing. The words below are those that it replaces, each
//! with the count that is still there: a ceiling, which may only fall. A change that adds one fails
//! here; a change that removes some lowers the ceiling (the test prints by how much it may fall).
//!
//! Where they still are, word by word and without regard to case:
//!
//! ```sh
//! git grep -iwE 'anew|nobody|somebody|whoever' -- ':!tests/tests/words.rs'
//! git grep -iwE 'astray|audience|camera_moves|clerk|desk|disbelieve_clock|ender|film|guest|inlets' \
//!   -- ':!tests/tests/words.rs'
//! git grep -iwE 'lease|letters|looker|mend|outlet|recordtrack|seat|stillness|tally|wishes' \
//!   -- ':!tests/tests/words.rs'
//! ```
//!
//! Words that are ordinary English too (`order`, `page`, `room`) are refused as names only: of
//! types, of functions, of files.

use harness::repository;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// This file, which has to name the words.
const THIS: &str = "tests/tests/words.rs";

/// Words that must not come back anywhere in code, documents or API, with what is left of each.
const WORDS: &[(&str, usize)] = &[
    // Prose: name the thing instead.
    ("anew", 77),
    ("nobody", 153),
    ("somebody", 73),
    ("whoever", 75),
    // Terms: the glossary and the field have better ones.
    ("astray", 6),
    ("audience", 0),
    ("camera_moves", 2),
    ("clerk", 26),
    ("desk", 192),
    ("disbelieve_clock", 3),
    ("ender", 2),
    ("film", 66),
    ("guest", 186),
    ("inlets", 7),
    ("lease", 0),
    ("letters", 29),
    ("looker", 6),
    ("mend", 15),
    ("outlet", 24),
    ("recordtrack", 3),
    ("seat", 1),
    ("stillness", 59),
    ("tally", 58),
    ("wishes", 153),
];

/// Names that no type may have, with the definitions that are left.
const TYPES: &[(&str, usize)] = &[
    ("Access", 6),
    ("Account", 1),
    ("Arrivals", 1),
    ("Board", 1),
    ("Clerk", 1),
    ("Desk", 3),
    ("Ender", 1),
    ("Eye", 1),
    ("Film", 1),
    ("Guest", 1),
    ("House", 3),
    ("Inlets", 1),
    ("Judge", 2),
    ("Keeper", 2),
    ("Kept", 1),
    ("Landing", 1),
    ("Learned", 0),
    ("Lease", 1),
    ("Look", 1),
    ("Looker", 1),
    ("Mail", 1),
    ("Mend", 0),
    ("Missing", 2),
    ("Order", 5),
    ("Outlet", 1),
    ("Page", 1),
    ("Player", 2),
    ("RecordTrack", 1),
    ("Recorder", 1),
    ("Remote", 2),
    ("Room", 1),
    ("Seat", 1),
    ("Show", 2),
    ("Stops", 1),
    ("Supervisor", 1),
    ("Tally", 1),
    ("Thin", 1),
    ("Together", 1),
    ("View", 1),
    ("Visit", 1),
    ("Wish", 4),
];

/// Names that no function may have, with the definitions that are left.
const FUNCTIONS: &[(&str, usize)] =
    &[("disbelieve_clock", 1), ("dismiss", 3), ("hold", 4), ("release", 5)];

/// Names that no file or folder of code may have, with those that are left.
const FILES: &[(&str, usize)] = &[
    ("astray", 0),
    ("audience", 2),
    ("chase", 1),
    ("choice", 1),
    ("clerk", 1),
    ("climb", 1),
    ("desk", 1),
    ("ear", 1),
    ("echo", 0),
    ("film", 1),
    ("look", 1),
    ("panel", 1),
    ("pictures", 3),
    ("room", 1),
    ("stillness", 1),
    ("stops", 1),
    ("taking", 1),
    ("thin", 1),
    ("ways", 1),
    ("wishes", 0),
    ("words", 2),
];

/// How many types of `crates/*/src` share their name with another one. The goal is 150.
const SHARED_TYPE_NAMES: usize = 435;

#[test]
fn replaced_words_do_not_come_back() {
    let mut counts = BTreeMap::new();
    for text in files(|_| true).values() {
        for word in words(text) {
            *counts.entry(word.to_ascii_lowercase()).or_default() += 1;
        }
    }
    hold_to("the word", WORDS, &counts);
}

#[test]
fn names_follow_the_glossary() {
    let (mut types, mut functions, mut paths) = <(Counts, Counts, BTreeMap<_, _>)>::default();
    for (file, text) in files(is_code) {
        for line in text.lines() {
            if let Some(name) = type_defined(line) {
                *types.entry(name.to_owned()).or_default() += 1;
            }
            if let Some(name) = function_defined(line) {
                *functions.entry(name.to_owned()).or_default() += 1;
            }
        }
        for path in file.ancestors().filter(|p| !p.as_os_str().is_empty()) {
            let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
            paths.insert(path.to_owned(), stem.unwrap_or_default());
        }
    }
    let mut files = Counts::new();
    for stem in paths.into_values() {
        *files.entry(stem).or_default() += 1;
    }
    hold_to("the type", TYPES, &types);
    hold_to("the function", FUNCTIONS, &functions);
    hold_to("the file", FILES, &files);
}

#[test]
fn few_types_share_their_name_with_another() {
    let mut counts = Counts::new();
    for text in files(|p| p.starts_with("crates") && is_code(p) && !is_script(p)).values() {
        for name in text.lines().filter_map(type_defined) {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    counts.retain(|_, count| *count > 1);
    let shared = counts.values().sum::<usize>();
    assert!(
        shared <= SHARED_TYPE_NAMES,
        "{shared} types share their name with another, {SHARED_TYPE_NAMES} may; give yours a name \
         of its own: {counts:?}"
    );
    if shared < SHARED_TYPE_NAMES {
        eprintln!("SHARED_TYPE_NAMES may fall to {shared}");
    }
}

type Counts = BTreeMap<String, usize>;

/// Asserts that none of `ceilings` is exceeded, and prints those that may fall.
fn hold_to(what: &str, ceilings: &[(&str, usize)], counts: &Counts) {
    let mut broken = Vec::new();
    for &(name, most) in ceilings {
        let count = counts.get(name).copied().unwrap_or(0);
        if count > most {
            broken.push(format!("{what} {name}: {count}, at most {most}"));
        } else if count < most {
            eprintln!("the ceiling of {what} {name} may fall from {most} to {count}");
        }
    }
    assert!(broken.is_empty(), "see docs/glossary.md for a better name: {broken:#?}");
}

/// All texts of the repository that git knows, without what tools write and without this file.
fn files(wanted: impl Fn(&Path) -> bool) -> BTreeMap<PathBuf, String> {
    let listed = Command::new("git").arg("ls-files").current_dir(repository()).output();
    let listed = listed.expect("git").stdout;
    let listed = String::from_utf8(listed).expect("paths in UTF-8");
    let made =
        |p: &Path| p.extension().is_some_and(|e| e == "lock") || p.ends_with("package-lock.json");
    let texts = listed.lines().map(PathBuf::from).filter(|p| p != Path::new(THIS) && !made(p));
    let texts: BTreeMap<_, _> = texts
        .filter(|p| wanted(p))
        .filter_map(|p| fs::read_to_string(repository().join(&p)).ok().map(|text| (p, text)))
        .collect();
    assert!(!texts.is_empty(), "git lists no file");
    texts
}

/// The code of the product: of the server and of its pages.
fn is_code(path: &Path) -> bool {
    let source = path.components().any(|c| c.as_os_str() == "src");
    let product = path.starts_with("crates") || path.starts_with("web");
    product && source && (path.extension().is_some_and(|e| e == "rs") || is_script(path))
}

fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "js")
}

/// Words as `grep -w` sees them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty())
}

/// The type that a line of Rust defines. Types of a trait's implementation are none of their own.
fn type_defined(line: &str) -> Option<&str> {
    let code = without_visibility(line.trim_start());
    let (keyword, rest) = code.split_once(' ')?;
    let associated =
        keyword == "type" && line.starts_with([' ', '\t']) && code == line.trim_start();
    let defines = matches!(keyword, "struct" | "enum" | "trait" | "union" | "type") && !associated;
    defines.then(|| words(rest).next()).flatten().filter(|n| n.starts_with(char::is_uppercase))
}

/// The function that a line of Rust defines.
fn function_defined(line: &str) -> Option<&str> {
    let mut code = without_visibility(line.trim_start());
    for modifier in ["const ", "async ", "unsafe "] {
        code = code.strip_prefix(modifier).unwrap_or(code);
    }
    words(code.strip_prefix("fn ")?).next()
}

fn without_visibility(code: &str) -> &str {
    let Some(rest) = code.strip_prefix("pub") else { return code };
    let rest = rest.strip_prefix('(').and_then(|r| r.split_once(')')).map_or(rest, |(_, r)| r);
    rest.strip_prefix(' ').map_or(code, str::trim_start)
}

#[test]
fn definitions_are_found() {
    let types = [
        ("pub(crate) struct Lane<'a> {", Some("Lane")),
        ("    enum Kind {", Some("Kind")),
        ("pub type Done = Box<dyn Fn()>;", Some("Done")),
        ("    type Item = u8;", None),
        ("/// struct Said", None),
        ("public struct", None),
    ];
    for (line, name) in types {
        assert_eq!(type_defined(line), name, "{line}");
    }
    assert_eq!(function_defined("    pub(super) async fn hold(&self) {"), Some("hold"));
    assert_eq!(function_defined("// fn hold"), None);
    let split: Vec<_> = words("a camera_moves, Anew-made 'nobody's").collect();
    assert_eq!(split, ["a", "camera_moves", "Anew", "made", "nobody", "s"]);
}
