//! The TCP side of the WebRTC port, for browsers whose network blocks UDP (ICE-TCP, RFC 6544): they
//! connect, frames go both ways.
//!
//! Nothing here waits or grows for a slow browser. The kernel is told to hold little that it has
//! not sent; what it does not take waits in a small outbox, and while that holds something the
//! viewer is told that there is no room: it goes on from its place in the stream, or from a newer
//! keyframe, when there is.

mod outbox;

use super::{shard::ViewerId, socket::Sent};
use crate::clock::Clock;
use futures::future::LocalBoxFuture;
use media::Mono;
use outbox::Outbox;
use proto::webrtc::batch::{Route, Run};
use proto::webrtc::{Deframer, Path, Transport};
use socket2::SockRef;
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Shutdown, SocketAddr},
    rc::Rc,
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};

/// Connections at once; a browser makes one for each of our addresses and keeps those that work.
const MAX_CONNECTIONS: usize = 4096;
/// Connections at once that nobody has vouched for; the oldest gives way.
const MAX_STRANGERS: usize = 128;
/// Connections of one viewer.
const MAX_PER_VIEWER: usize = 16;
/// Within this time a connection must bring a connectivity check of a viewer.
const PROVE_WITHIN: Duration = Duration::from_secs(10);
/// Browsers check every connection that they keep every few seconds.
const IDLE: Duration = Duration::from_secs(30);
/// After the machine refused a connection, for want of descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Asked of the kernel: what is on its way over a long and fast link. What it has not sent is
/// bounded by [`UNSENT`].
const SEND_BUFFER: usize = 256 << 10;
/// Browsers send little.
const RECEIVE_BUFFER: usize = 64 << 10;
/// Bytes that wait in the kernel to be sent; more would only make pictures older.
const UNSENT: u32 = 32 << 10;
/// Bytes that a viewer may send at once when nothing waits.
const ROOM: usize = 16 << 10;
/// Read at once.
const READ: usize = 4096;

/// Which connection: both ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    remote: SocketAddr,
    local: IpAddr,
}

impl Key {
    fn of(route: Route) -> Self {
        Self { remote: route.destination, local: route.source }
    }
}

/// What a connection is ready for.
pub(super) struct Ready {
    pub(super) key: Key,
    /// Of the connection that was waited for; its address may belong to another one by now.
    serial: u64,
    pub(super) what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    Readable,
    Writable,
    /// Silent for longer than allowed.
    Silent,
}

/// Completes when a connection wants something.
pub(super) type Wait = LocalBoxFuture<'static, Ready>;

struct Connection {
    stream: Rc<TcpStream>,
    serial: u64,
    path: Path,
    /// Who has proven to be at the other end.
    viewer: Option<ViewerId>,
    deframer: Deframer,
    outbox: Outbox,
    /// It is waited for until the kernel takes more.
    blocked: bool,
    /// By then something authentic must be heard.
    deadline: Mono,
}

/// The listener and all its connections.
pub(super) struct Tcp {
    clock: Clock,
    listener: Option<TcpListener>,
    connections: HashMap<Key, Connection>,
    serial: u64,
    waits: Vec<Wait>,
    paused_until: Mono,
}

impl Tcp {
    /// Takes over a bound listener, if there is one. Must be called on the runtime that will use
    /// it.
    ///
    /// # Errors
    /// If the kernel refuses what every Linux grants.
    pub(super) fn new(clock: Clock, listener: Option<std::net::TcpListener>) -> io::Result<Self> {
        let listener = listener.map(prepared).transpose()?;
        Ok(Self {
            clock,
            listener,
            connections: HashMap::new(),
            serial: 0,
            waits: Vec::new(),
            paused_until: clock.now(),
        })
    }

    /// The next connection. Cancel safe.
    pub(super) async fn accept(&self) -> io::Result<TcpStream> {
        let Some(listener) = &self.listener else { return std::future::pending().await };
        tokio::time::sleep_until(tokio::time::Instant::from_std(
            self.clock.instant(self.paused_until),
        ))
        .await;
        listener.accept().await.map(|(stream, _)| stream)
    }

    /// Takes a connection in; how many were closed for want of room.
    pub(super) fn admit(&mut self, accepted: io::Result<TcpStream>) -> u64 {
        let admitted = accepted.and_then(|stream| {
            let path = path(&stream)?;
            let socket = SockRef::from(&stream);
            socket.set_tcp_nodelay(true)?;
            socket.set_tcp_notsent_lowat(UNSENT)?;
            Ok((stream, path))
        });
        let (stream, path) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                tracing::debug!(%error, "cannot accept a WebRTC connection over TCP");
                self.paused_until = self.clock.now() + ACCEPT_PAUSE;
                return 0;
            }
        };
        if self.connections.len() >= MAX_CONNECTIONS {
            return 1;
        }
        let key = self.insert(stream, path);
        self.resume(key, Deframer::default());
        self.evict()
    }

    /// Takes in a connection that another media thread has let go. It is not waited for before
    /// [`Tcp::resume`].
    ///
    /// # Errors
    /// If it has ended, or there is no room.
    pub(super) fn adopt(&mut self, stream: std::net::TcpStream, path: Path) -> io::Result<Key> {
        if self.connections.len() >= MAX_CONNECTIONS {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(self.insert(TcpStream::from_std(stream)?, path))
    }

    /// Lets go of a connection of which nothing is waited for; `None` if it is no more.
    pub(super) fn release(&mut self, key: Key) -> Option<std::net::TcpStream> {
        Rc::into_inner(self.connections.remove(&key)?.stream)?.into_std().ok()
    }

    fn insert(&mut self, stream: TcpStream, path: Path) -> Key {
        self.serial += 1;
        let connection = Connection {
            stream: Rc::new(stream),
            serial: self.serial,
            path,
            viewer: None,
            deframer: Deframer::default(),
            outbox: Outbox::default(),
            blocked: false,
            deadline: self.clock.now() + PROVE_WITHIN,
        };
        let key = Key::of(Route::of(path));
        if let Some(old) = self.connections.insert(key, connection) {
            old.shut();
        }
        key
    }

    /// The oldest stranger gives way, so that strangers who say nothing do not lock a viewer out.
    fn evict(&mut self) -> u64 {
        let strangers = self.connections.iter().filter(|(_, c)| c.viewer.is_none());
        let (count, oldest) =
            strangers.fold((0, None), |(count, oldest): (usize, Option<(u64, Key)>), (key, c)| {
                (
                    count + 1,
                    Some(oldest.map_or((c.serial, *key), |o| {
                        if c.serial < o.0 { (c.serial, *key) } else { o }
                    })),
                )
            });
        match oldest.filter(|_| count > MAX_STRANGERS) {
            Some((_, key)) => {
                self.close(key);
                1
            }
            None => 0,
        }
    }

    /// What is to be waited for since the last call.
    pub(super) fn new_waits(&mut self) -> impl Iterator<Item = Wait> {
        self.waits.drain(..)
    }

    /// True if it is about a connection that still is.
    pub(super) fn is_current(&self, ready: &Ready) -> bool {
        self.connections.get(&ready.key).is_some_and(|c| c.serial == ready.serial)
    }

    /// True if nothing authentic was heard for too long; else the wait goes on.
    pub(super) fn is_overdue(&mut self, key: Key) -> bool {
        let Some(connection) = self.connections.get(&key) else { return false };
        let overdue = connection.deadline <= self.clock.now();
        if !overdue {
            self.waits.push(connection.readable(key, self.clock));
        }
        overdue
    }

    /// Reads a little. Returns what came in, to be given back to [`Tcp::resume`] when its frames
    /// are handled, with the way that it came and whose it is; `None` if the connection is no more.
    pub(super) fn receive(&mut self, key: Key) -> Option<(Deframer, Path, Option<ViewerId>)> {
        let connection = self.connections.get_mut(&key)?;
        let mut buffer = [0; READ];
        match connection.stream.try_read(&mut buffer) {
            Ok(n) if n > 0 => connection.deframer.push(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            _ => {
                self.close(key);
                return None;
            }
        }
        let deframer = std::mem::take(&mut connection.deframer);
        Some((deframer, connection.path, connection.viewer))
    }

    /// Goes on waiting for what comes in.
    pub(super) fn resume(&mut self, key: Key, deframer: Deframer) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.deframer = deframer;
            self.waits.push(connection.readable(key, self.clock));
        }
    }

    /// Something authentic of a viewer came in; false if that viewer has too many connections.
    pub(super) fn vouch(&mut self, key: Key, viewer: ViewerId) -> bool {
        let others = || self.connections.values().filter(|c| c.viewer == Some(viewer)).count();
        let known = self.connections.get(&key).is_some_and(|c| c.viewer.is_some());
        if !known && others() >= MAX_PER_VIEWER {
            return false;
        }
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.viewer = Some(viewer);
            connection.deadline = self.clock.now() + IDLE;
        }
        true
    }

    /// Sends a run as far as there is room; packets for which there is none are dropped.
    pub(super) fn send(&mut self, run: &Run<'_>) -> Sent {
        let key = Key::of(run.route);
        let Some(connection) = self.connections.get_mut(&key) else { return Sent::Refused };
        let dropped = run.packets().filter(|packet| !connection.outbox.push(packet)).count();
        let sent = match connection.flush() {
            Ok(calls) if dropped == 0 => Sent::All { calls },
            Ok(_) => Sent::Full { packets: dropped },
            // It is closed when that is read, not while somebody sends.
            Err(_) => {
                connection.shut();
                Sent::Refused
            }
        };
        self.await_room(key);
        sent
    }

    /// The kernel takes more; the viewer that has room again, if it has.
    pub(super) fn handle_writable(&mut self, key: Key) -> Option<ViewerId> {
        let connection = self.connections.get_mut(&key)?;
        connection.blocked = false;
        if connection.flush().is_err() {
            connection.shut();
            return None;
        }
        let has_room = connection.outbox.is_empty();
        let viewer = connection.viewer.filter(|_| has_room);
        self.await_room(key);
        viewer
    }

    fn await_room(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        if !connection.outbox.is_empty() && !connection.blocked {
            connection.blocked = true;
            self.waits.push(connection.writable(key));
        }
    }

    /// Bytes that may be sent now: none while some wait, or if there is no such connection.
    pub(super) fn room(&self, route: Route) -> usize {
        self.connections
            .get(&Key::of(route))
            .map_or(0, |c| if c.outbox.is_empty() { ROOM } else { 0 })
    }

    /// Ends a connection; false if it has ended.
    pub(super) fn close(&mut self, key: Key) -> bool {
        let closed = self.connections.remove(&key);
        closed.inspect(Connection::shut).is_some()
    }

    /// Ends the connections of a viewer who is no more.
    pub(super) fn leave(&mut self, viewer: ViewerId) {
        let of_viewer = self.connections.extract_if(|_, c| c.viewer == Some(viewer));
        of_viewer.for_each(|(_, connection)| connection.shut());
    }
}

impl Connection {
    fn flush(&mut self) -> io::Result<u32> {
        self.outbox.flush(|bytes| self.stream.try_write(bytes))
    }

    /// Whoever waits for it notices, and lets go of it.
    fn shut(&self) {
        // It fails only if the other side was first.
        let _ = SockRef::from(&*self.stream).shutdown(Shutdown::Both);
    }

    fn readable(&self, key: Key, clock: Clock) -> Wait {
        let (stream, serial) = (self.stream.clone(), self.serial);
        let deadline = tokio::time::Instant::from_std(clock.instant(self.deadline));
        Box::pin(async move {
            let heard = tokio::time::timeout_at(deadline, stream.readable()).await;
            Ready { key, serial, what: if heard.is_ok() { What::Readable } else { What::Silent } }
        })
    }

    fn writable(&self, key: Key) -> Wait {
        let (stream, serial) = (self.stream.clone(), self.serial);
        Box::pin(async move {
            // An error is met again by who writes.
            let _ = stream.writable().await;
            Ready { key, serial, what: What::Writable }
        })
    }
}

fn prepared(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    let socket = SockRef::from(&listener);
    // Connections inherit it. The kernel may grant less.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn path(stream: &TcpStream) -> io::Result<Path> {
    let canonical =
        |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let (local, remote) = (canonical(stream.local_addr()?), canonical(stream.peer_addr()?));
    Ok(Path { transport: Transport::Tcp, local, remote })
}

#[cfg(test)]
mod tests;
