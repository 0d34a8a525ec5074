//! Who watches, by every protocol: a seat for each viewer, what each was sent, and how many there
//! may be.
//!
//! Whoever serves viewers takes a [`Seat`] for each before it sends anything, counts on it while it
//! sends, and drops it when the viewer is gone. Counting touches atomics of that one viewer and no
//! lock. Everything else (lists, sums of a camera, bitrates) is worked out when somebody asks.

mod counts;
mod guest;
mod limits;
mod meter;

pub(crate) use counts::Counts;
pub(crate) use guest::{Guest, Protocol, Shown, Transport};
pub(crate) use limits::{Limits, Refused};

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
pub(crate) type Ender = Arc<dyn Fn(u64) + Send + Sync>;

/// No viewer has this id.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no viewer {0:?}; it may have left")]
pub(crate) struct NoViewer(String);

/// Who wants to watch what.
pub(crate) struct Visit<'a> {
    /// By which protocol.
    pub(crate) protocol: Protocol,
    /// The stream's name: a camera, or `CAMERA/RENDITION`.
    pub(crate) stream: &'a str,
    /// Sends it away.
    pub(crate) end: Ender,
}

/// All viewers. A cheap handle.
#[derive(Clone, Default)]
pub(crate) struct Audience {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The number that the last viewer got.
    last: u64,
    guests: BTreeMap<u64, Arc<Guest>>,
    leases: HashMap<String, Lease>,
    /// What is no longer on any seat: of viewers who have left or have changed the rendition.
    past: BTreeMap<(Shown, Protocol), Total>,
    limits: Limits,
    sampled: Mono,
}

/// The seat of a viewer without a connection.
struct Lease {
    seat: Arc<Seat>,
    touched: Mono,
    /// Sent away; not let in again as long as it keeps asking.
    ended: bool,
}

/// All viewers of one picture by one protocol, those who have left included.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Total {
    /// There now.
    pub(crate) viewers: u64,
    /// Of them, those whose link carries less than the stream.
    pub(crate) link_limited: u64,
    /// Turned away because of a limit.
    pub(crate) refused: u64,
    /// What they were sent.
    pub(crate) counts: Counts,
}

/// A viewer's place; dropping it takes the viewer off the list.
pub(crate) struct Seat {
    shared: Arc<Shared>,
    guest: Arc<Guest>,
}

impl Audience {
    /// Sets how many there may be. Nobody who is there already is sent away.
    pub(crate) fn set_limits(&self, limits: Limits) {
        self.shared.lock().limits = limits;
    }

    /// Gives a viewer a seat.
    ///
    /// # Errors
    /// [`Refused`] if there are as many viewers as there may be.
    pub(crate) fn join(&self, visit: Visit<'_>, now: ClockPair) -> Result<Seat, Refused> {
        let guest = self.shared.lock().admit(visit.protocol, visit.stream, Some(visit.end), now)?;
        Ok(Seat { shared: self.shared.clone(), guest })
    }

    /// The seat of a viewer who has no connection but asks again and again: found by `key`, which
    /// only this viewer knows, or new. It is gone when nothing was asked for a while. A change of
    /// the rendition moves it.
    ///
    /// # Errors
    /// [`Refused`] as for [`Audience::join`], or because the viewer was sent away.
    pub(crate) fn lease(
        &self,
        protocol: Protocol,
        stream: &str,
        key: &str,
        now: ClockPair,
    ) -> Result<Arc<Seat>, Refused> {
        let shown = Shown::new(stream);
        let key = format!("{}/{}/{key}", protocol.as_str(), shown.camera);
        let mut inner = self.shared.lock();
        if let Some(lease) = inner.leases.get_mut(&key) {
            lease.touched = now.mono;
            let (seat, ended) = (lease.seat.clone(), lease.ended);
            return match ended {
                true => Err(Refused::Ended),
                false => {
                    inner.move_to(&seat.guest, shown.rendition, "the player chose it");
                    Ok(seat)
                }
            };
        }
        let guest = inner.admit(protocol, stream, None, now)?;
        let seat = Arc::new(Seat { shared: self.shared.clone(), guest });
        inner.leases.insert(key, Lease { seat: seat.clone(), touched: now.mono, ended: false });
        Ok(seat)
    }

    /// Sends a viewer away, who is gone a moment later.
    ///
    /// # Errors
    /// [`NoViewer`] if nobody has this id.
    pub(crate) fn end(&self, id: &str) -> Result<(), NoViewer> {
        let mut inner = self.shared.lock();
        let guest = inner.guest(id)?;
        let number = guest.number;
        match &guest.end {
            Some(end) => {
                drop(inner);
                end(number);
            }
            None => inner.end_lease(number),
        }
        Ok(())
    }

    /// The viewer of this id.
    ///
    /// # Errors
    /// [`NoViewer`] if nobody has it.
    pub(crate) fn guest(&self, id: &str) -> Result<Arc<Guest>, NoViewer> {
        self.shared.lock().guest(id)
    }

    /// All viewers of now, the oldest first.
    pub(crate) fn guests(&self) -> Vec<Arc<Guest>> {
        self.shared.lock().guests.values().cloned().collect()
    }

    /// Sums by picture and protocol. They never fall, but for those of viewers who are there now.
    pub(crate) fn totals(&self) -> BTreeMap<(Shown, Protocol), Total> {
        let inner = self.shared.lock();
        let mut totals = inner.past.clone();
        for guest in inner.guests.values() {
            let (shown, counts) = guest.uncredited();
            let total = totals.entry((shown, guest.protocol)).or_default();
            total.viewers += 1;
            total.link_limited += u64::from(guest.is_link_limited());
            total.counts += counts;
        }
        totals
    }

    /// Notes bytes for bitrates, and lets viewers go who have asked for nothing. To be called a few
    /// times a second.
    pub(crate) fn tick(&self, now: Mono) {
        let mut inner = self.shared.lock();
        if now.since(inner.sampled) < SAMPLE_EVERY {
            return;
        }
        inner.sampled = now;
        let gone: Vec<_> =
            inner.leases.extract_if(|_, lease| now.since(lease.touched) >= SILENT).collect();
        let guests: Vec<_> = inner.guests.values().cloned().collect();
        drop(inner);
        // Whoever drops a seat takes the lock, so it must be free.
        drop(gone);
        guests.iter().for_each(|guest| guest.sample(now));
    }
}

impl Inner {
    fn admit(
        &mut self,
        protocol: Protocol,
        stream: &str,
        end: Option<Ender>,
        now: ClockPair,
    ) -> Result<Arc<Guest>, Refused> {
        let shown = Shown::new(stream);
        let of_camera = self.guests.values().filter(|g| g.camera == shown.camera).count();
        if let Err(refused) = self.limits.check(&shown.camera, self.guests.len(), of_camera) {
            tracing::warn!(camera = %shown.camera, protocol = protocol.as_str(), reason = %refused, "a viewer was turned away");
            self.past.entry((shown, protocol)).or_default().refused += 1;
            return Err(refused);
        }
        self.last += 1;
        let guest = Arc::new(Guest::new(self.last, protocol, shown, end, now));
        self.guests.insert(guest.number, guest.clone());
        Ok(guest)
    }

    fn guest(&self, id: &str) -> Result<Arc<Guest>, NoViewer> {
        let number = id.rsplit('-').next().and_then(|n| n.parse::<u64>().ok());
        let guest = number.and_then(|number| self.guests.get(&number)).filter(|g| g.id() == id);
        guest.cloned().ok_or_else(|| NoViewer(id.chars().take(64).collect()))
    }

    fn leave(&mut self, number: u64) {
        if let Some(guest) = self.guests.remove(&number) {
            self.credit(&guest);
        }
    }

    fn move_to(&mut self, guest: &Guest, rendition: Option<Arc<str>>, reason: &'static str) {
        if guest.shown().rendition != rendition {
            self.credit(guest);
            guest.set_rendition(rendition, reason);
        }
    }

    /// Books what a viewer was sent to the picture it was sent of.
    fn credit(&mut self, guest: &Guest) {
        let (shown, counts) = guest.credit();
        self.past.entry((shown, guest.protocol)).or_default().counts += counts;
    }

    fn end_lease(&mut self, number: u64) {
        let lease = self.leases.values_mut().find(|lease| lease.seat.guest.number == number);
        lease.into_iter().for_each(|lease| lease.ended = true);
        self.leave(number);
    }
}

impl Seat {
    /// The viewer is sent another rendition from now on; `None` is the camera's own picture. The
    /// reason is for people.
    pub(crate) fn move_to(&self, rendition: Option<Arc<str>>, reason: &'static str) {
        self.shared.lock().move_to(&self.guest, rendition, reason);
    }
}

impl Deref for Seat {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        &self.guest
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.lock().leave(self.guest.number);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
