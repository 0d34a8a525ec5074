//! `exec:…`, and `exec+FORMAT:…`.

use media::container::Format;
use std::fmt;

/// A command. Its text forms show the program alone: passwords stand in arguments.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ExecCommand {
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
    /// What it writes, if that is not to be recognised.
    pub(crate) format: Option<Format>,
}

impl fmt::Debug for ExecCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for ExecCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("exec")?;
        self.format.map_or(Ok(()), |format| write!(f, "+{}", format.word()))?;
        write!(f, ":{}", self.words.first().map_or("", String::as_str))?;
        f.write_str(if self.words.len() > 1 { " …" } else { "" })
    }
}

/// `scheme` is `exec`, or `exec+` and what the command writes. Words are parted as a shell does;
/// nothing else of one is understood.
pub(super) fn parse(scheme: &str, command: &str) -> Result<ExecCommand, String> {
    const EXAMPLE: &str =
        "write for example exec:ffmpeg -i /dev/video0 -c:v libx264 -tune zerolatency -f mpegts -";
    let format = scheme.strip_prefix("exec+").map(format).transpose()?;
    let words = shlex::split(command)
        .ok_or_else(|| format!("a quote in the command has no end; {EXAMPLE}"))?;
    match words.is_empty() {
        true => Err(format!("a command is missing; {EXAMPLE}")),
        false => Ok(ExecCommand { words, format }),
    }
}

fn format(word: &str) -> Result<Format, String> {
    let known = Format::ALL.map(Format::word);
    let found = Format::ALL.into_iter().find(|format| format.word() == word);
    found.ok_or_else(|| match crate::config::values::similar(word, known.into_iter()) {
        Some(meant) => format!("unknown format behind exec+; did you mean exec+{meant}:?"),
        None => format!("unknown format behind exec+; known: {}", known.join(", ")),
    })
}
