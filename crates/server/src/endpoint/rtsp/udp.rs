//! UDP sockets of a session: a pair of neighbouring ports for each track.

use bytes::Bytes;
use media::RtpFragment;
use proto::rtp::HEADER_LEN;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr, UdpSocket as StdSocket},
    task::{Context, Poll},
};
use tokio::{io::ReadBuf, net::UdpSocket};

/// How often a pair is looked for before giving up: each try succeeds unless a neighbour is taken.
const TRIES: usize = 32;
/// Wished for; the kernel gives what its limit allows. A keyframe arrives as one burst.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Wished for; a keyframe leaves as one burst.
const SEND_BUFFER: usize = 1 << 20;
/// Longest datagram taken; packets from real senders are below 1500 bytes, on loopback ffmpeg goes
/// up to 1472.
const MAX_DATAGRAM: usize = 9216;

/// A packet from the peer.
pub(super) struct Datagram {
    pub(super) track: usize,
    pub(super) rtcp: bool,
    pub(super) payload: Bytes,
}

/// The sockets of one session's tracks.
pub(super) struct UdpTracks {
    tracks: Vec<UdpTrack>,
    peer: IpAddr,
    /// Where the next look begins, so that a busy socket does not hide the others.
    turn: usize,
    buffer: Vec<u8>,
    /// The packet being sent.
    packet: Vec<u8>,
}

struct UdpTrack {
    track: usize,
    /// RTP, RTCP.
    sockets: [UdpSocket; 2],
    /// Where the peer wants them.
    targets: [SocketAddr; 2],
}

impl UdpTracks {
    /// No tracks yet. Only packets from `peer` are taken.
    pub(super) fn new(peer: IpAddr) -> Self {
        Self { tracks: Vec::new(), peer, turn: 0, buffer: Vec::new(), packet: Vec::new() }
    }

    /// Opens the ports of a track on `local`, and gives them: RTP, RTCP.
    ///
    /// # Errors
    /// If no pair of neighbouring ports is free.
    pub(super) fn open(
        &mut self,
        local: IpAddr,
        track: usize,
        ports: (u16, u16),
    ) -> io::Result<(u16, u16)> {
        let (rtp, rtcp) = bind_pair(local)?;
        let given = (rtp.local_addr()?.port(), rtcp.local_addr()?.port());
        let sockets = [UdpSocket::from_std(rtp)?, UdpSocket::from_std(rtcp)?];
        let targets = [SocketAddr::new(self.peer, ports.0), SocketAddr::new(self.peer, ports.1)];
        self.tracks.push(UdpTrack { track, sockets, targets });
        self.buffer.resize(MAX_DATAGRAM, 0);
        Ok(given)
    }

    /// The next packet from the peer. Cancel safe; never ends if there are no tracks.
    pub(super) async fn receive(&mut self) -> Datagram {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Datagram> {
        let sockets = self.tracks.len() * 2;
        for _ in 0..sockets {
            let at = self.turn % sockets;
            let (slot, rtcp) = (at / 2, at % 2 == 1);
            if let Poll::Ready(payload) = self.poll_socket(cx, slot, usize::from(rtcp)) {
                return Poll::Ready(Datagram { track: self.tracks[slot].track, rtcp, payload });
            }
            self.turn = at + 1;
        }
        Poll::Pending
    }

    /// Errors on a UDP socket are echoes of packets sent before (ICMP), so they pass.
    fn poll_socket(&mut self, cx: &mut Context<'_>, slot: usize, kind: usize) -> Poll<Bytes> {
        loop {
            let mut buffer = ReadBuf::new(&mut self.buffer);
            let from =
                std::task::ready!(self.tracks[slot].sockets[kind].poll_recv_from(cx, &mut buffer));
            if from.is_ok_and(|from| from.ip() == self.peer) {
                return Poll::Ready(Bytes::copy_from_slice(buffer.filled()));
            }
        }
    }

    /// Sends the RTP packets of a frame, waiting while the socket's buffer is full.
    pub(super) async fn send_all<'u>(
        &mut self,
        track: usize,
        packets: impl Iterator<Item = ([u8; HEADER_LEN], &'u RtpFragment)>,
    ) {
        let Some(to) = self.tracks.iter().find(|t| t.track == track) else { return };
        for (header, fragment) in packets {
            self.packet.clear();
            self.packet.extend_from_slice(&header);
            self.packet.extend_from_slice(&fragment.head);
            self.packet.extend_from_slice(&fragment.body);
            // What cannot be sent is lost like a packet on its way. A peer that is gone ends the
            // session by its silence.
            let _ = to.sockets[0].send_to(&self.packet, to.targets[0]).await;
        }
    }

    /// Sends an RTCP packet.
    pub(super) async fn send_rtcp(&self, track: usize, packet: &[u8]) {
        if let Some(to) = self.tracks.iter().find(|t| t.track == track) {
            let _ = to.sockets[1].send_to(packet, to.targets[1]).await;
        }
    }
}

/// An even port and the odd one above it (RFC 3550 §11), both the kernel's choice.
fn bind_pair(local: IpAddr) -> io::Result<(StdSocket, StdSocket)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    // Odd ones are kept until a pair is found, else the kernel may offer the same port again.
    let mut odd = Vec::new();
    for _ in 0..TRIES {
        let first = bind(local, 0)?;
        let port = first.local_addr()?.port();
        if port % 2 == 1 {
            odd.push(first);
            continue;
        }
        match bind(local, port + 1) {
            Ok(second) => return Ok((first, second)),
            Err(e) => last = e,
        }
    }
    Err(last)
}

fn bind(local: IpAddr, port: u16) -> io::Result<StdSocket> {
    let addr = SocketAddr::new(local, port);
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    // The kernel caps both without an error; a smaller buffer only means more loss under bursts.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn pairs_are_neighbours_and_only_the_peer_is_heard() {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut udp = UdpTracks::new(local);
        let client = UdpSocket::bind((local, 0)).await.unwrap();
        let to = client.local_addr().unwrap().port();
        let ports: Vec<_> = (0..4).map(|track| udp.open(local, track, (to, to)).unwrap()).collect();
        assert!(ports.iter().all(|(rtp, rtcp)| rtp % 2 == 0 && *rtcp == rtp + 1), "{ports:?}");

        let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
        stranger.send_to(b"noise", (local, ports[2].1)).await.unwrap();
        client.send_to(b"hello", (local, ports[2].1)).await.unwrap();
        let got = udp.receive().await;
        assert_eq!((got.track, got.rtcp, &got.payload[..]), (2, true, &b"hello"[..]));

        let fragment =
            RtpFragment { head: [b't'].into_iter().collect(), body: Bytes::from_static(b"here") };
        udp.send_all(3, [([0x80; HEADER_LEN], &fragment)].into_iter()).await;
        let mut buffer = [0; 32];
        let (n, from) = client.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[HEADER_LEN..n], from.port()), (&b"there"[..], ports[3].0));
    }
}
