//! The output of a process, line by line.

use anyhow::Result;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// Lines kept; a process that writes more loses the oldest.
const MAX_LINES: usize = 20_000;

/// The lines of a process's standard output and error.
#[derive(Clone, Default)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    /// Outputs that have not ended.
    open: Arc<AtomicUsize>,
}

impl Log {
    /// Reads `from` until it ends, on a thread of its own.
    pub(crate) fn collect(&self, from: impl Read + Send + 'static) {
        let log = self.clone();
        let live = std::env::var_os("NEVERBLINK_TEST_VERBOSE").is_some();
        self.open.fetch_add(1, SeqCst);
        thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if live {
                    eprintln!("{line}");
                }
                log.push(line);
            }
            log.open.fetch_sub(1, SeqCst);
        });
    }

    /// True once all that a process wrote is here: a little later than its end.
    pub(crate) fn is_complete(&self) -> bool {
        self.open.load(SeqCst) == 0
    }

    fn push(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MAX_LINES {
            lines.drain(..MAX_LINES / 2);
        }
        lines.push(line);
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines so far that are JSON objects. Fields of an event are at the top, wherever the
    /// logger put them.
    pub fn events(&self) -> Vec<Value> {
        self.lines().iter().filter_map(|l| event(l)).collect()
    }

    /// Waits for a line for which `wanted` is true.
    ///
    /// # Errors
    /// If none comes in time; the text holds the newest lines.
    pub fn wait_for_line(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String> {
        crate::wait_until(what, limit, || self.lines().into_iter().find(|l| wanted(l)))
            .map_err(|e| e.context(format!("log ends with\n{}", self.tail(15))))
    }

    /// Waits for a JSON line for which `wanted` is true.
    ///
    /// # Errors
    /// If none comes in time; the text holds the newest lines.
    pub fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        crate::wait_until(what, limit, || self.events().into_iter().find(|l| wanted(l)))
            .map_err(|e| e.context(format!("log ends with\n{}", self.tail(15))))
    }

    /// The newest `count` lines as one text.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

fn event(line: &str) -> Option<Value> {
    let mut value: Value = serde_json::from_str(line).ok().filter(Value::is_object)?;
    if let Some(Value::Object(fields)) = value.get_mut("fields").map(Value::take) {
        value.as_object_mut()?.extend(fields);
    }
    Some(value)
}
