//! The muxers by stream, and how long a request may wait for one.

use super::{
    Access,
    page::Page,
    show::{Show, Stage},
};
use crate::{
    cameras::CameraError,
    error::ApiError,
    viewers::{Protocol, ViewerHandle, ViewerTransport},
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// A muxer that nobody has asked for anything ends after this.
const LINGER: Duration = Duration::from_secs(20);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A source that runs on demand has this long to bring its first segment.
const FIRST_WITHIN: Duration = Duration::from_secs(12);
/// No request waits longer: the HTTP port's own patience ends at 20 s.
const MAX_WAIT: Duration = Duration::from_secs(15);
/// The next part comes a tenth of a second after the last, unless the camera is slow or has
/// stopped.
const NEXT_WITHIN: Duration = Duration::from_millis(250);
/// What a keyframe may be late by.
const GRACE: Duration = Duration::from_millis(50);

/// Who asks, as far as it can be told.
pub(super) struct Visitor<'a> {
    pub(super) address: Option<SocketAddr>,
    pub(super) agent: &'a str,
}

/// All muxers.
pub(super) struct Service {
    access: Access,
    shows: Mutex<HashMap<Arc<str>, Arc<Show>>>,
}

impl Service {
    pub(super) fn new(access: Access) -> Arc<Self> {
        Arc::new(Self { access, shows: Mutex::default() })
    }

    /// The newest page of a stream as soon as `wanted` finds in it what it looks for, and what it
    /// found.
    ///
    /// # Errors
    /// If there is no such camera, no picture of it, or not in time.
    pub(super) async fn page<T>(
        self: &Arc<Self>,
        name: &str,
        wanted: impl Fn(&Page) -> Result<Option<T>, ApiError>,
    ) -> Result<(Arc<Page>, T), ApiError> {
        let show = self.show(name)?;
        let mut stage = show.stage();
        let begun = Instant::now();
        loop {
            let patience = match &*stage.borrow_and_update() {
                Stage::Page(page) => {
                    if let Some(found) = wanted(page)? {
                        return Ok((page.clone(), found));
                    }
                    MAX_WAIT.min(Duration::from_secs(3 * page.playlist().target()))
                }
                Stage::Refused(error) => return Err(error.clone().into()),
                Stage::Dark if self.access.cameras.is_idle(show.stream()) => Duration::ZERO,
                Stage::Dark => FIRST_WITHIN,
            };
            let changed = tokio::time::timeout_at(begun + patience, stage.changed()).await;
            show.touch(self.access.clock.now());
            if !matches!(changed, Ok(Ok(()))) {
                return Err(CameraError::not_live(show.stream()).into());
            }
        }
    }

    /// As [`Service::page`] for somebody who is new: a camera that has long stopped is told as
    /// such, where those who have watched it may wait for it to come back.
    ///
    /// # Errors
    /// As [`Service::page`].
    pub(super) async fn fresh_page(self: &Arc<Self>, name: &str) -> Result<Arc<Page>, ApiError> {
        let (page, ()) = self.page(name, |_| Ok(Some(()))).await?;
        let stream = self.access.cameras.play(name)?;
        let age =
            stream.stats().newest_at.map_or(Duration::MAX, |at| self.access.clock.now().since(at));
        if age > Duration::from_secs(3 * page.playlist().target()) {
            return Err(CameraError::not_live(&stream).into());
        }
        Ok(page)
    }

    /// The page to begin by: players begin by the edge of their first playlist, and many never
    /// catch up with what it was behind then or what they lost at first. Thus one that is new, and
    /// has a keyframe at the right place if that is soon ([`proto::hls::Playlist::better_in`]). Of
    /// a camera that has stopped, the last page.
    ///
    /// # Errors
    /// As [`Service::page`].
    pub(super) async fn first_page(self: &Arc<Self>, name: &str) -> Result<Arc<Page>, ApiError> {
        let seen = AtomicBool::new(false);
        let page = self.page_within(NEXT_WITHIN, name, |_| seen.swap(true, Relaxed)).await?;
        match page.playlist().better_in() {
            Some(wait) => {
                self.page_within(wait + GRACE, name, |page| page.playlist().better_in().is_none())
                    .await
            }
            None => Ok(page),
        }
    }

    /// The newest page as soon as it is `good`, or after `patience`.
    async fn page_within(
        self: &Arc<Self>,
        patience: Duration,
        name: &str,
        good: impl Fn(&Page) -> bool,
    ) -> Result<Arc<Page>, ApiError> {
        let found = self.page(name, |page| Ok(good(page).then_some(())));
        match tokio::time::timeout(patience, found).await {
            Ok(found) => found,
            Err(_) => self.page(name, |_| Ok(Some(()))).await,
        }
        .map(|(page, ())| page)
    }

    /// As [`super::Hls::first_segment`].
    pub(super) async fn first_segment(self: &Arc<Self>, name: &str) -> Result<(), CameraError> {
        let show = self.show(name)?;
        let mut stage = show.stage();
        let seen = stage.wait_for(|stage| !matches!(stage, Stage::Dark)).await.is_ok();
        if seen { Ok(()) } else { Err(CameraError::not_live(show.stream())) }
    }

    /// The handle of whoever asks. HLS has no sessions; an address and a program are as near as one
    /// comes.
    ///
    /// # Errors
    /// If there are too many viewers, or this one was sent away.
    pub(super) fn handle(
        &self,
        name: &str,
        visitor: &Visitor<'_>,
    ) -> Result<Arc<ViewerHandle>, ApiError> {
        let address = visitor.address.map(|a| a.ip().to_string()).unwrap_or_default();
        let key = format!("{address} {}", visitor.agent);
        let handle = self.access.viewers.http_session(
            Protocol::Hls,
            name,
            &key,
            self.access.clock.pair(),
        )?;
        if !handle.is_connected() {
            handle.set_connected(ViewerTransport::Tcp, visitor.address);
        }
        Ok(handle)
    }

    /// The running muxer of a stream, started if there is none.
    fn show(self: &Arc<Self>, name: &str) -> Result<Arc<Show>, CameraError> {
        let stream = self.access.cameras.play(name)?;
        if stream.is_disabled() {
            return Err(CameraError::not_live(&stream));
        }
        let mut shows = self.lock();
        // A camera that was removed and added again has another stream.
        let running =
            shows.get(name).filter(|show| !show.is_over() && Arc::ptr_eq(show.stream(), &stream));
        let show = match running {
            Some(show) => show.clone(),
            None => self.start(stream, &mut shows),
        };
        show.touch(self.access.clock.now());
        Ok(show)
    }

    fn start(
        self: &Arc<Self>,
        stream: Arc<hub::Stream>,
        shows: &mut HashMap<Arc<str>, Arc<Show>>,
    ) -> Arc<Show> {
        let name = stream.name().clone();
        tracing::debug!(camera = %name, "HLS begins");
        let (show, player) = Show::new(stream, self.access.clock);
        shows.insert(name, show.clone());
        let (service, watched) = (self.clone(), show.clone());
        self.access.tasks.spawn(async move {
            tokio::select! {
                () = player.run(service.access.cameras.clone()) => {}
                () = service.until_idle(&watched) => {}
                () = service.access.stop.cancelled() => {}
            }
            service.forget(&watched);
        });
        show
    }

    async fn until_idle(&self, show: &Arc<Show>) {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            // Under the lock: whoever finds the muxer in the list touches it there.
            let mut shows = self.lock();
            if show.idle(self.access.clock.now()) >= LINGER {
                shows.retain(|_, other| !Arc::ptr_eq(other, show));
                return;
            }
        }
    }

    fn forget(&self, show: &Arc<Show>) {
        tracing::debug!(camera = %show.stream().name(), "HLS ends");
        self.lock().retain(|_, other| !Arc::ptr_eq(other, show));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Show>>> {
        self.shows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
