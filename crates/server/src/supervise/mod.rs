//! Keeps a source running: one state machine for every camera that the server reaches by itself.
//!
//! A [`Source`] knows how to run once, until it ends for a reason. Everything else is decided here,
//! once for all kinds of sources: when it runs at all (commands, and viewers for a camera on
//! demand), how long to wait after a fault, what silence means, and which words the stream's
//! readers see meanwhile. What is absent on purpose: nothing here knows what a source speaks, and a
//! source knows nothing of retries.
//!
//! The decisions are a pure machine that tests drive in virtual time; `runner` moves its inputs and
//! actions.

mod backoff;
mod machine;
mod runner;

pub(crate) use machine::{Command, Policy};
pub(crate) use runner::{Supervisor, SupervisorHandle, supervise};

use crate::clock::Clock;
use hub::{PublishError, Publisher, Stream};
use media::Catalog;
use std::{future::Future, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Something that can produce a camera's frames: a connection to it, or a worker process.
pub(crate) trait Source: Send + 'static {
    /// What it reaches, for people and logs: `rtsp://192.0.2.10/stream1`. Free of secrets.
    fn label(&self) -> Arc<str>;

    /// Runs once: connects, publishes to `ctx.stream`, and returns when that has ended, for
    /// whatever reason.
    ///
    /// It is to return soon after `ctx.stop` is cancelled, saying goodbye to its peer; one that
    /// takes longer than [`Policy::stop_grace`] is dropped. A panic inside is contained and counted
    /// as [`Fault::Panicked`].
    fn run(&mut self, ctx: Context) -> impl Future<Output = Exit> + Send;
}

/// What a source is handed for one run.
#[derive(Clone)]
pub(crate) struct Context {
    /// Where to publish.
    pub(crate) stream: Arc<Stream>,
    /// The machine's clocks.
    pub(crate) clock: Clock,
    /// Cancelled when the source is to stop.
    pub(crate) stop: CancellationToken,
}

impl Context {
    /// Begins publishing; a refusal is an [`Exit`] already.
    pub(crate) fn publish(&self, by: &Arc<str>, catalog: Catalog) -> Result<Publisher, Exit> {
        self.stream.publish(self.clock.now(), by.clone(), catalog).map_err(Exit::from)
    }

    /// Runs what has no goodbye to say until it ends, or until the source is to stop: then it is
    /// dropped.
    pub(crate) async fn until_stopped(&self, run: impl Future<Output = Exit>) -> Exit {
        self.stop.run_until_cancelled(run).await.unwrap_or_else(Exit::stopped)
    }
}

/// Why a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Exit {
    /// The kind, for counting and for choosing the delay.
    pub(crate) fault: Fault,
    /// The cause as the device or peer gave it, and the next step; a clause for people, free of
    /// secrets.
    pub(crate) words: Arc<str>,
}

impl Exit {
    /// An end for this reason.
    pub(crate) fn new(fault: Fault, words: impl Into<Arc<str>>) -> Self {
        Self { fault, words: words.into() }
    }

    /// The end of a run that was asked to stop.
    pub(crate) fn stopped() -> Self {
        Self::new(Fault::Stopped, "stopped")
    }
}

impl From<PublishError> for Exit {
    fn from(error: PublishError) -> Self {
        Self::new(Fault::Refused, error.to_string())
    }
}

/// Kinds of ends. Few, because they label a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It was asked to stop: no fault.
    Stopped,
    /// No connection: unknown name, refused, no route, no answer, device missing.
    Unreachable,
    /// The peer does not accept the credentials.
    Unauthorized,
    /// The peer answered, but will not serve this: no such path, unknown codec, a protocol error.
    Refused,
    /// A working connection ended.
    Disconnected,
    /// Connected, but no frames.
    Stalled,
    /// Frames came, but of a picture that stood still.
    Frozen,
    /// A worker process died.
    Crashed,
    /// A bug of ours, contained.
    Panicked,
}

impl Fault {
    /// All that are faults.
    pub(crate) const ALL: [Self; 8] = [
        Self::Unreachable,
        Self::Unauthorized,
        Self::Refused,
        Self::Disconnected,
        Self::Stalled,
        Self::Frozen,
        Self::Crashed,
        Self::Panicked,
    ];

    /// The label of the metric and of the log field.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Unreachable => "unreachable",
            Self::Unauthorized => "unauthorized",
            Self::Refused => "refused",
            Self::Disconnected => "disconnected",
            Self::Stalled => "stalled",
            Self::Frozen => "frozen",
            Self::Crashed => "crashed",
            Self::Panicked => "panicked",
        }
    }
}
