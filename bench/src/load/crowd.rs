//! All viewers of one client, on one thread.
//!
//! Viewers that join are served at once. Viewers that play are read once a millisecond, so that
//! this client takes few wakes whatever their number; when a packet arrived is told by the kernel,
//! so no figure suffers from that.

use super::{
    h264::Checked,
    http::Url,
    plain::{Common, Plain},
    sampled::Sampled,
    signalling::{Answer, Signalling},
    viewer::Viewer,
    watch::Totals,
};
use crate::socket::Buffers;
use anyhow::{Context as _, bail};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
    time::{Duration, Instant},
};

/// How long a viewer may take to join.
const JOIN_WITHIN: Duration = Duration::from_secs(10);
/// How often those who play are looked at.
const POLL: Duration = Duration::from_millis(1);
/// How often timers are looked at; they are in the tens of milliseconds.
const TICK: Duration = Duration::from_millis(5);
/// What the signalling is called among viewers.
const SIGNALLING: u64 = u64::MAX;

/// How viewers are made.
struct Making {
    url: Url,
    fps: u16,
    gro: bool,
}

/// One viewer's place.
struct Place {
    id: u64,
    viewer: Box<dyn Viewer>,
    session: Option<Url>,
    /// It is never chosen to leave.
    stays: bool,
    /// It is served at once, because it is joining.
    prompt: bool,
    failed: Option<anyhow::Error>,
}

/// The counters of viewers that have left.
#[derive(Default)]
pub(super) struct Gone {
    pub(super) viewers: usize,
    /// Milliseconds that joining took.
    pub(super) connect: Vec<f64>,
    pub(super) first_frame: Vec<f64>,
    /// They never saw a picture, or lost it before they left.
    pub(super) failed: usize,
    pub(super) broken_frames: u64,
    bytes: u64,
    packets: u64,
}

/// All viewers and what they wait for.
pub(super) struct Crowd {
    making: Making,
    common: Rc<Common>,
    places: HashMap<u64, Place>,
    next_id: u64,
    prompt: Epoll,
    playing: Epoll,
    signalling: Signalling,
    buffers: Buffers,
    ticked: Instant,
    served: Instant,
    longest_pause: Duration,
    pub(super) gone: Gone,
}

impl Crowd {
    pub(super) fn new(url: Url, fps: u16, gro: bool, feedback: Duration) -> anyhow::Result<Self> {
        let common = Rc::new(Common::new(url.local_address()?, fps, gro, feedback)?);
        let making = Making { url, fps, gro };
        let (prompt, playing) = (
            Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
        );
        let signalling = Signalling::new()?;
        prompt.add(signalling.ready(), EpollEvent::new(EpollFlags::EPOLLIN, SIGNALLING))?;
        Ok(Self {
            making,
            common,
            places: HashMap::new(),
            next_id: 0,
            prompt,
            playing,
            signalling,
            buffers: Buffers::new(gro),
            ticked: Instant::now(),
            served: Instant::now(),
            longest_pause: Duration::ZERO,
            gone: Gone::default(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Begins to let one more viewer join.
    pub(super) fn begin_joining(&mut self, sampled: bool, stays: bool) -> anyhow::Result<()> {
        let Making { fps, gro, url } = &self.making;
        let viewer: Box<dyn Viewer> = match sampled {
            true => Box::new(Sampled::new(self.common.local(), *fps, *gro)?),
            false => Box::new(Plain::new(&self.common)?),
        };
        let id = self.next_id;
        self.next_id += 1;
        self.prompt.add(viewer.socket(), EpollEvent::new(EpollFlags::EPOLLIN, id))?;
        self.signalling.offer(id, url.clone(), viewer.offer().to_owned());
        self.places
            .insert(id, Place { id, viewer, session: None, stays, prompt: true, failed: None });
        Ok(())
    }

    /// Grows to `viewers` at `rate` a second, the first `sampled` of all doing everything, and
    /// waits until everyone plays. The first `staying` never leave.
    pub(super) fn grow(
        &mut self,
        viewers: usize,
        sampled: usize,
        staying: usize,
        rate: u32,
    ) -> anyhow::Result<()> {
        let (start, have) = (Instant::now(), self.len());
        for n in have..viewers {
            let due = start + Duration::from_secs(1) * u32::try_from(n - have)? / rate.max(1);
            self.run_until(due)?;
            self.begin_joining(n < sampled, n < staying)?;
        }
        let deadline = Instant::now() + JOIN_WITHIN;
        while self.playing() < self.len() {
            if let Some(error) = self.places.values_mut().find_map(|p| p.failed.take()) {
                return Err(error.context("a viewer has failed"));
            }
            if Instant::now() > deadline {
                let missing = self.len() - self.playing();
                bail!(
                    "{missing} of {} viewers see no picture {} s after joining",
                    self.len(),
                    JOIN_WITHIN.as_secs()
                );
            }
            self.run_until(Instant::now() + TICK)?;
        }
        Ok(())
    }

    /// Viewers that have a picture and no fault.
    pub(super) fn playing(&self) -> usize {
        self.places
            .values()
            .filter(|p| p.failed.is_none() && p.viewer.watch().has_begun_playing())
            .count()
    }

    /// Lets one of those leave that may, and do not join just now. False if there is none.
    pub(super) fn let_one_leave(&mut self) -> bool {
        let may = |p: &&Place| {
            !p.stays
                && (!p.prompt
                    || p.failed.is_some()
                    || p.viewer.watch().begun().elapsed() > JOIN_WITHIN)
        };
        let may: Vec<u64> = self.places.values().filter(may).map(|p| p.id).collect();
        let Some(id) = fastrand::choice(may) else { return false };
        self.leave(id);
        true
    }

    /// Lets viewers leave until `viewers` are left.
    pub(super) fn shrink(&mut self, viewers: usize) {
        let mut ids: Vec<u64> = self.places.keys().copied().collect();
        ids.sort_unstable();
        ids.into_iter().skip(viewers).for_each(|id| self.leave(id));
    }

    fn leave(&mut self, id: u64) {
        let Some(mut place) = self.places.remove(&id) else { return };
        self.gone.remember(&place);
        if let Some(session) = place.session.take() {
            self.signalling.delete(session);
        }
    }

    /// Receives until then.
    pub(super) fn run_until(&mut self, end: Instant) -> anyhow::Result<()> {
        loop {
            self.serve(true, end.saturating_duration_since(Instant::now()).min(POLL))?;
            while self.serve(false, Duration::ZERO)? {}
            let now = Instant::now();
            self.longest_pause = self.longest_pause.max(now.duration_since(self.served));
            self.served = now;
            if now.duration_since(self.ticked) >= TICK {
                self.ticked = now;
                self.tick(now)?;
            }
            if now >= end {
                return Ok(());
            }
        }
    }

    /// Serves those who are joining, or those who play. True if there may be more.
    fn serve(&mut self, prompt: bool, wait: Duration) -> anyhow::Result<bool> {
        let mut events = [EpollEvent::empty(); 64];
        let epoll = if prompt { &self.prompt } else { &self.playing };
        let timeout = if wait.is_zero() {
            EpollTimeout::ZERO
        } else {
            EpollTimeout::try_from(wait.max(POLL))?
        };
        let n = match epoll.wait(&mut events, timeout) {
            Err(nix::errno::Errno::EINTR) => 0,
            result => result?,
        };
        for event in &events[..n] {
            match event.data() {
                SIGNALLING => self
                    .signalling
                    .answers()
                    .into_iter()
                    .for_each(|(id, answer)| self.answer(id, answer)),
                id => self.receive(id)?,
            }
        }
        Ok(n == events.len())
    }

    fn receive(&mut self, id: u64) -> anyhow::Result<()> {
        let Some(place) = self.places.get_mut(&id) else { return Ok(()) };
        let result = place.viewer.receive(&mut self.buffers);
        place.note(result);
        let calm = place.prompt && place.viewer.watch().has_begun_playing();
        if calm || place.failed.is_some() {
            let epoll = if place.prompt { &self.prompt } else { &self.playing };
            epoll.delete(place.viewer.socket())?;
            place.prompt = false;
            // One that has failed is not looked at again.
            if place.failed.is_none() {
                self.playing
                    .add(place.viewer.socket(), EpollEvent::new(EpollFlags::EPOLLIN, id))?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, id: u64, answer: Answer) {
        match (self.places.get_mut(&id), answer) {
            (Some(place), Ok((sdp, session))) => {
                place.session = session;
                let result = place.viewer.answer(&sdp);
                place.note(result);
            }
            (Some(place), Err(e)) => place.note(Err(e)),
            // It has left before the server answered.
            (None, Ok((_, Some(session)))) => self.signalling.delete(session),
            (None, _) => {}
        }
    }

    fn tick(&mut self, now: Instant) -> anyhow::Result<()> {
        for place in
            self.places.values_mut().filter(|p| p.failed.is_none() && p.viewer.deadline() <= now)
        {
            let result = place.viewer.handle_timeout(now);
            place.note(result.map(drop));
        }
        Ok(())
    }

    /// The longest time in which no viewer was read: this process had something else to do, or no
    /// processor.
    pub(super) fn longest_pause(&self) -> Duration {
        self.longest_pause
    }

    /// Forgets what was seen of delays, and of those who have left.
    pub(super) fn begin_measuring(&mut self) {
        (self.served, self.longest_pause) = (Instant::now(), Duration::ZERO);
        self.places.values_mut().for_each(|p| p.viewer.watch_mut().begin_measuring());
        self.gone.connect.clear();
        self.gone.first_frame.clear();
        (self.gone.viewers, self.gone.failed, self.gone.broken_frames) = (0, 0, 0);
    }

    /// Everyone who stays, by name.
    pub(super) fn staying(&self) -> HashMap<u64, Totals> {
        self.places
            .values()
            .filter(|p| p.stays)
            .map(|p| (p.id, p.viewer.watch().totals()))
            .collect()
    }

    /// Packets and bytes that have arrived since the beginning, also at viewers that have left.
    pub(super) fn delivered(&self) -> (u64, u64) {
        let totals = self.places.values().map(|p| p.viewer.watch().totals());
        totals.fold((self.gone.packets, self.gone.bytes), |(packets, bytes), t| {
            (packets + t.packets, bytes + t.bytes)
        })
    }

    /// Figures of those who are here, as far as they have them.
    pub(super) fn each<T>(&self, figure: impl Fn(&dyn Viewer) -> T) -> Vec<T> {
        self.places.values().map(|p| figure(&*p.viewer)).collect()
    }

    /// Those who have joined since `then` and are here, as if they had left.
    pub(super) fn joined_since(&self, then: Instant) -> Gone {
        let mut all = Gone::default();
        self.places
            .values()
            .filter(|p| p.viewer.watch().begun() >= then && !p.prompt)
            .for_each(|p| all.remember(p));
        all
    }

    pub(super) fn checked(&self) -> (usize, Checked) {
        let checked: Vec<Checked> =
            self.places.values().filter_map(|p| p.viewer.checked()).collect();
        (checked.len(), checked.into_iter().fold(Checked::default(), Checked::plus))
    }

    /// Why viewers failed, and how many for each reason.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults: BTreeMap<String, usize> = BTreeMap::new();
        for error in self.places.values().filter_map(|p| p.failed.as_ref()) {
            // The outermost says which viewer.
            let why: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
            *faults.entry(why.join(": ")).or_default() += 1;
        }
        faults.into_iter().map(|(why, viewers)| format!("{viewers} viewers: {why}")).collect()
    }
}

impl Place {
    fn note(&mut self, result: anyhow::Result<()>) {
        if let Err(e) = result.context(format!("viewer {}", self.id + 1)) {
            self.failed.get_or_insert(e);
        }
    }
}

impl Gone {
    fn remember(&mut self, place: &Place) {
        let (watch, millis) = (place.viewer.watch(), |d: Option<Duration>| d.map(super::millis));
        let totals = watch.totals();
        self.viewers += 1;
        self.connect.extend(millis(watch.connect_time()));
        self.first_frame.extend(millis(watch.first_frame_time()));
        self.failed += usize::from(place.failed.is_some() || !watch.has_begun_playing());
        self.broken_frames += totals.frames.broken;
        self.bytes += totals.bytes;
        self.packets += totals.packets;
    }

    /// Together with others.
    pub(super) fn and(&self, other: Self) -> Self {
        Self {
            viewers: self.viewers + other.viewers,
            connect: [&*self.connect, &other.connect].concat(),
            first_frame: [&*self.first_frame, &other.first_frame].concat(),
            failed: self.failed + other.failed,
            broken_frames: self.broken_frames + other.broken_frames,
            bytes: self.bytes + other.bytes,
            packets: self.packets + other.packets,
        }
    }
}
