//! A config as it was written: keys and texts with their places, before anybody asks what they
//! mean.

use super::problem::{Place, Problems, one_line};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;
use std::{fmt, rc::Rc};

/// A value and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What can be written. Numbers and booleans stay text: their meaning depends on the key.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    /// Nothing: a key without a value.
    Null,
    /// A text, number or boolean.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys with values, in the order of writing.
    Map(Vec<Entry>),
    /// Something wrong that has been complained about.
    Wrong,
}

/// A key with its value.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Value {
    /// What it is, in words.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a section with keys",
            Self::Wrong => "a mistake",
        }
    }
}

/// Reads YAML. `file` names it in problems.
///
/// # Errors
/// The first place where it is no YAML, or where a key is given twice.
pub(super) fn parse(file: &Rc<str>, yaml: &str) -> Result<Node, Problems> {
    if yaml.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node { place: Place::File(file.clone()), value: Value::Null });
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let raw = serde_saphyr::from_str_with_options::<Spanned<Raw>>(yaml, options);
    raw.map(|raw| raw.value.place_in(file, raw.referenced.line()))
        .map_err(|error| wrong_yaml(file, &error))
}

fn wrong_yaml(file: &Rc<str>, error: &serde_saphyr::Error) -> Problems {
    let text = match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("{key}: given twice; remove one")
        }
        other => other.to_string(),
    };
    // The commonest cause, and not what the reader's words make one think of.
    let text = text.replace(
        "not allowed in this context",
        "not allowed here; put quotes around a value with a colon",
    );
    let text = one_line(&text);
    match error.location() {
        Some(at) => {
            // The place leads the line like everywhere else, so it need not end it too.
            let tail = format!(" at line {}, column {}", at.line(), at.column());
            Problems::say(format!("{file}:{}: {}", at.line(), text.replace(&tail, "")))
        }
        None => Problems::say(format!("{file}: {text}")),
    }
}

/// What the YAML reader gives, before it knows the name of the file.
enum Raw {
    Null,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl Raw {
    fn place_in(self, file: &Rc<str>, line: u64) -> Node {
        let node = |raw: Spanned<Self>| raw.value.place_in(file, raw.referenced.line());
        let entry = |(key, raw): (Spanned<String>, Spanned<Self>)| Entry {
            place: Place::Line(file.clone(), key.referenced.line()),
            key: key.value,
            node: node(raw),
        };
        let value = match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::Text(text),
            Self::List(list) => Value::List(list.into_iter().map(node).collect()),
            Self::Map(map) => Value::Map(map.into_iter().map(entry).collect()),
        };
        Node { place: Place::Line(file.clone(), line), value }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys, lists and values")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Text(v.to_string()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Text(v.to_string()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
        Ok(Raw::Text(v.to_string()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
        Ok(Raw::Text(v.to_string()))
    }

    fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
        Ok(Raw::Text(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
