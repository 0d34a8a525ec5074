//! Who plays by RTSP, and what they were sent.

use media::Wall;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Everything counted about RTSP players.
#[derive(Default)]
pub(crate) struct Stats {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The number that the last player got.
    last: u64,
    players: BTreeMap<u64, Arc<PlayerStats>>,
    cameras: BTreeMap<Arc<str>, Arc<Counters>>,
}

/// What was sent, to one player or to all of a camera.
#[derive(Default, Debug)]
pub(crate) struct Counters {
    /// Video frames.
    pub(crate) frames: AtomicU64,
    /// Units lost for being slow.
    pub(crate) skipped: AtomicU64,
    /// Payload bytes, without what RTP adds.
    pub(crate) bytes: AtomicU64,
}

/// One player.
#[derive(Debug)]
pub(crate) struct PlayerStats {
    /// Its number.
    pub(crate) id: u64,
    /// What it plays.
    pub(crate) camera: Arc<str>,
    /// Where its connection comes from.
    pub(crate) remote: SocketAddr,
    /// When it began to play.
    pub(crate) since: Wall,
    /// Packets go by UDP, not over the connection.
    pub(crate) udp: bool,
    /// What it was sent.
    pub(crate) sent: Counters,
}

/// A player's entry; dropping it takes the player off the list.
pub(super) struct Attendance {
    stats: Arc<Stats>,
    player: Arc<PlayerStats>,
    camera: Arc<Counters>,
}

impl Stats {
    /// Puts a player on the list.
    pub(super) fn attend(self: &Arc<Self>, camera: &Arc<str>, remote: SocketAddr, udp: bool, since: Wall) -> Attendance {
        let mut inner = self.lock();
        inner.last += 1;
        let sent = Counters::default();
        let player = Arc::new(PlayerStats { id: inner.last, camera: camera.clone(), remote, since, udp, sent });
        inner.players.insert(player.id, player.clone());
        let of_camera = inner.cameras.entry(camera.clone()).or_default().clone();
        Attendance { stats: self.clone(), player, camera: of_camera }
    }

    /// All players of now.
    pub(crate) fn players(&self) -> Vec<Arc<PlayerStats>> {
        self.lock().players.values().cloned().collect()
    }

    /// All cameras that have ever had a player.
    pub(crate) fn cameras(&self) -> Vec<(Arc<str>, Arc<Counters>)> {
        self.lock().cameras.iter().map(|(name, counters)| (name.clone(), counters.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attendance {
    /// Counts a unit that was sent.
    pub(super) fn sent(&self, video: bool, bytes: usize) {
        for counters in [&self.player.sent, &*self.camera] {
            counters.frames.fetch_add(u64::from(video), Relaxed);
            counters.bytes.fetch_add(bytes as u64, Relaxed);
        }
    }

    /// Counts units that this player was too slow for.
    pub(super) fn skipped(&self, units: u64) {
        for counters in [&self.player.sent, &*self.camera] {
            counters.skipped.fetch_add(units, Relaxed);
        }
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.stats.lock().players.remove(&self.player.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_is_listed_while_it_attends_and_counted_for_ever() {
        let stats = Arc::new(Stats::default());
        let camera: Arc<str> = "front".into();
        let first = stats.attend(&camera, ([127, 0, 0, 1], 5).into(), false, Wall::from_micros(0));
        let second = stats.attend(&camera, ([127, 0, 0, 1], 6).into(), true, Wall::from_micros(0));
        first.sent(true, 1000);
        second.sent(false, 10);
        second.skipped(3);
        drop(first);
        assert_eq!(stats.players().iter().map(|p| (p.id, p.udp)).collect::<Vec<_>>(), [(2, true)]);
        let of_camera = &stats.cameras()[0].1;
        let counted = [&of_camera.frames, &of_camera.skipped, &of_camera.bytes].map(|c| c.load(Relaxed));
        assert_eq!(counted, [1, 3, 1010]);
    }
}
