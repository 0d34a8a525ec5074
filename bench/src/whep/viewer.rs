//! One viewer: str0m as the client, behind one socket.

use super::{
    continuity::{Continuity, Frames},
    http::Url,
    socket::{Buffers, Socket},
};
use anyhow::Context as _;
use std::time::{Duration, Instant, SystemTime};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::SdpAnswer,
    media::{Direction, MediaKind},
    net::{Protocol, Receive},
    rtp::{Extension, ExtensionMap},
};

/// Delays kept a viewer; more than a measurement of minutes has.
const MAX_DELAYS: usize = 1 << 16;

/// What a viewer has received since it joined.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Totals {
    /// Frames.
    pub(super) frames: Frames,
    /// Media packets, decrypted and authentic.
    pub(super) packets: u64,
    /// Bytes of all UDP payloads.
    pub(super) bytes: u64,
}

/// A viewer.
pub(super) struct Viewer {
    rtc: Rtc,
    socket: Socket,
    session: Option<Url>,
    begun: Instant,
    connected: Option<Instant>,
    first_frame: Option<Instant>,
    deadline: Instant,
    continuity: Continuity,
    packets: u64,
    bytes: u64,
    /// Milliseconds from capture to arrival here, by the wall clock that both read.
    delays: Vec<f64>,
}

impl Viewer {
    /// Offers, posts, and takes the answer.
    pub(super) fn join(url: &Url, gro: bool) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let socket = Socket::bind(url.local_address()?, gro)?;
        let mut rtc = config().build(begun);
        rtc.add_local_candidate(Candidate::host(socket.local(), "udp")?);
        let mut changes = rtc.sdp_api();
        changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let (offer, pending) = changes.apply().context("no offer")?;
        let (answer, session) = url.post_offer(&offer.to_sdp_string())?;
        let answer = SdpAnswer::from_sdp_string(&answer).context("the server's answer is no SDP")?;
        rtc.sdp_api().accept_answer(pending, answer).context("the server's answer does not fit the offer")?;
        let mut viewer = Self {
            rtc,
            socket,
            session,
            begun,
            connected: None,
            first_frame: None,
            deadline: begun,
            continuity: Continuity::default(),
            packets: 0,
            bytes: 0,
            delays: Vec::new(),
        };
        viewer.handle_timeout(Instant::now())?;
        Ok(viewer)
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// A frame has arrived, and the connection stands.
    pub(super) fn is_playing(&self) -> bool {
        self.first_frame.is_some() && self.rtc.is_alive()
    }

    /// From the beginning of joining to encrypted media.
    pub(super) fn connect_time(&self) -> Option<Duration> {
        Some(self.connected?.duration_since(self.begun))
    }

    /// From the beginning of joining to the end of the first frame.
    pub(super) fn first_frame_time(&self) -> Option<Duration> {
        Some(self.first_frame?.duration_since(self.begun))
    }

    pub(super) fn totals(&self) -> Totals {
        Totals { frames: self.continuity.frames(), packets: self.packets, bytes: self.bytes }
    }

    /// Forgets the delays so far.
    pub(super) fn begin_measuring(&mut self) {
        self.delays.clear();
    }

    pub(super) fn delays(&self) -> &[f64] {
        &self.delays
    }

    /// Takes all packets that wait.
    pub(super) fn receive(&mut self, buffers: &mut Buffers) -> anyhow::Result<()> {
        let now = Instant::now();
        let Self { rtc, socket, bytes, .. } = self;
        let mut out = Collected::default();
        socket.receive(buffers, |source, packet| {
            *bytes += packet.len() as u64;
            let Ok(contents) = packet.try_into() else { return Ok(()) };
            let receive = Receive { proto: Protocol::Udp, source, destination: socket.local(), contents };
            rtc.handle_input(Input::Receive(now, receive))?;
            out.collect(rtc, socket)
        })?;
        self.take(out, now);
        Ok(())
    }

    /// Lets time pass.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> anyhow::Result<()> {
        if now < self.deadline {
            return Ok(());
        }
        self.rtc.handle_input(Input::Timeout(now))?;
        let mut out = Collected::default();
        out.collect(&mut self.rtc, &self.socket)?;
        self.take(out, now);
        Ok(())
    }

    fn take(&mut self, out: Collected, now: Instant) {
        self.deadline = out.deadline.unwrap_or(self.deadline);
        if out.connected {
            self.connected.get_or_insert(now);
        }
        for packet in out.packets {
            self.packets += 1;
            self.continuity.packet(packet.sequence, packet.last_of_frame);
            if packet.last_of_frame {
                self.first_frame.get_or_insert(now);
            }
            let age = packet.captured.and_then(|at| SystemTime::now().duration_since(at).ok());
            self.delays.extend(age.filter(|_| self.delays.len() < MAX_DELAYS).map(super::millis));
        }
    }

    /// Tells the server.
    pub(super) fn leave(self) {
        if let Some(session) = self.session {
            // A server that is gone needs no goodbye.
            let _ = session.delete();
        }
    }
}

/// What a browser offers, as far as it matters here.
fn config() -> RtcConfig {
    let mut extensions = ExtensionMap::empty();
    extensions.set(1, Extension::AbsoluteCaptureTime);
    extensions.set(2, Extension::PlayoutDelay);
    extensions.set(4, Extension::RtpMid);
    RtcConfig::new().clear_codecs().enable_h264(true).set_extension_map(extensions).set_rtp_mode(true)
}

/// What came out of one input.
#[derive(Default)]
struct Collected {
    deadline: Option<Instant>,
    connected: bool,
    packets: Vec<Packet>,
}

struct Packet {
    sequence: u64,
    last_of_frame: bool,
    captured: Option<SystemTime>,
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
                Output::Event(Event::RtpPacket(packet)) => self.packets.push(Packet {
                    sequence: *packet.seq_no,
                    last_of_frame: packet.header.marker,
                    captured: packet.header.ext_vals.abs_capture_time.filter(|_| packet.header.marker).map(|t| t.capture_time),
                }),
                Output::Event(_) => {}
            }
        }
    }
}
