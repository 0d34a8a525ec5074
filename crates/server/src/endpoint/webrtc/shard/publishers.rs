//! The publishers that were given to a media thread.

use super::{Shard, ViewerId};
use crate::endpoint::webrtc::publisher::{Arrival, Context, End, Publisher};
use futures::future::LocalBoxFuture;
use hub::Demand;
use media::Mono;
use proto::webrtc::wheel::Timer;
use proto::webrtc::{Credentials, Path};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Completes when readers of what a publisher publishes want something else; or when it is gone,
/// and then with nothing.
pub(super) type Wish = LocalBoxFuture<'static, Option<(ViewerId, watch::Receiver<Demand>)>>;

pub(super) struct Entry {
    ufrag: String,
    timer: Timer,
    publisher: Box<Publisher>,
    here: CancellationToken,
    /// Ends the wait for wishes.
    _leaves: DropGuard,
}

impl Shard {
    pub(super) fn publish(&mut self, id: ViewerId, arrival: Arrival) {
        let publisher = Box::new(Publisher::new(self.clock, self.clock.now(), arrival));
        let (ufrag, here) = (publisher.local_ufrag(), CancellationToken::new());
        self.shared.directory.enter(ufrag.clone(), id);
        self.new_wishes.push(wish(id, publisher.demand(), here.clone()));
        let timer = self.wheel.add(id);
        self.publishers.insert(
            id,
            Entry { ufrag, timer, publisher, _leaves: here.clone().drop_guard(), here },
        );
        self.with_publisher(id, |publisher, cx| publisher.handle_timeout(cx));
    }

    pub(super) fn handle_wish(&mut self, wish_of: Option<(ViewerId, watch::Receiver<Demand>)>) {
        let Some((id, demand)) = wish_of else { return };
        if let Some(entry) = self.publishers.get(&id) {
            self.new_wishes.push(wish(id, demand, entry.here.clone()));
            self.with_publisher(id, |publisher, cx| publisher.handle_demand(cx));
        }
    }

    /// False if this is no datagram of the publisher's.
    pub(super) fn handle_published(&mut self, id: ViewerId, path: Path, data: &mut [u8]) -> bool {
        let mut accepted = false;
        self.with_publisher(id, |publisher, cx| {
            accepted = publisher.handle_datagram(cx, path, data);
        });
        accepted
    }

    /// Wakes a publisher whose time it is.
    pub(super) fn wake_publisher(&mut self, id: ViewerId, now: Mono) {
        let Some(entry) = self.publishers.get(&id) else { return };
        match entry.publisher.deadline(self.clock) <= now {
            true => self.with_publisher(id, |publisher, cx| publisher.handle_timeout(cx)),
            false => self.reschedule_publisher(id),
        }
    }

    fn reschedule_publisher(&mut self, id: ViewerId) {
        let Some(entry) = self.publishers.get(&id) else { return };
        self.wheel.schedule(&entry.timer, entry.publisher.deadline(self.clock));
    }

    /// `None` if the publisher is no more.
    pub(super) fn restart_publisher(
        &mut self,
        id: ViewerId,
        remote: &Credentials,
    ) -> Option<(Credentials, Vec<String>)> {
        let entry = self.publishers.get_mut(&id)?;
        let answer = entry.publisher.restart_ice(remote);
        self.shared.directory.forget(&entry.ufrag);
        entry.ufrag = answer.0.ufrag.clone();
        self.shared.directory.enter(entry.ufrag.clone(), id);
        self.with_publisher(id, |publisher, cx| publisher.handle_timeout(cx));
        Some(answer)
    }

    /// Lets a publisher do something, and lays it to rest if that was its last.
    pub(super) fn with_publisher(
        &mut self,
        id: ViewerId,
        act: impl FnOnce(&mut Publisher, &mut Context<'_>),
    ) {
        let Some(entry) = self.publishers.get_mut(&id) else { return };
        let mut cx = Context { clock: self.clock, pair: self.clock.pair(), out: &mut self.out };
        // A panic in the engine is this publisher's end and nobody else's.
        if catch_unwind(AssertUnwindSafe(|| act(&mut entry.publisher, &mut cx))).is_err() {
            return self.remove_publisher(id, &End::Panicked);
        }
        match entry.publisher.ended().cloned() {
            Some(end) => self.remove_publisher(id, &end),
            None => self.reschedule_publisher(id),
        }
    }

    pub(super) fn remove_publisher(&mut self, id: ViewerId, end: &End) {
        let Some(mut entry) = self.publishers.remove(&id) else { return };
        self.shared.directory.leave(&entry.ufrag, id);
        let pair = self.clock.pair();
        match end {
            End::Panicked => entry.publisher.finish(pair.mono, end),
            _ => entry
                .publisher
                .close(&mut Context { clock: self.clock, pair, out: &mut self.out }, end),
        }
        self.out.tcp.leave(id);
        self.wheel.remove(entry.timer);
        tracing::info!(by = entry.publisher.name(), reason = %end, "WebRTC publisher gone");
        // The other side is gone only when the server stops.
        let _ = self.shared.gone.send(id);
    }

    pub(super) fn close_publishers(&mut self) {
        let ids: Vec<ViewerId> = self.publishers.keys().copied().collect();
        ids.into_iter().for_each(|id| self.remove_publisher(id, &End::ServerStops));
    }
}

fn wish(id: ViewerId, mut demand: watch::Receiver<Demand>, here: CancellationToken) -> Wish {
    Box::pin(async move {
        let changed = here.run_until_cancelled(demand.changed()).await;
        changed.is_some_and(|changed| changed.is_ok()).then_some((id, demand))
    })
}
