//! Program association and program map (§2.4.4): which packets hold what.

use crate::Codec;
use bytes::BufMut;

/// Table ids (table 2-31).
const PAT: u8 = 0;
const PMT: u8 = 2;
/// The only program.
const PROGRAM: u16 = 1;

/// A track's entry in the map.
pub(super) struct MapEntry<'a> {
    pub(super) pid: u16,
    pub(super) codec: &'a Codec,
}

/// The association table: the map is in the packets `map`.
pub(super) fn association(map: u16) -> Vec<u8> {
    section(PAT, 1, 0, |out| {
        out.put_u16(PROGRAM);
        out.put_u16(0xe000 | map);
    })
}

/// The map: the tracks, and which packets carry the clock. `version` rises with every change.
pub(super) fn map(version: u8, clock: u16, entries: &[MapEntry<'_>]) -> Vec<u8> {
    section(PMT, PROGRAM, version, |out| {
        out.put_u16(0xe000 | clock);
        out.put_u16(0xf000); // no descriptors of the program
        for entry in entries {
            let about = descriptors(entry.codec);
            out.put_u8(stream_type(entry.codec));
            out.put_u16(0xe000 | entry.pid);
            out.put_u16(0xf000 | about.len() as u16);
            out.put_slice(&about);
        }
    })
}

/// Table 2-34; Opus is private data with a registration.
fn stream_type(codec: &Codec) -> u8 {
    match codec {
        Codec::H264(_) => 0x1b,
        Codec::H265(_) => 0x24,
        Codec::Aac(_) => 0x0f,
        Codec::Mjpeg(_) | Codec::Opus { .. } | Codec::G711 { .. } => 0x06,
    }
}

fn descriptors(codec: &Codec) -> Vec<u8> {
    match codec {
        // Registration "Opus", and an extension descriptor that tells the channels (ETSI TS 101 154
        // has none of it yet).
        Codec::Opus { channels } => [&[5, 4][..], b"Opus", &[0x7f, 2, 0x80, *channels]].concat(),
        Codec::H265(_) => [&[5, 4][..], b"HEVC"].concat(),
        _ => Vec::new(),
    }
}

/// A section with its length and checksum.
fn section(table: u8, id: u16, version: u8, content: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![table, 0, 0];
    out.put_u16(id);
    out.put_u8(0xc0 | (version & 31) << 1 | 1); // in force now
    out.put_u16(0); // the only section of the table
    content(&mut out);
    let length = (out.len() - 3 + 4) as u16;
    out[1..3].copy_from_slice(&(0xb000 | length).to_be_bytes());
    let sum = crc(&out);
    out.put_u32(sum);
    out
}

/// Annex A.
pub(super) fn crc(data: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum >> 31 == 1 { sum << 1 ^ 0x04c1_1db7 } else { sum << 1 };
    data.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte) << 24, step))
}
