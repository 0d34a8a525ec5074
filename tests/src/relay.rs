//! A long way in user space: a UDP relay that delays and loses.

use anyhow::{Context, Result};
use std::{
    collections::{BTreeMap, HashMap},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

/// Clients remembered; more are ignored.
const MAX_CLIENTS: usize = 64;
/// Packets under way at once; more are dropped, as a router would.
const MAX_QUEUE: usize = 4096;

/// The properties of the link.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Delay in each direction.
    pub delay: Duration,
    /// Percent of the packets toward the client that are lost.
    pub loss_down: u64,
    /// Percent of the packets toward the server that are lost.
    pub loss_up: u64,
    /// Decides which; the same packets are lost in every run with the same traffic.
    pub seed: u64,
}

/// Counters of a relay.
#[derive(Default, Debug)]
pub struct Carried {
    /// Packets delivered to clients.
    pub down: AtomicU64,
    /// Packets lost on their way to clients.
    pub lost_down: AtomicU64,
    /// Packets delivered to the server.
    pub up: AtomicU64,
    /// Packets lost on their way to the server.
    pub lost_up: AtomicU64,
}

/// A running relay. Clients send to [`Relay::address`]; to the server each client looks like a port
/// of this machine.
pub struct Relay {
    address: SocketAddr,
    carried: Arc<Carried>,
    stop: Arc<AtomicBool>,
}

struct Parcel {
    due: Instant,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    data: Vec<u8>,
}

/// The state that all threads share.
#[derive(Clone)]
struct Shared {
    way: Way,
    carried: Arc<Carried>,
    stop: Arc<AtomicBool>,
    post: mpsc::SyncSender<Parcel>,
}

impl Relay {
    /// A way to `server` from a port of the loopback device.
    ///
    /// # Errors
    /// If no socket can be opened.
    pub fn start(server: SocketAddr, way: Way) -> Result<Self> {
        let entrance = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        entrance.set_read_timeout(Some(Duration::from_millis(100)))?;
        let address = entrance.local_addr()?;
        let (post, parcels) = mpsc::sync_channel(MAX_QUEUE);
        let shared = Shared { way, carried: Arc::default(), stop: Arc::default(), post };
        let relay = Self { address, carried: shared.carried.clone(), stop: shared.stop.clone() };
        thread::Builder::new().name("relay post".into()).spawn(move || deliver(&parcels))?;
        thread::Builder::new()
            .name("relay up".into())
            .spawn(move || carry_up(&shared, &entrance, server))?;
        Ok(relay)
    }

    /// Where clients send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it carried and lost.
    pub fn carried(&self) -> &Carried {
        &self.carried
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        eprintln!("---- relay: {:?}", self.carried);
    }
}

/// From clients to the server; opens a socket and a way back for each new client.
fn carry_up(shared: &Shared, entrance: &Arc<UdpSocket>, server: SocketAddr) {
    let mut clients: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut dice = Dice(shared.way.seed);
    let mut data = [0; 2048];
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok((length, client)) = entrance.recv_from(&mut data) else { continue };
        if !clients.contains_key(&client) && clients.len() < MAX_CLIENTS {
            match open_way_back(shared.clone(), entrance.clone(), client, dice.roll()) {
                Ok(socket) => drop(clients.insert(client, socket)),
                Err(e) => eprintln!("relay: {e:#}"),
            }
        }
        let Some(socket) = clients.get(&client) else { continue };
        if dice.lost(shared.way.loss_up) {
            shared.carried.lost_up.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        shared.carried.up.fetch_add(1, Ordering::Relaxed);
        shared.send(socket.clone(), server, &data[..length]);
    }
}

fn open_way_back(
    shared: Shared,
    entrance: Arc<UdpSocket>,
    client: SocketAddr,
    seed: u64,
) -> Result<Arc<UdpSocket>> {
    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let from = socket.clone();
    let run = move || carry_down(&shared, &from, &entrance, client, Dice(seed));
    thread::Builder::new().name("relay down".into()).spawn(run).context("no thread")?;
    Ok(socket)
}

fn carry_down(
    shared: &Shared,
    from: &UdpSocket,
    entrance: &Arc<UdpSocket>,
    client: SocketAddr,
    mut dice: Dice,
) {
    let mut data = [0; 2048];
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok((length, _)) = from.recv_from(&mut data) else { continue };
        if dice.lost(shared.way.loss_down) {
            shared.carried.lost_down.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        shared.carried.down.fetch_add(1, Ordering::Relaxed);
        shared.send(entrance.clone(), client, &data[..length]);
    }
}

impl Shared {
    fn send(&self, socket: Arc<UdpSocket>, to: SocketAddr, data: &[u8]) {
        let parcel = Parcel { due: Instant::now() + self.way.delay, socket, to, data: data.into() };
        let _ = self.post.try_send(parcel);
    }
}

/// Sends each parcel when it is due. Ends when no sender is left.
fn deliver(parcels: &mpsc::Receiver<Parcel>) {
    let mut waiting: BTreeMap<(Instant, u64), Parcel> = BTreeMap::new();
    let mut count = 0;
    loop {
        let now = Instant::now();
        while let Some(entry) = waiting.first_entry().filter(|e| e.key().0 <= now) {
            let parcel = entry.remove();
            let _ = parcel.socket.send_to(&parcel.data, parcel.to);
        }
        let wait = waiting
            .first_key_value()
            .map_or(Duration::from_secs(1), |((due, _), _)| due.saturating_duration_since(now));
        match parcels.recv_timeout(wait) {
            Ok(parcel) => {
                count += 1;
                waiting.insert((parcel.due, count), parcel);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// splitmix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn lost(&mut self, percent: u64) -> bool {
        self.roll() % 10_000 < percent * 100
    }
}
