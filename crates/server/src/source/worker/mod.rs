//! Cameras whose pixels are made or handled on this machine, by a worker process each.
//!
//! A run starts a worker, gives it its job, and publishes what it sends; the run ends with the
//! worker. How often and when it is started anew is the supervisor's business. Nothing the worker
//! says is trusted: the first violation of the protocol ends it.

mod clerk;
mod conversation;

use crate::{
    controls::Desk,
    stillness::Eye,
    supervise::{Context, Exit, Fault, Source},
    workers::{Process, Spawner},
};
use conversation::{Conversation, End};
use proto::ipc::{Capture, Job, Loss, TestPicture};
use std::sync::Arc;

/// A camera that a worker process serves.
pub(crate) struct WorkerSource {
    spawner: Spawner,
    label: Arc<str>,
    job: Job,
    camera: Option<Local>,
}

/// What there is of a camera beside its stream.
#[derive(Clone, Default)]
pub(crate) struct Local {
    /// Where its controls are laid out.
    pub(crate) desk: Desk,
    /// Hears whether its picture stands still.
    pub(crate) eye: Eye,
}

impl WorkerSource {
    /// The moving test picture.
    pub(crate) fn test_picture(spawner: Spawner, picture: TestPicture) -> Self {
        let label =
            format!("test picture {}x{} at {} fps", picture.width, picture.height, picture.fps)
                .into();
        Self { spawner, label, job: Job::TestPicture(picture), camera: None }
    }

    /// A camera of this machine, shown as `label`.
    pub(crate) fn camera(spawner: Spawner, capture: Capture, label: String, camera: Local) -> Self {
        Self { spawner, label: label.into(), job: Job::Capture(capture), camera: Some(camera) }
    }
}

impl Source for WorkerSource {
    fn label(&self) -> Arc<str> {
        self.label.clone()
    }

    async fn run(&mut self, ctx: Context) -> Exit {
        let (mut process, socket) = match self.spawner.spawn().await {
            Ok(started) => started,
            Err(e) => {
                return Exit::new(Fault::Crashed, format!("cannot start a worker process: {e}"));
            }
        };
        let mut conversation =
            Conversation::new(socket, &ctx, self.label.clone(), self.camera.clone());
        let end = conversation.hold(&self.job).await;
        let exit = settle(&mut process, &end).await;
        conversation.finish(&exit.words);
        exit
    }
}

/// Sees to it that the process is gone, and puts into words why.
async fn settle(process: &mut Process, end: &End) -> Exit {
    match end {
        End::Stopped => {
            process.wait_or_kill().await;
            Exit::stopped()
        }
        End::Publishing(refused) => {
            process.kill().await;
            Exit::new(Fault::Refused, refused.to_string())
        }
        End::Failed(words) => {
            process.wait_or_kill().await;
            Exit::new(Fault::Crashed, format!("the worker process gave up: {words}"))
        }
        End::Lost(loss, words) => {
            process.wait_or_kill().await;
            let fault = match loss {
                Loss::Missing => Fault::Unreachable,
                Loss::Refused => Fault::Refused,
                Loss::Gone => Fault::Disconnected,
            };
            Exit::new(fault, words.as_str())
        }
        End::HungUp => {
            Exit::new(Fault::Crashed, format!("the worker process {}", process.cause().await))
        }
        End::Silent(silence) => {
            process.kill().await;
            Exit::new(
                Fault::Stalled,
                format!(
                    "the worker process gave no sign of life for {} s and was killed",
                    silence.as_secs()
                ),
            )
        }
        End::Protocol(error) => {
            process.kill().await;
            Exit::new(
                Fault::Crashed,
                format!("the worker process talked nonsense and was killed: {error}"),
            )
        }
    }
}

#[cfg(test)]
mod tests;
