//! What passes between a connection and its host.

use super::super::{message::Refusal, transport::Lower};
use bytes::Bytes;
use std::time::Duration;

/// How long what may last.
#[derive(Clone, Debug)]
pub struct Options {
    /// Without a session, a connection on which no complete request arrives for this long is
    /// closed.
    pub idle: Duration,
    /// A message or interleaved frame must be complete this long after its first byte.
    pub message: Duration,
    /// A session ends this long after the last sign of life; told to the client in whole seconds.
    pub session: Duration,
    /// Names the sessions of this connection. To be unguessable; letters and digits only.
    pub session_id: String,
}

impl Options {
    /// The usual times, for sessions named `session_id`.
    pub fn new(session_id: impl Into<String>) -> Self {
        let secs = Duration::from_secs;
        Self { idle: secs(30), message: secs(10), session: secs(60), session_id: session_id.into() }
    }
}

/// What the host learns from a client.
#[derive(Debug)]
pub enum Event {
    /// Something the host has to decide. No other event comes before
    /// [`Server::answer`](super::Server::answer).
    Question(Question),
    /// A packet within the RTSP connection.
    Data {
        /// The track's number in the description.
        track: usize,
        /// RTCP, else RTP.
        rtcp: bool,
        /// The packet.
        payload: Bytes,
    },
    /// Stop sending until the next question to play.
    Paused,
    /// The session is over, for the reason given in words; the connection stays.
    Ended(String),
    /// Nothing more will come, for the reason given in words. Send what
    /// [`Server::poll_output`](super::Server::poll_output) holds and hang up.
    Closed(String),
}

/// A request that the host decides on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The stream it is about: `front`, `front/sd`.
    pub name: String,
    /// What the client asks for.
    pub ask: Ask,
}

/// What a client asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// A description. Granted by [`Answer::Description`].
    Describe,
    /// To publish what this SDP describes. Granted by [`Answer::Announced`].
    Announce(Bytes),
    /// Transport for one track. Granted by [`Answer::Setup`].
    Setup {
        /// Whether the client is going to play or to publish.
        usage: Usage,
        /// The track's number; `None` if a player names the stream as a whole.
        track: Option<usize>,
        /// How packets are to travel.
        lower: Lower,
    },
    /// To begin sending. Granted by [`Answer::Playing`].
    Play,
    /// To begin receiving. Granted by [`Answer::Recording`].
    Record,
}

/// The host's decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The stream, as SDP with controls `trackID=0`, `trackID=1` …
    Description(String),
    /// Publishing is welcome; the controls of the tracks, in order.
    Announced(Vec<String>),
    /// Transport is ready.
    Setup {
        /// The track's number.
        track: usize,
        /// SSRC of what will be sent, for players.
        ssrc: Option<u32>,
        /// Server's ports for RTP and RTCP, if UDP was asked for.
        ports: Option<(u16, u16)>,
    },
    /// Sending begins, with these packets first.
    Playing(Vec<StreamInfo>),
    /// Receiving begins.
    Recording,
    /// No.
    Refused(Refusal),
}

/// Where a track's packets begin (`RTP-Info`, RFC 2326 §12.33).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamInfo {
    /// The track's number.
    pub track: usize,
    /// Sequence number of the first packet.
    pub sequence: u16,
    /// RTP time at which playing begins, if it is known already.
    pub timestamp: Option<u32>,
}

/// What a session is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usage {
    /// The client receives.
    Play,
    /// The client sends.
    Record,
}
