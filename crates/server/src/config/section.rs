//! Reading a section of a config key by key: whoever knows a key asks for it, and what nobody asked
//! for is a mistake.

use super::{
    problem::{Gathered, Place},
    tree::{Entry, Node, Value},
};

/// The keys at one level. Each is taken once; [`Section::finish`] complains about the rest.
pub(super) struct Section<'a> {
    /// `cameras.front`; empty for the whole config.
    path: String,
    place: Place,
    /// Not something else, which has been complained about.
    is_section: bool,
    entries: Vec<Entry>,
    known: Vec<&'static str>,
    problems: &'a Gathered,
}

impl<'a> Section<'a> {
    /// The section that `node` holds.
    pub(super) fn new(path: String, node: Node, problems: &'a Gathered) -> Self {
        let Node { place, value } = node;
        let is_section = matches!(value, Value::Map(_) | Value::Null);
        let entries = match value {
            Value::Map(entries) => entries,
            Value::Null | Value::Wrong => Vec::new(),
            other => {
                problems.add(
                    &place,
                    path.as_str(),
                    format!("expected a section with keys, found {}", other.kind()),
                );
                Vec::new()
            }
        };
        Self { path, place, is_section, entries, known: Vec::new(), problems }
    }

    /// Where the section stands.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The path of the section, for problems.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The key is missing, and nothing else explains why: a typo in it will be complained about
    /// anyway.
    pub(super) fn lacks(&self, key: &str) -> bool {
        let meant = |entry: &Entry| super::values::similar(&entry.key, [key].into_iter()).is_some();
        self.is_section && !self.entries.iter().any(meant)
    }

    /// The problems this section adds to.
    pub(super) fn problems(&self) -> &'a Gathered {
        self.problems
    }

    /// The single value of `key`, understood by `parse`; `None` if it is absent or wrong.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        Some(self.placed(key, parse)?.0)
    }

    /// As [`Section::value`], with its place.
    pub(super) fn placed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<(T, Place)> {
        let node = self.take(key)?.node;
        let place = node.place.clone();
        Some((self.parse(self.path_of(key), node, parse)?, place))
    }

    /// The values of a list, each understood by `parse`; empty if it is absent.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let node = self.take(key)?.node;
        let path = self.path_of(key);
        let items = match node.value {
            Value::List(items) => items,
            Value::Null | Value::Wrong => Vec::new(),
            // A list of one may be written without its brackets, and an environment variable writes
            // commas.
            Value::Text(text) => split(&node.place, &text),
            Value::Map(_) => {
                self.problems.add(&node.place, path, "expected a list, found a section with keys");
                return None;
            }
        };
        let items = items.into_iter().enumerate();
        Some(
            items
                .filter_map(|(i, item)| self.parse(format!("{path}[{i}]"), item, &parse))
                .collect(),
        )
    }

    /// The section under `key`; empty if it is absent.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        let empty = Node { place: self.place.clone(), value: Value::Null };
        let node = self.take(key).map_or(empty, |entry| entry.node);
        Section::new(self.path_of(key), node, self.problems)
    }

    /// All entries, for sections whose keys are names.
    pub(super) fn names(mut self) -> Vec<(Entry, String)> {
        let entries = std::mem::take(&mut self.entries);
        entries
            .into_iter()
            .map(|entry| {
                let path = self.path_of(&entry.key);
                (entry, path)
            })
            .collect()
    }

    /// A key that will mean something one day, but not yet: saying so is better than "unknown".
    pub(super) fn not_yet(&mut self, keys: &[&'static str]) {
        for key in keys {
            if let Some(entry) = self.take(key) {
                self.known.pop();
                self.problems.add(
                    &entry.place,
                    self.path_of(key),
                    "not supported by this version yet; remove it",
                );
            }
        }
    }

    /// Complains about every key that nobody asked for.
    pub(super) fn finish(self) {
        for entry in &self.entries {
            let suggestion = super::values::similar(&entry.key, self.known.iter().copied());
            let text = match suggestion {
                Some(key) => format!("unknown key; did you mean {key:?}?"),
                None => format!("unknown key; known here: {}", self.known.join(", ")),
            };
            self.problems.add(&entry.place, self.path_of(&entry.key), text);
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Entry> {
        self.known.push(key);
        let i = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(i))
    }

    fn parse<T>(
        &self,
        path: String,
        node: Node,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = match &node.value {
            Value::Text(text) => parse(text),
            Value::Wrong => return None,
            other => Err(format!("expected a single value, found {}", other.kind())),
        };
        parsed.map_err(|text| self.problems.add(&node.place, path, text)).ok()
    }

    fn path_of(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

fn split(place: &Place, text: &str) -> Vec<Node> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| Node { place: place.clone(), value: Value::Text(item.to_owned()) }).collect()
}
