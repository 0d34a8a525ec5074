//! Hears what a program writes to its standard error, and keeps what that means.

use super::messages::{Cause, understand};
use crate::{supervise::Exit, workers::Hears};
use tokio::sync::watch;

/// What was heard so far.
pub(super) struct StderrParser {
    cause: watch::Sender<Option<Cause>>,
}

impl Default for StderrParser {
    fn default() -> Self {
        Self { cause: watch::Sender::new(None) }
    }
}

impl StderrParser {
    /// Hears a program.
    pub(super) fn hears(&self) -> Hears {
        let cause = self.cause.clone();
        Box::new(move |line| note(&cause, line))
    }

    /// What was said to be wrong.
    pub(super) fn heard(&self) -> Option<Cause> {
        self.cause.borrow().clone()
    }

    /// The same in words.
    pub(super) fn cause(&self, camera: u32) -> Option<Exit> {
        Some(self.heard()?.exit(camera))
    }

    /// Completes when something is said after which no frame will come, though the program goes on.
    pub(super) async fn fatal(&self, camera: u32) -> Exit {
        let mut cause = self.cause.subscribe();
        let found = cause
            .wait_for(|cause| cause.as_ref().is_some_and(Cause::is_final))
            .await
            .map(|cause| cause.clone());
        match found {
            Ok(Some(cause)) => cause.exit(camera),
            _ => std::future::pending().await,
        }
    }
}

fn note(cause: &watch::Sender<Option<Cause>>, line: &str) {
    if let Some(heard) = understand(line) {
        cause.send_if_modified(|cause| {
            let news = cause.as_ref().is_none_or(|known| heard.outweighs(known));
            if news {
                *cause = Some(heard);
            }
            news
        });
    }
}
