//! What players without our page see while a camera has no picture: a picture of ours that says
//! why, and since when.
//!
//! It is drawn and encoded by a worker in the camera's last size, and given to whoever watches as
//! long as somebody does. To everybody else the camera stays what it is: the state, its reason and
//! all counters are the camera's own ([`hub::Stream::stand_in`]).

mod painter;
mod text;

use crate::{clock::Clock, workers::Spawner};
use hub::{State, Stream};
use media::{Catalog, Codec};
use painter::Painter;
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Short interruptions pass without it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the state is looked at.
const ROUND: Duration = Duration::from_millis(250);
/// After a worker that failed.
const RECOVERY: Duration = Duration::from_secs(10);

/// Watches over one camera until it is dropped.
pub(crate) fn keep(stream: Arc<Stream>, spawner: Spawner, clock: Clock) -> DropGuard {
    let stop = CancellationToken::new();
    let task = SlateTask { stream, spawner, clock, last: None };
    tokio::spawn(stop.clone().run_until_cancelled_owned(task.watch()));
    stop.drop_guard()
}

struct SlateTask {
    stream: Arc<Stream>,
    spawner: Spawner,
    clock: Clock,
    /// What the camera consisted of when it was live.
    last: Option<Arc<Catalog>>,
}

impl SlateTask {
    async fn watch(mut self) {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            if self.stream.status().state == State::Live {
                self.last = self.stream.catalog();
            } else if let Some(words) = self.wanted()
                && let Err(why) = self.show(&words).await
            {
                tracing::warn!(camera = %self.stream.name(), "the slate cannot be shown: {why}");
                sleep(RECOVERY).await;
            }
        }
    }

    /// What is to be written, while there is a reason to write and somebody to read.
    fn wanted(&self) -> Option<String> {
        let (status, clocks) = (self.stream.status(), self.clock.pair());
        let missing =
            matches!(status.state, State::Offline | State::Stalled) && !self.stream.is_disabled();
        let lasts = clocks.mono.since(status.since) >= PATIENCE;
        (missing && lasts && self.stream.demand().borrow().readers() > 0)
            .then(|| text::words(&status, &clocks))
    }

    /// Shows these words for as long as they are the right ones.
    async fn show(&self, words: &str) -> Result<(), String> {
        let Some((catalog, width, height)) = self.last.as_ref().and_then(shape) else {
            return Ok(());
        };
        let title = text::title(&self.stream);
        let mut painter = Painter::start(&self.spawner, &title, words, (width, height)).await?;
        tracing::info!(camera = %self.stream.name(), "showing why there is no picture");
        while self.wanted().as_deref() == Some(words) {
            if !painter.work(&self.stream, self.clock, &catalog, ROUND).await? {
                break;
            }
        }
        painter.end(self.clock.now()).await;
        Ok(())
    }
}

/// The catalogue and the size of what is shown, if players of the camera can decode what our
/// encoder makes.
fn shape(last: &Arc<Catalog>) -> Option<(Arc<Catalog>, u32, u32)> {
    let video = last.video().filter(|track| matches!(track.codec, Codec::H264(_)))?;
    let size = video.codec.video_params()?;
    Some((last.clone(), size.width & !1, size.height & !1))
}
