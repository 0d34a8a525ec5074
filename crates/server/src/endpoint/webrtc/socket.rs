//! The UDP port: batched receive (`recvmmsg`, GRO) for all media threads, one send a run (GSO) by
//! each, plain sends where a route refuses that.

use nix::{libc, sys::socket::setsockopt, sys::socket::sockopt};
use proto::webrtc::batch::{Route, Run};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use std::{
    collections::HashSet,
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};
use tokio::{io::Interest, net::UdpSocket};

/// Asked of the kernel for both directions: a keyframe to each of some hundred viewers.
const BUFFER: usize = 8 << 20;
/// Datagrams taken in one call, and room for each: with GRO the kernel joins up to 64 KiB into one.
const RECEIVE: usize = 8;
const RECEIVE_BYTES: usize = 64 << 10;
/// Routes known to refuse GSO; forgotten all at once when there are absurdly many.
const MAX_PLAIN: usize = 4096;

/// What became of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sent {
    /// All of it was given to the kernel in `calls` calls.
    All { calls: u32 },
    /// The kernel's buffer, or the connection's, is full; `packets` were dropped.
    Full { packets: usize },
    /// The network refused it: no route, or nobody there.
    Refused,
}

/// A bound socket, made ready.
pub(super) struct Port {
    io: std::net::UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

/// The way in; there is one.
pub(super) struct Receiver {
    io: UdpSocket,
    port: Arc<Port>,
}

/// A way out; there may be many, from different threads.
pub(super) struct Sender {
    port: Arc<Port>,
    /// Destinations over interfaces without GSO.
    plain: HashSet<SocketAddr>,
}

/// Where datagrams are received; used again and again.
pub(super) struct Inbox {
    buffer: Vec<u8>,
    meta: [RecvMeta; RECEIVE],
    /// How many of `meta` are of the last call.
    count: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; RECEIVE * RECEIVE_BYTES],
            meta: [RecvMeta::default(); RECEIVE],
            count: 0,
        }
    }

    /// The datagrams of the last call: who sent each, to which of our addresses (`None` if the
    /// kernel does not say), and what.
    pub(super) fn datagrams(
        &mut self,
    ) -> impl Iterator<Item = (SocketAddr, Option<IpAddr>, &mut [u8])> {
        let received = self.meta.iter().zip(self.buffer.chunks_mut(RECEIVE_BYTES)).take(self.count);
        received.flat_map(|(meta, buffer)| {
            let datagrams = buffer[..meta.len].chunks_mut(meta.stride.max(1));
            datagrams.map(move |datagram| (canonical(meta.addr), meta.dst_ip, datagram))
        })
    }
}

impl Port {
    /// Takes over a bound socket.
    ///
    /// # Errors
    /// If the kernel refuses what every Linux since 4.18 grants.
    pub(super) fn new(io: std::net::UdpSocket) -> io::Result<Arc<Self>> {
        io.set_nonblocking(true)?;
        enlarge(&io);
        let local = io.local_addr()?;
        let state = UdpSocketState::new((&io).into())?;
        Ok(Arc::new(Self { io, state, local }))
    }
}

impl Receiver {
    /// Must be called on the runtime that will use it: only that one is woken by what comes in.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub(super) fn new(port: Arc<Port>) -> io::Result<Self> {
        Ok(Self { io: UdpSocket::from_std(port.io.try_clone()?)?, port })
    }

    /// Waits until there is something to receive.
    ///
    /// # Errors
    /// If the socket is broken.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// Receives what waits now, as far as `inbox` has room; false if nothing waits.
    pub(super) fn receive(&self, inbox: &mut Inbox) -> bool {
        let Inbox { buffer, meta, count } = inbox;
        let mut chunks = buffer.chunks_mut(RECEIVE_BYTES);
        let mut slices: [IoSliceMut<'_>; RECEIVE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let receive = || self.port.state.recv(UdpSockRef::from(&self.io), &mut slices, meta);
        *count = self.io.try_io(Interest::READABLE, receive).unwrap_or(0);
        *count > 0
    }

    /// Which of our addresses a datagram came to.
    pub(super) fn destination(&self, ip: Option<IpAddr>) -> SocketAddr {
        let local = self.port.local;
        canonical(SocketAddr::new(ip.unwrap_or_else(|| local.ip()), local.port()))
    }
}

impl Sender {
    pub(super) fn new(port: Arc<Port>) -> Self {
        Self { port, plain: HashSet::new() }
    }

    /// Sends a run: in one call if the route allows.
    pub(super) fn send(&mut self, run: &Run<'_>) -> Sent {
        let single = run.bytes.len() <= run.segment;
        if single || self.plain.contains(&run.route.destination) {
            return self.send_each(run);
        }
        match self.send_call(run.route, run.bytes, Some(run.segment)) {
            Ok(()) => Sent::All { calls: 1 },
            Err(e) if is_full(&e) => Sent::Full { packets: run.packets().count() },
            Err(e) if refuses_gso(&e) => {
                if self.plain.len() >= MAX_PLAIN {
                    self.plain.clear();
                }
                self.plain.insert(run.route.destination);
                tracing::debug!(error = %e, "a route refuses segmented sends; sending packet by packet");
                self.send_each(run)
            }
            Err(_) => Sent::Refused,
        }
    }

    fn send_each(&self, run: &Run<'_>) -> Sent {
        let mut calls = 0;
        for packet in run.packets() {
            match self.send_call(run.route, packet, None) {
                Ok(()) => calls += 1,
                Err(e) if is_full(&e) => {
                    return Sent::Full { packets: run.packets().count() - calls as usize };
                }
                Err(_) => return Sent::Refused,
            }
        }
        Sent::All { calls }
    }

    fn send_call(
        &self,
        route: Route,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let Port { io, state, local } = &*self.port;
        let v6 = local.is_ipv6();
        let destination = if v6 { mapped(route.destination) } else { route.destination };
        // On a socket bound to one address there is nothing to choose.
        let src_ip = local
            .ip()
            .is_unspecified()
            .then(|| if v6 { map_ip(route.source) } else { route.source });
        let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip };
        // Nobody waits for room: a viewer for whom there is none loses the packet.
        state.try_send(UdpSockRef::from(io), &transmit)
    }
}

/// The kernel's limit for ordinary users is a few hundred kilobytes; with the right to exceed it we
/// do.
fn enlarge(socket: &std::net::UdpSocket) {
    if setsockopt(socket, sockopt::SndBufForce, &BUFFER).is_err() {
        let _ = setsockopt(socket, sockopt::SndBuf, &BUFFER);
    }
    if setsockopt(socket, sockopt::RcvBufForce, &BUFFER).is_err() {
        let _ = setsockopt(socket, sockopt::RcvBuf, &BUFFER);
    }
}

fn is_full(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::WouldBlock || e.raw_os_error() == Some(libc::ENOBUFS)
}

fn refuses_gso(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE))
}

/// IPv4 as IPv4, also on a socket for both.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        SocketAddr::V6(_) => address,
    }
}

fn map_ip(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => Ipv6Addr::into(v6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::webrtc::Transport;
    use proto::webrtc::batch::{Batch, MAX_SEGMENTS};
    use std::time::Duration;

    fn bound(address: &str) -> Sender {
        Sender::new(Port::new(std::net::UdpSocket::bind(address).unwrap()).unwrap())
    }

    fn frame(route: Route) -> Batch {
        let mut batch = Batch::default();
        for i in 0..MAX_SEGMENTS as u8 {
            assert!(batch.write(route, |out| {
                out.extend_from_slice(&[i; 900][..if i == 63 { 100 } else { 900 }]);
            }));
        }
        batch
    }

    async fn received(by: &std::net::UdpSocket) -> Vec<(u8, usize)> {
        by.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut buffer = [0; 2000];
        (0..MAX_SEGMENTS).map(|_| by.recv(&mut buffer).map(|n| (buffer[0], n)).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_run_arrives_whole_with_and_without_gso() {
        let far = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let route = Route {
            transport: Transport::Udp,
            destination: far.local_addr().unwrap(),
            source: [127, 0, 0, 1].into(),
        };
        let expected: Vec<_> = (0..64).map(|i| (i, if i == 63 { 100 } else { 900 })).collect();
        for plain in [false, true] {
            let mut socket = bound("0.0.0.0:0");
            socket.plain.extend(plain.then_some(route.destination));
            assert!(matches!(socket.send(&frame(route).run().unwrap()), Sent::All { .. }));
            assert_eq!(received(&far).await, expected);
        }
    }

    #[tokio::test]
    async fn what_comes_in_is_cut_apart_and_tells_where_it_came_to() {
        for address in ["0.0.0.0:0", "[::]:0"] {
            let mut sender = bound("127.0.0.1:0");
            let Ok(socket) = std::net::UdpSocket::bind(address) else { continue };
            let receiver = Receiver::new(Port::new(socket).unwrap()).unwrap();
            let destination = SocketAddr::from(([127, 0, 0, 1], receiver.port.local.port()));
            let route =
                Route { transport: Transport::Udp, destination, source: [127, 0, 0, 1].into() };
            sender.send(&frame(route).run().unwrap());
            let (mut got, mut inbox) = (Vec::new(), Inbox::new());
            while got.len() < MAX_SEGMENTS {
                tokio::time::timeout(Duration::from_secs(5), receiver.readable())
                    .await
                    .unwrap()
                    .unwrap();
                while receiver.receive(&mut inbox) {
                    got.extend(
                        inbox
                            .datagrams()
                            .map(|(from, to, data)| (from, receiver.destination(to), data.len())),
                    );
                }
            }
            assert_eq!(got.len(), MAX_SEGMENTS);
            assert_eq!(got[0], (sender.port.local, destination, 900));
            assert_eq!(got[63].2, 100);
        }
    }
}
