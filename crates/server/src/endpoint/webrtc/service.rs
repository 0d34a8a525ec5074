//! Between HTTP and the media threads: who may join, and which session is whose.

use super::{
    addresses,
    choice::{Choice, NoCommonCodec},
    fragment::{self, Fragment},
    offer::{Offer, OfferError},
    peer::{Certificate, Peer, PeerError},
    shard::{Command, ViewerId},
    stats::{Stats, ViewerStats},
    viewer::Arrival,
};
use crate::clock::Clock;
use hub::Stream;
use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    io::{self, Read},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::sync::{mpsc, oneshot};

/// Ended sessions remembered.
const MAX_ENDED: usize = 256;

/// The unguessable last part of a session's URL.
pub(super) type Secret = String;

/// Why a request of a viewer is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Offer(#[from] OfferError),
    #[error(transparent)]
    Codec(#[from] NoCommonCodec),
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("this server already serves {0} WebRTC viewers, as many as it is allowed to")]
    Full(usize),
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
    hosts: Vec<IpAddr>,
    max_viewers: usize,
    shards: Vec<mpsc::Sender<Command>>,
    sessions: Mutex<Sessions>,
    next: AtomicU64,
    pub(super) stats: Arc<Stats>,
}

#[derive(Default)]
struct Sessions {
    open: HashMap<Secret, Session>,
    /// The newest ones that ended by themselves: players that close their connection often delete the session as well.
    ended: VecDeque<Secret>,
}

struct Session {
    id: ViewerId,
    shard: usize,
    /// Kept for ICE restarts.
    offer: Arc<str>,
    /// Counts ICE generations.
    etag: u64,
}

impl Service {
    pub(super) fn new(
        clock: Clock,
        local: SocketAddr,
        hosts: Vec<IpAddr>,
        max_viewers: usize,
        shards: Vec<mpsc::Sender<Command>>,
    ) -> io::Result<Self> {
        let certificate = Certificate::generate().map_err(io::Error::other)?;
        Ok(Self {
            clock,
            certificate,
            local,
            hosts,
            max_viewers,
            shards,
            sessions: Mutex::default(),
            next: AtomicU64::new(1),
            stats: Arc::default(),
        })
    }

    /// Answers an offer. `host` is the address by which the browser reached us, if it used one.
    pub(super) async fn join(&self, stream: Arc<Stream>, offer: &str, host: Option<IpAddr>) -> Result<Joined, Refusal> {
        if self.sessions().open.len() >= self.max_viewers {
            return Err(Refusal::Full(self.max_viewers));
        }
        let choice = Choice::new(&Offer::parse(offer)?, stream.catalog().as_deref())?;
        let now = self.clock.instant(self.clock.now());
        let (peer, answer) = Peer::accept(now, offer, &choice, &self.certificate, &self.addresses(host))?;
        let id = self.next.fetch_add(1, Relaxed);
        let stats = Arc::new(ViewerStats::new(id, stream.name().clone(), self.clock.pair().wall));
        let candidates = Fragment::parse(offer).candidates;
        let arrival = Box::new(Arrival { peer, choice, stream, stats: stats.clone(), candidates });
        let shard = usize::try_from(id).unwrap_or_default() % self.shards.len().max(1);
        let secret = secret().map_err(|_| Refusal::Stopping)?;
        self.sessions().open.insert(secret.clone(), Session { id, shard, offer: offer.into(), etag: id });
        self.stats.add_viewer(stats);
        let (done, joined) = oneshot::channel();
        let sent = self.tell(shard, Command::Join { id, arrival, done }).await;
        if sent.is_err() || joined.await.is_err() {
            self.forget(id);
            return Err(Refusal::Stopping);
        }
        Ok(Joined { answer, secret, etag: id })
    }

    /// Takes candidates or new credentials. `etag` is `None` where the browser sent `*`.
    pub(super) async fn patch(&self, secret: &str, etag: Option<u64>, text: &str) -> Result<Patched, Refusal> {
        let Fragment { credentials, candidates } = Fragment::parse(text);
        let (id, shard, offer) = {
            let sessions = self.sessions();
            let session = sessions.open.get(secret).ok_or(Refusal::NoSession)?;
            if etag.is_some_and(|etag| etag != session.etag) {
                return Err(Refusal::Stale);
            }
            (session.id, session.shard, session.offer.clone())
        };
        let changed = credentials.filter(|(ufrag, _)| !has_ufrag(&offer, ufrag));
        let Some((ufrag, password)) = changed else {
            self.tell(shard, Command::Candidates { id, candidates }).await?;
            return Ok(Patched::Candidates);
        };
        let offer = fragment::with_credentials(&offer, &ufrag, &password);
        let (done, answer) = oneshot::channel();
        self.tell(shard, Command::Restart { id, offer: offer.clone(), done }).await?;
        let answer = answer.await.map_err(|_| Refusal::NoSession)??;
        self.tell(shard, Command::Candidates { id, candidates }).await?;
        let etag = self.next.fetch_add(1, Relaxed);
        if let Some(session) = self.sessions().open.get_mut(secret) {
            session.offer = offer.into();
            session.etag = etag;
        }
        Ok(Patched::Restarted { fragment: fragment::of_answer(&answer), etag })
    }

    /// Ends a session.
    pub(super) async fn leave(&self, secret: &str) -> Result<(), Refusal> {
        let session = self.sessions().take(secret)?;
        match session {
            Some(session) => self.tell(session.shard, Command::Leave { id: session.id }).await,
            None => Ok(()),
        }
    }

    /// A viewer is no more.
    pub(super) fn forget(&self, id: ViewerId) {
        self.sessions().end(id);
    }

    async fn tell(&self, shard: usize, command: Command) -> Result<(), Refusal> {
        let shard = self.shards.get(shard).ok_or(Refusal::Stopping)?;
        shard.send(command).await.map_err(|_| Refusal::Stopping)
    }

    fn addresses(&self, host: Option<IpAddr>) -> Vec<SocketAddr> {
        let extra: Vec<IpAddr> = self.hosts.iter().copied().chain(host.filter(|_| self.local.ip().is_unspecified())).collect();
        addresses::to_offer(self.local, &addresses::of_interfaces(), &extra)
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

    fn end(&mut self, id: ViewerId) {
        let ended = self.open.extract_if(|_, session| session.id == id).map(|(secret, _)| secret);
        self.ended.extend(ended);
        let excess = self.ended.len().saturating_sub(MAX_ENDED);
        self.ended.drain(..excess);
    }
}

fn has_ufrag(offer: &str, ufrag: &str) -> bool {
    offer.lines().any(|l| super::text::attribute(l, "ice-ufrag") == Some(ufrag))
}

/// 128 bits from the kernel's generator.
fn secret() -> io::Result<Secret> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}
