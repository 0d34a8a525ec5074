//! Program association and program map as they are read (§2.4.4).

use super::{elementary::ElementaryKind, packet::TsPacket, tables::crc};

/// Longer sections are private ones (§2.4.4.1).
const MAX_SECTION: usize = 1024;
const PAT: u8 = 0;
const PMT: u8 = 2;
const HEAD: usize = 8;
const CRC: usize = 4;
/// Descriptors (§2.6).
const REGISTRATION: u8 = 5;
const EXTENSION: u8 = 0x7f;

/// Puts sections together that begin and end anywhere in packets.
#[derive(Debug, Default)]
pub(super) struct SectionAssembler {
    bytes: Vec<u8>,
    /// `bytes` holds a section from its first byte on.
    open: bool,
    counter: Option<u8>,
    /// The packet of this counter has been taken in.
    taken: bool,
}

/// A stream of a program.
#[derive(Debug)]
pub(super) enum Listed {
    Known {
        pid: u16,
        kind: ElementaryKind,
    },
    /// The name of the codec, for people.
    Unknown(String),
}

impl SectionAssembler {
    /// Takes a packet in and returns a section that is whole. To be called with the same packet
    /// until there are no more.
    pub(super) fn push(&mut self, packet: &TsPacket<'_>) -> Option<Vec<u8>> {
        if !std::mem::replace(&mut self.taken, true) {
            self.take_in(packet);
        }
        let section = self.next();
        self.taken = section.is_some();
        section
    }

    fn take_in(&mut self, packet: &TsPacket<'_>) {
        let follows = self.counter.is_none_or(|before| (before + 1) & 15 == packet.counter);
        self.counter = Some(packet.counter);
        if !follows {
            self.open = false;
        }
        let Some((pointer, payload)) = packet.payload.split_first().filter(|_| packet.start) else {
            if self.open {
                self.bytes.extend_from_slice(packet.payload);
            }
            return;
        };
        // What stands before the pointer's place would end a section that began earlier; tables are
        // repeated, so it is not missed.
        self.bytes.clear();
        self.bytes.extend_from_slice(payload.get(usize::from(*pointer)..).unwrap_or_default());
        self.open = true;
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let length =
            usize::from(u16::from_be_bytes([*self.bytes.get(1)?, *self.bytes.get(2)?]) & 0x0fff)
                + 3;
        // Behind the last section there are ones.
        if self.bytes[0] == 0xff || !(HEAD + CRC..=MAX_SECTION).contains(&length) {
            self.bytes.clear();
            self.open = false;
            return None;
        }
        if self.bytes.len() < length {
            return None;
        }
        let rest = self.bytes.split_off(length);
        let section = std::mem::replace(&mut self.bytes, rest);
        (crc(&section) == 0).then_some(section)
    }
}

/// Where the map of the first program is.
pub(super) fn first_program(section: &[u8]) -> Option<u16> {
    let programs = body(section, PAT)?.chunks_exact(4);
    // Number 0 is the network's own table.
    programs.filter(|p| p[..2] != [0, 0]).map(|p| pid(p[2], p[3])).next()
}

/// Returns the tracks of a program; `None` if that is no map in force.
pub(super) fn streams(section: &[u8]) -> Option<Vec<Listed>> {
    let body = body(section, PMT)?;
    let about = usize::from(u16::from_be_bytes([*body.get(2)?, *body.get(3)?]) & 0x0fff);
    let mut rest = body.get(4 + about..)?;
    let mut found = Vec::new();
    while let Some((head, behind)) = rest.split_at_checked(5) {
        let about = usize::from(u16::from_be_bytes([head[3], head[4]]) & 0x0fff);
        let (descriptors, behind) = behind.split_at_checked(about)?;
        found.push(listed(head[0], pid(head[1], head[2]), descriptors));
        rest = behind;
    }
    Some(found)
}

fn body(section: &[u8], table: u8) -> Option<&[u8]> {
    let in_force = section.get(5)? & 1 == 1;
    if section[0] != table || !in_force {
        return None;
    }
    section.get(HEAD..section.len().checked_sub(CRC)?)
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high & 0x1f, low])
}

/// By table 2-34, and the registration of private data.
fn listed(stream_type: u8, pid: u16, descriptors: &[u8]) -> Listed {
    let known = |kind| Listed::Known { pid, kind };
    let registered = descriptor(descriptors, REGISTRATION).unwrap_or_default();
    match stream_type {
        0x1b => known(ElementaryKind::H264),
        0x24 => known(ElementaryKind::H265),
        0x0f => known(ElementaryKind::Adts),
        0x06 if registered == b"HEVC" => known(ElementaryKind::H265),
        0x06 if registered == b"Opus" => {
            known(ElementaryKind::Opus { channels: opus_channels(descriptors) })
        }
        0x01 | 0x02 => Listed::Unknown("mpeg2video".into()),
        0x03 | 0x04 => Listed::Unknown("mp2 or mp3 sound".into()),
        0x11 => Listed::Unknown("aac as LATM".into()),
        0x10 => Listed::Unknown("mpeg4 video".into()),
        0x81 => Listed::Unknown("ac3 sound".into()),
        other => Listed::Unknown(format!("stream type {other:#04x}")),
    }
}

fn opus_channels(descriptors: &[u8]) -> u8 {
    let told = descriptor(descriptors, EXTENSION)
        .filter(|d| d.first() == Some(&0x80))
        .and_then(|d| d.get(1).copied());
    told.filter(|channels| (1..=2).contains(channels)).unwrap_or(2)
}

fn descriptor(mut descriptors: &[u8], tag: u8) -> Option<&[u8]> {
    loop {
        let (head, rest) = descriptors.split_at_checked(2)?;
        let (content, rest) = rest.split_at_checked(head[1].into())?;
        if head[0] == tag {
            return Some(content);
        }
        descriptors = rest;
    }
}
