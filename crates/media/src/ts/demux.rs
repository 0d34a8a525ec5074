//! The demuxer: packets in, frames out.
//!
//! A frame is handed out with its last packet, not with the first of the next one: its length tells
//! where it ends, or the stuffing that fills its last packet up (§2.4.3.4), or silence where that
//! packet happens to be full ([`Demux::pause`]). Streams that use stuffing otherwise, or pause
//! within frames, are noticed, and from then on believed less.

use super::{
    elementary::{Elementary, ElementaryKind},
    packet::{PACKET, SYNC, TsPacket},
    section::{self, Listed, SectionAssembler},
};
use crate::{
    Catalog, Codec, MediaKind, Mono, TrackId,
    container::{Demux, Demuxed},
};
use std::collections::VecDeque;

/// Counters of faults in the stream; they only rise.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TsStats {
    /// Packets that are missing by their counters, at least.
    pub lost: u64,
    /// Frames thrown away because part of them is missing or makes no sense.
    pub damaged: u64,
    /// Packets that are scrambled.
    pub scrambled: u64,
    /// Bytes that belong to no packet.
    pub garbage: u64,
}

/// Takes one transport stream apart: the first picture and the first sound of its first program.
#[derive(Debug, Default)]
pub struct TsDemuxer {
    /// The beginning of a packet whose rest is yet to come.
    held: Vec<u8>,
    association: SectionAssembler,
    map: SectionAssembler,
    map_pid: Option<u16>,
    /// The map as it is in force.
    mapped: Vec<u8>,
    lanes: Vec<Elementary>,
    ignored: Vec<String>,
    out: VecDeque<Demuxed>,
    stats: TsStats,
}

impl TsDemuxer {
    fn take(&mut self, now: Mono, bytes: &[u8]) {
        let mut joined = std::mem::take(&mut self.held);
        let mut rest = bytes;
        if !joined.is_empty() {
            joined.extend_from_slice(bytes);
            rest = &joined;
        }
        while let Some(at) = rest.iter().position(|byte| *byte == SYNC) {
            self.stats.garbage += at as u64;
            rest = &rest[at..];
            let Some((packet, behind)) = rest.split_at_checked(PACKET) else {
                self.held.extend_from_slice(rest);
                return;
            };
            if behind.first().is_none_or(|byte| *byte == SYNC) {
                self.packet(now, packet);
                rest = behind;
            } else {
                self.stats.garbage += 1;
                rest = &rest[1..];
            }
        }
        self.stats.garbage += rest.len() as u64;
    }

    /// Returns the counters of faults.
    pub fn stats(&self) -> TsStats {
        self.stats
    }

    /// True once a program was found.
    pub fn has_program(&self) -> bool {
        !self.mapped.is_empty()
    }

    fn packet(&mut self, now: Mono, bytes: &[u8]) {
        let Some(packet) = TsPacket::parse(bytes) else {
            self.stats.garbage += bytes.len() as u64;
            return;
        };
        if packet.scrambled {
            self.stats.scrambled += 1;
            return;
        }
        if packet.pid == 0 {
            while let Some(table) = self.association.push(&packet) {
                self.map_pid = section::first_program(&table).or(self.map_pid);
            }
        } else if Some(packet.pid) == self.map_pid {
            while let Some(table) = self.map.push(&packet) {
                self.remap(table);
            }
        } else if let Some(index) = self.lanes.iter().position(|lane| lane.pid() == packet.pid) {
            self.elementary(now, index, &packet);
        }
    }

    fn elementary(&mut self, now: Mono, index: usize, packet: &TsPacket<'_>) {
        let lane = &mut self.lanes[index];
        let Some(lost) = lane.count(packet) else { return };
        if lost > 0 {
            self.stats.lost += u64::from(lost);
            self.stats.damaged += u64::from(lane.lose());
        }
        // The frame before, if it had no end of its own.
        if packet.start && lane.is_open() {
            self.finish(now, index);
        }
        let lane = &mut self.lanes[index];
        match lane.append(now, packet) {
            Ok(true) => self.finish(now, index),
            Ok(false) => {}
            Err(()) => self.stats.damaged += 1,
        }
    }

    fn finish(&mut self, now: Mono, index: usize) {
        let before = self.lanes[index].codec().cloned();
        let Some(units) = self.lanes[index].take(now) else {
            self.stats.damaged += 1;
            return;
        };
        if self.lanes[index].codec() != before.as_ref() {
            self.announce();
        }
        let track = self.track(index);
        for mut unit in units {
            unit.track = track;
            self.out.push_back(Demuxed::Unit(unit));
        }
    }

    /// Takes a map over if it is another one.
    fn remap(&mut self, table: Vec<u8>) {
        let Some(listed) = section::streams(&table).filter(|_| table != self.mapped) else {
            return;
        };
        self.mapped = table;
        self.ignored.clear();
        let mut old = std::mem::take(&mut self.lanes);
        for stream in listed {
            match stream {
                Listed::Known { pid, kind } if !self.has(kind.media()) => {
                    let known =
                        old.iter().position(|lane| lane.pid() == pid && lane.kind() == kind);
                    let lane =
                        known.map_or_else(|| Elementary::new(pid, kind), |at| old.swap_remove(at));
                    self.lanes.push(lane);
                }
                Listed::Known { kind, .. } => {
                    self.ignored.push(format!("a second track of {}", kind.name()));
                }
                Listed::Unknown(name) => self.ignored.push(name),
            }
        }
        // Pictures come first: they are known to be there before what they are, and keep their
        // number.
        self.lanes.sort_by_key(|lane| lane.kind().media() == MediaKind::Audio);
        self.announce();
    }

    fn has(&self, media: MediaKind) -> bool {
        self.lanes.iter().any(|lane| lane.kind().media() == media)
    }

    fn track(&self, index: usize) -> TrackId {
        let before = self.lanes.iter().take(index).filter(|lane| lane.codec().is_some()).count();
        TrackId(before as u8)
    }

    fn announce(&mut self) {
        let tracks =
            self.lanes.iter().filter_map(|lane| Some((lane.codec()?.clone(), lane.timescale())));
        let catalog = Catalog::new(tracks);
        if !catalog.tracks.is_empty() {
            self.out.push_back(Demuxed::Catalog(catalog));
        }
    }
}

impl Demux for TsDemuxer {
    fn push(&mut self, now: Mono, bytes: &[u8]) {
        self.take(now, bytes);
    }

    fn pause(&mut self, now: Mono) {
        for index in 0..self.lanes.len() {
            if self.lanes[index].pause() {
                self.finish(now, index);
            }
        }
    }

    fn awaits_pause(&self) -> bool {
        self.lanes.iter().any(Elementary::is_open)
    }

    fn poll(&mut self) -> Option<Demuxed> {
        self.out.pop_front()
    }

    fn ignored(&self) -> &[String] {
        &self.ignored
    }

    fn is_hopeless(&self) -> bool {
        self.has_program() && self.lanes.is_empty()
    }

    fn garbage(&self) -> u64 {
        self.stats.garbage
    }
}

impl ElementaryKind {
    fn media(self) -> MediaKind {
        match self {
            Self::H264 | Self::H265 => MediaKind::Video,
            Self::Adts | Self::Opus { .. } => MediaKind::Audio,
        }
    }

    /// The properties of the track that are known before its first frame.
    pub(super) fn codec(self) -> Option<Codec> {
        match self {
            Self::H264 => Some(Codec::H264(None)),
            Self::H265 => Some(Codec::H265(None)),
            Self::Adts => None,
            Self::Opus { channels } => Some(Codec::Opus { channels }),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Adts => "aac",
            Self::Opus { .. } => "opus",
        }
    }
}
