//! Moving between a camera's renditions, so that a thin link shows a smaller picture instead of a
//! broken one. The session stays.

use super::{Context, MAX_LAG, Viewer};
use crate::cameras::{Camera, Cameras};
use hub::{Event, ReaderKind, ReaderOptions, Start, Subscriber};
use media::{AccessUnit, Catalog, Mono};
use proto::congestion::{Condition, Ladder};
use proto::webrtc::{send_negotiation::NegotiatedFormats, timeline::Reordering};
use std::{sync::Arc, time::Duration};

/// How often the choice is made anew, and how often it is looked which renditions there are.
const CHOOSE: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_secs(1);

/// What a viewer who asked for a camera, and not for one rendition of it, may be shown.
pub(super) struct Climb {
    cameras: Cameras,
    /// From the best to the thinnest.
    rungs: Vec<Arc<Camera>>,
    ladder: Ladder,
    looked: Option<Mono>,
    chosen: Mono,
    next: Option<Next>,
    /// The rendition that is shown is no more: the viewer must go back to the camera's own picture.
    astray: bool,
}

/// A rendition to which the viewer goes as soon as it has a keyframe.
struct Next {
    rung: usize,
    reader: Subscriber,
    catalog: Option<Arc<Catalog>>,
    /// The media thread does not yet wake this viewer for it.
    unwatched: bool,
}

/// Where a viewer goes on.
pub(super) struct Landing {
    pub(super) reader: Subscriber,
    pub(super) catalog: Arc<Catalog>,
    pub(super) unit: Arc<AccessUnit>,
    pub(super) position: u64,
}

impl Climb {
    pub(super) fn new(cameras: Cameras, now: Mono) -> Self {
        let ladder = Ladder::new(now, 0);
        Self {
            cameras,
            rungs: Vec::new(),
            ladder,
            looked: None,
            chosen: now,
            next: None,
            astray: false,
        }
    }

    /// Chooses where the viewer should be, and gets ready to go there.
    fn choose(
        &mut self,
        now: Mono,
        camera: &str,
        condition: Condition,
        choice: &NegotiatedFormats,
    ) {
        if now.since(self.chosen) < CHOOSE {
            return;
        }
        self.chosen = now;
        if self.looked.is_none_or(|at| now.since(at) >= LOOK) {
            self.looked = Some(now);
            self.look(now, camera);
        }
        if self.rungs.len() < 2 || self.astray {
            return;
        }
        let needs: Vec<Option<u64>> = self.rungs.iter().map(|rung| need(rung, choice)).collect();
        let wanted = self.ladder.update(now, condition, &needs);
        if wanted == self.ladder.current() {
            self.next = None;
        } else if self.next.as_ref().is_none_or(|next| next.rung != wanted) {
            self.prepare(now, wanted);
        }
    }

    /// Renditions come and go by reload; what is there keeps its place, so that a rate that moves
    /// does not shuffle them.
    fn look(&mut self, now: Mono, camera: &str) {
        let there = self.cameras.renditions(camera);
        let known = |c: &Arc<Camera>| self.rungs.iter().any(|r| Arc::ptr_eq(r, c));
        if there.len() == self.rungs.len() && there.iter().all(known) {
            return;
        }
        let current = self.rungs.get(self.ladder.current()).cloned();
        self.rungs = there;
        // The camera's own picture is the best by definition.
        if let Some(renditions) = self.rungs.get_mut(1..) {
            renditions.sort_by_key(|rung| std::cmp::Reverse(rung.bitrate()));
        }
        let place = current
            .as_ref()
            .map_or(Some(0), |current| self.rungs.iter().position(|r| Arc::ptr_eq(r, current)));
        self.ladder = Ladder::new(now, place.unwrap_or(0));
        self.next = None;
        if place.is_none() {
            self.astray = true;
            self.prepare(now, 0);
        }
    }

    /// The stream that is shown has ended; true if there is another to go on with.
    pub(super) fn handle_end(&mut self) -> bool {
        // What there is instead is looked for at once.
        self.looked = None;
        self.astray || self.ladder.current() > 0
    }

    fn prepare(&mut self, now: Mono, rung: usize) {
        let Some(target) = self.rungs.get(rung) else { return };
        let reader = target.stream().subscribe(ReaderOptions {
            kind: ReaderKind::Viewer,
            start: Start::NextKey,
            max_lag: MAX_LAG,
        });
        reader.request_keyframe(now);
        self.next = Some(Next { rung, reader, catalog: None, unwatched: true });
    }

    /// True once for each rendition that is waited for: the viewer must be woken for it from now
    /// on.
    pub(super) fn take_unwatched(&mut self) -> Option<Arc<hub::Stream>> {
        let next = self.next.as_mut().filter(|next| next.unwatched)?;
        next.unwatched = false;
        Some(next.reader.stream().clone())
    }

    /// The keyframe that was waited for.
    fn land(&mut self, now: Mono) -> Option<(Landing, Arc<Camera>)> {
        loop {
            let next = self.next.as_mut()?;
            match next.reader.try_next()? {
                Event::Catalog(catalog) => next.catalog = Some(catalog),
                Event::Unit(unit, position) if unit.key && next.catalog.is_some() => {
                    let Next { rung, reader, catalog, .. } = self.next.take()?;
                    let camera = self.rungs.get(rung)?.clone();
                    self.ladder.handle_moved(now, rung);
                    self.astray = false;
                    return Some((Landing { reader, catalog: catalog?, unit, position }, camera));
                }
                Event::Unit(..) | Event::Skipped { .. } | Event::Status(_) => {}
                Event::Ended(_) => self.next = None,
            }
        }
    }
}

/// What a rendition needs in bit/s; `None` if it cannot be had now, or this viewer cannot be sent
/// it.
fn need(rung: &Camera, choice: &NegotiatedFormats) -> Option<u64> {
    let fits = rung
        .stream()
        .catalog()
        .is_some_and(|catalog| catalog.video().is_some_and(|t| choice.carries(&t.codec)));
    Some(rung.bitrate()).filter(|bits| fits && *bits > 0)
}

impl Viewer {
    /// Moves to another rendition if the link, or a rendition's end, asks for it.
    pub(super) fn climb(&mut self, cx: &mut Context<'_>) {
        let (Some(climb), Some(link)) = (&mut self.climb, &self.link) else { return };
        climb.choose(cx.now, &self.handle.camera, link.condition(cx.now), &self.choice);
        if self.sending.is_none()
            && let Some((landing, camera)) = climb.land(cx.now)
        {
            self.move_to(cx, landing, &camera);
        }
    }

    fn move_to(&mut self, cx: &mut Context<'_>, landing: Landing, camera: &Camera) {
        let Landing { reader, catalog, unit, position } = landing;
        self.reader = reader;
        self.catalog = Some(catalog);
        self.order = Reordering::default();
        self.await_key = false;
        self.catching_up = false;
        // Positions are of the other stream.
        self.history = super::History::default();
        if let Some(link) = &mut self.link {
            link.restart();
        }
        self.video.switch();
        self.audio.switch();
        let reason = if camera.rendition().is_some() {
            "the link carries no more"
        } else {
            "the link carries it"
        };
        self.handle.move_to(camera.rendition().map(Into::into), reason);
        tracing::info!(camera = %self.handle.camera, viewer = self.handle.id(), rendition = camera.rendition(), reason, "moved");
        self.sending = self.begin(cx, &unit, position);
    }

    /// The stream that is shown.
    pub(in super::super) fn stream(&self) -> &Arc<hub::Stream> {
        self.reader.stream()
    }

    /// A stream that this viewer must be woken for, too, from now on; told once.
    pub(in super::super) fn take_unwatched(&mut self) -> Option<Arc<hub::Stream>> {
        self.climb.as_mut()?.take_unwatched()
    }
}
