//! The viewers of every protocol: a handle for each, what each was sent, and how many there may be.
//!
//! This registry is the only source of the number of viewers that API, page and metrics show. The
//! hub counts readers, which is another thing: one HLS muxer reads for a hundred viewers.
//!
//! An endpoint takes a [`ViewerHandle`] for each viewer before it sends anything, counts on it
//! while it sends, and drops it when the viewer is gone. Counting touches atomics of that one
//! viewer and no lock. Lists, sums of a camera and bitrates are computed on request.

mod counts;
mod info;
mod limits;
mod meter;

pub(crate) use counts::ViewerCounts;
pub(crate) use info::{Protocol, Shown, ViewerInfo, ViewerTransport};
pub(crate) use limits::{JoinRefused, ViewerLimits};

use media::{ClockPair, Mono};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How often the bytes sent are noted for bitrates.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// A viewer without a connection who has asked for nothing this long is gone. Players of HLS ask
/// every few seconds.
const SILENT: Duration = Duration::from_secs(20);

/// Ends what a viewer of this number is sent. Called from anywhere, must not wait.
pub(crate) type Kick = Arc<dyn Fn(u64) + Send + Sync>;

/// No viewer has this id.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no viewer {0:?}; it may have left")]
pub(crate) struct NoViewer(String);

/// Who wants to watch what.
pub(crate) struct JoinRequest<'a> {
    /// By which protocol.
    pub(crate) protocol: Protocol,
    /// The stream's name: a camera, or `CAMERA/RENDITION`.
    pub(crate) stream: &'a str,
    /// Sends it away.
    pub(crate) end: Kick,
}

/// All viewers. A cheap handle.
#[derive(Clone, Default)]
pub(crate) struct ViewerRegistry {
    shared: Arc<SharedRegister>,
}

#[derive(Default)]
struct SharedRegister {
    inner: Mutex<Register>,
}

#[derive(Default)]
struct Register {
    /// The number that the last viewer got.
    last: u64,
    viewers: BTreeMap<u64, Arc<ViewerInfo>>,
    sessions: HashMap<String, HttpSession>,
    /// What is no longer on any handle: of viewers who have left or have changed the rendition.
    past: BTreeMap<(Shown, Protocol), ViewerTotal>,
    limits: ViewerLimits,
    sampled: Mono,
}

/// The handle of a viewer without a connection.
struct HttpSession {
    handle: Arc<ViewerHandle>,
    touched: Mono,
    /// Sent away; not let in again as long as it keeps asking.
    ended: bool,
}

/// All viewers of one picture by one protocol, those who have left included.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct ViewerTotal {
    /// There now.
    pub(crate) viewers: u64,
    /// Of them, those whose link carries less than the stream.
    pub(crate) link_limited: u64,
    /// Turned away because of a limit.
    pub(crate) refused: u64,
    /// What they were sent.
    pub(crate) counts: ViewerCounts,
}

/// A viewer's place; dropping it takes the viewer off the list.
pub(crate) struct ViewerHandle {
    shared: Arc<SharedRegister>,
    viewer: Arc<ViewerInfo>,
}

impl ViewerRegistry {
    /// Sets how many there may be. Nobody who is there already is sent away.
    pub(crate) fn set_limits(&self, limits: ViewerLimits) {
        self.shared.lock().limits = limits;
    }

    /// Gives a viewer a handle.
    ///
    /// # Errors
    /// [`JoinRefused`] if there are as many viewers as there may be.
    pub(crate) fn join(
        &self,
        request: JoinRequest<'_>,
        now: ClockPair,
    ) -> Result<ViewerHandle, JoinRefused> {
        let viewer =
            self.shared.lock().admit(request.protocol, request.stream, Some(request.end), now)?;
        Ok(ViewerHandle { shared: self.shared.clone(), viewer })
    }

    /// The handle of a viewer who has no connection but asks again and again: found by `key`, which
    /// only this viewer knows, or new. It is gone when nothing was asked for a while. A change of
    /// the rendition moves it.
    ///
    /// # Errors
    /// [`JoinRefused`] as for [`ViewerRegistry::join`], or because the viewer was sent away.
    pub(crate) fn http_session(
        &self,
        protocol: Protocol,
        stream: &str,
        key: &str,
        now: ClockPair,
    ) -> Result<Arc<ViewerHandle>, JoinRefused> {
        let shown = Shown::new(stream);
        let key = format!("{}/{}/{key}", protocol.as_str(), shown.camera);
        let mut inner = self.shared.lock();
        if let Some(http_session) = inner.sessions.get_mut(&key) {
            http_session.touched = now.mono;
            let (handle, ended) = (http_session.handle.clone(), http_session.ended);
            return match ended {
                true => Err(JoinRefused::Ended),
                false => {
                    inner.move_to(&handle.viewer, shown.rendition, "the player chose it");
                    Ok(handle)
                }
            };
        }
        let viewer = inner.admit(protocol, stream, None, now)?;
        let handle = Arc::new(ViewerHandle { shared: self.shared.clone(), viewer });
        inner
            .sessions
            .insert(key, HttpSession { handle: handle.clone(), touched: now.mono, ended: false });
        Ok(handle)
    }

    /// Sends a viewer away, who is gone a moment later.
    ///
    /// # Errors
    /// [`NoViewer`] if nobody has this id.
    pub(crate) fn end(&self, id: &str) -> Result<(), NoViewer> {
        let mut inner = self.shared.lock();
        let viewer = inner.get(id)?;
        let number = viewer.number;
        match &viewer.end {
            Some(end) => {
                drop(inner);
                end(number);
            }
            None => inner.end_session(number),
        }
        Ok(())
    }

    /// The viewer of this id.
    ///
    /// # Errors
    /// [`NoViewer`] if nobody has it.
    pub(crate) fn get(&self, id: &str) -> Result<Arc<ViewerInfo>, NoViewer> {
        self.shared.lock().get(id)
    }

    /// All viewers of now, the oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<ViewerInfo>> {
        self.shared.lock().viewers.values().cloned().collect()
    }

    /// Viewers of now by picture, renditions apart; pictures without viewers are left out.
    pub(crate) fn counts(&self) -> BTreeMap<Shown, usize> {
        let mut counts = BTreeMap::new();
        for viewer in self.shared.lock().viewers.values() {
            *counts.entry(viewer.shown()).or_default() += 1;
        }
        counts
    }

    /// Sums by picture and protocol. They never fall, but for those of viewers who are there now.
    pub(crate) fn totals(&self) -> BTreeMap<(Shown, Protocol), ViewerTotal> {
        let inner = self.shared.lock();
        let mut totals = inner.past.clone();
        for viewer in inner.viewers.values() {
            let (shown, counts) = viewer.uncredited();
            let total = totals.entry((shown, viewer.protocol)).or_default();
            total.viewers += 1;
            total.link_limited += u64::from(viewer.is_link_limited());
            total.counts += counts;
        }
        totals
    }

    /// Samples bytes for bitrates, and drops sessions of viewers who have asked for nothing. To be
    /// called a few times a second.
    pub(crate) fn tick(&self, now: Mono) {
        let mut inner = self.shared.lock();
        if now.since(inner.sampled) < SAMPLE_EVERY {
            return;
        }
        inner.sampled = now;
        let gone: Vec<_> = inner
            .sessions
            .extract_if(|_, http_session| now.since(http_session.touched) >= SILENT)
            .collect();
        let list: Vec<_> = inner.viewers.values().cloned().collect();
        drop(inner);
        // Whoever drops a handle takes the lock, so it must be free.
        drop(gone);
        list.iter().for_each(|viewer| viewer.sample(now));
    }
}

impl Register {
    fn admit(
        &mut self,
        protocol: Protocol,
        stream: &str,
        end: Option<Kick>,
        now: ClockPair,
    ) -> Result<Arc<ViewerInfo>, JoinRefused> {
        let shown = Shown::new(stream);
        let of_camera = self.viewers.values().filter(|g| g.camera == shown.camera).count();
        if let Err(refused) = self.limits.check(&shown.camera, self.viewers.len(), of_camera) {
            tracing::warn!(camera = %shown.camera, protocol = protocol.as_str(), reason = %refused, "a viewer was turned away");
            self.past.entry((shown, protocol)).or_default().refused += 1;
            return Err(refused);
        }
        self.last += 1;
        let viewer = Arc::new(ViewerInfo::new(self.last, protocol, shown, end, now));
        self.viewers.insert(viewer.number, viewer.clone());
        Ok(viewer)
    }

    fn get(&self, id: &str) -> Result<Arc<ViewerInfo>, NoViewer> {
        let number = id.rsplit('-').next().and_then(|n| n.parse::<u64>().ok());
        let viewer = number.and_then(|number| self.viewers.get(&number)).filter(|g| g.id() == id);
        viewer.cloned().ok_or_else(|| NoViewer(id.chars().take(64).collect()))
    }

    fn leave(&mut self, number: u64) {
        if let Some(viewer) = self.viewers.remove(&number) {
            self.credit(&viewer);
        }
    }

    fn move_to(&mut self, viewer: &ViewerInfo, rendition: Option<Arc<str>>, reason: &'static str) {
        if viewer.shown().rendition != rendition {
            self.credit(viewer);
            viewer.set_rendition(rendition, reason);
        }
    }

    /// Books what a viewer was sent to the picture it was sent of.
    fn credit(&mut self, viewer: &ViewerInfo) {
        let (shown, counts) = viewer.credit();
        self.past.entry((shown, viewer.protocol)).or_default().counts += counts;
    }

    fn end_session(&mut self, number: u64) {
        let http_session = self
            .sessions
            .values_mut()
            .find(|http_session| http_session.handle.viewer.number == number);
        http_session.into_iter().for_each(|http_session| http_session.ended = true);
        self.leave(number);
    }
}

impl ViewerHandle {
    /// The viewer is sent another rendition from now on; `None` is the camera's own picture. The
    /// reason is for people.
    pub(crate) fn move_to(&self, rendition: Option<Arc<str>>, reason: &'static str) {
        self.shared.lock().move_to(&self.viewer, rendition, reason);
    }
}

impl Deref for ViewerHandle {
    type Target = ViewerInfo;

    fn deref(&self) -> &ViewerInfo {
        &self.viewer
    }
}

impl Drop for ViewerHandle {
    fn drop(&mut self) {
        self.shared.lock().leave(self.viewer.number);
    }
}

impl SharedRegister {
    fn lock(&self) -> MutexGuard<'_, Register> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
