//! WebRTC: browsers watch cameras with the least delay the network allows (WHEP), and are cameras
//! themselves (WHIP).
//!
//! HTTP ([`routes`], [`service`]) answers offers; media threads ([`shard`]), one for each
//! processor, share one UDP port (and, for networks that block UDP, a [`tcp`] port of the same
//! number). Each has [`viewer`]s of its own, wakes once for each published frame and sends each
//! viewer its packets in as few calls as the kernel allows ([`socket`]). What comes in
//! is read by the first one for all; whose it is tells the [`directory`]. A viewer reads the hub by
//! a cursor of its own, so a slow one loses only its own frames. What is pure is in
//! [`proto::webrtc`]: ICE and DTLS, negotiation, policies (how fast, how much is repaired, how long
//! browsers hold back) and the packets themselves.
//!
//! A [`publisher`] is the same the other way round:
//! [`proto::webrtc::receive_negotiation`] says what it may send, [`proto::rtp::ingest`] makes
//! frames of its packets and tells it what is missing, and [`crate::publication`] gives them to the
//! hub.

mod addresses;
mod directory;
mod feed;
mod outlet;
mod publisher;
mod routes;
mod service;
mod shard;
mod socket;
pub(crate) mod stats;
mod tcp;
mod viewer;

use crate::{cameras::Cameras, clock::Clock, viewers::ViewerRegistry};
use axum::Router;
use directory::Directory;
use outlet::Outlet;
use service::Service;
use shard::{Command, Inlets, Mail, Shard, Shared};
use socket::{Port, Receiver, Sender};
use stats::Stats;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tcp::Tcp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Commands that may wait for a media thread; one that is this far behind is not helped by more.
const COMMANDS: usize = 256;
/// What may wait to be handed from the first media thread to another: some frames' worth of reports
/// from a thousand viewers.
const MAIL: usize = 1024;
/// Media threads at most. Each sends hundreds of viewers their frames; beyond this the network is
/// in the way.
const MAX_SHARDS: usize = 8;

/// Port numbers tried until one is free for both UDP and TCP.
const PAIRS: usize = 16;

/// How WebRTC is served.
#[derive(Clone, Default, Debug)]
pub(crate) struct Options {
    /// Browsers may come by TCP as well.
    pub(crate) tcp: bool,
    /// Addresses to offer beside this machine's own.
    pub(crate) hosts: Vec<IpAddr>,
}

/// The WebRTC port and its media threads.
pub(crate) struct Webrtc {
    clock: Clock,
    cameras: Cameras,
    local: SocketAddr,
    sockets: Sockets,
    service: Arc<Service>,
    directory: Arc<Directory>,
    /// To each media thread.
    commands: Vec<mpsc::Receiver<Command>>,
}

impl Webrtc {
    /// Binds the UDP port, and the TCP port of the same number if wanted. Port 0 takes any that is
    /// free.
    ///
    /// # Errors
    /// If the port is taken or not allowed, or the machine has no random numbers for a certificate.
    pub(crate) async fn bind(
        addr: SocketAddr,
        cameras: Cameras,
        viewers: ViewerRegistry,
        clock: Clock,
        options: Options,
    ) -> io::Result<Self> {
        let sockets = Sockets::bind(addr, options.tcp)?;
        let local = sockets.udp.local_addr()?;
        let shards = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_SHARDS);
        let directory = Arc::new(Directory::new(shards));
        let (senders, commands) = (0..shards).map(|_| mpsc::channel(COMMANDS)).unzip();
        let service =
            Arc::new(Service::new(clock, local, options, viewers, (directory.clone(), senders))?);
        Ok(Self { clock, cameras, local, sockets, service, directory, commands })
    }

    /// The address really bound.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The routes of WHEP and WHIP.
    pub(crate) fn router(&self) -> Router {
        routes::router(self.service.clone(), self.cameras.clone())
    }

    /// What is counted.
    pub(crate) fn stats(&self) -> Arc<Stats> {
        self.service.stats.clone()
    }

    /// Serves viewers until cancelled, then says goodbye to them.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self { clock, sockets, service, directory, commands, .. } = self;
        let port = match Port::new(sockets.udp) {
            Ok(port) => port,
            Err(e) => return tracing::error!(error = %e, "the WebRTC socket cannot be used"),
        };
        let (gone, mut left) = mpsc::unbounded_channel();
        let (mailboxes, mail): (Vec<_>, Vec<_>) =
            (0..directory.shards()).map(|_| mpsc::channel(MAIL)).unzip();
        let shared = Shared { directory, mailboxes, stats: service.stats.clone(), gone };
        let mut listener = sockets.tcp;
        for (index, (commands, mail)) in commands.into_iter().zip(mail).enumerate() {
            let media = Media {
                clock,
                index,
                port: port.clone(),
                listener: listener.take(),
                shared: shared.clone(),
            };
            let stop = stop.clone();
            let work = move || media.run(commands, mail, stop);
            if let Err(e) =
                std::thread::Builder::new().name(format!("webrtc-media-{index}")).spawn(work)
            {
                tracing::error!(error = %e, "a WebRTC media thread cannot be started");
            }
        }
        drop(shared);
        // Ends when the threads do.
        while let Some(id) = left.recv().await {
            service.forget(id);
        }
    }
}

/// What a media thread begins with.
struct Media {
    clock: Clock,
    index: usize,
    port: Arc<Port>,
    /// Of the first one only.
    listener: Option<std::net::TcpListener>,
    shared: Shared,
}

impl Media {
    /// Runs a shard on a runtime of its own, so that no other work delays a frame.
    fn run(
        self,
        commands: mpsc::Receiver<Command>,
        mail: mpsc::Receiver<Mail>,
        stop: CancellationToken,
    ) {
        let Self { clock, index, port, listener, shared } = self;
        let run = || -> io::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let receiver = (index == 0).then(|| Receiver::new(port.clone())).transpose()?;
                let out = Outlet::new(clock, Sender::new(port), Tcp::new(clock, listener)?);
                Shard::new(clock, index, shared, out)
                    .run(Inlets { receiver, mail, commands }, stop)
                    .await;
                Ok(())
            })
        };
        if let Err(e) = run() {
            tracing::error!(error = %e, "a WebRTC media thread has failed");
        }
    }
}

/// Bound to ports of the same number.
struct Sockets {
    udp: std::net::UdpSocket,
    tcp: Option<std::net::TcpListener>,
}

impl Sockets {
    fn bind(addr: SocketAddr, with_tcp: bool) -> io::Result<Self> {
        let mut tries = if addr.port() == 0 { PAIRS } else { 1 };
        loop {
            let udp = std::net::UdpSocket::bind(addr)?;
            let local = udp.local_addr()?;
            match with_tcp.then(|| std::net::TcpListener::bind(local)).transpose() {
                Ok(tcp) => return Ok(Self { udp, tcp }),
                Err(e) if e.kind() == io::ErrorKind::AddrInUse && tries > 1 => tries -= 1,
                Err(e) => {
                    let hint = "for browsers whose network blocks UDP; choose another port, or set webrtc.tcp to false";
                    return Err(io::Error::new(
                        e.kind(),
                        format!("TCP port {}, {hint}: {e}", local.port()),
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ports_have_one_number_and_a_taken_one_is_told() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let pair = Sockets::bind(any, true).unwrap();
        let local = pair.udp.local_addr().unwrap();
        assert_eq!(pair.tcp.as_ref().unwrap().local_addr().unwrap(), local);
        drop(pair.udp);
        let error = Sockets::bind(local, true).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("webrtc.tcp"), "{error}");
        assert!(Sockets::bind(local, false).unwrap().tcp.is_none());
    }
}
