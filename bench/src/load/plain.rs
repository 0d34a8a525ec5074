//! A viewer cheap enough to have a thousand of: real ICE with consent, real DTLS, real SRTCP
//! reports, and pictures that are received and counted by their clear RTP headers but not
//! decrypted. It never asks for a lost packet again.

use super::{
    continuity::{Continuity, Packet, WINDOW, extend},
    rtcp::{Feedback, Reception},
    sdp::{Answer, Offer, show_fingerprint},
    srtcp::Srtcp,
    viewer::Viewer,
    watch::Watch,
};
use crate::socket::{Arrival, Buffers, Socket};
use anyhow::{Context as _, bail};
use dimpl::{Dtls, DtlsCertificate, Output};
use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use str0m::{
    Candidate,
    crypto::CryptoProvider,
    ice::{IceAgent, IceAgentEvent, IceCreds, StunMessage, StunPacket},
    net::Protocol,
};

/// Between receiver reports, as browsers do for video, give or take half.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// More than any DTLS record.
const DTLS_BUFFER: usize = 4096;
/// What is lost of the DTLS handshake is sent again after this, then after twice as long and so on,
/// as Chromium does.
const DTLS_AGAIN: Duration = Duration::from_millis(50);
const DTLS_RETRIES: usize = 7;
/// Between two connectivity checks of one viewer.
const CHECK_EVERY: Duration = Duration::from_millis(5);
/// Far away.
const IDLE: Duration = Duration::from_secs(3600);

/// The state that all viewers share.
pub(super) struct Common {
    crypto: &'static CryptoProvider,
    /// One for all, because making one takes milliseconds.
    certificate: DtlsCertificate,
    dtls: Arc<dimpl::Config>,
    local: IpAddr,
    fps: u16,
    gro: bool,
    /// Between two transport-wide feedback messages.
    feedback: Duration,
}

impl Common {
    pub(super) fn new(
        local: IpAddr,
        fps: u16,
        gro: bool,
        feedback: Duration,
    ) -> anyhow::Result<Self> {
        let crypto = CryptoProvider::get_default().context("no cryptography")?;
        let certificate = crypto.dtls_provider.generate_certificate().context("no certificate")?;
        // ICE has shown that the server is where it says.
        let dtls = dimpl::Config::builder()
            .use_server_cookie(false)
            .flight_start_rto(DTLS_AGAIN)
            .flight_retries(DTLS_RETRIES);
        let dtls = Arc::new(dtls.build()?);
        Ok(Self { crypto, certificate, dtls, local, fps, gro, feedback })
    }

    pub(super) fn local(&self) -> IpAddr {
        self.local
    }
}

/// A viewer.
pub(super) struct Plain {
    common: Rc<Common>,
    watch: Watch,
    socket: Rc<Socket>,
    offer: String,
    ice: IceAgent,
    dtls: Dtls,
    dtls_deadline: Instant,
    /// The DTLS handshake is under way or over.
    dtls_begun: bool,
    answer: Option<Answer>,
    remote: Option<SocketAddr>,
    secured: Option<Secured>,
    deadline: Instant,
}

/// The state of a viewer after the keys are agreed.
struct Secured {
    srtcp: Srtcp,
    ours: u32,
    media: Option<u32>,
    reception: Reception,
    feedback: Feedback,
    report_at: Instant,
    feedback_at: Instant,
}

impl Plain {
    pub(super) fn new(common: &Rc<Common>) -> anyhow::Result<Self> {
        let Common { crypto, certificate, local, fps, gro, .. } = &**common;
        let watch = Watch::new(Continuity::new(WINDOW, *fps));
        let (socket, now) = (Rc::new(Socket::bind(*local, *gro)?), watch.begun());
        let mut ice = IceAgent::with_hmac(IceCreds::new(), crypto.sha1_hmac_provider);
        ice.set_controlling(true);
        ice.set_timing_advance(CHECK_EVERY);
        let offer = Offer {
            ufrag: &ice.local_credentials().ufrag,
            password: &ice.local_credentials().pass,
            fingerprint: &show_fingerprint(
                &crypto.sha256_provider.sha256(&certificate.certificate),
            ),
        };
        let offer = offer.text();
        ice.add_local_candidate(Candidate::host(socket.local(), "udp")?);
        let dtls = Dtls::new_12(common.dtls.clone(), certificate.clone(), now);
        Ok(Self {
            common: common.clone(),
            watch,
            socket,
            offer,
            ice,
            dtls,
            dtls_deadline: now + IDLE,
            dtls_begun: false,
            answer: None,
            remote: None,
            secured: None,
            deadline: now + IDLE,
        })
    }

    fn packet(&mut self, now: Instant, arrival: &Arrival<'_>) -> anyhow::Result<()> {
        // Which is which: RFC 7983 §7, and RFC 5761 §4 for RTP and RTCP.
        match arrival.bytes {
            [0..=3, ..] => self.stun(now, arrival),
            [20..=63, ..] => self.dtls_packet(now, arrival),
            [128..=191, 192..=223, ..] => self.rtcp(now, arrival.bytes),
            [128..=191, ..] => self.rtp(now, arrival),
            _ => {}
        }
        self.drive_dtls(now)
    }

    fn stun(&mut self, now: Instant, arrival: &Arrival<'_>) {
        let Ok(message) = StunMessage::parse(arrival.bytes) else { return };
        let (source, destination) = (arrival.source, self.socket.local());
        if self
            .ice
            .handle_packet(now, StunPacket { proto: Protocol::Udp, source, destination, message })
        {
            self.ice.handle_timeout(now);
            self.drive_ice();
        }
    }

    fn drive_ice(&mut self) {
        while let Some(packet) = self.ice.poll_transmit() {
            self.socket.send(&packet.contents, packet.destination);
        }
        while let Some(event) = self.ice.poll_event() {
            if let IceAgentEvent::NominatedSend { destination, .. } = event {
                self.remote = Some(destination);
            }
        }
    }

    fn dtls_packet(&mut self, now: Instant, arrival: &Arrival<'_>) {
        // A server that begins the handshake may do so before we know its path.
        self.remote.get_or_insert(arrival.source);
        let handled =
            self.dtls.handle_timeout(now).and_then(|()| self.dtls.handle_packet(arrival.bytes));
        self.dtls_begun |= handled.is_ok();
        self.dtls_deadline = now;
    }

    /// Lets DTLS say what it has to say.
    fn drive_dtls(&mut self, now: Instant) -> anyhow::Result<()> {
        let Some(remote) = self.remote.filter(|_| self.answer.is_some()) else { return Ok(()) };
        if !self.dtls_begun {
            self.dtls_begun = true;
            self.dtls_deadline = now;
        }
        if now < self.dtls_deadline {
            return Ok(());
        }
        self.dtls.handle_timeout(now)?;
        let mut buffer = [0; DTLS_BUFFER];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => self.socket.send(packet, remote),
                Output::PeerCert(der) => verify(self.common.crypto, self.answer.as_ref(), der)?,
                Output::KeyingMaterial(material, profile) => {
                    let srtcp =
                        Srtcp::new(self.common.crypto, profile, &material, self.dtls.is_active())?;
                    self.secured = Some(Secured::new(srtcp, now));
                    self.watch.connect(now);
                }
                Output::Timeout(at) => {
                    // It tells a time in the past when there is nothing to wait for.
                    self.dtls_deadline = if at > now { at } else { now + IDLE };
                    return Ok(());
                }
                Output::CloseNotify => bail!("the server has ended the connection"),
                Output::BufferTooSmall { needed } => bail!("a DTLS record of {needed} bytes"),
                _ => {}
            }
        }
    }

    fn rtcp(&mut self, now: Instant, packet: &[u8]) {
        let since = now.duration_since(self.watch.begun());
        if let Some(secured) = &mut self.secured
            && let Ok(plain) = secured.srtcp.open(packet)
        {
            secured.reception.compound(&plain, since);
        }
    }

    fn rtp(&mut self, now: Instant, arrival: &Arrival<'_>) {
        let Some(header) = Header::parse(arrival.bytes) else { return };
        let (Some(answer), Some(secured)) = (&self.answer, &mut self.secured) else { return };
        let waited = arrival.at.elapsed().unwrap_or_default();
        let at = now.duration_since(self.watch.begun()).saturating_sub(waited);
        let transport = answer
            .transport_sequence
            .and_then(|id| header.extension(id))
            .and_then(<[u8]>::first_chunk);
        if let Some(sequence) = transport {
            secured.feedback.packet(u16::from_be_bytes(*sequence), at);
        }
        if header.payload_type == answer.video {
            let sequence = extend(header.sequence, self.watch.continuity.newest());
            secured.media = Some(header.ssrc);
            secured.reception.packet(sequence, header.timestamp, at);
            let packet = Packet { sequence, timestamp: header.timestamp, marker: header.marker };
            self.watch.packet(packet, arrival.bytes.len(), now);
        }
    }

    fn report(&mut self, now: Instant) -> anyhow::Result<()> {
        let (Some(secured), Some(remote)) = (&mut self.secured, self.remote) else { return Ok(()) };
        for packet in secured.due(now, now.duration_since(self.watch.begun()), self.common.feedback)
        {
            let sealed = secured.srtcp.seal(&packet)?;
            self.socket.send(&sealed, remote);
        }
        Ok(())
    }

    fn next_deadline(&mut self, now: Instant) -> Instant {
        let ice = self.ice.poll_timeout().unwrap_or(now + IDLE);
        let reports = self.secured.as_ref().map_or(now + IDLE, |s| s.report_at.min(s.feedback_at));
        ice.min(self.dtls_deadline).min(reports)
    }
}

impl Viewer for Plain {
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
        let answer = Answer::parse(answer)?;
        self.ice.set_remote_credentials(IceCreds {
            ufrag: answer.ufrag.clone(),
            pass: answer.password.clone(),
        });
        // Those of other transports, and names of hosts, are of no use here.
        let candidates =
            answer.candidates.iter().filter_map(|c| Candidate::from_sdp_string(c).ok());
        candidates
            .filter(|c| c.proto() == Protocol::Udp)
            .for_each(|c| self.ice.add_remote_candidate(c));
        self.dtls.set_active(!answer.server_is_active);
        self.answer = Some(answer);
        self.deadline = Instant::now();
        self.handle_timeout(self.deadline).map(drop)
    }

    fn receive(&mut self, buffers: &mut Buffers) -> anyhow::Result<()> {
        let now = Instant::now();
        let socket = self.socket.clone();
        socket.receive(buffers, |arrival| self.packet(now, &arrival))?;
        self.deadline = self.deadline.min(self.next_deadline(now));
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> anyhow::Result<Instant> {
        if now >= self.deadline && self.answer.is_some() {
            self.ice.handle_timeout(now);
            self.drive_ice();
            self.drive_dtls(now)?;
            self.report(now)?;
            if self.ice.state().is_disconnected() && self.secured.is_some() {
                bail!("the server no longer answers on its path");
            }
            self.deadline = self.next_deadline(now);
        }
        Ok(self.deadline)
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Secured {
    fn new(srtcp: Srtcp, now: Instant) -> Self {
        Self {
            srtcp,
            ours: fastrand::u32(1..),
            media: None,
            reception: Reception::default(),
            feedback: Feedback::default(),
            report_at: now + REPORT_EVERY,
            feedback_at: now,
        }
    }

    /// Reports that are due, in plain text.
    fn due(&mut self, now: Instant, since: Duration, feedback_every: Duration) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let media = self.media.unwrap_or_default();
        if now >= self.report_at {
            self.report_at = now + REPORT_EVERY.mul_f64(0.5 + fastrand::f64());
            out.extend(self.reception.report(self.ours, media, since));
        }
        if now >= self.feedback_at {
            self.feedback_at = now + feedback_every;
            out.extend(self.feedback.report(self.ours, media));
        }
        out
    }
}

fn verify(crypto: &CryptoProvider, answer: Option<&Answer>, der: &[u8]) -> anyhow::Result<()> {
    let seen = crypto.sha256_provider.sha256(der);
    match answer.is_some_and(|answer| answer.fingerprint == seen) {
        true => Ok(()),
        false => bail!("the server's certificate is not the one in its answer"),
    }
}

/// What is clear in an SRTP packet (RFC 3550 §5.1, RFC 8285 §4.2).
#[derive(PartialEq, Debug)]
struct Header<'a> {
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    /// One-byte header extensions.
    extensions: &'a [u8],
}

impl<'a> Header<'a> {
    fn parse(packet: &'a [u8]) -> Option<Self> {
        let (head, rest) = packet.split_first_chunk::<12>()?;
        let [first, second, s1, s0, t3, t2, t1, t0, c3, c2, c1, c0] = *head;
        let rest = rest.get(usize::from(first & 0x0f) * 4..)?;
        let extensions = match rest {
            [0xbe, 0xde, high, low, rest @ ..] if first & 0x10 != 0 => {
                rest.get(..usize::from(u16::from_be_bytes([*high, *low])) * 4)?
            }
            _ => &[],
        };
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s1, s0]),
            timestamp: u32::from_be_bytes([t3, t2, t1, t0]),
            ssrc: u32::from_be_bytes([c3, c2, c1, c0]),
            extensions,
        })
    }

    fn extension(&self, id: u8) -> Option<&'a [u8]> {
        let mut rest = self.extensions;
        while let Some((head, behind)) = rest.split_first() {
            let (this, len) = (head >> 4, usize::from(head & 0x0f) + 1);
            rest = behind;
            // Zero is padding.
            if this != 0 {
                let (value, behind) = behind.split_at_checked(len)?;
                if this == id {
                    return Some(value);
                }
                rest = behind;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
