//! UDP sockets that receive many packets by one call.

use anyhow::Context as _;
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{setsockopt, sockopt::UdpGroSegment},
};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, SystemTime},
};

/// Room for one bunch of packets.
const BUNCH: usize = 64 << 10;
/// Room for one packet. Small, so that all buffers stay in the processor's cache.
const PACKET: usize = 2 << 10;
/// A keyframe and a bit, so that a viewer that gets no processor for a moment loses nothing.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Receive buffers that all sockets share.
pub(crate) struct Buffers {
    memory: Vec<u8>,
    each: usize,
}

impl Buffers {
    /// For sockets with or without GRO.
    pub(crate) fn new(gro: bool) -> Self {
        let each = if gro { BUNCH } else { PACKET };
        Self { memory: vec![0; each * BATCH_SIZE], each }
    }
}

/// A datagram that has arrived.
pub(crate) struct Arrival<'a> {
    pub(crate) source: SocketAddr,
    pub(crate) bytes: &'a [u8],
    /// When the kernel got it; by the time that it is read here it may have waited.
    pub(crate) at: SystemTime,
}

/// One viewer's socket.
pub(crate) struct Socket {
    inner: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

impl Socket {
    /// A socket on any free port of `local`.
    pub(crate) fn bind(local: IpAddr, gro: bool) -> anyhow::Result<Self> {
        let inner = UdpSocket::bind((local, 0)).context("cannot bind a UDP port")?;
        let state = UdpSocketState::new(UdpSockRef::from(&inner))?;
        state.set_recv_buffer_size(UdpSockRef::from(&inner), RECEIVE_BUFFER)?;
        if !gro {
            // The library switches it on where the kernel has it.
            let _ = setsockopt(&inner, UdpGroSegment, &false);
        }
        let local = inner.local_addr()?;
        Ok(Self { inner, state, local })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends a packet; one that does not fit is lost, as on any network.
    pub(crate) fn send(&self, packet: &[u8], to: SocketAddr) {
        let _ = self.inner.send_to(packet, to);
    }

    /// Hands all packets that wait to `each`.
    pub(crate) fn receive(
        &self,
        buffers: &mut Buffers,
        mut each: impl FnMut(Arrival<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        loop {
            let mut meta = [RecvMeta::default(); BATCH_SIZE];
            let mut slices = buffers.memory.chunks_exact_mut(buffers.each).map(IoSliceMut::new);
            let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
                std::array::from_fn(|_| slices.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
            let n = match self.state.recv(UdpSockRef::from(&self.inner), &mut slices, &mut meta) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(e) => return Err(e.into()),
            };
            for (slice, meta) in slices.iter().zip(&meta[..n]) {
                let (source, at) = (meta.addr, arrived(meta.timestamp));
                slice[..meta.len]
                    .chunks(meta.stride.max(1))
                    .try_for_each(|bytes| each(Arrival { source, bytes, at }))?;
            }
            if n < BATCH_SIZE {
                return Ok(());
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

fn arrived(since_epoch: Option<Duration>) -> SystemTime {
    since_epoch.map_or_else(SystemTime::now, |t| SystemTime::UNIX_EPOCH + t)
}

/// Lets this process open as many sockets as the machine's administrator allows.
pub(crate) fn allow_many() -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot raise the limit of open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_queue_is_read_whole_and_in_order() {
        let home = IpAddr::from([127, 0, 0, 1]);
        let (a, b) = (Socket::bind(home, false).unwrap(), Socket::bind(home, false).unwrap());
        (0..100_u8).for_each(|n| a.send(&[n; 1200], b.local()));
        let mut seen = Vec::new();
        let mut take = |arrival: Arrival<'_>| {
            assert_eq!((arrival.source, arrival.bytes.len()), (a.local(), 1200));
            assert!(arrival.at.elapsed().unwrap() < Duration::from_secs(60));
            seen.push(arrival.bytes[0]);
            Ok(())
        };
        b.receive(&mut Buffers::new(false), &mut take).unwrap();
        assert_eq!(seen, (0..100).collect::<Vec<u8>>());
    }
}
