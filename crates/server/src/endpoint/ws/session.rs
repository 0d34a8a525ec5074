//! One viewer's connection.

use super::{
    feed::{Feed, Output},
    message::{Format, Heard, Said},
    pulse::{self, Pulse},
};
use crate::{clock::Clock, viewers::ViewerHandle};
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// A goodbye that is not taken at once is not waited for.
const GOODBYE_WITHIN: Duration = Duration::from_millis(500);
/// A latency beyond this is no latency.
const MAX_LATENCY_MS: f64 = 600_000.0;

/// A viewer and all that belongs to it.
pub(super) struct Session {
    pub(super) feed: Feed,
    pub(super) handle: ViewerHandle,
    /// Ends it: the server stops, or an administrator sends the viewer away.
    pub(super) ended: CancellationToken,
    pub(super) clock: Clock,
    pub(super) format: Format,
}

/// Why a session ends.
enum End {
    /// The peer closed, broke the rules or fell silent: there is nobody to talk to.
    Gone,
    /// The stream is gone for good.
    Over,
}

impl Session {
    /// Serves the viewer until it goes or has to.
    pub(super) async fn run(mut self, mut socket: WebSocket) {
        let ended = self.ended.clone();
        let (code, reason) = match ended.run_until_cancelled(self.serve(&mut socket)).await {
            Some(End::Gone) => return,
            Some(End::Over) => (close_code::NORMAL, "the camera was removed"),
            None => (close_code::AWAY, "ended by the server"),
        };
        let goodbye = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let _ = tokio::time::timeout(GOODBYE_WITHIN, socket.send(goodbye)).await;
    }

    async fn serve(&mut self, socket: &mut WebSocket) -> End {
        let mut pulse = Pulse::new(self.clock.now());
        let mut beats = beats();
        if self.send(socket, Message::Text(self.hello().into())).await.is_none() {
            return End::Gone;
        }
        loop {
            // What the viewer says comes first: after a long wait for it to take a frame, its
            // silence must not be misjudged.
            let message = tokio::select! {
                biased;
                heard = socket.recv() => match self.hear(heard, &mut pulse) {
                    None => return End::Gone,
                    Some(None) => continue,
                    Some(Some(answer)) => answer,
                },
                _ = beats.tick() => {
                    let now = self.clock.now();
                    if pulse.is_gone(now) {
                        return End::Gone;
                    }
                    Message::Ping(Pulse::ping(now).to_vec().into())
                }
                output = self.feed.next() => match self.count(output) {
                    None => return End::Over,
                    Some(None) => continue,
                    Some(Some(message)) => message,
                },
            };
            if self.send(socket, message).await.is_none() {
                return End::Gone;
            }
        }
    }

    /// `None` if the peer is gone. One that takes nothing for long is given up by the connection
    /// itself.
    async fn send(&self, socket: &mut WebSocket, message: Message) -> Option<()> {
        socket.send(message).await.ok()
    }

    fn hello(&self) -> String {
        let shown = self.handle.shown();
        let (viewer, format) = (self.handle.id(), self.format);
        Said::Hello {
            viewer: &viewer,
            camera: &shown.camera,
            rendition: shown.rendition.as_deref(),
            format,
        }
        .text()
    }

    /// Books what is about to be sent: `None` at the end, `Some(None)` if there is nothing to send.
    fn count(&self, output: Output) -> Option<Option<Message>> {
        match output {
            Output::Text(text) => Some(Some(Message::Text(text.into()))),
            Output::Media(bytes, picture) => {
                self.handle.sent_bytes(bytes.len());
                self.handle.sent_frames(picture.into());
                Some(Some(Message::Binary(bytes)))
            }
            Output::Skipped(units) => {
                self.handle.skipped(units);
                Some(None)
            }
            Output::End => None,
        }
    }

    /// Takes what the viewer says: `None` if it is gone, else what is to be answered.
    fn hear(
        &self,
        heard: Option<Result<Message, axum::Error>>,
        pulse: &mut Pulse,
    ) -> Option<Option<Message>> {
        let now = self.clock.now();
        pulse.heard(now);
        match heard?.ok()? {
            Message::Text(text) => Some(self.answer(serde_json::from_str(&text).ok()?)),
            Message::Pong(content) => {
                Pulse::pong(now, &content)
                    .into_iter()
                    .for_each(|rtt| self.handle.facts.rtt.set_time(rtt));
                Some(None)
            }
            Message::Ping(_) => Some(None),
            Message::Binary(_) | Message::Close(_) => None,
        }
    }

    fn answer(&self, heard: Heard) -> Option<Message> {
        match heard {
            Heard::Ping { t0 } => {
                let server_us = self.clock.pair().wall.as_micros();
                Some(Message::Text(Said::Pong { t0, server_us }.text().into()))
            }
            Heard::Latency { ms } => {
                if (0.0..MAX_LATENCY_MS).contains(&ms) {
                    self.handle.facts.latency.set_time(Duration::from_secs_f64(ms / 1000.0));
                }
                None
            }
        }
    }
}

fn beats() -> Interval {
    let mut beats = tokio::time::interval(pulse::EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats
}
