//! H.264 payloads (RFC 6184): single NAL units, STAP-A and FU-A, which is all of packetization
//! modes 0 and 1.

use super::video::{EachPiece, Fragment, Piece, Syntax, Unit, aggregated};
use media::{
    bits::BitReader,
    h264::{self, nal, nal_type},
};

pub(super) const SYNTAX: Syntax =
    Syntax { header: 1, sets: &[SPS, PPS], pieces, classify, is_key: h264::is_key };

const SPS: u8 = nal::SPS;
const PPS: u8 = nal::PPS;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// The interleaved packets of mode 2 (STAP-B, MTAP, FU-B) are refused: no camera is known to send
/// them.
fn pieces(payload: &[u8], each: EachPiece<'_>) -> bool {
    match (nal_type(payload), payload) {
        // 0 is no NAL unit, but how a start code begins: some cameras leave them in.
        (0..=23, _) => each(Piece::Unit(payload)),
        (STAP_A, [_, rest @ ..]) => return aggregated(rest, each),
        (FU_A, [indicator, flags, body @ ..]) => {
            let header = [indicator & 0xe0 | flags & 0x1f, 0];
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

/// The number of the first macroblock and the ids of parameter sets are Exp-Golomb codes at fixed
/// places.
fn classify(unit: &[u8]) -> Unit {
    let id_at = |byte: usize| unit.get(byte..).and_then(|b| BitReader::new(b).ue()).unwrap_or(0);
    match nal_type(unit) {
        nal::SLICE | 2 | nal::IDR => {
            Unit::Slice { first: unit.get(1).is_some_and(|b| b & 0x80 != 0) }
        }
        3 | 4 => Unit::Slice { first: false },
        SPS => Unit::ParameterSet(SPS, id_at(4)),
        PPS => Unit::ParameterSet(PPS, id_at(1)),
        nal::AUD | nal::FILLER => Unit::Filler,
        0 | 24.. => Unit::Invalid,
        _ => Unit::Other,
    }
}
