//! Gathers the packets of one viewer into runs that the kernel can cut apart again (UDP GSO):
//! equally long ones to one destination, of which the last may be shorter.

use crate::webrtc::{Path, Transport};
use std::net::{IpAddr, SocketAddr};

/// The kernel takes at most this many segments a call (`UDP_MAX_SEGMENTS`).
pub const MAX_SEGMENTS: usize = 64;
/// And at most this many bytes: what an IP packet can hold, less its headers.
const MAX_BYTES: usize = 65_535 - 48;

/// Where a packet goes, and from which of our addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// UDP or TCP.
    pub transport: Transport,
    /// Where it goes.
    pub destination: SocketAddr,
    /// Which of our addresses it leaves from.
    pub source: IpAddr,
}

impl Route {
    /// Along a path that ICE found.
    #[inline]
    pub fn of(path: Path) -> Self {
        Self { transport: path.transport, destination: path.remote, source: path.local.ip() }
    }
}

/// Equally long packets for one route, the last perhaps shorter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run<'a> {
    /// Where all of them go.
    pub route: Route,
    /// The packets, one behind the other.
    pub bytes: &'a [u8],
    /// Length of all packets but the last.
    pub segment: usize,
}

impl<'a> Run<'a> {
    /// The packets one by one.
    #[inline]
    pub fn packets(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks(self.segment.max(1))
    }
}

/// One run in the making; its buffer is used again and again, and packets are written right into
/// it.
#[derive(Default)]
pub struct Batch {
    /// The run, and behind it a packet that belongs to the next one.
    bytes: Vec<u8>,
    /// Where the run ends.
    end: usize,
    route: Option<Route>,
    segment: usize,
    count: usize,
    /// A shorter packet was added, so nothing can follow.
    closed: bool,
    /// Where the packet behind the run goes.
    left_over: Option<Route>,
}

impl Batch {
    /// Lets `write` append one packet (or nothing); false if it does not belong to the run, which
    /// must then be taken: it waits behind it, and [`Batch::clear`] begins the next run with it.
    pub fn write(&mut self, route: Route, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        write(&mut self.bytes);
        let len = self.bytes.len() - self.end;
        if len > 0 && !self.fits(route, len) {
            self.left_over = Some(route);
            return false;
        }
        self.append(route, len);
        true
    }

    #[inline]
    fn append(&mut self, route: Route, len: usize) {
        if len == 0 {
            return;
        }
        if self.count == 0 {
            self.route = Some(route);
            self.segment = len;
        }
        self.closed = len < self.segment;
        self.count += 1;
        self.end += len;
    }

    #[inline]
    fn fits(&self, route: Route, len: usize) -> bool {
        self.count == 0
            || (!self.closed
                && self.route == Some(route)
                && len <= self.segment
                && self.count < MAX_SEGMENTS
                && self.end + len <= MAX_BYTES)
    }

    /// The run so far, `None` if there is nothing.
    #[inline]
    pub fn run(&self) -> Option<Run<'_>> {
        let route = self.route.filter(|_| self.count > 0)?;
        Some(Run { route, bytes: &self.bytes[..self.end], segment: self.segment })
    }

    /// Forgets the run, and begins the next one if a packet waits for it.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.drain(..self.end);
        self.end = 0;
        self.count = 0;
        self.closed = false;
        self.route = None;
        if let Some(route) = self.left_over.take() {
            self.append(route, self.bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn route(port: u16) -> Route {
        Route {
            transport: Transport::Udp,
            destination: ([127, 0, 0, 1], port).into(),
            source: [127, 0, 0, 1].into(),
        }
    }

    /// Lengths of the packets of each run.
    fn runs(packets: &[(u16, usize)]) -> Vec<Vec<usize>> {
        let mut batch = Batch::default();
        let mut out = Vec::new();
        let take = |batch: &mut Batch, out: &mut Vec<Vec<usize>>| {
            out.extend(batch.run().map(|r| r.packets().map(<[u8]>::len).collect()));
            batch.clear();
        };
        for (port, len) in packets {
            let packet = vec![7; *len];
            if !batch.write(route(*port), |out| out.extend_from_slice(&packet)) {
                take(&mut batch, &mut out);
            }
        }
        take(&mut batch, &mut out);
        out
    }

    #[test]
    fn a_frame_of_one_slice_is_one_run() {
        let frame: Vec<_> = (0..12).map(|i| (1, if i == 11 { 300 } else { 1200 })).collect();
        assert_eq!(runs(&frame).len(), 1);
    }

    #[test]
    fn a_run_ends_at_a_short_packet_a_longer_one_and_another_route() {
        assert_eq!(
            runs(&[(1, 40), (1, 1200), (1, 1200), (1, 5), (1, 5)]),
            [vec![40], vec![1200, 1200, 5], vec![5]]
        );
        assert_eq!(runs(&[(1, 10), (2, 10)]), [vec![10], vec![10]]);
    }

    #[test]
    fn the_kernel_limits_hold() {
        assert_eq!(runs(&[(1, 100); 65]).iter().map(Vec::len).collect::<Vec<_>>(), [64, 1]);
        assert!(runs(&[(1, 1400); 64]).iter().all(|r| r.iter().sum::<usize>() <= MAX_BYTES));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_reordered(packets in prop::collection::vec((1u16..3, 1usize..1400), 0..200)) {
            let flat: Vec<usize> = runs(&packets).concat();
            prop_assert_eq!(flat, packets.iter().map(|p| p.1).collect::<Vec<_>>());
        }
    }
}
