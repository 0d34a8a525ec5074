//! The server's side of one connection: which request is valid when (RFC 2326 §A.2), answers,
//! time-outs.

mod answers;
mod requests;
mod session;
mod types;

use super::{
    message::{self, Refusal, StatusCode},
    transport::Transport,
    wire::{Decoder, Item, Malformed},
};
use bytes::Bytes;
use media::Mono;
use session::Session;
use std::{collections::VecDeque, time::Duration};
pub use types::{Answer, Ask, Event, Options, Question, StreamInfo, Usage};

/// While answers of this many bytes wait to be sent, no further request is looked at.
const MAX_OUTPUT: usize = 64 << 10;
/// Clients that keep a session alive at the last moment get this much more.
const GRACE: Duration = Duration::from_secs(10);
/// Most tracks a session may have.
pub const MAX_TRACKS: usize = 16;

/// One client connection.
pub struct Server {
    options: Options,
    decoder: Decoder,
    output: VecDeque<Bytes>,
    events: VecDeque<Event>,
    session: Option<Session>,
    /// Sessions begun on this connection.
    sessions: u32,
    asked: Option<Asked>,
    closed: bool,
    now: Mono,
    /// The last sign of life.
    heard: Mono,
    /// Since when a message has been incomplete.
    partial_since: Option<Mono>,
    stray: u64,
}

/// The question under decision.
struct Asked {
    cseq: String,
    /// URI of the stream without password, query and track, with a slash at its end.
    base: String,
    transport: Option<Transport>,
    question: Question,
}

type Handled = Result<(), Refusal>;

impl Server {
    /// A connection that was accepted at `now`.
    pub fn new(now: Mono, options: Options) -> Self {
        Self {
            options,
            decoder: Decoder::default(),
            output: VecDeque::new(),
            events: VecDeque::new(),
            session: None,
            sessions: 0,
            asked: None,
            closed: false,
            now,
            heard: now,
            partial_since: None,
            stray: 0,
        }
    }

    /// Bytes from the client. Events and answers may follow.
    pub fn handle_input(&mut self, now: Mono, bytes: &[u8]) {
        self.now = now;
        if !self.closed {
            self.decoder.push(bytes);
        }
    }

    /// A sign of life from outside of this connection: RTCP over UDP, or the peer taking what is
    /// sent.
    pub fn handle_activity(&mut self, now: Mono) {
        self.heard = self.heard.max(now);
    }

    /// The time has come that [`Self::poll_timeout`] named.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.now = now;
        if self.poll_timeout().is_none_or(|at| now < at) {
            return;
        }
        let reason =
            if self.partial_since.is_some_and(|since| now.since(since) >= self.options.message) {
                format!("a message was not complete after {} s", self.options.message.as_secs())
            } else if self.session.is_some() {
                format!("no sign of life for {} s", now.since(self.heard).as_secs())
            } else {
                format!("no request for {} s", self.options.idle.as_secs())
            };
        self.close(reason);
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Mono> {
        if self.closed || self.asked.is_some() {
            return None;
        }
        let patience =
            if self.session.is_some() { self.options.session + GRACE } else { self.options.idle };
        let silent = self.heard + patience;
        Some(self.partial_since.map_or(silent, |since| silent.min(since + self.options.message)))
    }

    /// The next answer to send.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.output.pop_front()
    }

    /// The next event. Answers may have to be sent before more events come.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if !self.listens() {
                return None;
            }
            match self.decoder.next() {
                Ok(Some(item)) => self.handle_item(item),
                Ok(None) => {
                    let partial = self.decoder.buffered() > 0;
                    self.partial_since = partial.then(|| self.partial_since.unwrap_or(self.now));
                    return None;
                }
                Err(malformed) => self.reject(malformed),
            }
        }
    }

    /// False while input would only pile up: a question is open, or answers are not being taken.
    pub fn listens(&self) -> bool {
        !self.closed
            && self.asked.is_none()
            && self.output.iter().map(Bytes::len).sum::<usize>() < MAX_OUTPUT
    }

    /// Interleaved channels of a track that was set up so: RTP, RTCP.
    pub fn channels(&self, track: usize) -> Option<(u8, u8)> {
        self.session.as_ref()?.channels(track)
    }

    /// Interleaved frames that belonged to no track, or came while nothing was being published.
    pub fn stray_frames(&self) -> u64 {
        self.stray
    }

    fn handle_item(&mut self, item: Item) {
        self.heard = self.now;
        self.partial_since = None;
        match item {
            Item::Request(request) => self.handle_request(&request),
            Item::Response => {}
            Item::Data { channel, payload } => {
                match self.session.as_ref().and_then(|s| s.route(channel)) {
                    Some((track, rtcp)) => {
                        self.events.push_back(Event::Data { track, rtcp, payload });
                    }
                    None => self.stray += 1,
                }
            }
        }
    }

    fn reject(&mut self, malformed: Malformed) {
        let status = match malformed {
            Malformed::BodyTooLarge(_) => StatusCode::RequestMessageBodyTooLarge,
            Malformed::HeadTooLarge | Malformed::Syntax => StatusCode::BadRequest,
        };
        self.output
            .push_back(message::write(&Refusal::new(status, malformed.to_string()).response(None)));
        self.close(malformed.to_string());
    }

    fn close(&mut self, reason: String) {
        self.closed = true;
        self.session = None;
        self.decoder = Decoder::default();
        self.events.push_back(Event::Closed(reason));
    }
}

#[cfg(test)]
mod tests;
