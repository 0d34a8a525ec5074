//! What a WebRTC publisher sends over its one transport, made into access units of its tracks; and
//! what it is to be told for that by RTCP: which packets are missing, when each arrived (which its
//! congestion control lives by), how much was lost, and when a keyframe is needed.

mod keyframes;
mod missing;
#[cfg(test)]
mod tests;

use super::{
    Packet, extensions,
    feedback::{put_nack, put_picture_loss},
    header_len,
    receive::{Received, Stats, Together, TrackReceiver, Transport},
    rtcp::{put_description, put_receiver_report, sender_reports},
    twcc::Arrivals,
};
use crate::sdp::Format;
use bytes::Bytes;
use keyframes::Keyframes;
use media::{ClockPair, MediaKind, Mono, TrackId};
use missing::Missing;
use std::time::Duration;

/// How often what arrives is reported (RFC 3550 §6.2 allows it for such bitrates).
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How often arrivals are told. Congestion control reacts no faster than it is told, and a message
/// costs 60 bytes.
const TELL_EVERY: Duration = Duration::from_millis(50);
/// A missing packet is waited for as long as it takes to ask for it three times, within these
/// bounds.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(60), Duration::from_millis(400));
/// The way to a publisher of whom nothing is known yet.
const FIRST_RTT: Duration = Duration::from_millis(60);

/// One track as it was agreed on.
#[derive(Clone, Debug)]
pub struct Lane {
    /// How its packets are to be read.
    pub format: Format,
    /// Payload type of retransmissions (RFC 4588), if the sender has such.
    pub rtx: Option<u8>,
    /// The sender sends lost packets again (RFC 4585 §6.2.1).
    pub nack: bool,
    /// The sender makes keyframes when asked (RFC 4585 §6.3.1).
    pub pli: bool,
}

/// Numbers of header extensions, as they were agreed on.
#[derive(Clone, Copy, Default, Debug)]
pub struct Numbers {
    /// Of [`TRANSPORT_SEQUENCE`](super::TRANSPORT_SEQUENCE).
    pub transport_sequence: Option<u8>,
    /// Of [`CAPTURE_TIME`](super::CAPTURE_TIME).
    pub capture_time: Option<u8>,
}

/// Counters since the beginning.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Packets asked for again.
    pub packets: u64,
    /// Packets that then came as retransmissions.
    pub repaired: u64,
    /// Keyframes asked for.
    pub keyframes: u64,
}

/// The receiving side of one publisher. Put packets in, decrypted; after each call [`Ingest::poll`]
/// and [`Ingest::poll_feedback`] until `None`, and call [`Ingest::handle_timeout`] when
/// [`Ingest::deadline`] says.
#[derive(Debug)]
pub struct Ingest {
    tracks: Vec<Track>,
    numbers: Numbers,
    ssrc: u32,
    cname: &'static str,
    rtt: Duration,
    arrivals: Arrivals,
    told: Mono,
    reported: Mono,
    keyframes: Keyframes,
    asked: Asked,
}

#[derive(Debug)]
struct Track {
    lane: Lane,
    receiver: TrackReceiver,
    missing: Missing,
}

impl Ingest {
    /// For tracks in the order of their numbers. `ssrc` and `cname` name this side in RTCP.
    pub fn new(
        now: Mono,
        lanes: Vec<Lane>,
        numbers: Numbers,
        ssrc: u32,
        cname: &'static str,
    ) -> Self {
        let together = Together::default();
        let tracks = lanes
            .into_iter()
            .zip(0..)
            .map(|(lane, id)| Track::new(lane, TrackId(id), &together))
            .collect();
        let mut this = Self {
            tracks,
            numbers,
            ssrc,
            cname,
            rtt: Duration::ZERO,
            arrivals: Arrivals::default(),
            told: now,
            reported: now,
            keyframes: Keyframes::new(now),
            asked: Asked::default(),
        };
        this.set_rtt(FIRST_RTT);
        this
    }

    /// How long a question and its answer take.
    pub fn set_rtt(&mut self, rtt: Duration) {
        self.rtt = rtt;
        let patience = self.patience();
        self.tracks
            .iter_mut()
            .filter(|t| t.lane.nack)
            .for_each(|t| t.receiver.set_patience(patience));
    }

    fn patience(&self) -> Duration {
        (self.rtt * 7 / 2 + Duration::from_millis(20)).clamp(PATIENCE.0, PATIENCE.1)
    }

    /// A reader needs a keyframe.
    pub fn want_keyframe(&mut self) {
        self.keyframes.want();
    }

    /// Takes an RTP packet. One of no track is ignored.
    pub fn handle_rtp(&mut self, clocks: &ClockPair, packet: &[u8]) {
        let Some((ssrc, timestamp, payload_type)) = head(packet) else { return };
        let numbers = self.numbers;
        let mut captured = None;
        for (number, value) in extensions(packet).map(|(number, value)| (Some(number), value)) {
            match value {
                [high, low] if number == numbers.transport_sequence => {
                    self.arrivals.note(clocks.mono, u16::from_be_bytes([*high, *low]));
                }
                [..] if number == numbers.capture_time => {
                    captured = value.first_chunk().map(|ntp| u64::from_be_bytes(*ntp));
                }
                _ => {}
            }
        }
        if let Some(track) =
            self.tracks.iter_mut().find(|t| t.lane.format.payload_type == payload_type)
        {
            if let Some(ntp) = captured {
                track.receiver.handle_capture_time(clocks, ssrc, timestamp, ntp);
            }
            track.handle(clocks.mono, Bytes::copy_from_slice(packet));
        } else if let Some(track) =
            self.tracks.iter_mut().find(|t| t.lane.rtx == Some(payload_type))
        {
            self.asked.repaired += u64::from(track.handle_repair(clocks.mono, packet));
        }
    }

    /// Takes a compound RTCP packet.
    pub fn handle_rtcp(&mut self, clocks: &ClockPair, packet: &[u8]) {
        for report in sender_reports(packet) {
            let mut tracks = self.tracks.iter_mut();
            // All tracks report in one flow here; each is to hear of itself only.
            if let Some(track) = tracks.find(|t| t.receiver.remote_ssrc() == Some(report.ssrc)) {
                track.receiver.handle_report(clocks.mono, clocks, &report);
            }
        }
    }

    /// Gives up waiting for what has been waited for long enough.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.tracks.iter_mut().for_each(|t| t.receiver.handle_timeout(now));
    }

    /// The next thing received, and of which track.
    pub fn poll(&mut self, now: Mono) -> Option<(usize, Received)> {
        let mut tracks = self.tracks.iter_mut().enumerate();
        let (index, received) =
            tracks.find_map(|(index, track)| Some((index, track.receiver.poll()?)))?;
        if let Received::Unit(unit) = &received
            && unit.key
            && self.tracks[index].is_video()
        {
            self.keyframes.note(now);
        }
        Some((index, received))
    }

    /// What is to be told to the publisher now: a compound RTCP packet, not yet encrypted.
    pub fn poll_feedback(&mut self, now: Mono) -> Option<Vec<u8>> {
        if now < self.deadline() {
            return None;
        }
        let reports = now.since(self.reported) >= REPORT_EVERY;
        let mut out = Vec::with_capacity(512);
        self.put_reports(&mut out, now, reports);
        let empty = out.len();
        self.put_lost(&mut out, now);
        self.put_keyframe_wish(&mut out, now);
        self.put_arrivals(&mut out, now);
        (reports || out.len() > empty).then_some(out)
    }

    /// Every compound begins with a report, be it an empty one (RFC 3550 §6.1).
    fn put_reports(&mut self, out: &mut Vec<u8>, now: Mono, due: bool) {
        if !due {
            return put_receiver_report(out, self.ssrc, None);
        }
        self.reported = now;
        let blocks: Vec<_> =
            self.tracks.iter_mut().filter_map(|t| t.receiver.report_block(now)).collect();
        match blocks.is_empty() {
            true => put_receiver_report(out, self.ssrc, None),
            false => {
                blocks.iter().for_each(|block| put_receiver_report(out, self.ssrc, Some(block)));
            }
        }
        put_description(out, self.ssrc, self.cname);
    }

    fn put_lost(&mut self, out: &mut Vec<u8>, now: Mono) {
        let patience = self.patience();
        for track in self.tracks.iter_mut().filter(|t| t.lane.nack) {
            let lost = track.missing.due(now, self.rtt, patience);
            if let (false, Some(media)) = (lost.is_empty(), track.receiver.remote_ssrc()) {
                self.asked.packets += lost.len() as u64;
                put_nack(out, self.ssrc, media, &lost);
            }
        }
    }

    fn put_keyframe_wish(&mut self, out: &mut Vec<u8>, now: Mono) {
        let Some(track) = self.tracks.iter().find(|t| t.is_asked_for_keyframes()) else { return };
        let (Some(media), broken) =
            (track.receiver.remote_ssrc(), track.receiver.awaits_keyframe())
        else {
            return;
        };
        if self.keyframes.ask(now, broken) {
            self.asked.keyframes += 1;
            put_picture_loss(out, self.ssrc, media);
        }
    }

    fn put_arrivals(&mut self, out: &mut Vec<u8>, now: Mono) {
        if !self.arrivals.is_pending() || now.since(self.told) < TELL_EVERY {
            return;
        }
        self.told = now;
        let media = self.tracks.iter().find_map(|t| t.receiver.remote_ssrc()).unwrap_or_default();
        out.extend(self.arrivals.report(self.ssrc, media).into_iter().flatten());
        if self.arrivals.is_pending() {
            // More than one message holds: the rest goes with the next call.
            self.told = now - TELL_EVERY;
        }
    }

    /// When [`Ingest::handle_timeout`] and then [`Ingest::poll_feedback`] are to be called at the
    /// latest.
    pub fn deadline(&self) -> Mono {
        let tracks = self.tracks.iter();
        let waiting = tracks.clone().filter_map(|t| t.receiver.poll_timeout());
        let asking = tracks.clone().filter(|t| t.lane.nack).filter_map(|t| t.missing.next_at());
        let telling = self.arrivals.is_pending().then_some(self.told + TELL_EVERY);
        let keyframe = tracks
            .clone()
            .filter(|t| t.is_asked_for_keyframes() && t.receiver.remote_ssrc().is_some());
        let keyframe = keyframe.map(|t| self.keyframes.due_at(t.receiver.awaits_keyframe()));
        waiting
            .chain(asking)
            .chain(telling)
            .chain(keyframe)
            .fold(self.reported + REPORT_EVERY, Mono::min)
    }

    /// What was asked for.
    pub fn asked(&self) -> Asked {
        self.asked
    }

    /// Counters of each track.
    pub fn stats(&self) -> impl Iterator<Item = Stats> {
        self.tracks.iter().map(|t| t.receiver.stats())
    }
}

impl Track {
    fn new(lane: Lane, id: TrackId, together: &Together) -> Self {
        let mut receiver = TrackReceiver::new(id, &lane.format, Transport::Unordered);
        receiver.keep_together(together);
        Self { lane, receiver, missing: Missing::default() }
    }

    fn is_video(&self) -> bool {
        self.lane.format.codec.kind() == MediaKind::Video
    }

    fn is_asked_for_keyframes(&self) -> bool {
        self.lane.pli && self.is_video()
    }

    fn handle(&mut self, now: Mono, packet: Bytes) {
        let Some((ssrc, _, _)) = head(&packet) else { return };
        let number = u16::from_be_bytes([packet[2], packet[3]]);
        self.receiver.handle_rtp(now, packet);
        // The receiver does not believe in a new source at its first packet.
        if self.receiver.remote_ssrc() == Some(ssrc) {
            self.missing.note(now, ssrc, number);
        }
    }

    /// A packet that was sent again (RFC 4588 §4); true if it was still waited for. Browsers also
    /// send old ones to find out how much the link carries.
    fn handle_repair(&mut self, now: Mono, packet: &[u8]) -> bool {
        let Ok(repair) = Packet::parse(Bytes::copy_from_slice(packet)) else { return false };
        let Some((number, _)) = repair.payload.split_first_chunk::<2>() else { return false };
        let number = u16::from_be_bytes(*number);
        let Some(ssrc) = self.receiver.remote_ssrc().filter(|_| self.missing.contains(number))
        else {
            return false;
        };
        let payload = repair.payload.slice(2..);
        let lost = Packet {
            payload_type: self.lane.format.payload_type,
            sequence: number,
            ssrc,
            payload,
            ..repair
        };
        self.handle(now, lost.to_bytes());
        true
    }
}

/// Source, timestamp and payload type of an RTP packet, if its header is whole.
fn head(packet: &[u8]) -> Option<(u32, u32, u8)> {
    header_len(packet)?;
    let word = |at: usize| {
        packet.get(at..).and_then(|rest| rest.first_chunk()).map(|four| u32::from_be_bytes(*four))
    };
    Some((word(8)?, word(4)?, packet[1] & 0x7f))
}
