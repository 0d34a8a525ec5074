//! H.265 payloads (RFC 7798): single NAL units, aggregation packets and fragmentation units,
//! without decoding order numbers.

use super::video::{EachPiece, Fragment, Piece, Syntax, Unit, aggregated};
use media::{
    bits::BitReader,
    h265::{self, nal, nal_type},
};

pub(super) const SYNTAX: Syntax = Syntax {
    header: 2,
    sets: &[nal::VPS, nal::SPS, nal::PPS],
    pieces,
    classify,
    is_key: h265::is_key,
};

/// Filler data (table 7-1).
const FILLER: u8 = 38;
const AP: u8 = 48;
const FU: u8 = 49;

fn pieces(payload: &[u8], each: EachPiece<'_>) -> bool {
    match (nal_type(payload), payload) {
        (0..=47, [_, _, ..]) => each(Piece::Unit(payload)),
        (AP, [_, _, rest @ ..]) => return aggregated(rest, each),
        (FU, [first, second, flags, body @ ..]) => {
            let header = [first & 0x81 | (flags & 0x3f) << 1, *second];
            each(Piece::Fragment(Fragment {
                start: flags & 0x80 != 0,
                end: flags & 0x40 != 0,
                header,
                body,
            }));
        }
        _ => return false,
    }
    true
}

/// Sequence parameter sets have their id behind variable matter; no camera is known to use two.
fn classify(unit: &[u8]) -> Unit {
    let behind_header = unit.get(2).copied().unwrap_or(0);
    match nal_type(unit) {
        0..=31 => Unit::Slice { first: behind_header & 0x80 != 0 },
        nal::VPS => Unit::ParameterSet(nal::VPS, u32::from(behind_header >> 4)),
        nal::SPS => Unit::ParameterSet(nal::SPS, 0),
        nal::PPS => Unit::ParameterSet(
            nal::PPS,
            unit.get(2..).and_then(|b| BitReader::new(b).ue()).unwrap_or(0),
        ),
        nal::AUD | FILLER => Unit::Filler,
        48.. => Unit::Invalid,
        _ => Unit::Other,
    }
}
