//! UDP sockets that receive many packets by one call.

use anyhow::Context as _;
use nix::sys::socket::{setsockopt, sockopt::UdpGroSegment};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
};

/// Room for one bunch of packets.
const BUFFER: usize = 64 << 10;
/// A keyframe and a bit, so that a viewer that gets no processor for a moment loses nothing.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Receive buffers that all sockets share.
pub(super) struct Buffers {
    memory: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { memory: vec![0; BUFFER * BATCH_SIZE] }
    }
}

/// One viewer's socket.
pub(super) struct Socket {
    inner: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

impl Socket {
    /// A socket on any free port of `local`.
    pub(super) fn bind(local: IpAddr, gro: bool) -> anyhow::Result<Self> {
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

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends a packet; one that does not fit is lost, as on any network.
    pub(super) fn send(&self, packet: &[u8], to: SocketAddr) {
        let _ = self.inner.send_to(packet, to);
    }

    /// Hands all packets that wait to `each`, with their sender.
    pub(super) fn receive(
        &self,
        buffers: &mut Buffers,
        mut each: impl FnMut(SocketAddr, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        loop {
            let mut meta = [RecvMeta::default(); BATCH_SIZE];
            let mut slices = buffers.memory.chunks_exact_mut(BUFFER).map(IoSliceMut::new);
            let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
                std::array::from_fn(|_| slices.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
            let n = match self.state.recv(UdpSockRef::from(&self.inner), &mut slices, &mut meta) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(e) => return Err(e.into()),
            };
            for (slice, meta) in slices.iter().zip(&meta[..n]) {
                slice[..meta.len].chunks(meta.stride.max(1)).try_for_each(|packet| each(meta.addr, packet))?;
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
