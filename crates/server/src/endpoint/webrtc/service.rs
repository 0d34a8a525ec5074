//! Between HTTP and the media threads: who may join, who may publish, and which session is whose.

pub(super) mod publish;

use super::{
    Options, addresses,
    directory::Directory,
    shard::{Command, ViewerId},
    stats::Stats,
    viewer::Arrival,
};
use crate::{
    cameras::Cameras,
    clock::Clock,
    viewers::{JoinRefused, JoinRequest, Kick, Protocol, ViewerRegistry},
};
use hub::{PublishError, Stream};
use proto::webrtc::{self, Certificate, Credentials, Transport};
use proto::webrtc::{
    answer::{self, TrackSsrcs},
    egress::EgressPlan,
    offer::{Offer, OfferError},
    receive_negotiation::ReceiveRefusal,
    send_negotiation::{NegotiatedFormats, NoCommonCodec},
    trickle::{self, TrickleFragment},
};
use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    io::{self, Read},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicU64},
};
use tokio::sync::{mpsc, oneshot};

/// The generation of a session's first answer.
const FIRST_ETAG: u64 = 1;
/// Publishers have numbers of their own, far from those of handles.
const FIRST_PUBLISHER: u64 = 1 << 63;
/// Ended sessions remembered.
const MAX_ENDED: usize = 256;

/// The unguessable last part of a session's URL.
pub(super) type Secret = String;

/// Why a request of a viewer or a publisher is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Offer(#[from] OfferError),
    #[error(transparent)]
    Codec(#[from] NoCommonCodec),
    #[error(transparent)]
    Refused(#[from] JoinRefused),
    #[error(transparent)]
    ReceiveRefusal(#[from] ReceiveRefusal),
    #[error("camera {name} is {refused}")]
    Busy { name: Arc<str>, refused: PublishError },
    #[error("no such session; it may have timed out")]
    NoSession,
    #[error("the session has changed since (If-Match does not match its ETag)")]
    Stale,
    #[error("the server is about to stop")]
    Stopping,
}

/// What a new viewer is told.
pub(super) struct Joined {
    pub(super) answer: String,
    pub(super) secret: Secret,
    /// By which the API knows it.
    pub(super) viewer: String,
    pub(super) etag: u64,
}

/// What a change of a session leads to.
pub(super) enum Patched {
    Candidates,
    Restarted { fragment: String, etag: u64 },
}

pub(super) struct Service {
    clock: Clock,
    certificate: Certificate,
    local: SocketAddr,
    options: Options,
    viewers: ViewerRegistry,
    directory: Arc<Directory>,
    /// Of each media thread.
    shards: Vec<mpsc::Sender<Command>>,
    sessions: Mutex<Sessions>,
    /// The number that the last publisher got.
    publishers: AtomicU64,
    pub(super) stats: Arc<Stats>,
}

#[derive(Default)]
struct Sessions {
    open: HashMap<Secret, Session>,
    /// The newest ones that ended by themselves: players that close their connection often delete
    /// the session as well.
    ended: VecDeque<Secret>,
}

struct Session {
    id: ViewerId,
    /// The browser's name in ICE, to tell a restart by.
    remote: String,
    /// By which a restart's answer names the transport.
    section: String,
    /// Counts ICE generations.
    etag: u64,
}

impl Service {
    pub(super) fn new(
        clock: Clock,
        local: SocketAddr,
        options: Options,
        viewers: ViewerRegistry,
        threads: (Arc<Directory>, Vec<mpsc::Sender<Command>>),
    ) -> io::Result<Self> {
        let certificate = Certificate::generate().map_err(io::Error::other)?;
        let (directory, shards) = threads;
        let (sessions, publishers, stats) =
            (Mutex::default(), AtomicU64::new(FIRST_PUBLISHER), Arc::default());
        Ok(Self {
            clock,
            certificate,
            local,
            options,
            viewers,
            directory,
            shards,
            sessions,
            publishers,
            stats,
        })
    }

    /// Answers an offer. `host` is the address by which the browser reached us, if it used one.
    pub(super) async fn join(
        self: &Arc<Self>,
        stream: Arc<Stream>,
        cameras: Option<Cameras>,
        offer: &str,
        host: Option<IpAddr>,
    ) -> Result<Joined, Refusal> {
        let request = JoinRequest {
            protocol: Protocol::WebRtc,
            stream: stream.name(),
            end: ender(Arc::downgrade(self)),
        };
        let handle = self.viewers.join(request, self.clock.pair())?;
        let candidates = TrickleFragment::parse(offer).candidates;
        let offer = Offer::parse(offer)?;
        let choice = NegotiatedFormats::new(&offer, stream.catalog().as_deref())?;
        let now = self.clock.instant(self.clock.now());
        let session =
            webrtc::Session::accept(now, &self.certificate, &offer.remote, &self.addresses(host));
        let sources = (TrackSsrcs::random(), TrackSsrcs::random());
        let answer = answer::write(&offer, &choice, Some(sources), &session, &self.certificate);
        let plan = EgressPlan::new(&offer, &choice, sources);
        let (id, viewer) = (handle.number(), handle.id());
        let arrival =
            Box::new(Arrival { session, plan, choice, stream, handle, cameras, candidates });
        let secret = self.open(id, offer.remote.credentials.ufrag, &answer)?;
        self.begin(id, |done| Command::Join { id, arrival, done }).await?;
        Ok(Joined { answer, secret, viewer, etag: FIRST_ETAG })
    }

    /// Gives a new session its URL.
    fn open(&self, id: ViewerId, remote: String, answer: &str) -> Result<Secret, Refusal> {
        let secret = secret().map_err(|_| Refusal::Stopping)?;
        let section = trickle::first_section(answer);
        self.sessions()
            .open
            .insert(secret.clone(), Session { id, remote, section, etag: FIRST_ETAG });
        Ok(secret)
    }

    /// Hands a new session to its media thread, and waits until the browser's packets find it.
    async fn begin(
        &self,
        id: ViewerId,
        command: impl FnOnce(oneshot::Sender<()>) -> Command,
    ) -> Result<(), Refusal> {
        let (done, begun) = oneshot::channel();
        let sent = self.tell(id, command(done)).await;
        if sent.is_err() || begun.await.is_err() {
            self.forget(id);
            return Err(Refusal::Stopping);
        }
        Ok(())
    }

    /// Takes candidates or new credentials. `etag` is `None` where the browser sent `*`.
    pub(super) async fn patch(
        &self,
        secret: &str,
        etag: Option<u64>,
        text: &str,
    ) -> Result<Patched, Refusal> {
        let TrickleFragment { credentials, candidates } = TrickleFragment::parse(text);
        let (id, remote, section) = {
            let sessions = self.sessions();
            let session = sessions.open.get(secret).ok_or(Refusal::NoSession)?;
            if etag.is_some_and(|etag| etag != session.etag) {
                return Err(Refusal::Stale);
            }
            (session.id, session.remote.clone(), session.section.clone())
        };
        let Some(remote) = credentials.filter(|c| c.ufrag != remote) else {
            self.tell(id, Command::Candidates { id, candidates }).await?;
            return Ok(Patched::Candidates);
        };
        let (local, local_candidates) = self.restart(id, &remote).await?;
        self.tell(id, Command::Candidates { id, candidates }).await?;
        let etag = self.sessions().restarted(secret, remote.ufrag).ok_or(Refusal::NoSession)?;
        Ok(Patched::Restarted {
            fragment: trickle::write(&section, &local, &local_candidates),
            etag,
        })
    }

    async fn restart(
        &self,
        id: ViewerId,
        remote: &Credentials,
    ) -> Result<(Credentials, Vec<String>), Refusal> {
        let (done, answer) = oneshot::channel();
        self.tell(id, Command::Restart { id, remote: remote.clone(), done }).await?;
        answer.await.map_err(|_| Refusal::NoSession)
    }

    /// Ends a session.
    pub(super) async fn leave(&self, secret: &str) -> Result<(), Refusal> {
        let session = self.sessions().take(secret)?;
        match session {
            Some(session) => self.tell(session.id, Command::Leave { id: session.id }).await,
            None => Ok(()),
        }
    }

    /// Sends a viewer away.
    async fn end(&self, id: ViewerId) {
        // If the media thread is gone, so is the viewer.
        let _ = self.tell(id, Command::Leave { id }).await;
    }

    /// A viewer is no more.
    pub(super) fn forget(&self, id: ViewerId) {
        self.sessions().end(id);
    }

    /// Tells the media thread of a viewer.
    async fn tell(&self, id: ViewerId, command: Command) -> Result<(), Refusal> {
        let shard = self.shards.get(self.directory.shard_of(id)).ok_or(Refusal::Stopping)?;
        shard.send(command).await.map_err(|_| Refusal::Stopping)
    }

    fn addresses(&self, host: Option<IpAddr>) -> Vec<(Transport, SocketAddr)> {
        let extra: Vec<IpAddr> = self
            .options
            .hosts
            .iter()
            .copied()
            .chain(host.filter(|_| self.local.ip().is_unspecified()))
            .collect();
        let offered = addresses::to_offer(self.local, &addresses::of_interfaces(), &extra);
        let transports =
            [Transport::Udp].into_iter().chain(self.options.tcp.then_some(Transport::Tcp));
        transports
            .flat_map(|transport| offered.iter().map(move |address| (transport, *address)))
            .collect()
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    /// Removes a session; `None` if it had ended by itself.
    fn take(&mut self, secret: &str) -> Result<Option<Session>, Refusal> {
        if let Some(at) = self.ended.iter().position(|ended| ended == secret) {
            self.ended.remove(at);
            return Ok(None);
        }
        self.open.remove(secret).map(Some).ok_or(Refusal::NoSession)
    }

    /// Counts an ICE restart; returns the new generation.
    fn restarted(&mut self, secret: &str, remote: String) -> Option<u64> {
        let session = self.open.get_mut(secret)?;
        session.remote = remote;
        session.etag += 1;
        Some(session.etag)
    }

    fn end(&mut self, id: ViewerId) {
        let ended = self.open.extract_if(|_, session| session.id == id).map(|(secret, _)| secret);
        self.ended.extend(ended);
        let excess = self.ended.len().saturating_sub(MAX_ENDED);
        self.ended.drain(..excess);
    }
}

/// What ends viewers of this service, which it outlives.
fn ender(service: Weak<Service>) -> Kick {
    Arc::new(move |id| {
        let service = service.clone();
        tokio::spawn(async move {
            if let Some(service) = service.upgrade() {
                service.end(id).await;
            }
        });
    })
}

/// 128 bits from the kernel's generator.
fn secret() -> io::Result<Secret> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}
