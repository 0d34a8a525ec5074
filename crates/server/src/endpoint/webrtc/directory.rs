//! Whose packets are whose: one port is read for all media threads, and each viewer and each
//! publisher belongs to one of them.

use super::shard::ViewerId;
use proto::stun;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// The names and addresses of all viewers. Read for every datagram, written when somebody comes,
/// moves or goes.
pub(super) struct Directory {
    shards: usize,
    entries: RwLock<Entries>,
}

#[derive(Default)]
struct Entries {
    by_ufrag: HashMap<String, ViewerId>,
    by_address: HashMap<SocketAddr, ViewerId>,
}

impl Directory {
    /// For so many media threads, one at least.
    pub(super) fn new(shards: usize) -> Self {
        Self { shards: shards.max(1), entries: RwLock::default() }
    }

    /// How many media threads there are.
    pub(super) fn shards(&self) -> usize {
        self.shards
    }

    /// Which media thread a viewer belongs to: they take turns.
    pub(super) fn shard_of(&self, id: ViewerId) -> usize {
        usize::try_from(id % self.shards as u64).unwrap_or_default()
    }

    /// Who is meant by a connectivity check, or else has authentically written from that address
    /// before.
    pub(super) fn find(&self, datagram: &[u8], remote: &SocketAddr) -> Option<ViewerId> {
        let entries = self.read();
        let named = stun::local_ufrag(datagram).and_then(|ufrag| entries.by_ufrag.get(ufrag));
        named.or_else(|| entries.by_address.get(remote)).copied()
    }

    /// Who is meant by a connectivity check.
    pub(super) fn find_named(&self, check: &[u8]) -> Option<ViewerId> {
        stun::local_ufrag(check).and_then(|ufrag| self.read().by_ufrag.get(ufrag).copied())
    }

    /// Checks with this name are a viewer's from now on.
    pub(super) fn enter(&self, ufrag: String, id: ViewerId) {
        self.write().by_ufrag.insert(ufrag, id);
    }

    /// Checks with this name are nobody's any more.
    pub(super) fn forget(&self, ufrag: &str) {
        self.write().by_ufrag.remove(ufrag);
    }

    /// Something authentic came from there.
    pub(super) fn locate(&self, remote: SocketAddr, id: ViewerId) {
        if self.read().by_address.get(&remote) != Some(&id) {
            self.write().by_address.insert(remote, id);
        }
    }

    /// A viewer is no more.
    pub(super) fn leave(&self, ufrag: &str, id: ViewerId) {
        let mut entries = self.write();
        entries.by_ufrag.remove(ufrag);
        entries.by_address.retain(|_, of| *of != id);
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_last_owner_s_until_that_one_leaves() {
        let directory = Directory::new(2);
        let remote = SocketAddr::from(([192, 0, 2, 1], 4000));
        assert_eq!((directory.shard_of(6), directory.shard_of(7)), (0, 1));
        directory.locate(remote, 6);
        directory.locate(remote, 7);
        assert_eq!(directory.find(b"media", &remote), Some(7));
        directory.leave("sixth", 6);
        assert_eq!(directory.find(b"media", &remote), Some(7));
        directory.leave("seventh", 7);
        assert_eq!(directory.find(b"media", &remote), None);
    }
}
