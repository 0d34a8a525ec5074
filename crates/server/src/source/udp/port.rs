//! The port on which a camera is waited for.

use super::Target;
use crate::supervise::{Exit, Fault};
use nix::{
    net::if_::if_nametoindex,
    sys::socket::{setsockopt, sockopt},
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};
use tokio::net::UdpSocket;

/// Room for what comes while this task waits for a processor: a quarter of a second of 100 Mbit/s.
const BUFFER: usize = 4 << 20;

/// Opens it. Must be called on the runtime that will use it.
pub(super) fn open(target: &Target) -> Result<UdpSocket, Exit> {
    let socket = bound(target).map_err(|error| not_bound(target.address, &error))?;
    UdpSocket::from_std(socket.into()).map_err(|error| not_bound(target.address, &error))
}

fn bound(target: &Target) -> io::Result<Socket> {
    let address = target.address;
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // With the right to exceed the limit for ordinary users, we do.
    if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
        let _ = setsockopt(&socket, sockopt::RcvBuf, &BUFFER);
    }
    if address.ip().is_multicast() {
        // Other programs may watch the same group.
        socket.set_reuse_address(true)?;
    }
    // To the group itself: whatever else comes to this port of ours is not meant.
    socket.bind(&address.into())?;
    join(&socket, target)?;
    Ok(socket)
}

fn join(socket: &Socket, target: &Target) -> io::Result<()> {
    let index = target.interface.as_deref().map(if_nametoindex).transpose()?;
    match target.address.ip() {
        IpAddr::V4(group) if group.is_multicast() => {
            let any = InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED);
            socket.join_multicast_v4_n(&group, &index.map_or(any, InterfaceIndexOrAddress::Index))
        }
        IpAddr::V6(group) if group.is_multicast() => {
            socket.join_multicast_v6(&group, index.unwrap_or(0))
        }
        _ => Ok(()),
    }
}

fn not_bound(address: SocketAddr, error: &io::Error) -> Exit {
    let words = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "UDP port {} is taken, by another camera or program: give each its own",
                address.port()
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "{} is no address of this machine: write 0.0.0.0 to listen at all of them",
                address.ip()
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "UDP port {} is reserved for the administrator: choose one above 1023",
                address.port()
            )
        }
        _ => format!("cannot listen at {address}: {error}"),
    };
    Exit::new(Fault::Unreachable, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_and_a_foreign_address_are_told_in_words() {
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let told = |address| open(&Target { address, interface: None }).unwrap_err().words;
        assert!(told(taken.local_addr().unwrap()).contains("is taken"));
        assert!(told("192.0.2.1:9".parse().unwrap()).contains("no address of this machine"));
    }
}
