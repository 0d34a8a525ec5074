//! From the stream to the connection: which units a viewer gets, when, and with which timestamps.

use super::{Context, End, Phase, Viewer};
use crate::endpoint::webrtc::{feed::Packets, peer::Frame, timeline::is_disposable};
use hub::Event;
use media::{AccessUnit, Catalog, MediaKind, Mono, Wall};
use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

/// Sound older than this is not worth catching up with.
const STALE_SOUND: Duration = Duration::from_millis(100);

/// A frame partly sent.
pub(super) struct Sending {
    packets: Rc<Packets>,
    next: usize,
    kind: MediaKind,
    timestamp: u32,
    captured: (Instant, Wall),
    playout: Option<(Duration, Duration)>,
}

impl Viewer {
    /// Sends what there is, as far as the pace allows.
    pub(super) fn pump(&mut self, cx: &mut Context<'_>) {
        self.paced_until = None;
        self.driven = cx.now;
        if self.phase == Phase::Playing {
            self.fill(cx);
        }
        if let Err(e) = self.peer.handle_timeout(cx.instant()) {
            self.fail(&e);
        }
        self.drain(cx);
    }

    fn fill(&mut self, cx: &mut Context<'_>) {
        while self.end.is_none() && (self.sending.is_some() || self.take_next(cx)) {
            let budget = self.pacer.budget(cx.now);
            if !self.send_some(budget) {
                self.paced_until = Some(self.pacer.ready_at());
                return;
            }
        }
    }

    /// Sends as much of the current frame as `budget` allows; false if that is not all.
    fn send_some(&mut self, budget: usize) -> bool {
        let Some(sending) = &mut self.sending else { return true };
        let (first, mut bytes) = (sending.next, 0);
        let payloads = &sending.packets.payloads;
        while let Some(payload) = payloads.get(sending.next).filter(|p| bytes + p.len() <= budget) {
            bytes += payload.len();
            sending.next += 1;
        }
        let ends = sending.next == payloads.len();
        self.peer.send(&Frame {
            kind: sending.kind,
            timestamp: sending.timestamp,
            captured: sending.captured,
            playout: sending.playout,
            payloads: &payloads[first..sending.next],
            ends,
        });
        self.pacer.sent(bytes);
        self.resends.sent(bytes);
        if ends {
            self.sending = None;
        }
        ends
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
                Some(Event::Skipped { units }) => self.seat.skipped(units),
                Some(Event::Status(_)) => {}
                Some(Event::Ended(reason)) => self.end = Some(End::CameraGone(reason)),
                None => {
                    self.catching_up = false;
                    if !self.started {
                        // Nothing to begin with is held: an encoder that can is to make it. Throttled by the hub.
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
    fn begin(&mut self, cx: &mut Context<'_>, unit: &AccessUnit, position: u64) -> Option<Sending> {
        let catalog = self.catalog.clone()?;
        let codec = &catalog.track(unit.track)?.codec;
        let kind = codec.kind();
        let wanted = match kind {
            MediaKind::Video => catalog.video().is_some_and(|t| t.id == unit.track) && self.wants_picture(cx, unit, codec),
            MediaKind::Audio => catalog.audio().is_some_and(|t| t.id == unit.track) && self.wants_sound(cx.now, unit),
        };
        if !wanted || !self.choice.carries(codec) {
            return None;
        }
        self.started = true;
        if kind == MediaKind::Video {
            self.seat.sent_frames(1);
            if !self.catching_up {
                self.first_out.get_or_insert(unit.timing.received);
            }
        }
        let captured = unit.timing.captured.at.min(cx.now);
        let timeline = match kind {
            MediaKind::Video => &mut self.video,
            MediaKind::Audio => &mut self.audio,
        };
        Some(Sending {
            packets: cx.feed.packets(position, unit, codec),
            next: 0,
            kind,
            timestamp: timeline.next(unit.pts),
            captured: (cx.clock.instant(captured), cx.pair.wall_at(unit.timing.captured.at)),
            playout: (kind == MediaKind::Video).then(|| self.playout.delay(cx.now)),
        })
    }

    fn wants_picture(&mut self, cx: &mut Context<'_>, unit: &AccessUnit, codec: &media::Codec) -> bool {
        self.await_key &= !unit.key;
        if self.await_key {
            self.seat.skipped(1);
            return false;
        }
        if self.order.is_late(unit) {
            cx.feed.handle_b_frame(cx.now);
            return !is_disposable(unit, codec);
        }
        true
    }

    fn wants_sound(&self, now: Mono, unit: &AccessUnit) -> bool {
        !(self.catching_up && now.since(unit.timing.published) > STALE_SOUND)
    }
}
