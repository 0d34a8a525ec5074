//! The meeting place of ICE, DTLS and what comes in by SRTP and SRTCP.

use super::{
    dtls::{Certificate, Failure, Fingerprint, Handshake},
    ice::{Agent, Credentials, Found, Path, Transport},
};
use crate::srtp;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Something is always due within this time.
const IDLE: Duration = Duration::from_secs(3);

/// Ways of the browser that are remembered: it checks some at once, UDP and TCP.
const MAX_HEARD: usize = 8;

/// Why a session has ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(transparent)]
pub struct SessionError(#[from] Failure);

/// What the other side's description says.
#[derive(Clone, Debug)]
pub struct Remote {
    /// For its checks and ours.
    pub credentials: Credentials,
    /// Of the certificate it will show.
    pub fingerprint: Fingerprint,
}

/// A datagram to be sent.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// Which way.
    pub path: Path,
    /// What.
    pub contents: Vec<u8>,
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// Keys are agreed: take them by [`Session::take_sender`] and send.
    Connected,
    /// Packets go another way from now on.
    Moved(Path),
    /// The path works, or no longer does; in the latter case the browser may bring it back by an
    /// ICE restart.
    Path {
        /// It works.
        alive: bool,
    },
    /// The other side said goodbye.
    Closed,
}

/// What a session wants.
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Datagram(Datagram),
    /// Something happened.
    Event(Event),
    /// Nothing, until this instant or the next input.
    Idle(Instant),
}

/// What a datagram was.
#[derive(PartialEq, Eq, Debug)]
pub enum Handled<'a> {
    /// Not of this session, or not authentic.
    Foreign,
    /// Taken; poll.
    Taken,
    /// A decrypted compound RTCP packet.
    Rtcp(&'a [u8]),
    /// A decrypted RTP packet, if media is [expected](Session::expect_media).
    Rtp(&'a [u8]),
}

/// One browser's connection. After every `handle_*` and `close`, call [`Session::poll`] until it
/// says [`Output::Idle`].
pub struct Session {
    ice: Agent,
    dtls: Handshake,
    /// Nominated by the browser.
    path: Option<Path>,
    /// Where authentic packets came from, the last first: the way back before anything is
    /// nominated.
    heard: VecDeque<Path>,
    sender: Option<srtp::Sender>,
    receiver: Option<srtp::Receiver>,
    events: VecDeque<Event>,
    datagrams: VecDeque<Vec<u8>>,
    /// Media comes in.
    media: bool,
    /// The last time it was told.
    now: Instant,
}

impl Session {
    /// A session that answers an offer. `locals` are the addresses that the answer will name.
    pub fn accept(
        now: Instant,
        certificate: &Certificate,
        remote: &Remote,
        locals: &[(Transport, SocketAddr)],
    ) -> Self {
        Self {
            ice: Agent::new(locals, &remote.credentials),
            dtls: Handshake::new(now, certificate, remote.fingerprint.clone()),
            path: None,
            heard: VecDeque::new(),
            sender: None,
            receiver: None,
            events: VecDeque::new(),
            datagrams: VecDeque::new(),
            media: false,
            now,
        }
    }

    /// The other side publishes: its RTP packets are decrypted, too. Otherwise they are not worth
    /// that.
    pub fn expect_media(&mut self) {
        self.media = true;
    }

    /// Ours; the user name fragment is how the browser's first packets find this session (RFC 8445
    /// §7.2.2).
    pub fn credentials(&self) -> Credentials {
        self.ice.credentials()
    }

    /// Candidate lines for the answer (RFC 8839 §5.1), without `a=`.
    pub fn candidates(&self) -> Vec<String> {
        self.ice.candidates()
    }

    /// Adds a candidate that the browser told of; others than UDP ones with an address are of no
    /// use and are passed over.
    pub fn add_remote_candidate(&mut self, candidate: &str) {
        self.ice.add_remote(candidate);
    }

    /// New credentials of both sides: an ICE restart (RFC 8445 §9).
    pub fn restart(&mut self, remote: &Credentials) {
        self.ice.restart(remote);
    }

    /// Takes a datagram, which is decrypted in place.
    ///
    /// # Errors
    /// If the session cannot go on.
    pub fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        path: Path,
        data: &'a mut [u8],
    ) -> Result<Handled<'a>, SessionError> {
        self.now = now;
        // RFC 7983 §7: the first byte tells the protocols apart.
        match data.first() {
            Some(0..=3) if self.ice.handle_packet(now, path, data) => {
                self.hear(path);
                Ok(Handled::Taken)
            }
            Some(20..=63) if self.knows(path) => {
                self.dtls.handle_datagram(now, data)?;
                self.advance()?;
                Ok(Handled::Taken)
            }
            Some(128..=191) if self.knows(path) => Ok(self.decrypt(data)),
            _ => Ok(Handled::Foreign),
        }
    }

    fn hear(&mut self, path: Path) {
        if self.heard.front() != Some(&path) {
            self.heard.retain(|known| *known != path);
            self.heard.push_front(path);
            self.heard.truncate(MAX_HEARD);
        }
    }

    fn knows(&self, path: Path) -> bool {
        let is = |known: &Path| known.remote == path.remote && known.transport == path.transport;
        self.path.as_ref().is_some_and(is) || self.heard.iter().any(is)
    }

    /// Whoever cannot encrypt is not heard.
    fn decrypt<'a>(&mut self, data: &'a mut [u8]) -> Handled<'a> {
        let Some(receiver) = &mut self.receiver else { return Handled::Foreign };
        let opened = match crate::rtp::rtcp::is_rtcp(data) {
            true => receiver.unprotect_rtcp(data).map(Handled::Rtcp),
            false if self.media => receiver.unprotect_rtp(data).map(Handled::Rtp),
            false => Ok(Handled::Taken),
        };
        opened.unwrap_or(Handled::Foreign)
    }

    /// Moves time forward.
    ///
    /// # Errors
    /// If the session cannot go on.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        self.now = now;
        if self.ice.deadline().is_none_or(|at| at <= now) {
            self.ice.handle_timeout(now);
        }
        self.dtls.handle_timeout(now)?;
        Ok(self.advance()?)
    }

    fn advance(&mut self) -> Result<(), Failure> {
        let progress = self.dtls.poll()?;
        self.datagrams.extend(progress.datagrams);
        if let Some(keys) = progress.keys {
            self.sender = Some(keys.sender);
            self.receiver = Some(keys.receiver);
            self.events.push_back(Event::Connected);
        }
        if progress.closed {
            self.events.push_back(Event::Closed);
        }
        Ok(())
    }

    /// The next thing this session wants.
    pub fn poll(&mut self) -> Output {
        while let Some(found) = self.ice.poll() {
            self.events.push_back(match found {
                Found::Path(path) => {
                    self.path = Some(path);
                    Event::Moved(path)
                }
                Found::Alive(alive) => Event::Path { alive },
            });
        }
        if let Some((path, contents)) = self.ice.poll_transmit() {
            return Output::Datagram(Datagram { path, contents });
        }
        if let Some(path) = self.path()
            && let Some(contents) = self.datagrams.pop_front()
        {
            return Output::Datagram(Datagram { path, contents });
        }
        match self.events.pop_front() {
            Some(event) => Output::Event(event),
            None => Output::Idle(self.deadline()),
        }
    }

    fn deadline(&mut self) -> Instant {
        [self.ice.deadline(), self.dtls.deadline()]
            .into_iter()
            .flatten()
            .fold(self.now + IDLE, Instant::min)
    }

    /// Where media is sent.
    pub fn path(&self) -> Option<Path> {
        self.path.or(self.heard.front().copied())
    }

    /// The keys to send with, once.
    pub fn take_sender(&mut self) -> Option<srtp::Sender> {
        self.sender.take()
    }

    /// The round trip that the newest connectivity checks saw.
    pub fn rtt(&self) -> Option<Duration> {
        self.ice.rtt()
    }

    /// Says goodbye; poll to send it.
    pub fn close(&mut self) {
        self.dtls.close();
        // What cannot be said is not said.
        let _ = self.advance();
    }
}
