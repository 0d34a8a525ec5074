//! From the stream to the connection: which units a viewer gets, when, and with which timestamps.

use super::{
    Context, End, Phase, REPLAY_INTERVAL, Viewer, account,
    climb::Climb,
    link::{Link, PACKET_OVERHEAD},
};
use hub::Event;
use media::{AccessUnit, Catalog, MediaKind, Mono, RtpFragments};
use proto::webrtc::{egress::Stamp, history::SentPackets, timeline::is_disposable};
use std::{sync::Arc, time::Duration};

/// Sound older than this is not worth catching up with.
const STALE_SOUND: Duration = Duration::from_millis(100);

/// A connection over TCP that has no room tells when it has; until then it is asked now and then,
/// for another may take its place.
const ASK_FOR_ROOM: Duration = Duration::from_millis(50);

/// A frame partly sent.
pub(super) struct Sending {
    unit: Arc<AccessUnit>,
    position: u64,
    /// The fragment that is sent next.
    next: usize,
    kind: MediaKind,
    stamp: Stamp,
    /// When it came in, until its first packet is out; nothing if it was held for the viewer.
    received: Option<Mono>,
}

impl Viewer {
    /// Sends what there is, as far as the pace allows.
    pub(super) fn pump(&mut self, cx: &mut Context<'_>) {
        self.paced_until = None;
        self.driven = cx.now;
        if self.phase == Phase::Playing {
            self.fill(cx);
            self.climb(cx);
            self.fill(cx);
            self.report(cx);
        }
        if cx.instant() >= self.idle_until
            && let Err(e) = self.session.handle_timeout(cx.instant())
        {
            self.fail(&e);
        }
        self.drain(cx);
    }

    fn fill(&mut self, cx: &mut Context<'_>) {
        while self.end.is_none() && (self.sending.is_some() || self.take_next(cx)) {
            self.pacer.set_limit(self.link.as_ref().and_then(|link| link.pace(cx.now)));
            let room = self
                .route
                .map_or(usize::MAX, |route| cx.out.room(route, account(cx.feed, &self.handle)));
            if room == 0 {
                self.paced_until = Some(cx.now + ASK_FOR_ROOM);
                return;
            }
            let budget = self.pacer.budget(cx.now).min(room);
            if !self.send_some(cx, budget) {
                self.paced_until = Some(self.pacer.ready_at());
                return;
            }
        }
    }

    /// Sends as much of the current frame as `budget` allows; false if that is not all.
    fn send_some(&mut self, cx: &mut Context<'_>, budget: usize) -> bool {
        let (Some(sending), Some(egress), Some(route)) =
            (&mut self.sending, &mut self.egress, self.route)
        else {
            return true;
        };
        let Sending { unit, position, next, kind, stamp, received } = sending;
        let link = &mut self.link;
        // It was cut when it was taken.
        let fragments = &unit.rtp_fragments(|_| RtpFragments::default()).fragments;
        let (first, sequence, mut bytes) = (*next, egress.next_sequence(*kind), 0);
        while let Some(fragment) =
            fragments.get(*next).filter(|f| bytes + f.len() + PACKET_OVERHEAD <= budget)
        {
            bytes += fragment.len() + PACKET_OVERHEAD;
            *next += 1;
            let marker = *next == fragments.len() && *kind == MediaKind::Video;
            cx.out.write(route, account(cx.feed, &self.handle), |out| {
                let start = out.len();
                let number = egress.write(out, *kind, stamp, fragment, marker);
                Link::count(link, cx.now, number, out.len() - start);
            });
        }
        let ends = *next == fragments.len();
        if *next > first {
            self.first_out = self.first_out.or(received.take());
        }
        if *kind == MediaKind::Video && *next > first {
            self.history.record(SentPackets {
                sequence,
                packets: (*next - first) as u16,
                fragment: first as u16,
                ends,
                timestamp: stamp.timestamp,
                position: *position,
                at: cx.now,
            });
        }
        self.pacer.sent(bytes);
        self.resends.sent(bytes);
        if ends {
            self.sending = None;
        }
        ends
    }

    /// Tells the browser once a second which moment a timestamp stands for.
    fn report(&mut self, cx: &mut Context<'_>) {
        let (Some(egress), Some(route)) = (&mut self.egress, self.route) else { return };
        if egress.report_due(cx.now) {
            let (now, pair) = (cx.now, cx.pair);
            cx.out.write(route, account(cx.feed, &self.handle), |out| {
                egress.write_reports(out, now, pair);
            });
        }
    }

    /// What goes with every packet of a frame.
    pub(super) fn stamp(&mut self, cx: &Context<'_>, unit: &AccessUnit, timestamp: u32) -> Stamp {
        let is_video =
            self.catalog.as_ref().and_then(|c| c.video()).is_some_and(|t| t.id == unit.track);
        let playout = is_video.then(|| self.playout.delay(cx.now));
        Stamp { timestamp, captured: cx.pair.wall_at(unit.timing.captured.at), playout }
    }

    /// Takes the next unit that is to be sent; false if there is none now.
    fn take_next(&mut self, cx: &mut Context<'_>) -> bool {
        while self.end.is_none() {
            match self.reader.try_next() {
                Some(Event::Unit(unit, position)) => {
                    self.sending = self.begin(cx, &unit, position);
                    if self.sending.is_some() {
                        return true;
                    }
                }
                Some(Event::Catalog(catalog)) => self.adopt(catalog),
                Some(Event::Skipped { units }) => self.handle.skipped(units),
                Some(Event::Status(_)) => {}
                Some(Event::Ended(reason)) => {
                    if !self.climb.as_mut().is_some_and(Climb::handle_end) {
                        self.end = Some(End::CameraGone(reason));
                    }
                    return false;
                }
                None => {
                    self.catching_up = false;
                    if !self.started {
                        // Nothing to begin with is held: an encoder that can is to make it.
                        // Throttled by the hub.
                        self.reader.request_keyframe(cx.now);
                    }
                    return false;
                }
            }
        }
        false
    }

    /// A new publisher, or new parameters: what follows can only be decoded from a keyframe on.
    fn adopt(&mut self, catalog: Arc<Catalog>) {
        let agreed = |kind_agreed: bool, track: Option<&media::Track>| {
            let foreign = track.filter(|t| kind_agreed && !self.choice.carries(&t.codec));
            foreign.map(|t| t.codec.name().to_uppercase())
        };
        if let Some(codec) = agreed(self.choice.video.is_some(), catalog.video()) {
            self.end = Some(End::CodecChanged(codec));
        }
        self.await_key = self.catalog.is_some() && catalog.video().is_some();
        self.catalog = Some(catalog);
    }

    /// Decides whether and how a unit is sent.
    pub(super) fn begin(
        &mut self,
        cx: &mut Context<'_>,
        unit: &Arc<AccessUnit>,
        position: u64,
    ) -> Option<Sending> {
        let catalog = self.catalog.clone()?;
        let codec = &catalog.track(unit.track)?.codec;
        let kind = codec.kind();
        let wanted = match kind {
            MediaKind::Video => {
                catalog.video().is_some_and(|t| t.id == unit.track)
                    && self.wants_picture(cx, unit, codec)
            }
            MediaKind::Audio => {
                catalog.audio().is_some_and(|t| t.id == unit.track)
                    && self.wants_sound(cx.now, unit)
            }
        };
        if !wanted || !self.choice.carries(codec) {
            return None;
        }
        self.started = true;
        if kind == MediaKind::Video {
            self.handle.sent_frames(1);
        }
        let received =
            (kind == MediaKind::Video && !self.catching_up).then_some(unit.timing.received);
        let timeline = match kind {
            MediaKind::Video => &mut self.video,
            MediaKind::Audio => &mut self.audio,
        };
        let timestamp = timeline.next(unit, catalog.track(unit.track)?.timescale);
        // Cut by the first viewer, for all.
        proto::rtp::send::fragments(unit, codec);
        Some(Sending {
            stamp: self.stamp(cx, unit, timestamp),
            unit: unit.clone(),
            position,
            next: 0,
            kind,
            received,
        })
    }

    fn wants_picture(
        &mut self,
        cx: &mut Context<'_>,
        unit: &AccessUnit,
        codec: &media::Codec,
    ) -> bool {
        if !self.link_admits(cx, unit, codec) {
            return false;
        }
        self.await_key &= !unit.key;
        if self.await_key {
            self.handle.skipped(1);
            return false;
        }
        if self.order.is_late(unit) {
            cx.feed.handle_b_frame(cx.now);
            return !is_disposable(unit, codec);
        }
        true
    }

    /// False if the link carries too little for this picture.
    fn link_admits(
        &mut self,
        cx: &mut Context<'_>,
        unit: &AccessUnit,
        codec: &media::Codec,
    ) -> bool {
        let Some(link) = &mut self.link else { return true };
        if link.admits(cx.now, unit, is_disposable(unit, codec), self.catching_up) {
            return true;
        }
        let recently = self.replayed.is_some_and(|at| cx.now.since(at) < REPLAY_INTERVAL);
        let (limited, replay) =
            (link.is_limited(cx.now), !recently && link.is_worth_replay(cx.now));
        self.handle.skipped_for_congestion(1);
        self.set_limited(cx, limited);
        if replay {
            self.jump(cx.now);
        }
        false
    }

    fn wants_sound(&self, now: Mono, unit: &AccessUnit) -> bool {
        !(self.catching_up && now.since(unit.timing.published) > STALE_SOUND)
    }
}
