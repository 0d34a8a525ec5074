//! Pictures: NAL units out of packets, frames out of NAL units.
//!
//! A frame ends with the marker bit, at once, and with a change of the timestamp where the marker
//! is missing. Some encoders mark every packet or every slice: when slices of a frame follow behind
//! its marker, they are delivered as a second unit with the same time (order is kept, decoders take
//! it), and from then on the marker is distrusted, so that frames end with the timestamp only,
//! until it has been right for a while. Parameter sets that are marked, or have a timestamp of
//! their own, end no frame.

use super::{Counters, Frame, order::Sequenced, parameters::Parameters, track::Output};
use crate::sdp::Format;
use bytes::Bytes;
use media::{Mono, Payload, bits::split_annex_b};
use std::{collections::VecDeque, ops::Range};

/// Largest frame in bytes; a 4K keyframe of a bad encoder has 2 MiB.
const MAX_FRAME: usize = 8 << 20;
/// Most NAL units of a frame.
const MAX_UNITS: usize = 1024;
/// Memory kept from one frame to the next.
const KEPT: usize = 1 << 20;
/// Frames with the marker at their end, and there only, after which it is trusted again.
const HONEST: u32 = 50;

/// What differs between H.264 and H.265.
#[derive(Debug)]
pub(super) struct Syntax {
    /// Bytes of a NAL unit's header.
    pub(super) header: usize,
    /// Types of the parameter sets, in the order in which they must be sent.
    pub(super) sets: &'static [u8],
    /// Takes a payload apart; false if it is malformed.
    pub(super) pieces: fn(&[u8], EachPiece<'_>) -> bool,
    pub(super) classify: fn(&[u8]) -> Unit,
    pub(super) is_key: fn(&[Bytes]) -> bool,
}

/// What a payload is taken apart into.
pub(super) type EachPiece<'a> = &'a mut dyn FnMut(Piece<'_>);

/// A part of a packet.
pub(super) enum Piece<'a> {
    Unit(&'a [u8]),
    Fragment(Fragment<'a>),
}

/// A part of a NAL unit.
pub(super) struct Fragment<'a> {
    pub(super) start: bool,
    pub(super) end: bool,
    /// The unit's header; of H.264 only the first byte.
    pub(super) header: [u8; 2],
    pub(super) body: &'a [u8],
}

/// What a NAL unit is to a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Slice {
        /// It begins a picture.
        first: bool,
    },
    /// Type and id.
    ParameterSet(u8, u32),
    /// Delimiters and filler, of no use to anybody.
    Filler,
    /// No NAL unit at all: a type that packets use, or none.
    Invalid,
    Other,
}

/// The units of a STAP-A or AP, each behind its length; false if the lengths do not fit.
pub(super) fn aggregated(mut rest: &[u8], each: EachPiece<'_>) -> bool {
    while let [high, low, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((unit, tail)) = tail.split_at_checked(len) else { return false };
        each(Piece::Unit(unit));
        rest = tail;
    }
    rest.is_empty()
}

/// Collects the frames of one track.
#[derive(Debug)]
pub(super) struct VideoReceiver {
    syntax: &'static Syntax,
    parameters: Parameters,
    /// The frame under way: its NAL units one behind the other.
    bytes: Vec<u8>,
    units: Vec<Range<usize>>,
    /// Where the NAL unit that arrives in fragments begins.
    fragmented: Option<usize>,
    open: Option<Open>,
    /// Timestamp of the last frame that ended with its marker, and whether it was damaged.
    ended: Option<(u32, bool)>,
    distrust: bool,
    honest: u32,
    /// Something is missing before the next frame to be delivered.
    after_loss: bool,
    /// Something may be missing at the beginning of the next frame to be opened.
    unsure: bool,
    pub(super) counters: Counters,
}

/// The frame under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    timestamp: u32,
    first_at: Mono,
    last_at: Mono,
    /// Something of it is missing or too much.
    damaged: bool,
    /// Its beginning may be missing.
    unsure: bool,
    /// It holds a picture.
    slices: bool,
    /// It goes on with a frame that ended already.
    continuation: bool,
    markers: u32,
    last_marked: bool,
}

impl VideoReceiver {
    pub(super) fn new(syntax: &'static Syntax, format: &Format) -> Self {
        Self {
            syntax,
            parameters: Parameters::new(syntax, format.codec.clone(), &format.parameter_sets),
            bytes: Vec::new(),
            units: Vec::new(),
            fragmented: None,
            open: None,
            ended: None,
            distrust: false,
            honest: 0,
            after_loss: false,
            unsure: true,
            counters: Counters::default(),
        }
    }

    pub(super) fn handle(&mut self, packet: &Sequenced, out: &mut VecDeque<Output>) {
        if packet.gap {
            self.handle_gap();
        }
        let rtp = &packet.packet;
        if rtp.payload.is_empty() {
            return; // keeps a NAT binding alive
        }
        if self.open.is_some_and(|open| open.timestamp != rtp.timestamp) {
            self.finish(out);
        }
        self.open_frame(rtp.timestamp, packet.at, rtp.marker);
        self.collect(&rtp.payload);
        if rtp.marker {
            self.handle_marker(out);
        }
    }

    fn handle_gap(&mut self) {
        self.after_loss = true;
        self.unsure = true;
        if let Some(open) = &mut self.open {
            open.damaged = true;
        }
    }

    fn open_frame(&mut self, timestamp: u32, at: Mono, marker: bool) {
        let (unsure, ended) = (std::mem::take(&mut self.unsure), self.ended);
        let open = self.open.get_or_insert_with(|| Open {
            timestamp,
            first_at: at,
            last_at: at,
            damaged: false,
            unsure,
            slices: false,
            continuation: ended.is_some_and(|(ended, _)| ended == timestamp),
            markers: 0,
            last_marked: false,
        });
        open.first_at = open.first_at.min(at);
        open.last_at = open.last_at.max(at);
        open.markers += u32::from(marker);
        open.last_marked = marker;
    }

    fn handle_marker(&mut self, out: &mut VecDeque<Output>) {
        self.close_fragmented();
        if let Some(open) = self.open
            && !self.distrust
            && (open.slices || open.damaged)
        {
            self.ended = Some((open.timestamp, open.damaged));
            self.finish(out);
        }
    }

    fn collect(&mut self, payload: &[u8]) {
        let pieces = self.syntax.pieces;
        if !pieces(payload, &mut |piece| self.add(piece)) {
            self.counters.malformed += 1;
            self.damage();
        }
    }

    fn add(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Unit(unit) => {
                self.close_fragmented();
                let begin = self.bytes.len();
                self.append(unit);
                self.close_unit(begin);
            }
            Piece::Fragment(fragment) => self.add_fragment(&fragment),
        }
    }

    fn add_fragment(&mut self, fragment: &Fragment<'_>) {
        if fragment.start {
            self.close_fragmented();
            self.fragmented = Some(self.bytes.len());
            self.append(&fragment.header[..self.syntax.header]);
        } else if self.fragmented.is_none() {
            return self.damage();
        }
        self.append(fragment.body);
        if fragment.end {
            self.close_fragmented();
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() > MAX_FRAME || self.units.len() >= MAX_UNITS {
            self.damage();
        }
        if self.open.is_some_and(|open| !open.damaged) {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn damage(&mut self) {
        if let Some(open) = &mut self.open {
            open.damaged = true;
        }
    }

    /// Ends the NAL unit under way. Encoders that forget to mark the last fragment are forgiven: if
    /// one were missing, the sequence numbers had told.
    fn close_fragmented(&mut self) {
        if let Some(begin) = self.fragmented.take() {
            self.close_unit(begin);
        }
    }

    fn close_unit(&mut self, begin: usize) {
        // No NAL unit ends in zeros (H.264 §7.4.1); those who cut byte streams carelessly leave
        // some of the next start code.
        while self.bytes.len() > begin && self.bytes.last() == Some(&0) {
            self.bytes.pop();
        }
        let unit = &self.bytes[begin..];
        if unit.len() <= self.syntax.header {
            return self.bytes.truncate(begin);
        }
        match (self.syntax.classify)(unit) {
            Unit::Slice { first } => self.note_slice(first),
            _ if has_start_code(unit) => return self.split_unit(begin),
            Unit::ParameterSet(ty, id) => self.parameters.note(ty, id, unit),
            Unit::Filler => return self.bytes.truncate(begin),
            Unit::Invalid => {
                self.counters.malformed += 1;
                return self.bytes.truncate(begin);
            }
            Unit::Other => {}
        }
        self.units.push(begin..self.bytes.len());
    }

    /// Some cameras send a piece of byte stream, start codes and all, as if it were one NAL unit.
    fn split_unit(&mut self, begin: usize) {
        let stream = Bytes::from([&[0, 0, 1], &self.bytes[begin..]].concat());
        self.bytes.truncate(begin);
        for unit in split_annex_b(&stream) {
            let begin = self.bytes.len();
            self.append(&unit);
            self.close_unit(begin);
        }
    }

    fn note_slice(&mut self, first: bool) {
        let Some(open) = &mut self.open else { return };
        let begins = !std::mem::replace(&mut open.slices, true);
        if begins && first {
            open.continuation = false;
        } else if begins && open.continuation {
            self.distrust = true;
            self.honest = 0;
            open.damaged |= self.ended.is_some_and(|(_, damaged)| damaged);
        } else if begins && open.unsure {
            open.damaged = true;
        }
    }

    /// The stream begins anew: nobody can tell whether the frame under way is whole.
    pub(super) fn abandon(&mut self, out: &mut VecDeque<Output>) {
        self.handle_gap();
        self.finish(out);
        self.ended = None;
    }

    fn finish(&mut self, out: &mut VecDeque<Output>) {
        self.close_fragmented();
        let Some(open) = self.open.take() else { return };
        self.judge_marker(&open);
        if open.damaged {
            self.counters.dropped += 1;
            self.after_loss = true;
        } else if open.slices {
            let payload = self.payload();
            self.deliver(&open, payload, out);
        }
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.units.clear();
    }

    fn judge_marker(&mut self, open: &Open) {
        if self.distrust && open.slices {
            self.honest = if open.markers == 1 && open.last_marked { self.honest + 1 } else { 0 };
            self.distrust = self.honest < HONEST;
        }
    }

    /// Copied into memory of exactly its size: units stay in rings for seconds, where slices would
    /// hold on to read buffers.
    fn payload(&self) -> Payload {
        let bytes = Bytes::copy_from_slice(&self.bytes);
        self.units.iter().map(|unit| bytes.slice(unit.clone())).collect()
    }

    fn deliver(&mut self, open: &Open, mut payload: Payload, out: &mut VecDeque<Output>) {
        out.extend(self.parameters.take_change().map(Output::Codec));
        let key = (self.syntax.is_key)(&payload)
            && !open.continuation
            && self.parameters.complete(&mut payload);
        out.push_back(Output::Frame(Frame {
            timestamp: open.timestamp,
            ticks: 0,
            first_at: open.first_at,
            last_at: open.last_at,
            key,
            after_loss: std::mem::take(&mut self.after_loss),
            payload,
        }));
    }
}

fn has_start_code(unit: &[u8]) -> bool {
    unit.windows(3).any(|w| w == [0, 0, 1])
}
