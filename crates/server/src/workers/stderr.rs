//! The last words of a process.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{io::AsyncReadExt, process::ChildStderr, task::JoinHandle};

/// Bytes of standard error kept.
const KEPT: usize = 2048;
/// Lines of it shown.
const LINES: usize = 3;
/// Bytes of a line told.
const LINE: usize = 1024;
/// How long to wait for the rest after the process has ended; a grandchild might hold the pipe for
/// ever.
const REST: Duration = Duration::from_millis(100);

/// Whoever hears lines.
pub(crate) type Hears = Box<dyn FnMut(&str) + Send>;

/// Reads a process's standard error to its end and keeps the last of it.
pub(crate) struct Tail {
    kept: Arc<Mutex<VecDeque<u8>>>,
    reader: JoinHandle<()>,
}

impl Tail {
    pub(crate) fn follow(stderr: Option<ChildStderr>) -> Self {
        Self::follow_with(stderr, None)
    }

    /// The same; `hears` is told each line as it comes, shortened and without its end.
    pub(crate) fn follow_with(stderr: Option<ChildStderr>, hears: Option<Hears>) -> Self {
        let kept = Arc::<Mutex<VecDeque<u8>>>::default();
        let reader = tokio::spawn(read(stderr, kept.clone(), hears));
        Self { kept, reader }
    }

    /// The last lines, joined by slashes, without control characters; empty if nothing was written.
    pub(crate) async fn last_lines(&mut self) -> String {
        let _ = tokio::time::timeout(REST, &mut self.reader).await;
        let bytes: Vec<u8> = lock(&self.kept).iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines[lines.len().saturating_sub(LINES)..].join(" / ");
        last.chars().filter(|c| !c.is_control()).collect()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(
    stderr: Option<ChildStderr>,
    kept: Arc<Mutex<VecDeque<u8>>>,
    mut hears: Option<Hears>,
) {
    let Some(mut stderr) = stderr else { return };
    let (mut piece, mut line) = ([0; 512], Vec::new());
    while let Ok(n @ 1..) = stderr.read(&mut piece).await {
        let mut kept = lock(&kept);
        kept.extend(&piece[..n]);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
        drop(kept);
        if let Some(hears) = &mut hears {
            tell(&piece[..n], &mut line, hears);
        }
    }
}

fn tell(piece: &[u8], line: &mut Vec<u8>, hears: &mut Hears) {
    for byte in piece {
        match byte {
            b'\n' => hears(&String::from_utf8_lossy(&std::mem::take(line))),
            _ if line.len() < LINE => line.push(*byte),
            _ => {}
        }
    }
}

fn lock(kept: &Mutex<VecDeque<u8>>) -> std::sync::MutexGuard<'_, VecDeque<u8>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
