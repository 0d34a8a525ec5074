//! One browser's WebRTC connection, on str0m in RTP mode. The only module that knows str0m: a send path of our own
//! replaces this file and nothing else.
//!
//! Contract: after every `handle_*`, `send` or `close`, call [`Peer::poll`] until it says [`Polled::Idle`].

use super::{choice::Choice, offer::Format};
use media::{MediaKind, Wall};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Rtc,
    change::SdpOffer,
    config::{DtlsCert, DtlsVersion},
    format::{Codec, CodecConfig, FormatParams, PayloadParams},
    media::{Frequency, MediaTime, Mid, Pt},
    net::{Protocol, Receive},
    rtp::{AbsCaptureTime, Extension, ExtensionMap, ExtensionValues, RtpWrite, SeqNo, Ssrc},
};

/// Packets kept for retransmission; their payloads are shared by all viewers of a frame.
const RESEND_PACKETS: usize = 600;
/// A packet older than this is not sent again: its frame has been given up, or a keyframe been asked for. What is kept is
/// most of a viewer's memory.
const RESEND_AGE: Duration = Duration::from_millis(500);
/// How often counters and round-trip times are brought up to date.
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// The identity this server shows in every DTLS handshake. Made once, because making one takes milliseconds.
#[derive(Clone)]
pub(super) struct Certificate(DtlsCert);

/// Why a connection could not be made or has ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    /// The offer passed our own reading, but not the engine's.
    #[error("the offer cannot be answered: {0}")]
    Offer(String),
    /// The engine gave up.
    #[error("the connection failed: {0}")]
    Failed(String),
    /// No random numbers or no memory: nothing a user can do.
    #[error("no certificate could be made")]
    Certificate,
}

impl From<str0m::RtcError> for PeerError {
    fn from(e: str0m::RtcError) -> Self {
        Self::Failed(e.to_string())
    }
}

/// What a connection wants.
pub(super) enum Polled {
    /// Send this datagram.
    Datagram(Datagram),
    /// Something happened.
    Event(PeerEvent),
    /// Nothing, until this instant or the next input.
    Idle(Instant),
}

/// A datagram to be sent.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) contents: Vec<u8>,
    /// It repairs a loss that the browser reported.
    pub(super) resend: bool,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum PeerEvent {
    /// Keys are agreed: pictures may be sent.
    Connected,
    /// The path works, or no longer does; in the latter case the browser may bring it back by an ICE restart.
    Path { alive: bool },
    /// The browser cannot decode until it gets a keyframe.
    KeyframeWanted,
    /// New figures.
    Report(Report),
    /// The browser said goodbye.
    Closed,
}

/// The browser's view of the link.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(super) struct Report {
    pub(super) rtt: Option<Duration>,
    /// Share of video packets lost since the last report, before repair.
    pub(super) loss: Option<f32>,
    /// NACK messages since the beginning.
    pub(super) nacks: u64,
}

/// One frame as it goes out.
pub(super) struct Frame<'a> {
    pub(super) kind: MediaKind,
    pub(super) timestamp: u32,
    /// When it was captured, on both clocks.
    pub(super) captured: (Instant, Wall),
    /// Least and most time that the browser shall hold pictures back.
    pub(super) playout: Option<(Duration, Duration)>,
    /// Payloads of consecutive packets.
    pub(super) payloads: &'a [Arc<[u8]>],
    /// The last of `payloads` ends the frame.
    pub(super) ends: bool,
}

/// One browser's connection.
pub(super) struct Peer {
    rtc: Rtc,
    video: Option<Lane>,
    audio: Option<Lane>,
    /// Our addresses that the engine knows of.
    local: Vec<SocketAddr>,
    /// Where it is sent to; learned from what was sent.
    remote: Option<SocketAddr>,
}

struct Lane {
    format: Format,
    sequence: u64,
    stream: Option<Stream>,
}

#[derive(Clone, Copy)]
struct Stream {
    mid: Mid,
    ssrc: Ssrc,
    resend: Option<Ssrc>,
}

impl Certificate {
    /// A new self-signed certificate.
    ///
    /// # Errors
    /// If the machine has no random numbers.
    pub(super) fn generate() -> Result<Self, PeerError> {
        str0m::crypto::from_feature_flags().dtls_provider.generate_certificate().map(Self).ok_or(PeerError::Certificate)
    }
}

impl Peer {
    /// Answers an offer.
    ///
    /// # Errors
    /// If the engine cannot make sense of the offer.
    pub(super) fn accept(
        now: Instant,
        offer: &str,
        choice: &Choice,
        certificate: &Certificate,
        addresses: &[SocketAddr],
    ) -> Result<(Self, String), PeerError> {
        let mut config = Rtc::builder()
            .set_rtp_mode(true)
            .set_dtls_cert(certificate.0.clone())
            // Version 1.3 ends with a cipher that is six times slower (see `codec_config` of the DTLS crate).
            .set_dtls_version(DtlsVersion::Dtls12)
            .set_extension_map(extensions())
            .set_stats_interval(Some(STATS_INTERVAL));
        let params = [&choice.video, &choice.audio].into_iter().flatten().filter_map(parameters);
        *config.codec_config() = CodecConfig::new_from_payload_params(params.collect());
        let mut rtc = config.build(now);
        for address in addresses {
            add_address(&mut rtc, *address);
        }
        let answer = answer(&mut rtc, offer)?;
        let lane = |format: &Option<Format>| {
            // Below 2^15, so that no roll-over is near before the browser has counted its first packet (RFC 3711 §3.3.1).
            format.clone().map(|format| Lane { format, sequence: u64::from(fastrand::u16(..) >> 1), stream: None })
        };
        Ok((
            Self { rtc, video: lane(&choice.video), audio: lane(&choice.audio), local: addresses.to_vec(), remote: None },
            answer,
        ))
    }

    /// Answers an offer with new ICE credentials: an ICE restart (RFC 8445 §9). Media goes on over the old path meanwhile.
    ///
    /// # Errors
    /// If the engine cannot make sense of the offer.
    pub(super) fn restart(&mut self, offer: &str) -> Result<String, PeerError> {
        answer(&mut self.rtc, offer)
    }

    /// The name by which the browser's first packets find this connection (RFC 8445 §7.2.2).
    pub(super) fn local_ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Adds a candidate that the browser told of; others than UDP ones with an address are of no use and are passed over.
    pub(super) fn add_remote_candidate(&mut self, candidate: &str) {
        if let Ok(candidate) = Candidate::from_sdp_string(candidate) {
            self.rtc.add_remote_candidate(candidate);
        }
    }

    /// Takes a datagram; false if it does not belong to this connection.
    ///
    /// # Errors
    /// If the connection cannot go on.
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        path: (SocketAddr, SocketAddr),
        data: &[u8],
    ) -> Result<bool, PeerError> {
        let (source, destination) = path;
        let Ok(receive) = Receive::new(Protocol::Udp, source, destination, data) else { return Ok(false) };
        let input = Input::Receive(now, receive);
        if !self.rtc.accepts(&input) {
            return Ok(false);
        }
        if !self.local.contains(&destination) {
            // An interface that came up after the answer was written.
            add_address(&mut self.rtc, destination);
            self.local.push(destination);
        }
        self.rtc.handle_input(input)?;
        Ok(true)
    }

    /// Moves time forward.
    ///
    /// # Errors
    /// If the connection cannot go on.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), PeerError> {
        Ok(self.rtc.handle_input(Input::Timeout(now))?)
    }

    /// Queues packets of a frame; they come out of [`Peer::poll`] after the next [`Peer::handle_timeout`].
    pub(super) fn send(&mut self, frame: &Frame<'_>) {
        let Self { rtc, video, audio, .. } = self;
        let lane = match frame.kind {
            MediaKind::Video => video,
            MediaKind::Audio => audio,
        };
        let Some(lane) = lane else { return };
        let Some(stream) = lane.stream else { return };
        let mut api = rtc.direct_api();
        let Some(tx) = api.stream_tx(&stream.ssrc) else { return };
        let extensions = values(frame);
        for (i, payload) in frame.payloads.iter().enumerate() {
            lane.sequence += 1;
            let marker = frame.ends && i + 1 == frame.payloads.len();
            let packet = RtpWrite::new(
                Pt::from(lane.format.payload_type),
                SeqNo::from(lane.sequence),
                frame.timestamp,
                frame.captured.0,
                payload.clone(),
            );
            // All packets of a frame carry the same extensions, so that they are equally long and go out in one send.
            tx.write_rtp(packet.marker(marker).nackable(lane.format.rtx.is_some()).ext_vals(extensions.clone()));
        }
    }

    /// The next thing this connection wants.
    ///
    /// # Errors
    /// If the connection cannot go on.
    pub(super) fn poll(&mut self) -> Result<Polled, PeerError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => return Ok(Polled::Idle(at)),
                Output::Transmit(t) => {
                    self.remote = Some(t.destination);
                    let contents: Vec<u8> = t.contents.into();
                    let resend = self.is_resend(&contents);
                    return Ok(Polled::Datagram(Datagram { source: t.source, destination: t.destination, contents, resend }));
                }
                Output::Event(event) => {
                    if let Some(event) = self.translate(event) {
                        return Ok(Polled::Event(event));
                    }
                }
            }
        }
    }

    /// Where media is sent.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// Says goodbye; poll once more to send it.
    pub(super) fn close(&mut self) {
        if self.rtc.close().is_err() {
            self.rtc.disconnect();
        }
    }

    /// False once nothing more can come.
    pub(super) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// The SSRC stands in the clear part of an SRTP packet (RFC 3711 §3.1).
    fn is_resend(&self, packet: &[u8]) -> bool {
        let Some(Stream { resend: Some(resend), .. }) = self.video.as_ref().and_then(|l| l.stream) else { return false };
        let is_rtp = packet.first().is_some_and(|b| b >> 6 == 2);
        is_rtp && packet.get(8..12) == Some(&resend.to_be_bytes()[..])
    }

    fn translate(&mut self, event: Event) -> Option<PeerEvent> {
        match event {
            Event::Connected => Some(PeerEvent::Connected),
            Event::Closed => Some(PeerEvent::Closed),
            Event::KeyframeRequest(_) => Some(PeerEvent::KeyframeWanted),
            Event::IceConnectionStateChange(state) => match state {
                IceConnectionState::Disconnected => Some(PeerEvent::Path { alive: false }),
                IceConnectionState::Connected | IceConnectionState::Completed => Some(PeerEvent::Path { alive: true }),
                _ => None,
            },
            Event::MediaAdded(added) => {
                self.bind(added.mid);
                None
            }
            Event::MediaEgressStats(s) if self.is_video(s.mid) => {
                Some(PeerEvent::Report(Report { rtt: s.rtt, loss: s.loss, nacks: s.nacks }))
            }
            _ => None,
        }
    }

    fn is_video(&self, mid: Mid) -> bool {
        self.video.as_ref().and_then(|l| l.stream).is_some_and(|s| s.mid == mid)
    }

    /// Finds the stream that the engine made for a media section.
    fn bind(&mut self, mid: Mid) {
        let kind = self.rtc.media(mid).map(|m| m.kind());
        let lane = match kind {
            Some(k) if k.is_video() => &mut self.video,
            _ => &mut self.audio,
        };
        let Some(lane) = lane.as_mut().filter(|l| l.stream.is_none()) else { return };
        let mut api = self.rtc.direct_api();
        let Some(tx) = api.stream_tx_by_mid(mid, None) else { return };
        // The default gives up repairing at 15 % of the traffic, which freezes pictures; the rate is bounded by the viewer.
        tx.set_rtx_cache(RESEND_PACKETS, RESEND_AGE, None);
        lane.stream = Some(Stream { mid, ssrc: tx.ssrc(), resend: tx.rtx() });
    }
}

fn answer(rtc: &mut Rtc, offer: &str) -> Result<String, PeerError> {
    let refused = |e: &dyn std::fmt::Display| PeerError::Offer(e.to_string());
    let offer = SdpOffer::from_sdp_string(offer).map_err(|e| refused(&e))?;
    let answer = rtc.sdp_api().accept_offer(offer).map_err(|e| refused(&e))?;
    Ok(answer.to_sdp_string())
}

fn add_address(rtc: &mut Rtc, address: SocketAddr) {
    // Refused are only addresses that no packet comes from, and those known already.
    if let Ok(candidate) = Candidate::host(address, Protocol::Udp) {
        rtc.add_local_candidate(candidate);
    }
}

fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    map.set(1, Extension::RtpMid);
    map.set(2, Extension::PlayoutDelay);
    map.set(3, Extension::AbsoluteCaptureTime);
    map
}

/// The format exactly as offered, so that the engine's own matching can only agree.
fn parameters(format: &Format) -> Option<PayloadParams> {
    let codec = match format.encoding.to_ascii_lowercase().as_str() {
        "h264" => Codec::H264,
        "h265" => Codec::H265,
        "opus" => Codec::Opus,
        "pcmu" => Codec::PCMU,
        "pcma" => Codec::PCMA,
        _ => return None,
    };
    let spec = str0m::format::CodecSpec {
        codec,
        clock_rate: Frequency::new(format.clock)?,
        channels: format.channels,
        format: FormatParams::parse_line(&format.fmtp),
    };
    let mut params = PayloadParams::new(Pt::from(format.payload_type), format.rtx.map(Pt::from), spec);
    params.set_fb_transport_cc(false);
    params.set_fb_remb(false);
    Some(params)
}

fn values(frame: &Frame<'_>) -> ExtensionValues {
    let capture_time = SystemTime::UNIX_EPOCH + Duration::from_micros(frame.captured.1.as_micros().max(0).cast_unsigned());
    let video = frame.kind == MediaKind::Video;
    ExtensionValues {
        abs_capture_time: video.then_some(AbsCaptureTime { capture_time, clock_offset: None }),
        play_delay_min: frame.playout.map(|p| MediaTime::from(p.0)),
        play_delay_max: frame.playout.map(|p| MediaTime::from(p.1)),
        ..ExtensionValues::default()
    }
}
