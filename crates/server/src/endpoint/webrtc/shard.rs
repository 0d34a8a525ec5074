//! A media thread: all viewers and publishers that were given to it, a way out through the UDP
//! port, and the TCP connections of its viewers who cannot use that. The first thread takes in what
//! comes for all ([`mail`]).
//!
//! It wakes once for a new frame of a camera and walks that camera's viewers; once for what has
//! come in; and once for timers, which wait for each other. Nothing here waits for a viewer.

mod mail;
mod publishers;
mod streams;

use super::{
    directory::Directory,
    feed::Feed,
    outlet::Outlet,
    publisher,
    socket::{Inbox, Receiver},
    stats::Stats,
    tcp,
    viewer::{Arrival, Context, End, Viewer},
};
use crate::clock::Clock;
use futures::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
pub(super) use mail::Mail;
use proto::webrtc::wheel::{Timer, TimerWheel};
use proto::webrtc::{Credentials, Path, Transport};
use std::{
    collections::HashMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// What is taken from another thread before frames get their turn.
const LETTERS: usize = 32;
/// Nothing is ever due later than this, so that a shard without viewers still notices what it must.
const IDLE: Duration = Duration::from_secs(3600);

/// Public number of a viewer or a publisher, unique within a server.
pub(super) type ViewerId = u64;

/// What the HTTP side asks of a shard.
pub(super) enum Command {
    /// A new viewer; the answer is given to the browser only when it can be found.
    Join { id: ViewerId, arrival: Box<Arrival>, done: oneshot::Sender<()> },
    /// A new publisher, likewise.
    Publish { id: ViewerId, arrival: Box<publisher::Arrival>, done: oneshot::Sender<()> },
    /// Candidates that the browser found later.
    Candidates { id: ViewerId, candidates: Vec<String> },
    /// New credentials.
    Restart { id: ViewerId, remote: Credentials, done: oneshot::Sender<(Credentials, Vec<String>)> },
    /// The browser, or somebody with the right to, ends it.
    Leave { id: ViewerId },
}

/// Completes when a camera has something new.
type Wait = LocalBoxFuture<'static, (FeedKey, watch::Receiver<u64>)>;

/// A camera's name, and which of its turns in this shard it is: one that lost its last viewer may
/// get a first again while a wait of its last turn is still pending.
#[derive(Clone, PartialEq, Eq, Debug)]
struct FeedKey {
    camera: Arc<str>,
    turn: u64,
}

struct Watched {
    feed: Feed,
    turn: u64,
    viewers: Vec<ViewerId>,
}

/// What all media threads have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) directory: Arc<Directory>,
    /// Of each thread.
    pub(super) mailboxes: Vec<mpsc::Sender<Mail>>,
    pub(super) stats: Arc<Stats>,
    /// Told when a viewer is no more, so that its URL goes too.
    pub(super) gone: mpsc::UnboundedSender<ViewerId>,
}

/// What is brought to a media thread.
pub(super) struct Inlets {
    /// Of the first thread only.
    pub(super) receiver: Option<Receiver>,
    pub(super) mail: mpsc::Receiver<Mail>,
    pub(super) commands: mpsc::Receiver<Command>,
}

pub(super) struct Shard {
    clock: Clock,
    index: usize,
    shared: Shared,
    out: Outlet,
    viewers: HashMap<ViewerId, Entry>,
    publishers: HashMap<ViewerId, publishers::Entry>,
    feeds: HashMap<Arc<str>, Watched>,
    wheel: TimerWheel,
    /// Used again and again, for lists that are made while something else is borrowed.
    ids: Vec<ViewerId>,
    /// Cameras that have got their first viewer and are not waited for yet.
    new_waits: Vec<Wait>,
    /// Of publishers, likewise.
    new_wishes: Vec<publishers::Wish>,
    turns: u64,
}

struct Entry {
    camera: Arc<str>,
    ufrag: String,
    timer: Timer,
    /// Not in the table itself, which has room for twice as many as there are.
    viewer: Box<Viewer>,
}

impl Shard {
    /// The thread of this number.
    pub(super) fn new(clock: Clock, index: usize, shared: Shared, out: Outlet) -> Self {
        Self {
            clock,
            index,
            shared,
            out,
            viewers: HashMap::new(),
            publishers: HashMap::new(),
            feeds: HashMap::new(),
            wheel: TimerWheel::new(clock.now()),
            ids: Vec::new(),
            new_waits: Vec::new(),
            new_wishes: Vec::new(),
            turns: 0,
        }
    }

    /// Works until cancelled, then says goodbye to all viewers.
    pub(super) async fn run(mut self, inlets: Inlets, stop: CancellationToken) {
        let Inlets { receiver, mut mail, mut commands } = inlets;
        let mut waits: FuturesUnordered<Wait> = FuturesUnordered::new();
        let mut streams: FuturesUnordered<tcp::Wait> = FuturesUnordered::new();
        let mut wishes: FuturesUnordered<publishers::Wish> = FuturesUnordered::new();
        let (mut inbox, mut letters) =
            (receiver.as_ref().map(|_| Inbox::new()), Vec::with_capacity(LETTERS));
        loop {
            waits.extend(self.new_waits.drain(..));
            streams.extend(self.out.tcp.new_waits());
            wishes.extend(self.new_wishes.drain(..));
            let wake = self.wheel.next().unwrap_or_else(|| self.clock.now() + IDLE);
            let deadline = tokio::time::Instant::from_std(self.clock.instant(wake));
            tokio::select! {
                () = stop.cancelled() => break,
                Some((key, changes)) = waits.next(), if !waits.is_empty() => self.handle_change(key, changes),
                ready = readable(receiver.as_ref()) => match ready {
                    Ok(()) => self.handle_readable(receiver.as_ref().zip(inbox.as_mut())),
                    Err(e) => {
                        tracing::error!(error = %e, "the WebRTC socket is broken; viewers must wait for a restart");
                        break;
                    }
                },
                _ = mail.recv_many(&mut letters, LETTERS) => letters.drain(..).for_each(|letter| self.handle_mail(letter)),
                accepted = self.out.tcp.accept() => self.handle_accepted(accepted),
                Some(ready) = streams.next(), if !streams.is_empty() => self.handle_stream(&ready),
                Some(wish) = wishes.next(), if !wishes.is_empty() => self.handle_wish(wish),
                command = commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => break,
                },
                () = tokio::time::sleep_until(deadline) => self.handle_timeouts(),
            }
        }
        self.close_all();
    }

    /// A frame, or a new state, of one camera.
    fn handle_change(&mut self, key: FeedKey, changes: watch::Receiver<u64>) {
        let Some(watched) = self.feeds.get(&key.camera).filter(|w| w.turn == key.turn) else {
            return;
        };
        let mut ids = std::mem::take(&mut self.ids);
        ids.clone_from(&watched.viewers);
        self.new_waits.push(wait(key, changes));
        for id in ids.drain(..) {
            self.with_viewer(id, |viewer, cx| viewer.handle_change(cx));
        }
        self.ids = ids;
    }

    fn handle_readable(&mut self, inlet: Option<(&Receiver, &mut Inbox)>) {
        let Some((receiver, inbox)) = inlet else { return };
        // At most a few calls' worth, so that frames get their turn.
        for _ in 0..4 {
            if !receiver.receive(inbox) {
                break;
            }
            for (remote, local, data) in inbox.datagrams() {
                let Some(id) = self.shared.directory.find(data, &remote) else { continue };
                let path =
                    Path { transport: Transport::Udp, local: receiver.destination(local), remote };
                match self.is_mine(id) {
                    true => self.handle_datagram(id, path, data),
                    false => self.forward(id, path, data),
                }
            }
        }
    }

    fn handle_datagram(&mut self, id: ViewerId, path: Path, data: &mut [u8]) {
        if self.take(id, path, data) && self.is_here(id) {
            self.shared.directory.locate(path.remote, id);
        }
    }

    /// False if this is no datagram of the viewer or publisher.
    fn take(&mut self, id: ViewerId, path: Path, data: &mut [u8]) -> bool {
        if self.publishers.contains_key(&id) {
            return self.handle_published(id, path, data);
        }
        let mut accepted = false;
        self.with_viewer(id, |viewer, cx| accepted = viewer.handle_datagram(cx, path, data));
        accepted
    }

    fn is_here(&self, id: ViewerId) -> bool {
        self.viewers.contains_key(&id) || self.publishers.contains_key(&id)
    }

    fn handle_timeouts(&mut self) {
        let now = self.clock.now();
        let mut ids = std::mem::take(&mut self.ids);
        self.wheel.expire(now, &mut ids);
        for id in ids.drain(..) {
            let Some(entry) = self.viewers.get(&id) else {
                self.wake_publisher(id, now);
                continue;
            };
            if entry.viewer.deadline(self.clock) <= now {
                self.with_viewer(id, |viewer, cx| viewer.handle_timeout(cx));
            } else {
                self.reschedule(id);
            }
        }
        self.ids = ids;
    }

    /// Sees to it that a viewer is woken at its deadline.
    fn reschedule(&mut self, id: ViewerId) {
        let Some(entry) = self.viewers.get(&id) else { return };
        self.wheel.schedule(&entry.timer, entry.viewer.deadline(self.clock));
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Join { id, arrival, done } => {
                self.join(id, *arrival);
                // Nobody waits any more if the browser hung up; the viewer then times out.
                let _ = done.send(());
            }
            Command::Publish { id, arrival, done } => {
                self.publish(id, *arrival);
                let _ = done.send(());
            }
            Command::Candidates { id, candidates } if self.publishers.contains_key(&id) => {
                self.with_publisher(id, |publisher, _| publisher.handle_candidates(candidates));
            }
            Command::Candidates { id, candidates } => {
                self.with_viewer(id, |viewer, _| viewer.handle_candidates(candidates));
            }
            Command::Restart { id, remote, done } => {
                if let Some(answer) =
                    self.restart(id, &remote).or_else(|| self.restart_publisher(id, &remote))
                {
                    let _ = done.send(answer);
                }
            }
            Command::Leave { id } => {
                self.remove(id, End::Deleted);
                self.remove_publisher(id, &publisher::End::Deleted);
            }
        }
    }

    fn join(&mut self, id: ViewerId, arrival: Arrival) {
        let camera = arrival.stream.name().clone();
        self.watch(id, &arrival.stream);
        let viewer = Box::new(Viewer::new(self.clock, self.clock.now(), arrival));
        let ufrag = viewer.local_ufrag();
        self.shared.directory.enter(ufrag.clone(), id);
        self.viewers.insert(id, Entry { camera, ufrag, timer: self.wheel.add(id), viewer });
        self.with_viewer(id, |viewer, cx| viewer.handle_timeout(cx));
    }

    /// Lets a viewer be woken for a stream.
    fn watch(&mut self, id: ViewerId, stream: &Arc<hub::Stream>) {
        let name = stream.name();
        if !self.feeds.contains_key(name) {
            self.turns += 1;
            let key = FeedKey { camera: name.clone(), turn: self.turns };
            self.new_waits.push(wait(key, stream.changes()));
            let feed = Feed::new(stream.clone(), self.shared.stats.camera(name));
            self.feeds
                .insert(name.clone(), Watched { feed, turn: self.turns, viewers: Vec::new() });
        }
        if let Some(watched) = self.feeds.get_mut(name)
            && !watched.viewers.contains(&id)
        {
            watched.viewers.push(id);
        }
    }

    fn unwatch(&mut self, id: ViewerId, name: &str) {
        let Some(watched) = self.feeds.get_mut(name) else { return };
        watched.viewers.retain(|of| *of != id);
        if watched.viewers.is_empty() {
            self.feeds.remove(name);
        }
    }

    /// Follows a viewer that moves, or is about to move, to another rendition.
    fn follow(&mut self, id: ViewerId) {
        let Some(entry) = self.viewers.get_mut(&id) else { return };
        if let Some(stream) = entry.viewer.take_unwatched() {
            self.watch(id, &stream);
        }
        let Some(entry) = self.viewers.get_mut(&id) else { return };
        let shown = entry.viewer.stream().name();
        if !Arc::ptr_eq(shown, &entry.camera) {
            let left = std::mem::replace(&mut entry.camera, shown.clone());
            self.unwatch(id, &left);
        }
    }

    /// `None` if the viewer is no more.
    fn restart(
        &mut self,
        id: ViewerId,
        remote: &Credentials,
    ) -> Option<(Credentials, Vec<String>)> {
        let entry = self.viewers.get_mut(&id)?;
        let answer = entry.viewer.restart_ice(remote);
        self.shared.directory.forget(&entry.ufrag);
        entry.ufrag = answer.0.ufrag.clone();
        self.shared.directory.enter(entry.ufrag.clone(), id);
        self.with_viewer(id, |viewer, cx| viewer.handle_timeout(cx));
        Some(answer)
    }

    /// Lets a viewer do something, and lays it to rest if that was its last.
    fn with_viewer(&mut self, id: ViewerId, act: impl FnOnce(&mut Viewer, &mut Context<'_>)) {
        let Some(entry) = self.viewers.get_mut(&id) else { return };
        let Some(watched) = self.feeds.get_mut(&entry.camera) else { return };
        let now = self.clock.now();
        let mut cx = Context {
            clock: self.clock,
            now,
            pair: self.clock.pair(),
            out: &mut self.out,
            feed: &mut watched.feed,
        };
        // A panic in the engine is this viewer's end and nobody else's.
        if catch_unwind(AssertUnwindSafe(|| act(&mut entry.viewer, &mut cx))).is_err() {
            return self.remove(id, End::Panicked);
        }
        match entry.viewer.ended().cloned() {
            Some(end) => self.remove(id, end),
            None => {
                self.follow(id);
                self.reschedule(id);
            }
        }
    }

    fn remove(&mut self, id: ViewerId, end: End) {
        let Some(mut entry) = self.viewers.remove(&id) else { return };
        self.shared.directory.leave(&entry.ufrag, id);
        if let Some(watched) = self.feeds.get_mut(&entry.camera) {
            let (clock, now) = (self.clock, self.clock.now());
            let pair = clock.pair();
            let mut cx = Context { clock, now, pair, out: &mut self.out, feed: &mut watched.feed };
            if end != End::Panicked {
                entry.viewer.close(&mut cx, end.clone());
            }
        }
        // It may wait for a rendition, too.
        self.feeds.retain(|_, watched| {
            watched.viewers.retain(|of| *of != id);
            !watched.viewers.is_empty()
        });
        self.out.tcp.leave(id);
        self.wheel.remove(entry.timer);
        tracing::info!(camera = %entry.camera, viewer = id, reason = %end, "viewer left");
        // The other side is gone only when the server stops.
        let _ = self.shared.gone.send(id);
    }

    fn close_all(&mut self) {
        let ids: Vec<ViewerId> = self.viewers.keys().copied().collect();
        ids.into_iter().for_each(|id| self.remove(id, End::ServerStops));
        self.close_publishers();
    }
}

/// Something waits to be received, if this is who receives.
async fn readable(receiver: Option<&Receiver>) -> io::Result<()> {
    match receiver {
        Some(receiver) => receiver.readable().await,
        None => std::future::pending().await,
    }
}

fn wait(key: FeedKey, mut changes: watch::Receiver<u64>) -> Wait {
    Box::pin(async move {
        // It fails only if the stream is gone, and then so is the feed that `key` names.
        let _ = changes.changed().await;
        (key, changes)
    })
}
