//! From fragments to encrypted packets of one viewer: the part of the way that every viewer's every
//! packet takes. It writes into the buffer that is sent and allocates nothing.

use super::{
    answer::{CNAME, TrackSsrcs},
    offer::{Format, Offer, Section},
    send_negotiation::NegotiatedFormats,
};
use crate::{
    rtp::{
        ExtensionIds, Extensions, Header, TRANSPORT_SEQUENCE,
        feedback::{Dlrr, put_dlrr},
        rtcp::{SenderReport, put_sender_report},
        write_packet, write_repair,
    },
    srtp::Sender,
};
use media::{ClockPair, MediaKind, Mono, RtpFragment, Wall};
use std::time::Duration;

/// How often the time line is told (RFC 3550 §6.2); often enough that a player that has just begun
/// can align its tracks.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Reports remembered, to recognise them in the answers.
const REPORTS: usize = 4;

/// What all packets of a frame have in common.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The RTP timestamp, in ticks of the track's clock.
    pub timestamp: u32,
    /// When the frame was captured.
    pub captured: Wall,
    /// Least and most time that the browser shall hold pictures back.
    pub playout: Option<(Duration, Duration)>,
}

/// Makes packets for one viewer.
pub struct Egress {
    srtp: Sender,
    video: Option<EgressTrack>,
    audio: Option<EgressTrack>,
    /// Counts all packets of the transport.
    transport_sequence: u16,
    reported: Option<Mono>,
    /// When a report with this middle part of its NTP time was sent.
    reports: [(u32, Mono); REPORTS],
}

/// One track.
struct EgressTrack {
    payload_type: u8,
    rtx: Option<u8>,
    sources: TrackSsrcs,
    ids: ExtensionIds,
    /// Of the next packet, with roll-overs.
    sequence: u64,
    repair_sequence: u64,
    packets: u32,
    octets: u32,
    last: Option<Stamp>,
    clock: u32,
}

/// Everything that makes an [`Egress`] but its keys.
pub struct EgressPlan {
    video: Option<EgressTrack>,
    audio: Option<EgressTrack>,
}

impl EgressPlan {
    /// For what was negotiated, with the SSRCs of picture and sound.
    pub fn new(
        offer: &Offer,
        choice: &NegotiatedFormats,
        sources: (TrackSsrcs, TrackSsrcs),
    ) -> Self {
        let lane = |format: &Option<Format>, kind, sources| {
            let section = offer.section(kind)?;
            format.as_ref().map(|format| EgressTrack::new(section, format, sources))
        };
        Self {
            video: lane(&choice.video, MediaKind::Video, sources.0),
            audio: lane(&choice.audio, MediaKind::Audio, sources.1),
        }
    }

    /// Begins, once keys are agreed.
    pub fn egress(self, srtp: Sender) -> Egress {
        let Self { video, audio } = self;
        let transport_sequence = fastrand::u16(..);
        Egress {
            srtp,
            video,
            audio,
            transport_sequence,
            reported: None,
            reports: [(0, Mono::default()); REPORTS],
        }
    }
}

impl EgressTrack {
    fn new(section: &Section, format: &Format, sources: TrackSsrcs) -> Self {
        let mut ids = ExtensionIds::default();
        // Without feedback the numbers of packets are of no use.
        let tells = format.feedback.iter().any(|f| f == "transport-cc");
        for (id, name) in
            section.extensions.iter().filter(|(_, name)| tells || name != TRANSPORT_SEQUENCE)
        {
            ids.learn(*id, name);
        }
        // Below 2^15, so that no roll-over is near before the browser has counted its first packet
        // (RFC 3711 §3.3.1).
        let sequence = || u64::from(fastrand::u16(..) >> 1);
        Self {
            payload_type: format.payload_type,
            rtx: format.rtx,
            sources,
            ids,
            sequence: sequence(),
            repair_sequence: sequence(),
            packets: 0,
            octets: 0,
            last: None,
            clock: format.clock,
        }
    }

    /// The next packet's header.
    #[inline]
    fn header(&self, stamp: &Stamp, marker: bool) -> Header {
        let (payload_type, ssrc) = (self.payload_type, self.sources.media);
        Header {
            payload_type,
            marker,
            sequence: self.sequence as u16,
            timestamp: stamp.timestamp,
            ssrc,
        }
    }
}

impl Stamp {
    #[inline]
    const fn extensions(&self, transport_sequence: u16) -> Extensions {
        Extensions {
            capture_time: Some(self.captured),
            playout_delay: self.playout,
            transport_sequence: Some(transport_sequence),
        }
    }
}

impl Egress {
    #[inline]
    fn lane(&mut self, kind: MediaKind) -> Option<&mut EgressTrack> {
        match kind {
            MediaKind::Video => self.video.as_mut(),
            MediaKind::Audio => self.audio.as_mut(),
        }
    }

    /// Number of the next packet of a track, with roll-overs.
    #[inline]
    pub fn next_sequence(&mut self, kind: MediaKind) -> u64 {
        self.lane(kind).map_or(0, |lane| lane.sequence)
    }

    /// True if lost packets can be sent again.
    #[inline]
    pub fn repairs(&self) -> bool {
        self.video.as_ref().is_some_and(|lane| lane.rtx.is_some())
    }

    /// True if `ssrc` is the video track.
    #[inline]
    pub fn is_video(&self, ssrc: u32) -> bool {
        self.video.as_ref().is_some_and(|lane| lane.sources.media == ssrc)
    }

    /// Appends a packet to `out`; nothing if this browser does not take the track. Returns the
    /// packet's number among all of the transport, if the browser will tell whether it arrived.
    #[inline]
    pub fn write(
        &mut self,
        out: &mut Vec<u8>,
        kind: MediaKind,
        stamp: &Stamp,
        fragment: &RtpFragment,
        marker: bool,
    ) -> Option<u16> {
        let transport = self.transport_sequence;
        let lane = match kind {
            MediaKind::Video => self.video.as_mut(),
            MediaKind::Audio => self.audio.as_mut(),
        }?;
        let start = out.len();
        let payload = [&fragment.head[..], &fragment.body];
        let header = write_packet(
            out,
            lane.header(stamp, marker),
            &lane.ids,
            &stamp.extensions(transport),
            &payload,
        );
        // Fails only after 2^48 packets.
        let _ = self.srtp.protect_rtp(out, start, header, lane.sequence);
        lane.sequence += 1;
        lane.packets = lane.packets.wrapping_add(1);
        lane.octets = lane.octets.wrapping_add(fragment.len() as u32);
        lane.last = Some(*stamp);
        let told = lane.ids.transport_sequence.map(|_| transport);
        self.count(told)
    }

    /// Appends the repair of a lost video packet (RFC 4588 §4). Each has a number of its own: two
    /// different packets never share one, which would give the encryption away. Returns as
    /// [`Egress::write`] does.
    #[inline]
    pub fn write_repair(
        &mut self,
        out: &mut Vec<u8>,
        stamp: &Stamp,
        fragment: &RtpFragment,
        sequence: u64,
        marker: bool,
    ) -> Option<u16> {
        let transport = self.transport_sequence;
        let (lane, rtx) = self.video.as_mut().and_then(|lane| lane.rtx.map(|rtx| (lane, rtx)))?;
        let start = out.len();
        let (own, ssrc) = (lane.repair_sequence as u16, lane.sources.repair);
        let header =
            Header { payload_type: rtx, marker, sequence: own, timestamp: stamp.timestamp, ssrc };
        let payload = [&fragment.head[..], &fragment.body];
        let header = write_repair(
            out,
            header,
            sequence as u16,
            &lane.ids,
            &stamp.extensions(transport),
            &payload,
        );
        let _ = self.srtp.protect_rtp(out, start, header, lane.repair_sequence);
        lane.repair_sequence += 1;
        let told = lane.ids.transport_sequence.map(|_| transport);
        self.count(told)
    }

    /// Counts a packet of the transport, if it told its number.
    #[inline]
    fn count(&mut self, number: Option<u16>) -> Option<u16> {
        self.transport_sequence = number?.wrapping_add(1);
        number
    }

    /// True if the browser tells which packets arrive.
    #[inline]
    pub fn is_told_of_arrivals(&self) -> bool {
        [&self.video, &self.audio]
            .into_iter()
            .flatten()
            .any(|lane| lane.ids.transport_sequence.is_some())
    }

    /// True if sender reports are due.
    #[inline]
    pub fn report_due(&self, now: Mono) -> bool {
        self.reported.is_none_or(|at| now.since(at) >= REPORT_INTERVAL)
    }

    /// Appends sender reports of all tracks in one packet: which wall time, as of the frames'
    /// capture, which timestamp means.
    pub fn write_reports(&mut self, out: &mut Vec<u8>, now: Mono, clocks: ClockPair) {
        let start = out.len();
        self.reported = Some(now);
        let ntp = clocks.wall_at(now).to_ntp();
        for lane in [&self.video, &self.audio].into_iter().flatten() {
            let Some(stamp) = lane.last else { continue };
            let since = i128::from(clocks.wall_at(now).as_micros() - stamp.captured.as_micros());
            let ticks = (since * i128::from(lane.clock) / 1_000_000) as i64;
            let report = SenderReport {
                ssrc: lane.sources.media,
                ntp,
                timestamp: stamp.timestamp.wrapping_add(ticks as u32),
                packets: lane.packets,
                octets: lane.octets,
            };
            put_sender_report(out, &report, CNAME);
        }
        if out.len() > start {
            self.reports.rotate_right(1);
            self.reports[0] = ((ntp >> 16) as u32, now);
            self.protect_control(out, start);
        }
    }

    /// Appends the answer to a receiver that sent its clock (RFC 3611 §4.5).
    pub fn write_clock(&mut self, out: &mut Vec<u8>, answer: &Dlrr) {
        let start = out.len();
        let Some(ssrc) =
            [&self.video, &self.audio].into_iter().flatten().next().map(|lane| lane.sources.media)
        else {
            return;
        };
        put_dlrr(out, ssrc, answer);
        self.protect_control(out, start);
    }

    fn protect_control(&mut self, out: &mut Vec<u8>, start: usize) {
        // Fails only after 2^31 packets, and then leaves nothing in clear.
        let _ = self.srtp.protect_rtcp(out, start);
    }

    /// The round trip, from what a receiver says of our last report (RFC 3550 §6.4.1).
    pub fn round_trip(&self, now: Mono, last_report: u32, since: u32) -> Option<Duration> {
        let (_, sent) =
            self.reports.iter().find(|(ntp, _)| *ntp == last_report && last_report != 0)?;
        let held = Duration::from_secs_f64(f64::from(since) / 65_536.0);
        Some(now.since(*sent).saturating_sub(held))
    }
}
