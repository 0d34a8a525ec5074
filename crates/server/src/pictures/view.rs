//! A visitor's side of a room.

use super::{
    Jpeg, TooMany, Wish,
    board::{Board, Trouble},
};
use std::sync::Arc;
use tokio::sync::watch;

/// What a visitor meets.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// The newest picture, which it has not seen.
    Picture(Arc<Jpeg>),
    /// There are no pictures, for now or for ever.
    Trouble(Trouble),
}

/// A visitor's place; dropping it leaves the room. Holds no queue: the next picture is always the
/// newest.
pub(crate) struct View {
    board: Arc<Board>,
    guest: u64,
    pictures: watch::Receiver<Option<Arc<Jpeg>>>,
    trouble: watch::Receiver<Option<Trouble>>,
    /// The last picture of the kind when this visitor came.
    found: Option<Arc<Jpeg>>,
}

impl View {
    pub(super) fn enter(board: Arc<Board>, wish: Wish) -> Result<Self, TooMany> {
        let found = board.newest(wish.width, wish.quality);
        let (guest, mut pictures) = board.enter(wish)?;
        // One that is there already is as new as any.
        pictures.mark_changed();
        let mut trouble = board.trouble.subscribe();
        trouble.mark_changed();
        Ok(Self { board, guest, pictures, trouble, found })
    }

    /// The last picture of the kind when this visitor came, which may be old.
    pub(crate) fn found(&self) -> Option<&Arc<Jpeg>> {
        self.found.as_ref()
    }

    /// The next news, waiting for them as long as it takes. Cancel safe.
    pub(crate) async fn next(&mut self) -> News {
        loop {
            tokio::select! {
                biased;
                Ok(()) = self.pictures.changed() => {
                    if let Some(picture) = self.pictures.borrow_and_update().clone() {
                        return News::Picture(picture);
                    }
                }
                Ok(()) = self.trouble.changed() => {
                    if let Some(trouble) = self.trouble.borrow_and_update().clone() {
                        return News::Trouble(trouble);
                    }
                }
                // The board holds both senders of every kind that has guests, so this cannot be.
                else => std::future::pending::<()>().await,
            }
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.board.leave(self.guest);
    }
}
