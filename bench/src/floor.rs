//! The machine's own floor: for each viewer and frame, encrypt the packets and send them by one
//! call. Nothing else.
//!
//! The receivers are those of the load client: ordinary sockets, read by `recvmmsg` on another
//! thread, every packet counted. All frames are equally large; a real stream's keyframes are larger
//! and the others smaller, at the same number of bytes.

use crate::{
    process::own_cpu_seconds,
    socket::{self, Buffers, Socket},
};
use anyhow::Context as _;
use nix::sys::resource::UsageWho;
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use serde::Serialize;
use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};
use str0m::crypto::{AeadAes256GcmCipher, from_feature_flags};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const HEADER: usize = 12;
const TAG: usize = 16;
/// RTP payload of a full packet, as neverblink cuts frames.
const PAYLOAD: usize = 1188;
/// Before measuring: caches are warm, the first packets have arrived.
const WARM_UP: Duration = Duration::from_secs(1);
/// How often the receivers look, as in the load client.
const POLL: Duration = Duration::from_millis(1);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Sockets that receive
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    viewers: u16,
    /// Bits a second for each, RTP payload
    #[arg(long, default_value_t = 2_500_000)]
    bitrate: u32,
    /// Frames a second
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=240))]
    fps: u16,
    /// Seconds to measure
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Let the kernel hand over packets in bunches. Browsers do not
    #[arg(long)]
    gro: bool,
    /// Print JSON only
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    viewers: u16,
    seconds: f64,
    gbit: f64,
    /// Of the sending thread, which is charged for what the kernel does for the receivers on its
    /// way.
    cpu_seconds: f64,
    cpu_seconds_per_gbit: f64,
    packets_a_frame: usize,
    sent_packets: u64,
    received_packets: u64,
    late_frames: u64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let report = measure(arguments)?;
    if !arguments.json {
        let Report { viewers, cpu_seconds_per_gbit, gbit, sent_packets, received_packets, .. } =
            &report;
        let (viewers, received) = (
            format!("{viewers} viewers"),
            *received_packets as f64 * 100.0 / (*sent_packets as f64).max(1.0),
        );
        eprintln!(
            "floor, {viewers}: {cpu_seconds_per_gbit:.3} CPU-seconds a Gbit ({gbit:.2} Gbit, {received:.3} % of the packets)"
        );
    }
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &report)?;
    writeln!(out)?;
    Ok(())
}

/// The sender's work while it was measured.
#[derive(Default)]
struct Sent {
    packets: u64,
    seconds: f64,
    cpu_seconds: f64,
    late_frames: u64,
}

fn measure(arguments: &Arguments) -> anyhow::Result<Report> {
    socket::allow_many()?;
    let receivers: Vec<Socket> = (0..arguments.viewers)
        .map(|_| Socket::bind(HOME, arguments.gro))
        .collect::<Result<_, _>>()?;
    let addresses: Vec<SocketAddr> = receivers.iter().map(Socket::local).collect();
    let stop = AtomicBool::new(false);
    let (sent, received) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let sent = send(arguments, &addresses);
            std::thread::sleep(Duration::from_millis(100));
            stop.store(true, Relaxed);
            sent
        });
        let received = receive(&receivers, arguments.gro, &stop);
        (sender.join(), received)
    });
    let sent = sent.map_err(|_| anyhow::anyhow!("the sender has panicked"))??;
    let (packets, bytes) = received?;
    let gbit = bytes as f64 * 8.0 / 1e9;
    Ok(Report {
        viewers: arguments.viewers,
        seconds: sent.seconds,
        gbit,
        cpu_seconds: sent.cpu_seconds,
        cpu_seconds_per_gbit: sent.cpu_seconds / gbit.max(1e-9),
        packets_a_frame: frame(arguments).len(),
        sent_packets: sent.packets,
        received_packets: packets,
        late_frames: sent.late_frames,
    })
}

/// Lengths of the payloads of a frame: equal, the last perhaps shorter.
fn frame(arguments: &Arguments) -> Vec<usize> {
    let bytes = (arguments.bitrate / 8 / u32::from(arguments.fps)) as usize;
    let count = bytes.div_ceil(PAYLOAD).max(1);
    let each = bytes.div_ceil(count).max(1);
    (0..count).map(|n| each.min(bytes.saturating_sub(n * each).max(1))).collect()
}

fn send(arguments: &Arguments, addresses: &[SocketAddr]) -> anyhow::Result<Sent> {
    let socket = UdpSocket::bind((HOME, 0))?;
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    let crypto = from_feature_flags().srtp_provider;
    let key = |n: usize| std::array::from_fn(|i| (n >> (i % 8)) as u8);
    let mut viewers: Vec<Viewer> = (0..addresses.len())
        .map(|n| Viewer {
            cipher: crypto.aead_aes_256_gcm().create_cipher(key(n), true),
            address: addresses[n],
            sequence: 0,
        })
        .collect();
    let lengths = frame(arguments);
    let plain = vec![0x55; PAYLOAD];
    let mut buffer = Vec::new();
    let interval = Duration::from_secs(1) / u32::from(arguments.fps);
    let (begin, mut sent, mut from) = (Instant::now() + WARM_UP, Sent::default(), None);
    let end = begin + Duration::from_secs(arguments.seconds);
    let mut due = Instant::now();
    while due < end {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let measuring = due >= begin;
        if measuring && from.is_none() {
            from = Some((Instant::now(), own_cpu_seconds(UsageWho::RUSAGE_THREAD)?));
        }
        for viewer in &mut viewers {
            viewer.encrypt(&lengths, &plain, measuring, &mut buffer)?;
            let segment = HEADER + lengths[0] + TAG;
            let run = Transmit {
                destination: viewer.address,
                ecn: None,
                contents: &buffer,
                segment_size: Some(segment),
                src_ip: None,
            };
            state.try_send(UdpSockRef::from(&socket), &run).context("cannot send a frame")?;
            sent.packets += if measuring { lengths.len() as u64 } else { 0 };
        }
        due += interval;
        sent.late_frames += u64::from(Instant::now() > due);
    }
    let (start, cpu) = from.context("nothing was measured")?;
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    Ok(Sent {
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: own_cpu_seconds(UsageWho::RUSAGE_THREAD)? - cpu,
        ..sent
    })
}

struct Viewer {
    cipher: Box<dyn AeadAes256GcmCipher>,
    address: SocketAddr,
    sequence: u32,
}

impl Viewer {
    /// Fills `out` with the packets of a frame as they go out. The marker bit stands for being
    /// measured.
    fn encrypt(
        &mut self,
        lengths: &[usize],
        plain: &[u8],
        measured: bool,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        out.clear();
        for len in lengths {
            self.sequence = self.sequence.wrapping_add(1);
            let start = out.len();
            out.resize(start + HEADER + len + TAG, 0);
            let (header, body) = out[start..].split_at_mut(HEADER);
            header[..2].copy_from_slice(&[0x80, u8::from(measured) << 7]);
            header[2..4].copy_from_slice(&(self.sequence as u16).to_be_bytes());
            let mut nonce = [0; 12];
            nonce[8..].copy_from_slice(&self.sequence.to_be_bytes());
            self.cipher.encrypt(&nonce, header, &plain[..*len], body)?;
        }
        Ok(())
    }
}

/// Packets that arrived while it was measured, and their bytes.
fn receive(receivers: &[Socket], gro: bool, stop: &AtomicBool) -> anyhow::Result<(u64, u64)> {
    use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for (n, socket) in receivers.iter().enumerate() {
        epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, n as u64))?;
    }
    let (mut buffers, mut events) = (Buffers::new(gro), [EpollEvent::empty(); 64]);
    let (mut packets, mut bytes) = (0, 0);
    while !stop.load(Relaxed) {
        std::thread::sleep(POLL);
        loop {
            let n = epoll.wait(&mut events, EpollTimeout::ZERO)?;
            for event in &events[..n] {
                receivers[event.data() as usize].receive(&mut buffers, |arrival| {
                    let measured = u64::from(arrival.bytes.get(1).is_some_and(|b| b & 0x80 != 0));
                    packets += measured;
                    bytes += measured * arrival.bytes.len() as u64;
                    Ok(())
                })?;
            }
            if n < events.len() {
                break;
            }
        }
    }
    Ok((packets, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(bitrate: u32) -> Arguments {
        Arguments { viewers: 3, bitrate, fps: 30, seconds: 1, gro: false, json: true }
    }

    #[test]
    fn frames_are_cut_evenly() {
        let lengths = frame(&arguments(2_500_000));
        assert_eq!((lengths.len(), lengths.iter().sum::<usize>()), (9, 2_500_000 / 8 / 30));
        assert!(lengths[..8].iter().all(|len| *len == lengths[0]) && lengths[8] <= lengths[0]);
        assert_eq!(frame(&arguments(8)), [1]);
    }

    #[test]
    fn what_is_sent_arrives_and_costs_something() {
        let report = measure(&arguments(2_500_000)).unwrap();
        assert_eq!((report.packets_a_frame, report.received_packets), (9, report.sent_packets));
        assert!(report.sent_packets >= 3 * 9 * 29 && report.cpu_seconds > 0.0);
    }
}
