//! Making feedback: for tests, load clients and whoever receives.

use super::{FIXED, FORMAT, Symbol, TICKS_PER_REFERENCE, TRANSPORT_FEEDBACK};
use bytes::{BufMut, Bytes, BytesMut};

/// Fewest equal symbols that a run tells shorter than a vector of one-bit symbols.
const WORTH_A_RUN: usize = 15;
/// Longest run (§3.1.3).
const MAX_RUN: usize = 0x1fff;

/// A feedback message by `sender` about the packets from sequence number `base` on: when each
/// arrived, in ticks of 250 µs of the receiver's clock, or that it did not. `count` counts
/// messages.
///
/// `None` if there are no packets, more than a message can tell of, or two arrivals next to each
/// other are more than 8.19 s apart: then a new message has to begin.
pub fn write(
    sender: u32,
    media: u32,
    count: u8,
    base: u16,
    arrivals: &[Option<i64>],
) -> Option<Bytes> {
    let packets = u16::try_from(arrivals.len()).ok().filter(|n| *n > 0)?;
    let first = arrivals.iter().flatten().next().copied().unwrap_or(0);
    let reference = first.div_euclid(TICKS_PER_REFERENCE);
    let mut out = BytesMut::with_capacity(FIXED + 4 * arrivals.len());
    out.put_slice(&[2 << 6 | FORMAT, TRANSPORT_FEEDBACK, 0, 0]);
    out.put_u32(sender);
    out.put_u32(media);
    out.put_u16(base);
    out.put_u16(packets);
    out.put_u32((reference as u32) << 8 | u32::from(count));
    let mut deltas = BytesMut::new();
    let symbols = symbols(arrivals, reference * TICKS_PER_REFERENCE, &mut deltas)?;
    put_chunks(&mut out, &symbols);
    out.put_slice(&deltas);
    finish(out)
}

/// Pads with the padding bit set (RFC 3550 §6.4.1), and writes the length.
fn finish(mut out: BytesMut) -> Option<Bytes> {
    let padding = out.len().wrapping_neg() % 4;
    if padding > 0 {
        out[0] |= 0x20;
        out.put_bytes(0, padding - 1);
        out.put_u8(padding as u8);
    }
    let words = u16::try_from(out.len() / 4 - 1).ok()?;
    out[2..4].copy_from_slice(&words.to_be_bytes());
    Some(out.freeze())
}

fn symbols(arrivals: &[Option<i64>], mut time: i64, deltas: &mut BytesMut) -> Option<Vec<Symbol>> {
    let symbol = |arrival: &Option<i64>| {
        let Some(at) = *arrival else { return Some(Symbol::Missing) };
        let delta = i16::try_from(at - time).ok()?;
        time = at;
        if let Ok(small) = u8::try_from(delta) {
            deltas.put_u8(small);
            return Some(Symbol::SmallDelta);
        }
        deltas.put_i16(delta);
        Some(Symbol::LargeDelta)
    };
    arrivals.iter().map(symbol).collect()
}

fn put_chunks(out: &mut BytesMut, mut symbols: &[Symbol]) {
    while let Some(first) = symbols.first() {
        let run = symbols.iter().take_while(|s| *s == first).take(MAX_RUN).count();
        let taken = if run >= WORTH_A_RUN || run == symbols.len() {
            out.put_u16((*first as u16) << 13 | run as u16);
            run
        } else if symbols.iter().take(14).all(|s| *s != Symbol::LargeDelta) {
            out.put_u16(2 << 14 | vector(symbols, 14, 1));
            14
        } else {
            out.put_u16(3 << 14 | vector(symbols, 7, 2));
            7
        };
        symbols = symbols.get(taken..).unwrap_or_default();
    }
}

/// The next `len` symbols of `width` bits each, missing ones as zero.
fn vector(symbols: &[Symbol], len: u16, width: u16) -> u16 {
    symbols
        .iter()
        .zip(1..=len)
        .fold(0, |bits, (symbol, nth)| bits | (*symbol as u16) << (width * (len - nth)))
}
