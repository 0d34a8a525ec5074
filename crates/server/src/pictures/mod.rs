//! JPEG pictures of any stream, for whoever wants some.
//!
//! A stream of which pictures are wanted has one room: a task that owns a worker process, gives it
//! the stream's frames and hands round what it makes. All who want the same width and quality share
//! a picture, each sees the newest one only, and nobody waits for anybody. The room is opened by
//! the first and closes a moment after the last.

mod board;
mod film;
mod jpeg;
mod look;
mod room;
mod smjpeg;
mod tally;
mod view;
mod worker;

pub(crate) use board::{TooMany, Trouble, Wish};
pub(crate) use jpeg::Jpeg;
pub(crate) use tally::{Counts, Tally};
pub(crate) use view::{News, View};

use crate::{
    cameras::{Camera, Cameras},
    clock::Clock,
    stillness::Eye,
    workers::Spawner,
};
use board::Board;
use hub::Stream;
use look::Looker;
use room::Room;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// All rooms. A cheap handle.
#[derive(Clone)]
pub(crate) struct Pictures {
    shared: Arc<Shared>,
}

/// What the rooms need of the house.
pub(crate) struct House {
    /// Whose pictures they are.
    pub(crate) cameras: Cameras,
    /// Starts their workers.
    pub(crate) spawner: Spawner,
    /// The time.
    pub(crate) clock: Clock,
    /// Where their tasks are counted.
    pub(crate) tasks: TaskTracker,
    /// Closes them all.
    pub(crate) stop: CancellationToken,
}

struct Shared {
    house: House,
    /// Held for a moment. A room leaves it only while nobody is in it, so whoever finds one here
    /// may enter.
    rooms: Mutex<BTreeMap<Arc<str>, Arc<Board>>>,
    tallies: Mutex<BTreeMap<Arc<str>, Arc<Tally>>>,
}

impl Pictures {
    /// No rooms yet.
    pub(crate) fn new(house: House) -> Self {
        Self {
            shared: Arc::new(Shared { house, rooms: Mutex::default(), tallies: Mutex::default() }),
        }
    }

    /// Enters the room of `stream`, which is opened if nobody is in it.
    ///
    /// # Errors
    /// [`TooMany`] if others want so many other kinds of pictures of it that there is no place for
    /// this one.
    pub(crate) fn watch(&self, stream: &Arc<Stream>, wish: Wish) -> Result<View, TooMany> {
        let mut rooms = lock(&self.shared.rooms);
        if let Some(board) = rooms.get(stream.name()) {
            return View::enter(board.clone(), wish);
        }
        let board = Arc::new(Board::default());
        let view = View::enter(board.clone(), wish)?;
        rooms.insert(stream.name().clone(), board.clone());
        drop(rooms);
        let room = Room::new(self.clone(), stream.clone(), board, self.tally(stream.name()));
        self.shared.house.tasks.spawn(room.run());
        Ok(view)
    }

    /// Looks whether the picture of a camera stands still, until the guard is dropped: with as
    /// little work as that takes, and with none where others see its pixels.
    pub(crate) fn look(&self, camera: &Camera) -> DropGuard {
        let stop = self.house().stop.child_token();
        let looker = Looker::new(self.clone(), camera.stream().clone(), camera.stillness().clone());
        self.house().tasks.spawn(stop.clone().run_until_cancelled_owned(looker.run()));
        stop.drop_guard()
    }

    /// What was counted, by the names of streams of which pictures were ever wanted.
    pub(crate) fn tallies(&self) -> BTreeMap<Arc<str>, Arc<Tally>> {
        lock(&self.shared.tallies).clone()
    }

    fn tally(&self, stream: &Arc<str>) -> Arc<Tally> {
        lock(&self.shared.tallies).entry(stream.clone()).or_default().clone()
    }

    /// True while somebody has pictures made of a stream.
    fn is_working(&self, stream: &str) -> bool {
        lock(&self.shared.tallies).get(stream).is_some_and(|tally| tally.counts().workers > 0)
    }

    /// Closes a room if nobody is in it; true if it is closed.
    fn close(&self, stream: &Arc<str>, board: &Board) -> bool {
        let mut rooms = lock(&self.shared.rooms);
        let empty = board.is_empty();
        if empty {
            rooms.remove(stream);
        }
        empty
    }

    /// Hears what workers find that see the pixels of a stream anyway.
    fn eye(&self, stream: &str) -> Eye {
        self.house()
            .cameras
            .get(stream)
            .map(|camera| camera.stillness().clone())
            .unwrap_or_default()
            .eye(false)
    }

    fn house(&self) -> &House {
        &self.shared.house
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
