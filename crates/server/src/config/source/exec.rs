//! `exec:…`.

use std::fmt;

/// A command. Its text forms show the program alone: passwords stand in arguments.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ExecCommand {
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
}

impl fmt::Debug for ExecCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for ExecCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exec:{}", self.words.first().map_or("", String::as_str))?;
        f.write_str(if self.words.len() > 1 { " …" } else { "" })
    }
}

/// Words as a shell would part them; nothing else of a shell is understood.
pub(super) fn parse(command: &str) -> Result<ExecCommand, String> {
    const EXAMPLE: &str = "write for example exec:ffmpeg -i /dev/video0 -c:v libx264 -tune zerolatency -f mpegts -";
    let words = shlex::split(command).ok_or_else(|| format!("a quote in the command has no end; {EXAMPLE}"))?;
    match words.is_empty() {
        true => Err(format!("a command is missing; {EXAMPLE}")),
        false => Ok(ExecCommand { words }),
    }
}
