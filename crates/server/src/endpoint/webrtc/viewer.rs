//! One viewer: its place in the stream, its connection, and the policies between them.

mod pump;

use super::{
    choice::Choice,
    feed::Feed,
    outlet::{Account, Outlet},
    pacing::Pacer,
    peer::{Datagram, Peer, PeerError, PeerEvent, Polled, Report},
    playout::Playout,
    resend::{Echoes, ResendBudget},
    timeline::{Reordering, Timeline},
};
use crate::{
    audience::{Guest, Seat, Transport},
    clock::Clock,
};
use hub::{ReaderOptions, Start, Subscriber};
use media::{Catalog, ClockPair, Mono};
use pump::Sending;
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

/// A viewer further behind than this goes on at the newest keyframe, if that brings it forward.
const MAX_LAG: Duration = Duration::from_secs(1);
/// A browser whose offer was answered must be connected within this time.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// Browsers ask for consent every few seconds (RFC 7675); one that is silent for this long is gone.
const SILENT: Duration = Duration::from_secs(15);
/// A browser that just got a keyframe and asks for one has asked before it came; another replay would only delay it.
const REPLAY_INTERVAL: Duration = Duration::from_millis(1000);
/// Timers of connected viewers wait for the next frame at most this long: one wake-up serves them all.
const COALESCE: Duration = Duration::from_millis(20);
/// The browser's own candidates are tried only if its packets have not found us by then.
const TRY_CANDIDATES_AFTER: Duration = Duration::from_millis(300);

/// What a viewer needs of the shard while it does something.
pub(super) struct Context<'a> {
    pub(super) clock: Clock,
    pub(super) now: Mono,
    pub(super) pair: ClockPair,
    pub(super) out: &'a mut Outlet,
    pub(super) feed: &'a mut Feed,
}

impl Context<'_> {
    fn instant(&self) -> Instant {
        self.clock.instant(self.now)
    }
}

/// What a new viewer is made of.
pub(super) struct Arrival {
    pub(super) peer: Peer,
    pub(super) choice: Choice,
    pub(super) stream: Arc<hub::Stream>,
    pub(super) seat: Seat,
    /// Candidates that came with the offer.
    pub(super) candidates: Vec<String>,
}

/// Why a viewer is no more.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the browser said goodbye")]
    Closed,
    #[error("the session was deleted")]
    Deleted,
    #[error("the server stops")]
    ServerStops,
    #[error("the browser never connected; is UDP to this server blocked?")]
    NeverConnected,
    #[error("nothing was heard from the browser for {} s", SILENT.as_secs())]
    Silent,
    #[error("the camera now sends {0}, which was not agreed on; the browser must ask again")]
    CodecChanged(String),
    #[error("the camera is gone: {0}")]
    CameraGone(Arc<str>),
    #[error("{0}")]
    Failed(String),
    #[error("a fault in this server; please report it")]
    Panicked,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// ICE and DTLS.
    Connecting,
    /// Media flows.
    Playing,
    /// The path is lost; the browser may find another.
    Lost,
}

pub(super) struct Viewer {
    seat: Seat,
    peer: Peer,
    reader: Subscriber,
    choice: Choice,
    catalog: Option<Arc<Catalog>>,
    phase: Phase,
    end: Option<End>,
    since: Mono,
    heard: Mono,
    candidates: Vec<String>,
    video: Timeline,
    audio: Timeline,
    order: Reordering,
    /// Units before the next keyframe are of no use.
    await_key: bool,
    /// Behind the newest unit because it has just begun, or begun again.
    catching_up: bool,
    /// Something was sent since the last jump.
    started: bool,
    replayed: Option<Mono>,
    sending: Option<Sending>,
    /// When the frame that is on its way out had come in, for the histogram.
    first_out: Option<Mono>,
    pacer: Pacer,
    paced_until: Option<Mono>,
    playout: Playout,
    resends: ResendBudget,
    echoes: Echoes,
    /// Share of packets lost, as the browser last reported.
    loss: f32,
    nacks: u64,
    idle_until: Instant,
    driven: Mono,
}

impl Viewer {
    pub(super) fn new(clock: Clock, now: Mono, arrival: Arrival) -> Self {
        let Arrival { peer, choice, stream, seat, candidates } = arrival;
        Self {
            peer,
            choice,
            seat,
            candidates,
            reader: stream.subscribe(ReaderOptions { start: Start::NewestKey, max_lag: MAX_LAG }),
            catalog: None,
            phase: Phase::Connecting,
            end: None,
            since: now,
            heard: now,
            video: Timeline::new(fastrand::u32(..)),
            audio: Timeline::new(fastrand::u32(..)),
            order: Reordering::default(),
            await_key: false,
            catching_up: true,
            started: false,
            replayed: None,
            sending: None,
            first_out: None,
            pacer: Pacer::new(now),
            paced_until: None,
            playout: Playout::default(),
            resends: ResendBudget::new(now),
            echoes: Echoes::default(),
            loss: 0.0,
            nacks: 0,
            idle_until: clock.instant(now),
            driven: now,
        }
    }

    /// Takes a datagram; false if it is not for this viewer.
    pub(super) fn handle_datagram(&mut self, cx: &mut Context<'_>, path: (SocketAddr, SocketAddr), data: &[u8]) -> bool {
        match self.peer.handle_datagram(cx.instant(), path, data) {
            Ok(false) => return false,
            Ok(true) => self.heard = cx.now,
            Err(e) => self.fail(&e),
        }
        self.drain(cx);
        true
    }

    /// Something new is in the stream.
    pub(super) fn handle_change(&mut self, cx: &mut Context<'_>) {
        if self.phase == Phase::Playing {
            self.pump(cx);
        }
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let silent = cx.now.since(self.heard);
        if self.phase == Phase::Connecting && cx.now.since(self.since) >= CONNECT_WITHIN {
            self.end = Some(End::NeverConnected);
        } else if self.phase != Phase::Connecting && silent >= SILENT {
            self.end = Some(End::Silent);
        } else {
            self.try_candidates(cx.now);
            self.pump(cx);
        }
    }

    /// Adds candidates that the browser has told of since.
    pub(super) fn handle_candidates(&mut self, candidates: impl IntoIterator<Item = String>) {
        self.candidates.extend(candidates);
    }

    /// New ICE credentials from the browser; the answer holds ours.
    ///
    /// # Errors
    /// If the engine cannot make sense of the offer.
    pub(super) fn restart_ice(&mut self, offer: &str) -> Result<String, PeerError> {
        self.peer.restart(offer)
    }

    /// The name by which the browser's first packets find this viewer.
    pub(super) fn local_ufrag(&mut self) -> String {
        self.peer.local_ufrag()
    }

    /// Why it is no more, if it is.
    pub(super) fn ended(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// When [`Viewer::handle_timeout`] is due.
    pub(super) fn deadline(&self, clock: Clock) -> Instant {
        let timer = match self.phase {
            Phase::Connecting if !self.candidates.is_empty() => {
                self.idle_until.min(clock.instant(self.since + TRY_CANDIDATES_AFTER))
            }
            Phase::Connecting => self.idle_until,
            Phase::Playing | Phase::Lost => self.idle_until.max(clock.instant(self.driven + COALESCE)),
        };
        let silent_at = match self.phase {
            Phase::Connecting => self.since + CONNECT_WITHIN,
            Phase::Playing | Phase::Lost => self.heard + SILENT,
        };
        let timer = timer.min(clock.instant(silent_at));
        let soon = [self.paced_until, self.echoes.next_at()].into_iter().flatten().min();
        soon.map_or(timer, |at| timer.min(clock.instant(at)))
    }

    /// Says goodbye to the browser.
    pub(super) fn close(&mut self, cx: &mut Context<'_>, end: End) {
        self.end.get_or_insert(end);
        self.peer.close();
        while self.peer.is_alive() {
            match self.peer.poll() {
                Ok(Polled::Datagram(datagram)) => cx.out.push(&datagram, account(cx.feed, &self.seat)),
                Ok(Polled::Event(_)) => {}
                Ok(Polled::Idle(_)) | Err(_) => break,
            }
        }
        cx.out.flush(account(cx.feed, &self.seat));
    }

    fn fail(&mut self, error: &PeerError) {
        self.end.get_or_insert(End::Failed(error.to_string()));
    }

    fn try_candidates(&mut self, now: Mono) {
        if self.phase != Phase::Playing && now.since(self.since) >= TRY_CANDIDATES_AFTER {
            self.candidates.drain(..).for_each(|c| self.peer.add_remote_candidate(&c));
        }
    }

    /// Takes everything that the connection wants.
    fn drain(&mut self, cx: &mut Context<'_>) {
        loop {
            match self.peer.poll() {
                Ok(Polled::Datagram(datagram)) => self.send_datagram(cx, &datagram),
                Ok(Polled::Event(event)) => self.handle_event(cx, event),
                Ok(Polled::Idle(at)) => {
                    self.idle_until = at;
                    break;
                }
                Err(e) => {
                    self.fail(&e);
                    break;
                }
            }
        }
        while let Some(echo) = self.echoes.take(cx.now) {
            if self.resends.allow(cx.now, echo.contents.len()) {
                cx.out.push(&echo, account(cx.feed, &self.seat));
            }
        }
        cx.out.flush(account(cx.feed, &self.seat));
        if let Some(received) = self.first_out.take() {
            cx.feed.stats.ingest_to_send.observe(cx.clock.now().since(received));
        }
    }

    fn send_datagram(&mut self, cx: &mut Context<'_>, datagram: &Datagram) {
        if datagram.resend {
            self.pacer.handle_loss(cx.now);
            self.playout.handle_loss(cx.now);
            if !self.resends.allow(cx.now, datagram.contents.len()) {
                cx.feed.stats.retransmits_refused.fetch_add(1, Relaxed);
                return;
            }
            self.echoes.add(cx.now, datagram, self.loss);
            self.seat.retransmitted(1);
        }
        cx.out.push(datagram, account(cx.feed, &self.seat));
    }

    fn handle_event(&mut self, cx: &mut Context<'_>, event: PeerEvent) {
        match event {
            PeerEvent::Connected => self.play(cx),
            PeerEvent::Path { alive: false } if self.phase == Phase::Playing => self.phase = Phase::Lost,
            PeerEvent::Path { alive: true } if self.phase == Phase::Lost => self.play(cx),
            PeerEvent::Path { .. } => {}
            PeerEvent::KeyframeWanted => self.handle_keyframe_wanted(cx),
            PeerEvent::Report(report) => self.handle_report(cx, report),
            PeerEvent::Closed => self.end = Some(End::Closed),
        }
    }

    /// Begins, or begins again, at the newest keyframe.
    fn play(&mut self, cx: &mut Context<'_>) {
        self.phase = Phase::Playing;
        self.seat.set_connected(Transport::Udp, self.peer.remote());
        self.jump(cx.now);
    }

    fn jump(&mut self, now: Mono) {
        self.reader.restart();
        self.await_key = false;
        self.order = Reordering::default();
        self.catching_up = true;
        self.started = false;
        self.replayed = Some(now);
        // At once: the frame loop must not wait for the next frame, which may be seconds away.
        self.paced_until = Some(now);
    }

    /// The newest group of pictures is sent again at once, which helps whatever the camera does; and the camera is asked.
    fn handle_keyframe_wanted(&mut self, cx: &mut Context<'_>) {
        cx.feed.stats.plis.fetch_add(1, Relaxed);
        self.reader.request_keyframe(cx.now);
        let recently = self.replayed.is_some_and(|at| cx.now.since(at) < REPLAY_INTERVAL);
        if self.phase == Phase::Playing && !self.catching_up && !recently {
            self.jump(cx.now);
        }
    }

    fn handle_report(&mut self, cx: &mut Context<'_>, report: Report) {
        let new_nacks = report.nacks.saturating_sub(self.nacks);
        self.nacks = report.nacks;
        cx.feed.stats.nacks.fetch_add(new_nacks, Relaxed);
        if let Some(rtt) = report.rtt {
            self.playout.set_rtt(rtt);
            self.seat.facts.rtt.set_time(rtt);
        }
        if let Some(loss) = report.loss {
            self.loss = loss;
            self.seat.facts.loss.set_share(loss);
        }
        self.seat.facts.playout.set_time(self.playout.delay(cx.now).0);
        self.pacer.set_need(cx.feed.rate(cx.now));
    }
}

fn account<'a>(feed: &'a Feed, viewer: &'a Guest) -> Account<'a> {
    Account { camera: &feed.stats, viewer }
}
