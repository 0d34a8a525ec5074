//! Who wants what of a stream, and what there is: the part of a room that its visitors see.

use super::{Jpeg, lock};
use media::{Catalog, Mono, Thin};
use proto::ipc::Want;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::watch;

/// Kinds of pictures of a stream at the same time. Each costs an encoding of its own.
pub(crate) const MAX_KINDS: usize = 8;
const _: () = assert!(MAX_KINDS <= proto::ipc::MAX_WANTS);

/// What somebody wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    /// Columns; 0 is the stream's own width, which is also the most.
    pub(crate) width: u16,
    /// Quality of JPEG, 1 to 100.
    pub(crate) quality: u8,
    /// From one picture to the next, at least.
    pub(crate) interval: Duration,
}

/// There are as many kinds of pictures as there may be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{MAX_KINDS} kinds of pictures of this camera are wanted already")]
pub(crate) struct TooMany {
    /// Widths (0 is the stream's own) and qualities that one can join.
    pub(crate) kinds: Vec<(u16, u8)>,
}

/// Why there are no pictures.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// The stream is of a codec that is not decoded here.
    Codec(Arc<Catalog>),
    /// The stream is gone for good.
    Ended,
}

/// A number to leave with, and where the pictures are.
type Place = (u64, watch::Receiver<Option<Arc<Jpeg>>>);

/// The newest picture of a kind, where all who want it find it.
pub(super) type Newest = watch::Sender<Option<Arc<Jpeg>>>;

pub(super) struct Board {
    inner: Mutex<Inner>,
    /// Rises when the wishes have changed.
    pub(super) changed: watch::Sender<u64>,
    pub(super) trouble: watch::Sender<Option<Trouble>>,
}

#[derive(Default)]
struct Inner {
    kinds: Vec<Kind>,
    /// Number of the kind or guest that came last.
    last_kind: u16,
    last_guest: u64,
}

/// A width and quality.
struct Kind {
    id: u16,
    width: u16,
    quality: u8,
    newest: Newest,
    /// Who wants it, and how often. Nobody: it is kept for its last picture, as long as there is
    /// room.
    guests: Vec<(u64, Duration)>,
    pictures: u64,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            changed: watch::Sender::new(0),
            trouble: watch::Sender::new(None),
        }
    }
}

impl Board {
    /// Somebody comes. Returns the number to leave with, and where the pictures are.
    pub(super) fn enter(&self, wish: Wish) -> Result<Place, TooMany> {
        let entered = lock(&self.inner).enter(wish)?;
        self.changed.send_modify(|n| *n += 1);
        Ok(entered)
    }

    /// Somebody goes.
    pub(super) fn leave(&self, guest: u64) {
        lock(&self.inner)
            .kinds
            .iter_mut()
            .for_each(|kind| kind.guests.retain(|(number, _)| *number != guest));
        self.changed.send_modify(|n| *n += 1);
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.inner).kinds.iter().all(|kind| kind.guests.is_empty())
    }

    /// What all together want.
    pub(super) fn wants(&self) -> Vec<Want> {
        let inner = lock(&self.inner);
        let wanted = inner.kinds.iter().filter_map(|kind| {
            let interval = kind.guests.iter().map(|(_, interval)| *interval).min()?;
            let interval_us = u32::try_from(interval.as_micros()).unwrap_or(u32::MAX);
            Some(Want { id: kind.id, width: kind.width, quality: kind.quality, interval_us })
        });
        wanted.collect()
    }

    /// Shows a picture to those who want it; false if nobody does any more.
    pub(super) fn show(&self, kind: u16, picture: impl FnOnce(u64) -> Jpeg) -> bool {
        let mut inner = lock(&self.inner);
        let Some(kind) = inner.kinds.iter_mut().find(|k| k.id == kind) else { return false };
        kind.pictures += 1;
        let picture = Arc::new(picture(kind.pictures));
        kind.newest.send_replace(Some(picture));
        true
    }

    /// Shows a picture to those who want this width and quality, as often as they do and if there
    /// is none yet; false if it was not.
    pub(super) fn show_like(
        &self,
        (width, quality): (u16, u8),
        thin: &mut Thin,
        captured: Mono,
        picture: impl FnOnce(u64) -> Jpeg,
    ) -> bool {
        let mut inner = lock(&self.inner);
        let Some(kind) = inner.kinds.iter_mut().find(|k| (k.width, k.quality) == (width, quality))
        else {
            return false;
        };
        let Some(interval) = kind.guests.iter().map(|(_, interval)| *interval).min() else {
            return false;
        };
        thin.set_interval(interval);
        if !thin.take(captured) && kind.newest.borrow().is_some() {
            return false;
        }
        kind.pictures += 1;
        let picture = Arc::new(picture(kind.pictures));
        kind.newest.send_replace(Some(picture));
        true
    }

    /// Takes all pictures away: they are of a run that is over.
    pub(super) fn clear(&self) {
        let mut inner = lock(&self.inner);
        inner.kinds.retain(|kind| !kind.guests.is_empty());
        inner.kinds.iter().for_each(|kind| drop(kind.newest.send_replace(None)));
    }

    /// The last picture of this kind, if there is one: also of a kind that nobody wants at the
    /// moment.
    pub(super) fn newest(&self, width: u16, quality: u8) -> Option<Arc<Jpeg>> {
        let inner = lock(&self.inner);
        let kind = inner.kinds.iter().find(|k| (k.width, k.quality) == (width, quality))?;
        kind.newest.borrow().clone()
    }
}

impl Inner {
    fn enter(&mut self, wish: Wish) -> Result<Place, TooMany> {
        let same = |kind: &Kind| (kind.width, kind.quality) == (wish.width, wish.quality);
        // One that nobody wants begins anew, so that the worker makes a picture at once.
        self.kinds.retain(|kind| !(same(kind) && kind.guests.is_empty()));
        let at = match self.kinds.iter().position(same) {
            Some(at) => at,
            None => self.add(wish)?,
        };
        self.last_guest += 1;
        let kind = &mut self.kinds[at];
        kind.guests.push((self.last_guest, wish.interval));
        Ok((self.last_guest, kind.newest.subscribe()))
    }

    fn add(&mut self, wish: Wish) -> Result<usize, TooMany> {
        if self.kinds.len() >= MAX_KINDS {
            let unwanted = self.kinds.iter().position(|kind| kind.guests.is_empty());
            let full =
                || TooMany { kinds: self.kinds.iter().map(|k| (k.width, k.quality)).collect() };
            self.kinds.remove(unwanted.ok_or_else(full)?);
        }
        self.last_kind = self.last_kind.wrapping_add(1);
        let (id, newest) = (self.last_kind, watch::Sender::new(None));
        self.kinds.push(Kind {
            id,
            width: wish.width,
            quality: wish.quality,
            newest,
            guests: Vec::new(),
            pictures: 0,
        });
        Ok(self.kinds.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proto::ipc::Picture;

    fn wish(width: u16, quality: u8, millis: u64) -> Wish {
        Wish { width, quality, interval: Duration::from_millis(millis) }
    }

    fn jpeg(want: u16) -> impl FnOnce(u64) -> Jpeg {
        let at = Mono::default();
        let jpeg = Bytes::from_static(b"x");
        let picture = Picture {
            want,
            width: 2,
            height: 2,
            captured: at,
            received: at,
            decoded: at,
            encoded: at,
            jpeg,
        };
        move |number| Jpeg::new(picture, number, at)
    }

    #[test]
    fn equal_wishes_are_one_want_as_fast_as_the_fastest() {
        let board = Board::default();
        let (slow, rx) = board.enter(wish(640, 80, 1000)).unwrap();
        let (fast, _) = board.enter(wish(640, 80, 100)).unwrap();
        board.enter(wish(640, 50, 40)).unwrap();
        let wants = board.wants();
        assert_eq!(wants.iter().map(|w| w.interval_us).collect::<Vec<_>>(), [100_000, 40_000]);
        assert!(board.show(wants[0].id, jpeg(0)));
        assert_eq!(rx.borrow().as_ref().unwrap().number, 1);
        board.leave(fast);
        assert_eq!(board.wants()[0].interval_us, 1_000_000);
        board.leave(slow);
        assert_eq!(board.wants().len(), 1);
        assert!(board.newest(640, 80).is_some(), "kept for whoever takes an older one");
        board.clear();
        assert!(board.newest(640, 80).is_none());
    }

    #[test]
    fn a_kind_that_nobody_wanted_for_a_while_is_asked_for_anew() {
        let board = Board::default();
        let (guest, _) = board.enter(wish(0, 80, 0)).unwrap();
        let before = board.wants()[0].id;
        board.leave(guest);
        assert!(board.wants().is_empty() && board.is_empty());
        board.enter(wish(0, 80, 0)).unwrap();
        assert_ne!(board.wants()[0].id, before);
        assert!(!board.show(before, jpeg(before)), "too late");
    }

    #[test]
    fn kinds_are_bounded_and_unwanted_ones_make_room() {
        let board = Board::default();
        let guests: Vec<_> =
            (0..MAX_KINDS as u16).map(|i| board.enter(wish(100 + i, 80, 0)).unwrap().0).collect();
        let TooMany { kinds } = board.enter(wish(99, 80, 0)).unwrap_err();
        assert_eq!((kinds.len(), kinds[0]), (MAX_KINDS, (100, 80)));
        board.enter(wish(103, 80, 0)).unwrap();
        board.leave(guests[5]);
        board.enter(wish(99, 80, 0)).unwrap();
        assert_eq!(board.wants().len(), MAX_KINDS);
    }
}
