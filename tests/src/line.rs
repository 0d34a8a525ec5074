//! One promise with its bounds, and what was measured.

use std::{fmt::Write as _, fs::OpenOptions, io::Write as _};

/// Collects what was measured for one promise, and fails the test at its end if a bound does not
/// hold.
///
/// Every bound comes twice: the promise itself, which counts if [`strict`], and a loose one for
/// machines where other work may take a processor away for tens of milliseconds.
#[must_use]
pub struct Line {
    promise: String,
    measured: String,
    broken: Vec<String>,
}

impl Line {
    /// Begins a line; `promise` says in words what is measured.
    pub fn new(promise: &str) -> Self {
        Self { promise: promise.into(), measured: String::new(), broken: Vec::new() }
    }

    /// `value` may not be above `bound` (above `loose` unless [`strict`]).
    pub fn at_most(&mut self, what: &str, value: f64, bound: f64, loose: f64) -> &mut Self {
        let bound = if strict() { bound } else { loose };
        self.note(what, value, "≤", bound, value <= bound)
    }

    /// `value` may not be below `bound` (below `loose` unless [`strict`]).
    pub fn at_least(&mut self, what: &str, value: f64, bound: f64, loose: f64) -> &mut Self {
        let bound = if strict() { bound } else { loose };
        self.note(what, value, "≥", bound, value >= bound)
    }

    /// `value` is worth knowing; nothing is promised of it.
    pub fn seen(&mut self, what: &str, value: f64) -> &mut Self {
        self.write(&format!("{what} {value:.1}"))
    }

    fn note(&mut self, what: &str, value: f64, sign: &str, bound: f64, holds: bool) -> &mut Self {
        let text = format!("{what} {value:.1} ({sign} {bound})");
        if !holds {
            self.broken.push(text.clone());
        }
        self.write(&text)
    }

    fn write(&mut self, text: &str) -> &mut Self {
        let comma = if self.measured.is_empty() { "" } else { ", " };
        let _ = write!(self.measured, "{comma}{text}");
        self
    }

    /// Writes the line, also to the file that `NEVERBLINK_RESULTS` names.
    ///
    /// # Panics
    /// If a bound does not hold.
    pub fn finish(&self) {
        Self::finish_all(std::slice::from_ref(self));
    }

    /// As [`Self::finish`] for several promises of one test: all are written before it fails.
    ///
    /// # Panics
    /// If a bound does not hold.
    pub fn finish_all(lines: &[Self]) {
        lines.iter().for_each(Self::tell);
        let broken: Vec<_> = lines.iter().filter(|l| !l.broken.is_empty()).collect();
        let text: Vec<_> =
            broken.iter().map(|l| format!("{}: {}", l.promise, l.broken.join(", "))).collect();
        assert!(broken.is_empty(), "{}", text.join("\n"));
    }

    fn tell(&self) {
        let verdict = if self.broken.is_empty() { "ok" } else { "BROKEN" };
        let line = format!("{verdict}\t{}\t{}\n", self.promise, self.measured);
        eprint!("{line}");
        if let Some(list) = std::env::var_os("NEVERBLINK_RESULTS") {
            let file = OpenOptions::new().create(true).append(true).open(list);
            let _ = file.and_then(|mut f| f.write_all(line.as_bytes()));
        }
    }
}

/// True if measurements take their whole time and are held to the promises themselves
/// (`NEVERBLINK_STRICT=1`, which `./x bench must-show` sets on an idle machine).
pub fn strict() -> bool {
    std::env::var_os("NEVERBLINK_STRICT").is_some_and(|v| v == "1")
}
