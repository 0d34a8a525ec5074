//! One track of a player.

use bytes::Bytes;
use media::{AccessUnit, Catalog, ClockPair, Codec, Mono, RtpFragment, Track, TrackId};
use proto::{
    rtp::{
        HEADER_LEN,
        send::{Anchor, TrackSender, TrackSetup},
    },
    sdp,
};
use std::time::Duration;

/// How often a track's clock is reported (RFC 3550 §6.2).
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Numbers of a track that go on whatever the publisher does.
pub(in super::super) struct PlayTrack {
    /// Its number in the description.
    pub(super) index: usize,
    pub(super) timescale: u32,
    codec: Codec,
    /// Which of the stream's tracks it carries now.
    source: Option<TrackId>,
    offset: u32,
    sender: TrackSender,
    reported: Option<Mono>,
}

impl PlayTrack {
    pub(super) fn new(index: usize, track: &Track) -> Self {
        let offset = fastrand::u32(..);
        let setup = TrackSetup {
            ssrc: fastrand::u32(1..),
            payload_type: sdp::payload_type(track),
            clock_rate: track.timescale,
            first_sequence: fastrand::u16(..),
            timestamp_offset: offset,
            cname: "neverblink".to_owned(),
        };
        let (codec, timescale) = (track.codec.clone(), track.timescale);
        let sender = TrackSender::new(setup, codec.clone());
        Self { index, timescale, codec, source: Some(track.id), offset, sender, reported: None }
    }

    /// Carries the track of its own number if it can, else the first it can that is not `taken`.
    pub(super) fn follow(&mut self, catalog: &Catalog, taken: &[TrackId]) {
        let fits = |t: &&Track| {
            t.timescale == self.timescale
                && carries(&self.codec, &t.codec)
                && !taken.contains(&t.id)
        };
        let own = catalog.tracks.get(self.index).filter(fits);
        let found = own.or_else(|| catalog.tracks.iter().find(fits));
        self.source = found.map(|t| t.id);
        if let Some(track) = found {
            self.sender.set_codec(track.codec.clone());
        }
    }

    pub(super) fn source(&self) -> Option<TrackId> {
        self.source
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.sender.ssrc()
    }

    pub(super) fn next_sequence(&self) -> u16 {
        self.sender.next_sequence()
    }

    /// A time on the stream's timeline as it appears in packets.
    pub(super) fn timestamp(&self, pts: i64) -> u32 {
        (pts as u32).wrapping_add(self.offset)
    }

    pub(super) fn packets<'u>(
        &mut self,
        unit: &'u AccessUnit,
    ) -> impl ExactSizeIterator<Item = ([u8; HEADER_LEN], &'u RtpFragment)> + use<'u> {
        self.sender.packets(unit)
    }

    /// A sender report is due.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.reported.is_none_or(|at| now.since(at) >= REPORT_EVERY)
    }

    pub(super) fn report(&mut self, now: Mono, clocks: &ClockPair, anchor: &Anchor) -> Bytes {
        self.reported = Some(now);
        self.sender.sender_report(now, clocks, anchor)
    }

    /// The word that this track has ended.
    pub(super) fn goodbye(&self) -> Bytes {
        self.sender.goodbye()
    }
}

/// True if a client that was told of `told` can decode `new`. What H.264, H.265 and Opus need to
/// know is in band.
fn carries(told: &Codec, new: &Codec) -> bool {
    match (told, new) {
        (Codec::H264(_), Codec::H264(_))
        | (Codec::H265(_), Codec::H265(_))
        | (Codec::Opus { .. }, Codec::Opus { .. }) => true,
        _ => told == new,
    }
}
