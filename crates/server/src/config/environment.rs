//! The environment in a config: `${VAR}` inside values, and `NEVERBLINK_LISTEN__HTTP=…` over any
//! key.

use super::{
    problem::{Gathered, Place},
    tree::{Entry, Node, Value},
};
use std::collections::BTreeMap;

/// Variables by name.
pub(super) type Environment = BTreeMap<String, String>;

/// Variables of this process. One that is not UTF-8 cannot be meant for a config.
pub(super) fn of_this_process() -> Environment {
    let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(utf8).collect()
}

/// Replaces `${VAR}` and `${VAR:-default}` in every value below `node`; `$${` stands for `${`
/// itself.
pub(super) fn interpolate(
    node: &mut Node,
    path: &str,
    environment: &Environment,
    problems: &Gathered,
) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match &mut node.value {
        Value::Null | Value::Wrong => {}
        Value::Text(text) => match expand(text, environment) {
            Ok(expanded) => *text = expanded,
            Err(problem) => {
                problems.add(&node.place, path, problem);
                node.value = Value::Wrong;
            }
        },
        Value::List(items) => {
            let items = items.iter_mut().enumerate();
            items.for_each(|(i, item)| {
                interpolate(item, &format!("{path}[{i}]"), environment, problems);
            });
        }
        Value::Map(entries) => {
            entries.iter_mut().for_each(|entry| {
                interpolate(&mut entry.node, &below(&entry.key), environment, problems);
            });
        }
    }
}

fn expand(text: &str, environment: &Environment) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let (inside, after) = after
            .split_once('}')
            .ok_or("`${` without a closing brace; `$${` writes it literally")?;
        out.push_str(variable(inside, environment)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// As in a shell, `:-` stands in for a variable that is unset or empty.
fn variable<'a>(inside: &'a str, environment: &'a Environment) -> Result<&'a str, String> {
    let (name, default) =
        inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(good) {
        return Err(format!(
            "${{{inside}}} names no environment variable; write ${{NAME}} or ${{NAME:-default}}"
        ));
    }
    let value = environment.get(name).map(String::as_str);
    match (value, default) {
        (Some(value), None) => Ok(value),
        (value, Some(default)) => Ok(value.filter(|v| !v.is_empty()).unwrap_or(default)),
        (None, None) => Err(format!(
            "environment variable {name} is not set; set it, or write ${{{name}:-default}}"
        )),
    }
}

const PREFIX: &str = "NEVERBLINK_";
const SEPARATOR: &str = "__";

/// Keys at the top level; every other variable without `__` is none of ours.
const TOP: [&str; 1] = ["STATE_DIR"];

/// Puts every `NEVERBLINK_A__B=value` over the key `a.b` of `root`. An empty one counts as unset.
pub(super) fn overlay(root: &mut Node, environment: &Environment, problems: &Gathered) {
    for (name, value) in environment {
        let ours = |path: &&str| path.contains(SEPARATOR) || TOP.contains(path);
        let Some(path) = name.strip_prefix(PREFIX).filter(ours).filter(|_| !value.is_empty())
        else {
            continue;
        };
        let keys: Vec<String> = path.split(SEPARATOR).map(str::to_lowercase).collect();
        let place = Place::Variable(name.as_str().into());
        let node = Node { place: place.clone(), value: Value::Text(value.clone()) };
        if keys.iter().any(String::is_empty) || !put(root, &keys, node) {
            problems.add(&place, "", "names no key of the config; the parts of a key's path are joined by two underscores");
        }
    }
}

/// False if something on the way is no section.
fn put(at: &mut Node, keys: &[String], node: Node) -> bool {
    let Some((key, below)) = keys.split_first() else {
        *at = node;
        return true;
    };
    if at.value == Value::Null {
        at.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut at.value else { return false };
    // A variable's name cannot hold a dash, a camera's can.
    let same = |entry: &Entry| entry.key.to_lowercase().replace('-', "_") == *key;
    let i = entries.iter().position(same).unwrap_or_else(|| {
        let empty = Node { place: node.place.clone(), value: Value::Null };
        entries.push(Entry { key: key.clone(), place: node.place.clone(), node: empty });
        entries.len() - 1
    });
    put(&mut entries[i].node, below, node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        [("HOST", "192.0.2.1"), ("EMPTY", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    }

    #[test]
    fn variables_in_values() {
        for (text, expanded) in [
            ("rtsp://${HOST}/1", "rtsp://192.0.2.1/1"),
            ("${HOST}${HOST}", "192.0.2.1192.0.2.1"),
            ("${NONE:-a:-b}", "a:-b"),
            ("${EMPTY:-x}${EMPTY}", "x"),
            ("${NONE:-}", ""),
            ("$${HOST} $HOST $", "${HOST} $HOST $"),
        ] {
            assert_eq!(expand(text, &environment()).as_deref(), Ok(expanded), "{text}");
        }
    }

    #[test]
    fn wrong_variables() {
        for (text, part) in [
            ("${NONE}", "NONE is not set"),
            ("${HOST", "closing brace"),
            ("${}", "names no"),
            ("${A B}", "names no"),
        ] {
            let error = expand(text, &environment()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
