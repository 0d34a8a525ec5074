//! What `deny.toml` says of licences, sources and bans, held by what cargo itself knows. `./x deny`
//! has cargo-deny look at the same, and at security advisories.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::repository;
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path, process::Command};

struct Package {
    name: String,
    /// Where it is from, if not from crates.io.
    from: Option<String>,
    licence: String,
}

/// Every package that is compiled for one of the targets, tests included. (`cargo metadata` names
/// some that no feature asks for; `cargo tree` does not.)
fn packages(rules: &str) -> Vec<Package> {
    let mut arguments = vec!["tree", "--workspace", "--locked", "--all-features"];
    arguments.extend(["--prefix", "none", "--format", "{p}|{l}"]);
    quoted(list(rules, "targets")).iter().for_each(|target| arguments.extend(["--target", target]));
    let text = cargo(&arguments);
    let lines: BTreeSet<_> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    let packages: Vec<_> = lines.into_iter().filter_map(package).collect();
    assert!(packages.len() > 100, "{} packages", packages.len());
    packages
}

/// Of `name v1.2.3 (where it is from) (proc-macro)|licence`.
fn package(line: &str) -> Option<Package> {
    let (what, licence) = line.split_once('|')?;
    let (name, rest) = what.split_once(' ')?;
    let mut notes = rest.split(" (").skip(1).map(|note| note.trim_end_matches(')'));
    let from = notes.find(|note| *note != "proc-macro").map(str::to_owned);
    Some(Package { name: name.into(), from, licence: licence.into() })
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(repository())
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Dependencies of the workspace's own packages on any version of another.
fn wildcards() -> Vec<String> {
    let arguments = ["metadata", "--format-version", "1", "--locked", "--no-deps"];
    let workspace: Value = serde_json::from_str(&cargo(&arguments)).unwrap();
    let ours = workspace["packages"].as_array().unwrap().iter();
    let all = ours.flat_map(|package| package["dependencies"].as_array().unwrap());
    let any = all.filter(|d| d["req"] == "*" && d["path"].is_null());
    any.map(|d| format!("any version of {}", d["name"])).collect()
}

/// What stands between the brackets after `key = [`.
fn list<'a>(rules: &'a str, key: &str) -> &'a str {
    let (_, rest) = rules.split_once(&format!("\n{key} = [")).unwrap();
    rest.split_once("]\n").unwrap().0
}

fn quoted(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(|line| line.split('"').skip(1).step_by(2)).collect()
}

/// True if an SPDX expression can be kept by licences that are allowed.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    any_of(&mut &*words, allowed)
}

fn any_of(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut holds = all_of(words, allowed);
    while take(words, "OR") {
        holds |= all_of(words, allowed);
    }
    holds
}

fn all_of(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut holds = one(words, allowed);
    while take(words, "AND") {
        holds &= one(words, allowed);
    }
    holds
}

fn one(words: &mut &[&str], allowed: &[&str]) -> bool {
    if take(words, "(") {
        let holds = any_of(words, allowed);
        return take(words, ")") && holds;
    }
    let Some((licence, rest)) = words.split_first() else { return false };
    *words = rest;
    if !take(words, "WITH") {
        return allowed.contains(licence);
    }
    let Some((exception, rest)) = words.split_first() else { return false };
    *words = rest;
    // An exception only gives more leave.
    allowed.contains(licence) || allowed.contains(&&*format!("{licence} WITH {exception}"))
}

fn take(words: &mut &[&str], word: &str) -> bool {
    let found = words.first() == Some(&word);
    *words = &words[usize::from(found)..];
    found
}

#[test]
fn every_dependency_is_licensed_known_and_not_banned() {
    let rules = fs::read_to_string(repository().join("deny.toml")).unwrap();
    let allowed = quoted(list(&rules, "allow"));
    let banned: Vec<_> =
        rules.split("{ crate = \"").skip(1).map(|r| r.split('"').next().unwrap()).collect();
    assert!(allowed.len() > 5 && banned.len() > 5, "{allowed:?} {banned:?}");
    let mut wrong = wildcards();
    for Package { name, from, licence } in packages(&rules) {
        if !is_allowed(&licence, &allowed) {
            wrong.push(format!("{name}: licence {licence}"));
        }
        if from.as_ref().is_some_and(|from| !Path::new(from).starts_with(repository())) {
            wrong.push(format!("{name}: from {from:?}"));
        }
        if banned.contains(&&*name) {
            wrong.push(format!("{name}: banned by deny.toml"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn licences_are_read_as_spdx_says() {
    let allowed = ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND (GPL-3.0 OR Zlib)", true),
        ("GPL-3.0 OR MIT AND GPL-2.0", false),
        ("Apache-2.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("MIT WITH Unknown", true),
        ("none", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}
