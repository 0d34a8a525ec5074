//! A viewer that does all that a browser does short of decoding: str0m as the client, every packet
//! decrypted, losses asked for again, every access unit put together and looked at.

use super::{
    continuity::{Continuity, Packet, WINDOW},
    h264::{Checked, Checker, Payload},
    viewer::Viewer,
    watch::Watch,
};
use crate::socket::{Buffers, Socket};
use anyhow::{Context as _, bail};
use std::{
    net::IpAddr,
    time::{Instant, SystemTime},
};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    media::{Direction, MediaKind},
    net::{Protocol, Receive},
    rtp::{Extension, ExtensionMap, RtpPacket},
};

/// Of an RTP packet before its payload, and of its authentication after it, about.
const OVERHEAD: usize = 40;

/// A viewer.
pub(super) struct Sampled {
    rtc: Rtc,
    socket: Socket,
    offer: String,
    pending: Option<SdpPendingOffer>,
    deadline: Instant,
    watch: Watch,
    checker: Checker,
}

impl Sampled {
    pub(super) fn new(local: IpAddr, fps: u16, gro: bool) -> anyhow::Result<Self> {
        let watch = Watch::new(Continuity::new(WINDOW, fps));
        let socket = Socket::bind(local, gro)?;
        let mut rtc = config().build(watch.begun());
        rtc.add_local_candidate(Candidate::host(socket.local(), "udp")?);
        let mut changes = rtc.sdp_api();
        changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let (offer, pending) = changes.apply().context("no offer")?;
        let (offer, pending, deadline) = (offer.to_sdp_string(), Some(pending), watch.begun());
        Ok(Self { rtc, socket, offer, pending, deadline, watch, checker: Checker::default() })
    }

    /// Takes what came out of the engine for packets that arrived at `at`.
    fn take(&mut self, out: Collected, now: Instant, at: SystemTime) {
        self.deadline = out.deadline.unwrap_or(self.deadline);
        if out.connected {
            self.watch.connect(now);
        }
        out.packets.into_iter().for_each(|packet| self.packet(packet, now, at));
    }

    fn packet(&mut self, packet: RtpPacket, now: Instant, at: SystemTime) {
        let (sequence, timestamp, marker) =
            (*packet.seq_no, packet.header.timestamp, packet.header.marker);
        self.watch.packet(
            Packet { sequence, timestamp, marker },
            packet.payload.len() + OVERHEAD,
            now,
        );
        if let Some(captured) = packet.header.ext_vals.abs_capture_time.filter(|_| marker) {
            self.watch.delay(captured.capture_time, at);
        }
        self.checker
            .packet(sequence, Payload { timestamp, marker, bytes: packet.payload.to_vec() });
    }
}

impl Viewer for Sampled {
    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn watch(&self) -> &Watch {
        &self.watch
    }

    fn watch_mut(&mut self) -> &mut Watch {
        &mut self.watch
    }

    fn offer(&self) -> &str {
        &self.offer
    }

    fn answer(&mut self, answer: &str) -> anyhow::Result<()> {
        let answer = SdpAnswer::from_sdp_string(answer).context("the server's answer is no SDP")?;
        let pending = self.pending.take().context("a second answer")?;
        self.rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .context("the server's answer does not fit the offer")?;
        self.deadline = Instant::now();
        self.handle_timeout(self.deadline).map(drop)
    }

    fn receive(&mut self, buffers: &mut Buffers) -> anyhow::Result<()> {
        let now = Instant::now();
        let mut all = Vec::new();
        let Self { rtc, socket, .. } = self;
        socket.receive(buffers, |arrival| {
            let Ok(contents) = arrival.bytes.try_into() else { return Ok(()) };
            let receive = Receive {
                proto: Protocol::Udp,
                source: arrival.source,
                destination: socket.local(),
                contents,
            };
            rtc.handle_input(Input::Receive(now, receive))?;
            let mut out = Collected::default();
            out.collect(rtc, socket)?;
            all.push((out, arrival.at));
            Ok(())
        })?;
        all.into_iter().for_each(|(out, at)| self.take(out, now, at));
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> anyhow::Result<Instant> {
        if now >= self.deadline {
            self.rtc.handle_input(Input::Timeout(now))?;
            let mut out = Collected::default();
            out.collect(&mut self.rtc, &self.socket)?;
            self.take(out, now, SystemTime::now());
        }
        if !self.rtc.is_alive() {
            bail!("the connection has ended");
        }
        Ok(self.deadline)
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn checked(&self) -> Option<Checked> {
        Some(self.checker.checked())
    }
}

/// What a browser offers, as far as it matters here.
fn config() -> RtcConfig {
    let mut extensions = ExtensionMap::empty();
    extensions.set(1, Extension::AbsoluteCaptureTime);
    extensions.set(2, Extension::PlayoutDelay);
    extensions.set(3, Extension::TransportSequenceNumber);
    extensions.set(4, Extension::RtpMid);
    RtcConfig::new()
        .clear_codecs()
        .enable_h264(true)
        .set_extension_map(extensions)
        .set_rtp_mode(true)
}

/// What came out of one input.
#[derive(Default)]
struct Collected {
    deadline: Option<Instant>,
    connected: bool,
    packets: Vec<RtpPacket>,
}

impl Collected {
    fn collect(&mut self, rtc: &mut Rtc, socket: &Socket) -> anyhow::Result<()> {
        loop {
            match rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.deadline = Some(at);
                    return Ok(());
                }
                Output::Transmit(packet) => socket.send(&packet.contents, packet.destination),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.packets.push(packet),
                Output::Event(_) => {}
            }
        }
    }
}
