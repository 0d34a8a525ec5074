//! A socket whose answers may turn out to be live.

use crate::connection::Connection;
use socket2::SockRef;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Unsent bytes that the kernel may hold of live pictures: about what a gigabit takes in a tenth of
/// a millisecond, and half of one frame of most cameras.
const UNSENT: u32 = 16 << 10;
/// Bytes under way to one viewer, and unsent ones. A link of 20 Mbit/s with a round trip of 100 ms
/// can still be filled; the queue of a router on the way cannot.
const IN_FLIGHT: usize = 256 << 10;

/// Passes everything on, and caps what the kernel queues once [`Connection::carry_live`] was
/// called.
pub(super) struct LiveSocket {
    socket: TcpStream,
    connection: Connection,
    capped: bool,
}

impl LiveSocket {
    pub(super) fn new(socket: TcpStream, connection: Connection) -> Self {
        Self { socket, connection, capped: false }
    }

    fn look(&mut self) {
        if !self.capped && self.connection.is_live() {
            self.capped = true;
            // Where the kernel will not, only skipping is less exact.
            let socket = SockRef::from(&self.socket);
            let _ = socket.set_tcp_notsent_lowat(UNSENT);
            let _ = socket.set_send_buffer_size(IN_FLIGHT);
        }
    }
}

impl AsyncRead for LiveSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for LiveSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.look();
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.look();
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    #[tokio::test]
    async fn the_kernel_is_capped_from_the_first_live_write_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let connection = Connection::default();
        let mut socket = LiveSocket::new(listener.accept().await.unwrap().0, connection.clone());
        socket.write_all(b"a").await.unwrap();
        let unsent =
            |socket: &LiveSocket| SockRef::from(&socket.socket).tcp_notsent_lowat().unwrap();
        assert_ne!(unsent(&socket), UNSENT);
        connection.carry_live();
        socket.write_all(b"b").await.unwrap();
        assert_eq!(unsent(&socket), UNSENT);
        let mut got = [0; 2];
        peer.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"ab");
    }
}
