//! One run with picamera2: our helper, a Python script that the system's Python executes, and the
//! conversation with it.

use super::{
    Options,
    feed::Feed,
    messages::absent,
    panel::Panel,
    stderr_parser::StderrParser,
    wire::{self, Frame, Said, Words},
};
use crate::{
    controls::{Desk, Offer, Order, Setting},
    source::child::{Child, How},
    supervise::{Context, Exit, Fault},
};
use bytes::BytesMut;
use hub::Demand;
use serde_json::{Map, Value as Json, json};
use std::{collections::BTreeMap, future::pending, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::ChildStdin,
    sync::{mpsc, watch},
};

/// The script.
const SCRIPT: &str = include_str!("helper.py");
/// Its exit code where picamera2 cannot be used.
const NO_PICAMERA2: i32 = 77;
/// Orders that it has not yet read, or not yet answered.
const UNREAD: usize = 32;

/// How a run ended.
pub(super) enum End {
    /// For this reason.
    Exit(Exit),
    /// There is no picamera2 to begin with.
    Missing(String),
}

/// Runs once. `label` is what publishes.
pub(super) async fn run(options: &Options, ctx: &Context, label: &Arc<str>, desk: &Desk) -> End {
    let words = ["python3", "-u", "-c", SCRIPT, &job(options)].map(str::to_owned);
    let stderr = StderrParser::default();
    let how = How { environment: &super::ENVIRONMENT, talks: true, hears: Some(stderr.hears()) };
    let mut child = match Child::start(&words, how) {
        Ok(child) => child,
        Err(exit) => return End::Missing(exit.words.to_string()),
    };
    tracing::info!(camera = %ctx.stream.name(), source = %label, process = child.id(), "picamera2 started");
    let mut talk = Talk::new(options, ctx, label, desk, child.stdin());
    let read = tokio::select! {
        read = talk.listen(&mut child) => read,
        exit = stderr.fatal(options.camera) => Err(exit),
    };
    let (ended, code) = child.ended_with().await;
    if code == Some(NO_PICAMERA2) {
        return End::Missing(ended.words.to_string());
    }
    let exit = read.err().or_else(|| stderr.cause(options.camera)).unwrap_or(ended);
    talk.feed.finish(&exit);
    End::Exit(exit)
}

fn job(options: &Options) -> String {
    let Options { camera, width, height, fps, gop, bitrate, hflip, vflip, .. } = options;
    json!({
        "camera": camera, "width": width, "height": height, "fps": fps, "gop": gop, "bitrate": bitrate, "hflip": hflip,
        "vflip": vflip, "set": {},
    })
    .to_string()
}

struct Talk<'a> {
    options: &'a Options,
    ctx: &'a Context,
    desk: &'a Desk,
    feed: Feed<'a>,
    orders: mpsc::Sender<Json>,
    demand: watch::Receiver<Demand>,
    /// Keyframe wishes passed on so far.
    keyframes: u64,
    panel: Option<(Panel, Offer)>,
    asked: BTreeMap<u64, Asked>,
    number: u64,
}

/// What the helper has not yet answered.
struct Asked {
    settings: Vec<Setting>,
    /// `None` if it was the config that asked.
    order: Option<Order>,
}

impl<'a> Talk<'a> {
    fn new(
        options: &'a Options,
        ctx: &'a Context,
        label: &'a Arc<str>,
        desk: &'a Desk,
        stdin: Option<ChildStdin>,
    ) -> Self {
        let (orders, unread) = mpsc::channel(UNREAD);
        tokio::spawn(write(stdin, unread));
        let mut demand = ctx.stream.demand();
        let keyframes = demand.borrow_and_update().keyframes;
        let feed = Feed::new(ctx, label, true);
        Self {
            options,
            ctx,
            desk,
            feed,
            orders,
            demand,
            keyframes,
            panel: None,
            asked: BTreeMap::new(),
            number: 0,
        }
    }

    /// Until the helper closes its output.
    async fn listen(&mut self, child: &mut Child) -> Result<(), Exit> {
        let mut read = BytesMut::with_capacity(64 << 10);
        loop {
            tokio::select! {
                length = child.stdout().read_buf(&mut read) => {
                    if length.unwrap_or(0) == 0 {
                        return Ok(());
                    }
                    while let Some(said) = wire::next(&mut read).map_err(|e| nonsense(&e))? {
                        self.take(said)?;
                    }
                }
                order = next(&mut self.panel) => self.ask(order.settings.clone(), Some(order)),
                Ok(()) = self.demand.changed() => self.pass_on_keyframe(),
            }
        }
    }

    fn pass_on_keyframe(&mut self) {
        let wanted = self.demand.borrow_and_update().keyframes;
        if std::mem::replace(&mut self.keyframes, wanted) < wanted {
            // One that does not fit is not the last: readers ask again.
            let _ = self.orders.try_send(json!({ "keyframe": true }));
        }
    }

    fn take(&mut self, said: Said) -> Result<(), Exit> {
        match said {
            Said::Frame(Frame { captured, encoded, stream }) => {
                self.feed.take(self.ctx.clock.now(), captured, Some(encoded), &stream)
            }
            Said::Words(Words::Absent { absent: camera, found }) => Err(absent(camera, &found)),
            Said::Words(Words::Ready { ready, model, hardware, .. }) => {
                tracing::info!(camera = %self.ctx.stream.name(), model, hardware, "the camera runs");
                self.offer(&ready);
                Ok(())
            }
            Said::Words(Words::Done { done, refused }) => {
                self.answer(done, &refused);
                Ok(())
            }
        }
    }

    /// Lays out what the camera has. What the config says of it comes first, then what people have
    /// set.
    fn offer(&mut self, told: &Map<String, Json>) {
        let panel = Panel::of_libcamera(told, self.options.bitrate);
        let settings = super::from_config(&panel.controls(), &self.options.controls, self.ctx);
        self.panel = Some((panel.clone(), self.desk.offer(panel.controls())));
        if !settings.is_empty() {
            self.ask(settings, None);
        }
    }

    fn ask(&mut self, settings: Vec<Setting>, order: Option<Order>) {
        let Some((panel, _)) = &self.panel else { return };
        let wanted = panel.wanted(&settings);
        self.number += 1;
        let mut line = json!({ "id": self.number, "set": wanted.set });
        if let Some(bitrate) = wanted.bitrate {
            line["bitrate"] = json!(bitrate);
        }
        if self.asked.len() < UNREAD && self.orders.try_send(line).is_ok() {
            self.asked.insert(self.number, Asked { settings, order });
        } else if let Some(order) = order {
            let busy =
                |setting: &Setting| (setting.name.clone(), "picamera2 does not listen".to_owned());
            let refused = settings.iter().map(busy).collect();
            order.done(refused);
        }
    }

    fn answer(&mut self, number: u64, refused: &Map<String, Json>) {
        let (Some(Asked { mut settings, order }), Some((panel, offer))) =
            (self.asked.remove(&number), &mut self.panel)
        else {
            return;
        };
        let words = |why: &Json| {
            why.as_str()
                .unwrap_or_default()
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect::<String>()
        };
        let refused = refused
            .iter()
            .flat_map(|(name, why)| Panel::names_of(name).map(move |ours| (ours, words(why))));
        let refused: Vec<(Arc<str>, String)> = refused
            .filter_map(|(ours, why)| {
                Some((settings.iter().find(|setting| *setting.name == *ours)?.name.clone(), why))
            })
            .collect();
        settings.retain(|setting| !refused.iter().any(|(name, _)| *name == setting.name));
        panel.note(&settings);
        match order {
            Some(order) => order.done_with(panel.controls(), refused),
            None => {
                offer.update(panel.controls());
                for (name, why) in refused {
                    tracing::warn!(camera = %self.ctx.stream.name(), control = &*name, why, "the camera does not take what the config says");
                }
            }
        }
    }
}

async fn next(panel: &mut Option<(Panel, Offer)>) -> Order {
    match panel {
        Some((_, offer)) => offer.next().await,
        None => pending().await,
    }
}

/// Writes orders until there will be no more, and closes the helper's input then.
async fn write(stdin: Option<ChildStdin>, mut orders: mpsc::Receiver<Json>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(order) = orders.recv().await {
        if stdin.write_all(format!("{order}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn nonsense(error: &wire::Nonsense) -> Exit {
    Exit::new(
        Fault::Crashed,
        format!("picamera2's helper talks nonsense ({error}); please report it"),
    )
}
