//! One track on its way to one reader.

use super::fragments;
use crate::rtp::{
    HEADER_LEN, Header,
    rtcp::{self, SenderReport},
};
use bytes::Bytes;
use media::{AccessUnit, ClockPair, Codec, MediaKind, Mono, RtpFragment, time::rescale};

const NANOS: u32 = 1_000_000_000;

/// What a reader and this server agreed on for a track, and where its numbers begin. RFC 3550 §5.1
/// wants the beginnings random; randomness is the caller's.
#[derive(Clone, Debug)]
pub struct TrackSetup {
    /// Synchronisation source.
    pub ssrc: u32,
    /// 7-bit payload type.
    pub payload_type: u8,
    /// Ticks a second of the track, in the catalogue and on the wire alike.
    pub clock_rate: u32,
    /// Sequence number of the first packet.
    pub first_sequence: u16,
    /// What is added to a unit's `pts` to make its RTP timestamp.
    pub timestamp_offset: u32,
    /// Canonical name, the same for all tracks that belong together (RFC 3550 §6.5.1).
    pub cname: String,
}

/// Ties the one time line of a stream's tracks to the clock of capture, for sender reports.
///
/// All tracks of a reader report by the same one. Each by its own newest unit would be wrong: units
/// of sound and picture that belong together are often known only by their arrival, and their
/// encoders take different times, so that a player would take that difference for one of capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anchor {
    /// Nanoseconds on the time line.
    time: i64,
    captured: Mono,
}

impl Anchor {
    /// By this unit, of a track of `clock_rate` ticks a second.
    pub fn of(unit: &AccessUnit, clock_rate: u32) -> Self {
        Self { time: rescale(unit.pts, clock_rate, NANOS), captured: unit.timing.captured.at }
    }

    /// Where on the time line a track of `clock_rate` is at `now`, in ticks: the nearest, as `time`
    /// was rounded down.
    fn at(&self, now: Mono, clock_rate: u32) -> i64 {
        let half_a_tick = i64::from(NANOS / clock_rate.max(1) / 2);
        rescale(
            self.time.saturating_add(now.signed_since(self.captured)).saturating_add(half_a_tick),
            NANOS,
            clock_rate,
        )
    }
}

/// Numbers the packets of one track for one reader, and reports on them.
#[derive(Debug)]
pub struct TrackSender {
    setup: TrackSetup,
    codec: Codec,
    sequence: u16,
    packets: u32,
    octets: u32,
}

impl TrackSender {
    /// A sender that has sent nothing yet.
    pub fn new(setup: TrackSetup, codec: Codec) -> Self {
        Self { sequence: setup.first_sequence, setup, codec, packets: 0, octets: 0 }
    }

    /// The packets of a unit: an RTP header each, and what follows it on the wire.
    ///
    /// The numbers of all of them are taken at once, whether they are iterated or not.
    pub fn packets<'u>(
        &mut self,
        unit: &'u AccessUnit,
    ) -> impl ExactSizeIterator<Item = ([u8; HEADER_LEN], &'u RtpFragment)> + use<'u> {
        let fragments = &fragments(unit, &self.codec).fragments;
        let timestamp = self.timestamp(unit);
        let first = self.sequence;
        self.sequence = self.sequence.wrapping_add(fragments.len() as u16);
        self.packets = self.packets.wrapping_add(fragments.len() as u32);
        let octets = fragments.iter().map(|f| f.len() as u32).fold(0, u32::wrapping_add);
        self.octets = self.octets.wrapping_add(octets);
        let TrackSetup { ssrc, payload_type, .. } = self.setup;
        let last = if marks_ends(&self.codec) { fragments.len().checked_sub(1) } else { None };
        fragments.iter().enumerate().map(move |(i, fragment)| {
            let marker = last == Some(i);
            let header = Header {
                payload_type,
                marker,
                sequence: first.wrapping_add(i as u16),
                timestamp,
                ssrc,
            };
            (header.to_bytes(), fragment)
        })
    }

    /// A unit's timestamp on the wire.
    pub fn timestamp(&self, unit: &AccessUnit) -> u32 {
        (unit.pts as u32).wrapping_add(self.setup.timestamp_offset)
    }

    /// Follows a change of the catalogue.
    pub fn set_codec(&mut self, codec: Codec) {
        self.codec = codec;
    }

    /// Sequence number of the next packet; with [`TrackSender::timestamp`] what `RTP-Info` wants
    /// (RFC 2326 §12.33).
    pub fn next_sequence(&self) -> u16 {
        self.sequence
    }

    /// Synchronisation source.
    pub fn ssrc(&self) -> u32 {
        self.setup.ssrc
    }

    /// A sender report with the canonical name, to be sent every few seconds once there was a unit
    /// (RFC 3550 §6.4.1).
    ///
    /// It says which time of capture, on this machine's wall clock, belongs to which timestamp, as
    /// the anchor tells it.
    pub fn sender_report(&self, now: Mono, clocks: &ClockPair, anchor: &Anchor) -> Bytes {
        let report = SenderReport {
            ssrc: self.setup.ssrc,
            ntp: clocks.wall_at(now).to_ntp(),
            timestamp: (anchor.at(now, self.setup.clock_rate) as u32)
                .wrapping_add(self.setup.timestamp_offset),
            packets: self.packets,
            octets: self.octets,
        };
        rtcp::write_sender_report(&report, &self.setup.cname)
    }

    /// Tells the reader that this track has ended.
    pub fn goodbye(&self) -> Bytes {
        rtcp::write_goodbye(self.setup.ssrc, &self.setup.cname)
    }
}

/// The marker is a frame's end for pictures and AAC; for Opus and G.711 it would mean the beginning
/// of speech after silence.
fn marks_ends(codec: &Codec) -> bool {
    codec.kind() == MediaKind::Video || matches!(codec, Codec::Aac(_))
}
