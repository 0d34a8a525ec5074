//! Files as cameras: played again and again in real time, with timestamps that run on from round to
//! round.
//!
//! A thread reads a little ahead ([`reader`]), this task publishes each frame when its time has
//! come. What a frame shows was captured at another time; as its capture time counts when it is
//! published. What is absent on purpose: retries (see [`crate::supervise`]), and an end, unless it
//! is asked for.

mod faults;
mod order;
mod reader;
mod timeline;

use crate::supervise::{Context, Exit, Fault, Source};
use hub::Publisher;
use media::{AccessUnit, Catalog, Mono, Timing, time::rescale};
use reader::Item;
use std::{path::PathBuf, sync::Arc, time::Duration};
use timeline::Timeline;
use tokio::time::sleep;

const NANOS: u32 = 1_000_000_000;
/// A machine that stood still for longer than this plays on from where it was instead of catching
/// up.
const LATE: Duration = Duration::from_millis(500);
const ENDED: &str = "the file has ended";

/// What to play.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Begin anew at its end. Otherwise the run goes on without frames, for a supervisor that
    /// waits.
    pub(crate) repeat: bool,
}

/// A camera that is a file.
pub(crate) struct FilePlay {
    target: Target,
    label: Arc<str>,
    /// Tracks left out, as last told to the log.
    ignored: Vec<String>,
}

impl FilePlay {
    /// Plays `target`, which people know as `label`.
    pub(crate) fn new(target: Target, label: impl Into<Arc<str>>) -> Self {
        Self { target, label: label.into(), ignored: Vec::new() }
    }

    async fn play(&mut self, ctx: &Context) -> Exit {
        let mut items = reader::start(self.target.clone());
        let mut stage = Stage {
            ctx,
            label: &self.label,
            timeline: Timeline::default(),
            began: None,
            catalog: None,
            publisher: None,
        };
        loop {
            let exit = match items.recv().await {
                Some(Item::Round) => {
                    stage.timeline.begin_round();
                    continue;
                }
                Some(Item::Catalog(catalog)) => stage.set_catalog(catalog),
                Some(Item::Unit(time, unit)) => stage.publish(time, unit).await,
                Some(Item::Ignored(ignored)) => {
                    tell(ctx, &mut self.ignored, ignored);
                    continue;
                }
                Some(Item::Fault(exit)) => Err(exit),
                Some(Item::End) => Err(Exit::new(Fault::Disconnected, ENDED)),
                None => Err(Exit::new(Fault::Crashed, "the thread that reads the file has ended")),
            };
            if let Err(exit) = exit {
                stage.finish(&exit);
                return exit;
            }
        }
    }
}

fn tell(ctx: &Context, told: &mut Vec<String>, ignored: Vec<String>) {
    if *told != ignored {
        ignored.iter().for_each(
            |what| tracing::info!(camera = %ctx.stream.name(), "a track is left out: {what}"),
        );
        *told = ignored;
    }
}

impl Source for FilePlay {
    fn label(&self) -> Arc<str> {
        self.label.clone()
    }

    async fn run(&mut self, ctx: Context) -> Exit {
        let repeat = self.target.repeat;
        let exit = ctx.until_stopped(self.play(&ctx)).await;
        if repeat || &*exit.words != ENDED {
            return exit;
        }
        // It is not to be played again; the state has been told.
        ctx.stop.cancelled().await;
        Exit::stopped()
    }
}

/// Where frames become published units.
struct Stage<'a> {
    ctx: &'a Context,
    label: &'a Arc<str>,
    timeline: Timeline,
    /// When the first frame was published.
    began: Option<Mono>,
    catalog: Option<Catalog>,
    publisher: Option<Publisher>,
}

impl Stage<'_> {
    fn set_catalog(&mut self, catalog: Catalog) -> Result<(), Exit> {
        if let Some(publisher) =
            self.publisher.as_ref().filter(|_| self.catalog.as_ref() != Some(&catalog))
        {
            publisher.set_catalog(catalog.clone())?;
        }
        self.catalog = Some(catalog);
        Ok(())
    }

    /// Waits for the frame's time, and publishes it.
    async fn publish(&mut self, time: i64, mut unit: AccessUnit) -> Result<(), Exit> {
        let Some(catalog) = &self.catalog else { return Ok(()) };
        let Some(track) = catalog.track(unit.track) else { return Ok(()) };
        let Some(place) = self.timeline.place(unit.track, track.codec.kind(), time) else {
            return Ok(());
        };
        let shift = rescale(place.offset, NANOS, track.timescale);
        (unit.dts, unit.pts) = (unit.dts.saturating_add(shift), unit.pts.saturating_add(shift));
        let publisher = match &mut self.publisher {
            Some(publisher) => publisher,
            none => none.insert(self.ctx.publish(self.label, catalog.clone())?),
        };
        let now = self.ctx.clock.now();
        let began = self.began.get_or_insert(now.offset(-place.due));
        let due = began.offset(place.due);
        if now.since(due) > LATE {
            *began = began.offset(now.signed_since(due));
        } else {
            sleep(due.since(now)).await;
        }
        let now = self.ctx.clock.now();
        unit.timing = Timing::arrived(now);
        publisher.push(now, unit)?;
        Ok(())
    }

    fn finish(self, exit: &Exit) {
        if let Some(publisher) = self.publisher {
            publisher.finish(self.ctx.clock.now(), exit.words.clone());
        }
    }
}
