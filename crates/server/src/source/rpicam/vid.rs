//! Runs with `rpicam-vid`, where picamera2 is missing. It takes settings only at its start, so a
//! new one starts it anew.
//!
//! Where the board encodes in hardware it writes H.264 to its standard output, and when the sensor
//! saw each frame to its standard error. libav, which encodes where it does not, holds back what it
//! writes to a pipe until 32 KiB are full; so it sends MPEG-TS by UDP over the loopback interface,
//! a packet a datagram, which it cannot hold back.

use super::{
    Encoder, Options,
    arguments::{OPTIONAL, arguments, encoder, program},
    messages::Cause,
    panel::Panel,
    sink::Sink,
    stderr_parser::StderrParser,
};
use crate::{
    controls::{Desk, Offer, Order},
    source::child::{Child, How},
    supervise::{Context, Exit, Fault},
};
use futures::FutureExt;
use std::{collections::BTreeSet, sync::Arc};

/// What lasts from one start of the program to the next.
pub(super) struct Vid<'a> {
    pub(super) options: &'a Options,
    pub(super) ctx: &'a Context,
    pub(super) label: &'a Arc<str>,
    pub(super) desk: &'a Desk,
    /// Options that this version does not know.
    pub(super) lacks: &'a mut BTreeSet<String>,
}

/// Why the program has ended.
enum End {
    Exit(Exit),
    /// Something was set: to be started anew at once.
    Set(Order),
}

impl Vid<'_> {
    /// Runs until there is a reason to stop.
    pub(super) async fn run(&mut self) -> Exit {
        let Some(program) = program() else {
            let words = "neither picamera2 nor rpicam-vid is installed: sudo apt install -y python3-picamera2";
            return Exit::new(Fault::Unreachable, words);
        };
        let program = program.display().to_string();
        let mut panel = Panel::of_rpicam_vid(self.options.bitrate);
        panel.note(&super::from_config(&panel.controls(), &self.options.controls, self.ctx));
        let mut offer = self.desk.offer(panel.controls());
        loop {
            // What was set before comes first, and is no reason to start twice.
            while let Some(order) = offer.next().now_or_never() {
                take(&mut panel, order);
            }
            let stderr = StderrParser::default();
            let end = self.once(&program, &panel, &mut offer, &stderr).await;
            match (end, stderr.heard()) {
                (End::Set(order), _) => take(&mut panel, order),
                (End::Exit(_), Some(Cause::UnknownOption(option)))
                    if self.can_do_without(&option) =>
                {
                    let camera = self.ctx.stream.name();
                    tracing::info!(%camera, option, "this version of rpicam-vid does not know an option; going on without it");
                    self.lacks.insert(option);
                }
                (End::Exit(exit), _) => return exit,
            }
        }
    }

    fn can_do_without(&self, option: &str) -> bool {
        OPTIONAL.contains(&option) && !self.lacks.contains(option)
    }

    /// Starts the program and sees it to its end.
    async fn once(
        &self,
        program: &str,
        panel: &Panel,
        offer: &mut Offer,
        stderr: &StderrParser,
    ) -> End {
        let (encoder, mut ignored) = (encoder(self.options.encoder), Vec::new());
        let (mut sink, to, hears) = match Sink::new(
            encoder == Encoder::Software,
            self.ctx,
            self.label,
            &mut ignored,
            stderr,
        )
        .await
        {
            Ok(made) => made,
            Err(exit) => return End::Exit(exit),
        };
        let mut words = vec![program.to_owned()];
        words.extend(arguments(self.options, encoder, panel, &to, self.lacks));
        let mut child = match Child::start(
            &words,
            How { environment: &super::ENVIRONMENT, talks: false, hears: Some(hears) },
        ) {
            Ok(child) => child,
            Err(exit) => return End::Exit(exit),
        };
        let (camera, line) = (self.ctx.stream.name(), words.join(" "));
        tracing::info!(%camera, source = %self.label, process = child.id(), command = line, "rpicam-vid started");
        let read = tokio::select! {
            read = sink.read(&mut child, self.ctx) => read,
            exit = stderr.fatal(self.options.camera) => Err(exit),
            order = offer.next() => {
                child.ended().await;
                sink.finish(&Exit::new(Fault::Stopped, "rpicam-vid is started anew with what was set"));
                return End::Set(order);
            }
        };
        let ended = child.ended().await;
        let exit = read.err().or_else(|| stderr.cause(self.options.camera)).unwrap_or(ended);
        sink.finish(&exit);
        End::Exit(exit)
    }
}

/// Notes what is to be set: the program has it when it is started.
fn take(panel: &mut Panel, order: Order) {
    panel.note(&order.settings);
    order.done_with(panel.controls(), Vec::new());
}
