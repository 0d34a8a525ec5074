//! The RTSP port: publishers (ANNOUNCE, RECORD) and players (DESCRIBE, PLAY), over TCP and UDP.
//!
//! The conversation is [`proto::rtsp::Server`]'s; here are the sockets, and the way from and to the
//! cameras' streams. Each connection is one task. Credentials, when they come, are checked where a
//! question is answered: `requests`.

mod connection;
mod outbox;
mod play;
mod record;
mod refusal;
mod requests;
mod udp;

use crate::{cameras::Cameras, clock::Clock, viewers::ViewerRegistry};
use connection::Connection;
use proto::rtsp::{Refusal, StatusCode};
use socket2::{SockRef, TcpKeepalive};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Connections served at a time; further ones are turned away with a word.
const MAX_CONNECTIONS: usize = 1024;
/// Unsent bytes the kernel may hold for one connection: what waits there can no longer be skipped.
const UNSENT: u32 = 128 << 10;
/// A peer that acknowledges nothing for this long is gone. Longer than a session lives without a
/// sign of life.
const DEAD_AFTER: Duration = Duration::from_secs(75);
/// Pause after a failed accept: most often file descriptors have run out, and trying again at once
/// would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection needs of the house.
#[derive(Clone)]
pub(crate) struct Access {
    /// Where the streams are found.
    pub(crate) cameras: Cameras,
    /// The time.
    pub(crate) clock: Clock,
    /// Where players have their handles.
    pub(crate) viewers: ViewerRegistry,
}

/// The RTSP port, bound.
pub(crate) struct Rtsp {
    listener: TcpListener,
    addr: SocketAddr,
}

impl Rtsp {
    /// Opens the port.
    ///
    /// # Errors
    /// As the operating system says.
    pub(crate) async fn bind(addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        Ok(Self { listener, addr })
    }

    /// The address really bound.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until `stop`; ends when every connection has ended.
    pub(crate) async fn run(self, access: Access, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = connections.join_next() => note_panic(ended),
                accepted = self.listener.accept() => match (accepted, places.clone().try_acquire_owned()) {
                    (Ok((stream, peer)), Ok(place)) => {
                        let (access, stop) = (access.clone(), stop.clone());
                        connections.spawn(async move {
                            serve(stream, peer, access, stop).await;
                            drop(place);
                        });
                    }
                    (Ok((stream, peer)), Err(_)) => turn_away(&stream, peer),
                    (Err(error), _) => {
                        tracing::warn!(%error, "cannot accept an RTSP connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        while let Some(ended) = connections.join_next().await {
            note_panic(ended);
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, access: Access, stop: CancellationToken) {
    match tune(&stream).and_then(|()| stream.local_addr()) {
        Ok(local) => Connection::new(stream, peer, local.ip(), access).run(stop).await,
        // Hung up before it was served.
        Err(error) => tracing::debug!(%peer, %error, "RTSP connection lost at once"),
    }
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(30)))?;
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.set_tcp_user_timeout(Some(DEAD_AFTER))
}

/// Says why and hangs up, without reading anything.
fn turn_away(stream: &TcpStream, peer: SocketAddr) {
    tracing::warn!(%peer, limit = MAX_CONNECTIONS, "too many RTSP connections, one was turned away");
    let refusal =
        Refusal::new(StatusCode::ServiceUnavailable, "too many connections, try again later");
    let _ = stream.try_write(&refusal.to_bytes());
}

/// A panic costs one connection, not the server.
fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "an RTSP connection failed by a fault of this program");
    }
}

#[cfg(test)]
mod tests;
