//! What is wrong with a config, with the place where to mend it.

use std::{cell::RefCell, fmt, rc::Rc};

/// Where a value was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// A file and a line in it.
    Line(Rc<str>, u64),
    /// A file as a whole.
    File(Rc<str>),
    /// An environment variable.
    Variable(Rc<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::File(file) => f.write_str(file),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// One thing that is wrong. Shows no secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Problem {
    place: Place,
    /// The path of the key, `cameras.front.source`; empty if it is not about a key.
    key: String,
    /// What is wrong, and what would be right.
    text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.place, self.text),
            key => write!(f, "{}: {key}: {}", self.place, self.text),
        }
    }
}

/// Keys may hold anything; a log and a terminal must not.
pub(super) fn one_line(text: &str) -> String {
    let escape =
        |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// Everything that is wrong with a config, one line each, in the order of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problems(String);

impl Problems {
    /// A single sentence.
    pub(super) fn say(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problems {}

/// Gathers problems, so that all are told at once.
#[derive(Default, Debug)]
pub(super) struct Gathered(RefCell<Vec<Problem>>);

impl Gathered {
    /// Notes one more.
    pub(super) fn add(&self, place: &Place, key: impl Into<String>, text: impl Into<String>) {
        let (key, text) = (one_line(&key.into()), one_line(&text.into()));
        self.0.borrow_mut().push(Problem { place: place.clone(), key, text });
    }

    /// `value` if nothing is wrong.
    pub(super) fn unless_any<T>(self, value: T) -> Result<T, Problems> {
        let mut problems = self.0.into_inner();
        if problems.is_empty() {
            return Ok(value);
        }
        let line = |p: &Problem| match p.place {
            Place::Line(_, line) => line,
            Place::File(_) => 0,
            Place::Variable(_) => u64::MAX,
        };
        problems.sort_by_key(line);
        Err(Problems(problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")))
    }
}
