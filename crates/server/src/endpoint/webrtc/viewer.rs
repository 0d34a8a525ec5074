//! One viewer: its place in the stream, its connection, and the policies between them.

mod climb;
mod feedback;
mod link;
mod pump;
#[cfg(test)]
mod tests;

use super::{
    feed::Feed,
    outlet::{Account, Outlet},
};
use crate::{
    cameras::Cameras,
    clock::Clock,
    viewers::{ViewerHandle, ViewerInfo, ViewerTransport},
};
use climb::Climb;
use hub::{ReaderKind, ReaderOptions, Start, Subscriber};
use link::Link;
use media::{Catalog, ClockPair, Mono};
use proto::webrtc::{self, Credentials, Event, Handled, Output, Path, Session};
use proto::webrtc::{
    batch::Route,
    egress::{Egress, EgressPlan},
    history::History,
    pacing::Pacer,
    playout::Playout,
    resend::{RedundantRtx, ResendBudget},
    send_negotiation::NegotiatedFormats,
    timeline::{Reordering, Timeline},
};
use pump::Sending;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A viewer further behind than this goes on at the newest keyframe, if that brings it forward.
const MAX_LAG: Duration = Duration::from_secs(1);
/// A browser whose offer was answered must be connected within this time.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// Browsers ask for consent every few seconds (RFC 7675); one that is silent for this long is gone.
const SILENT: Duration = Duration::from_secs(15);
/// A browser that just got a keyframe and asks for one has asked before it came; another replay
/// would only delay it.
const REPLAY_INTERVAL: Duration = Duration::from_millis(1000);
/// Timers of connected viewers wait for the next frame at most this long: one wake-up serves them
/// all.
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
    pub(super) session: Session,
    pub(super) plan: EgressPlan,
    pub(super) choice: NegotiatedFormats,
    pub(super) stream: Arc<hub::Stream>,
    pub(super) handle: ViewerHandle,
    /// Where the camera's renditions are, for a viewer who did not ask for one.
    pub(super) cameras: Option<Cameras>,
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
    #[error("the browser never connected; is this server's WebRTC port blocked?")]
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
    handle: ViewerHandle,
    session: Session,
    /// Becomes `egress` when keys are agreed.
    plan: Option<EgressPlan>,
    egress: Option<Egress>,
    /// Where packets go.
    route: Option<Route>,
    reader: Subscriber,
    choice: NegotiatedFormats,
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
    /// Number of the last full intra request.
    full_request: Option<u8>,
    sending: Option<Sending>,
    /// When the frame that is on its way out had come in, for the histogram.
    first_out: Option<Mono>,
    pacer: Pacer,
    paced_until: Option<Mono>,
    playout: Playout,
    /// If the browser tells what arrives.
    link: Option<Box<Link>>,
    climb: Option<Climb>,
    history: History,
    resends: ResendBudget,
    echoes: RedundantRtx,
    /// Share of packets lost, as the browser last reported.
    loss: f32,
    rtt: Duration,
    idle_until: Instant,
    driven: Mono,
}

impl Viewer {
    pub(super) fn new(clock: Clock, now: Mono, arrival: Arrival) -> Self {
        let Arrival { session, plan, choice, stream, handle, cameras, candidates } = arrival;
        Self {
            session,
            plan: Some(plan),
            egress: None,
            route: None,
            choice,
            handle,
            candidates,
            reader: stream.subscribe(ReaderOptions {
                kind: ReaderKind::Viewer,
                start: Start::NewestKey,
                max_lag: MAX_LAG,
            }),
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
            full_request: None,
            sending: None,
            first_out: None,
            pacer: Pacer::new(now),
            paced_until: None,
            playout: Playout::default(),
            link: None,
            climb: cameras.map(|cameras| Climb::new(cameras, now)),
            history: History::default(),
            resends: ResendBudget::new(now),
            echoes: RedundantRtx::default(),
            loss: 0.0,
            rtt: Duration::ZERO,
            idle_until: clock.instant(now),
            driven: now,
        }
    }

    /// Takes a datagram, which is decrypted in place; false if it is not for this viewer.
    pub(super) fn handle_datagram(
        &mut self,
        cx: &mut Context<'_>,
        path: Path,
        data: &mut [u8],
    ) -> bool {
        match self.session.handle_datagram(cx.instant(), path, data) {
            Ok(Handled::Foreign) => return false,
            Ok(Handled::Taken | Handled::Rtp(_)) => {}
            Ok(Handled::Rtcp(packet)) => self.handle_rtcp(cx, packet),
            Err(e) => self.fail(&e),
        }
        self.heard = cx.now;
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

    /// New ICE credentials from the browser; returns ours, and the candidates that go with them.
    pub(super) fn restart_ice(&mut self, remote: &Credentials) -> (Credentials, Vec<String>) {
        self.session.restart(remote);
        (self.session.credentials(), self.session.candidates())
    }

    /// The name by which the browser's first packets find this viewer.
    pub(super) fn local_ufrag(&self) -> String {
        self.session.credentials().ufrag
    }

    /// Why it is no more, if it is.
    pub(super) fn ended(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// When [`Viewer::handle_timeout`] is due.
    pub(super) fn deadline(&self, clock: Clock) -> Mono {
        let idle_until = clock.mono(self.idle_until);
        let timer = match self.phase {
            Phase::Connecting if !self.candidates.is_empty() => {
                idle_until.min(self.since + TRY_CANDIDATES_AFTER)
            }
            Phase::Connecting => idle_until,
            Phase::Playing | Phase::Lost => idle_until.max(self.driven + COALESCE),
        };
        let silent_at = match self.phase {
            Phase::Connecting => self.since + CONNECT_WITHIN,
            Phase::Playing | Phase::Lost => self.heard + SILENT,
        };
        let soon = [self.paced_until, self.echoes.next_at()].into_iter().flatten();
        soon.fold(timer.min(silent_at), Mono::min)
    }

    /// Says goodbye to the browser.
    pub(super) fn close(&mut self, cx: &mut Context<'_>, end: End) {
        self.end.get_or_insert(end);
        self.session.close();
        self.drain(cx);
    }

    fn fail(&mut self, error: &dyn std::error::Error) {
        self.end.get_or_insert(End::Failed(error.to_string()));
    }

    fn try_candidates(&mut self, now: Mono) {
        if self.phase != Phase::Playing && now.since(self.since) >= TRY_CANDIDATES_AFTER {
            self.candidates.drain(..).for_each(|c| self.session.add_remote_candidate(&c));
        }
    }

    /// Takes everything that the connection wants.
    fn drain(&mut self, cx: &mut Context<'_>) {
        loop {
            match self.session.poll() {
                Output::Datagram(datagram) => {
                    cx.out.push(
                        Route::of(datagram.path),
                        &datagram.contents,
                        account(cx.feed, &self.handle),
                    );
                }
                Output::Event(event) => self.handle_event(cx, &event),
                Output::Idle(at) => {
                    self.idle_until = at;
                    break;
                }
            }
        }
        while let Some(sequence) = self.echoes.take(cx.now) {
            self.echo(cx, sequence);
        }
        cx.out.flush(account(cx.feed, &self.handle));
        let begun = cx.out.take_begun();
        if let Some((received, begun)) = self.first_out.take().zip(begun) {
            cx.feed.stats.ingest_to_send.observe(begun.since(received));
        }
    }

    fn handle_event(&mut self, cx: &mut Context<'_>, event: &Event) {
        match event {
            Event::Connected => {
                let sender = self.session.take_sender();
                self.egress =
                    self.plan.take().zip(sender).map(|(plan, sender)| plan.egress(sender));
                self.link = self
                    .egress
                    .as_ref()
                    .filter(|e| e.is_told_of_arrivals())
                    .map(|_| Box::default());
                self.play(cx);
            }
            Event::Moved(path) => self.follow(*path),
            Event::Path { alive: false } if self.phase == Phase::Playing => {
                self.phase = Phase::Lost;
            }
            Event::Path { alive: true } if self.phase == Phase::Lost => self.play(cx),
            Event::Path { .. } => {}
            Event::Closed => self.end = Some(End::Closed),
        }
    }

    fn follow(&mut self, path: Path) {
        self.route = Some(Route::of(path));
        let transport = match path.transport {
            webrtc::Transport::Udp => ViewerTransport::Udp,
            webrtc::Transport::Tcp => ViewerTransport::Tcp,
        };
        self.handle.set_connected(transport, Some(path.remote));
    }

    /// Begins, or begins again, at the newest keyframe.
    fn play(&mut self, cx: &mut Context<'_>) {
        self.phase = Phase::Playing;
        if let Some(path) = self.session.path() {
            self.follow(path);
        }
        self.jump(cx.now);
    }

    fn jump(&mut self, now: Mono) {
        self.reader.restart();
        self.await_key = false;
        self.order = Reordering::default();
        self.catching_up = true;
        self.started = false;
        self.replayed = Some(now);
        if let Some(link) = &mut self.link {
            link.restart();
        }
        // At once: the frame loop must not wait for the next frame, which may be seconds away.
        self.paced_until = Some(now);
    }
}

fn account<'a>(feed: &'a Feed, viewer: &'a ViewerInfo) -> Account<'a> {
    Account { camera: &feed.stats, viewer: Some(viewer) }
}
