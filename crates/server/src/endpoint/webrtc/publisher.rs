//! One publisher: its connection, what comes in over it, and what it is told for that.

use super::{
    outlet::{Account, Outlet},
    stats::CameraStats,
};
use crate::{clock::Clock, publication::Publication};
use hub::{Demand, PublishError};
use media::{ClockPair, Mono};
use proto::webrtc::{answer::CNAME, batch::Route};
use proto::{
    rtp::ingest::{Asked, Ingest, Lane, Numbers},
    srtp,
    webrtc::{Credentials, Event, Handled, Output, Path, Session},
};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// A publisher whose offer was answered must be connected within this time.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// Who publishes sends all the time; who is silent for this long is gone. Others may publish before
/// that: as soon as the stream is stalled.
const SILENT: Duration = Duration::from_secs(10);
/// Its own candidates are tried only if its packets have not found us by then.
const TRY_CANDIDATES_AFTER: Duration = Duration::from_millis(300);
/// Timers of ICE and DTLS wait this long for others once media flows.
const COALESCE: Duration = Duration::from_millis(20);
/// The way to a publisher is believed to be this long at least and at most.
const RTT: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(500));

/// What a publisher needs of the media thread while it does something.
pub(super) struct Context<'a> {
    pub(super) clock: Clock,
    pub(super) pair: ClockPair,
    pub(super) out: &'a mut Outlet,
}

impl Context<'_> {
    fn now(&self) -> Mono {
        self.pair.mono
    }

    fn instant(&self) -> Instant {
        self.clock.instant(self.pair.mono)
    }
}

/// What a new publisher is made of.
pub(super) struct Arrival {
    pub(super) session: Session,
    pub(super) lanes: Vec<Lane>,
    pub(super) numbers: Numbers,
    pub(super) publication: Publication,
    /// What readers are told who publishes.
    pub(super) by: String,
    /// Candidates that came with the offer.
    pub(super) candidates: Vec<String>,
    pub(super) stats: Arc<CameraStats>,
}

/// Why a publisher is no more.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum End {
    #[error("it said goodbye")]
    Closed,
    #[error("the session was deleted")]
    Deleted,
    #[error("the server stops")]
    ServerStops,
    #[error("it never connected; is this server's WebRTC port blocked?")]
    NeverConnected,
    #[error("nothing was heard from it for {} s", SILENT.as_secs())]
    Silent,
    #[error("{0}")]
    Refused(PublishError),
    #[error("{0}")]
    Failed(String),
    #[error("a fault in this server; please report it")]
    Panicked,
}

pub(super) struct Publisher {
    session: Session,
    ingest: Ingest,
    /// Until it has ended.
    publication: Option<Publication>,
    by: String,
    /// Once keys are agreed.
    sender: Option<srtp::Sender>,
    route: Option<Route>,
    end: Option<End>,
    since: Mono,
    heard: Mono,
    candidates: Vec<String>,
    demand: watch::Receiver<Demand>,
    /// Keyframes that readers have wished for so far.
    wished: u64,
    stats: Arc<CameraStats>,
    counted: Asked,
    idle_until: Instant,
    driven: Mono,
}

impl Publisher {
    pub(super) fn new(clock: Clock, now: Mono, arrival: Arrival) -> Self {
        let Arrival { mut session, lanes, numbers, publication, by, candidates, stats } = arrival;
        session.expect_media();
        let demand = publication.stream().demand();
        publication.serve_keyframes();
        let wished = demand.borrow().keyframes;
        Self {
            session,
            ingest: Ingest::new(now, lanes, numbers, fastrand::u32(1..), CNAME),
            publication: Some(publication),
            by,
            sender: None,
            route: None,
            end: None,
            since: now,
            heard: now,
            candidates,
            demand,
            wished,
            stats,
            counted: Asked::default(),
            idle_until: clock.instant(now),
            driven: now,
        }
    }

    /// Takes a datagram, which is decrypted in place; false if it is not of this publisher.
    pub(super) fn handle_datagram(
        &mut self,
        cx: &mut Context<'_>,
        path: Path,
        data: &mut [u8],
    ) -> bool {
        match self.session.handle_datagram(cx.instant(), path, data) {
            Ok(Handled::Foreign) => return false,
            Ok(Handled::Taken) => {}
            Ok(Handled::Rtp(packet)) => self.ingest.handle_rtp(&cx.pair, packet),
            Ok(Handled::Rtcp(packet)) => self.ingest.handle_rtcp(&cx.pair, packet),
            Err(e) => self.fail(&e),
        }
        self.heard = cx.now();
        self.drive(cx);
        true
    }

    /// Readers want something else than before.
    pub(super) fn handle_demand(&mut self, cx: &mut Context<'_>) {
        let wished = self.demand.borrow_and_update().keyframes;
        if std::mem::replace(&mut self.wished, wished) != wished {
            self.ingest.want_keyframe();
            self.drive(cx);
        }
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let now = cx.now();
        if !self.is_connected() && now.since(self.since) >= CONNECT_WITHIN {
            self.end = Some(End::NeverConnected);
        } else if self.is_connected() && now.since(self.heard) >= SILENT {
            self.end = Some(End::Silent);
        }
        if !self.is_connected() && now.since(self.since) >= TRY_CANDIDATES_AFTER {
            self.candidates.drain(..).for_each(|c| self.session.add_remote_candidate(&c));
        }
        if cx.instant() >= self.idle_until
            && let Err(e) = self.session.handle_timeout(cx.instant())
        {
            self.fail(&e);
        }
        if let Some(rtt) = self.session.rtt() {
            self.ingest.set_rtt(rtt.clamp(RTT.0, RTT.1));
        }
        self.ingest.handle_timeout(now);
        self.drive(cx);
    }

    /// Adds candidates that it has told of since.
    pub(super) fn handle_candidates(&mut self, candidates: impl IntoIterator<Item = String>) {
        self.candidates.extend(candidates);
    }

    /// New ICE credentials from it; returns ours, and the candidates that go with them.
    pub(super) fn restart_ice(&mut self, remote: &Credentials) -> (Credentials, Vec<String>) {
        self.session.restart(remote);
        (self.session.credentials(), self.session.candidates())
    }

    /// The name by which its first packets find it.
    pub(super) fn local_ufrag(&self) -> String {
        self.session.credentials().ufrag
    }

    /// What readers are told who publishes.
    pub(super) fn name(&self) -> &str {
        &self.by
    }

    /// What readers want, for whoever wakes this publisher when that changes.
    pub(super) fn demand(&self) -> watch::Receiver<Demand> {
        self.demand.clone()
    }

    /// Why it is no more, if it is.
    pub(super) fn ended(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// When [`Publisher::handle_timeout`] is due.
    pub(super) fn deadline(&self, clock: Clock) -> Mono {
        let idle_until = clock.mono(self.idle_until);
        if self.is_connected() {
            let idle_until = idle_until.max(self.driven + COALESCE);
            return idle_until.min(self.heard + SILENT).min(self.ingest.deadline());
        }
        let candidates = (!self.candidates.is_empty()).then_some(self.since + TRY_CANDIDATES_AFTER);
        idle_until.min(self.since + CONNECT_WITHIN).min(candidates.unwrap_or(idle_until))
    }

    /// Turns the stream offline, and says goodbye to the publisher.
    pub(super) fn close(&mut self, cx: &mut Context<'_>, end: &End) {
        self.finish(cx.now(), end);
        self.end.get_or_insert_with(|| end.clone());
        self.session.close();
        self.drain(cx);
        cx.out.flush(account(&self.stats));
    }

    /// Turns the stream offline.
    pub(super) fn finish(&mut self, now: Mono, end: &End) {
        if let Some(publication) = self.publication.take() {
            publication.finish(now, format!("{}: {end}", self.by));
        }
    }

    fn is_connected(&self) -> bool {
        self.sender.is_some()
    }

    fn fail(&mut self, error: &dyn std::error::Error) {
        self.end.get_or_insert(End::Failed(error.to_string()));
    }

    /// Publishes what has come, and sends what is to be told.
    fn drive(&mut self, cx: &mut Context<'_>) {
        self.driven = cx.now();
        self.publish(cx.now());
        self.drain(cx);
        self.tell(cx);
        cx.out.flush(account(&self.stats));
    }

    fn publish(&mut self, now: Mono) {
        while let Some((track, received)) = self.ingest.poll(now) {
            let Some(publication) = &mut self.publication else { return };
            if let Err(refused) = publication.take(now, track, received) {
                self.end.get_or_insert(End::Refused(refused));
            }
        }
    }

    /// Takes everything that the connection wants.
    fn drain(&mut self, cx: &mut Context<'_>) {
        loop {
            match self.session.poll() {
                Output::Datagram(datagram) => {
                    cx.out.push(Route::of(datagram.path), &datagram.contents, account(&self.stats));
                }
                Output::Event(event) => self.handle_event(&event),
                Output::Idle(at) => {
                    self.idle_until = at;
                    break;
                }
            }
        }
    }

    fn handle_event(&mut self, event: &Event) {
        match event {
            Event::Connected => {
                self.sender = self.session.take_sender();
                self.route = self.session.path().map(Route::of);
                tracing::info!(by = self.by, "WebRTC publisher connected");
            }
            Event::Moved(path) => self.route = Some(Route::of(*path)),
            // It may come back; if not, it is silent, and that is noticed.
            Event::Path { .. } => {}
            Event::Closed => drop(self.end.get_or_insert(End::Closed)),
        }
    }

    fn tell(&mut self, cx: &mut Context<'_>) {
        let (Some(sender), Some(route)) = (&mut self.sender, self.route) else { return };
        while let Some(feedback) = self.ingest.poll_feedback(cx.now()) {
            cx.out.write(route, account(&self.stats), |out| {
                let start = out.len();
                out.extend_from_slice(&feedback);
                // Fails only after 2^31 packets, and then leaves nothing in clear.
                let _ = sender.protect_rtcp(out, start);
            });
        }
        let (asked, counted) = (self.ingest.asked(), self.counted);
        self.stats.asked_again.fetch_add(asked.packets - counted.packets, Relaxed);
        self.stats.repaired.fetch_add(asked.repaired - counted.repaired, Relaxed);
        self.stats.keyframes_asked.fetch_add(asked.keyframes - counted.keyframes, Relaxed);
        self.counted = asked;
    }
}

fn account(stats: &CameraStats) -> Account<'_> {
    Account { camera: stats, viewer: None }
}
