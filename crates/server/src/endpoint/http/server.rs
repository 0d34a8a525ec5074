//! Sockets and HTTP/1.1, hardened against peers that are slow, silent or many.

use super::{live_socket::LiveSocket, write_deadline::WriteDeadline};
use crate::connection::Connection;
use axum::{Router, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::SockRef;
use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// Connections at once; the next is turned away with 503.
const MAX_CONNECTIONS: usize = 2048;
/// Request line and headers together.
const MAX_HEAD: usize = 16 * 1024;
/// More than any browser or proxy sends.
const MAX_HEADERS: usize = 100;
/// A request's head must be complete this long after the connection came, or after the answer
/// before it.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A client that has not read a byte of what is ready for it for this long is gone.
const READ_WITHIN: Duration = Duration::from_secs(20);
/// After a failed accept (no file descriptors left, say) trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Unsent bytes the kernel may hold for one connection: live pictures that wait there can no longer
/// be skipped.
const UNSENT: u32 = 128 << 10;
/// What remains of a connection when the server stops.
const STOP_WITHIN: Duration = Duration::from_millis(1500);
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\ncontent-length: 0\r\n\r\n";

/// The bound HTTP port.
pub(crate) struct Http {
    listener: TcpListener,
    local_addr: SocketAddr,
}

impl Http {
    /// Binds the port.
    ///
    /// # Errors
    /// Those of the socket: the address is in use, not of this machine, or not allowed.
    pub(crate) async fn bind(addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        Ok(Self { local_addr: listener.local_addr()?, listener })
    }

    /// The address really bound.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves `router` until `stop`, then lets requests under way finish for a moment.
    pub(crate) async fn run(self, router: Router, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let connections = TaskTracker::new();
        while let Some(accepted) = stop.run_until_cancelled(self.listener.accept()).await {
            match accepted {
                Ok((socket, peer)) => match places.clone().try_acquire_owned() {
                    Ok(place) => drop(connections.spawn(serve(
                        socket,
                        peer,
                        router.clone(),
                        stop.clone(),
                        place,
                    ))),
                    Err(_) => turn_away(socket),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.close();
        let _ = tokio::time::timeout(STOP_WITHIN, connections.wait()).await;
    }
}

fn turn_away(socket: TcpStream) {
    tracing::warn!(limit = MAX_CONNECTIONS, "too many HTTP connections, one is turned away");
    // Fits the empty send buffer of a new connection; if not, the peer sees it closed all the same.
    let _ = socket.try_write(FULL);
}

async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    let _ = socket.set_nodelay(true);
    let _ = SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT);
    let connection = Connection::default();
    let live = LiveSocket::new(socket, connection.clone());
    // Handlers find the peer's address as axum's own server would give it.
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(connection.clone());
        request
    });
    let io = TokioIo::new(WriteDeadline::new(live, READ_WITHIN));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(io, TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "HTTP connection ended early");
    }
}
