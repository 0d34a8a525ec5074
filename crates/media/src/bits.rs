//! Byte-stream helpers that H.264 and H.265 share (ITU-T H.264 Annex B, H.265 Annex B).

use bytes::Bytes;

/// Splits an Annex B byte stream into NAL units without start codes. The slices share `stream`'s
/// memory.
///
/// Bytes before the first start code are dropped, as are empty units and trailing zero bytes.
pub fn split_annex_b(stream: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
    let mut next = find_start_code(stream, 0);
    std::iter::from_fn(move || {
        loop {
            let start = next? + 3;
            next = find_start_code(stream, start);
            let mut end = next.unwrap_or(stream.len());
            while end > start && stream[end - 1] == 0 {
                end -= 1;
            }
            if end > start {
                return Some(stream.slice(start..end));
            }
        }
    })
}

/// Offset of the next `00 00 01` at or behind `from`.
fn find_start_code(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while at + 3 <= data.len() {
        match data[at + 2] {
            0 => at += 1,
            1 if data[at] == 0 && data[at + 1] == 0 => return Some(at),
            _ => at += 3,
        }
    }
    None
}

/// A NAL unit's payload without emulation prevention bytes (H.264 §7.4.1), without its header of
/// `header` bytes.
pub fn rbsp(nal: &[u8], header: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &b in nal.iter().skip(header) {
        if zeros >= 2 && b == 3 {
            zeros = 0;
            continue;
        }
        zeros = if b == 0 { zeros + 1 } else { 0 };
        out.push(b);
    }
    out
}

/// Reads bits, most significant first. Every method is `None` behind the end.
pub struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// A reader at the first bit of `data`.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The next `n` bits, at most 32, as a number.
    pub fn bits(&mut self, n: u32) -> Option<u32> {
        debug_assert!(n <= 32);
        let mut value = 0;
        for _ in 0..n {
            let byte = *self.data.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// Passes over `n` bits.
    pub fn skip(&mut self, n: u32) -> Option<()> {
        self.at = self.at.checked_add(n as usize)?;
        (self.at <= self.data.len() * 8).then_some(())
    }

    /// An unsigned Exp-Golomb code, `ue(v)` (H.264 §9.1, H.265 §9.2).
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bits(1)? == 0 {
            zeros += 1;
        }
        (zeros < 32).then_some(())?;
        self.bits(zeros)?.checked_add((1u32 << zeros) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn splits_three_and_four_byte_start_codes() {
        let s = Bytes::from_static(&[
            9, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0, 0, 1, 0x65,
        ]);
        let units: Vec<_> = split_annex_b(&s).collect();
        assert_eq!(units, [&[0x67, 1][..], &[0x68, 2], &[0x65]]);
    }

    #[test]
    fn exp_golomb() {
        let mut r = BitReader::new(&[0b1010_0110, 0b0100_0000]);
        assert_eq!([r.ue(), r.ue(), r.ue(), r.ue()], [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(BitReader::new(&[0; 9]).ue(), None);
    }

    proptest! {
        #[test]
        fn joined_units_split_again(units in prop::collection::vec(prop::collection::vec(1u8.., 1..40), 0..8)) {
            let mut s = Vec::new();
            for u in &units {
                s.extend_from_slice(&[0, 0, 0, 1]);
                s.extend_from_slice(u);
            }
            let s = Bytes::from(s);
            prop_assert_eq!(split_annex_b(&s).collect::<Vec<_>>(), units);
        }

        #[test]
        fn never_panics(s in prop::collection::vec(0u8..4, 0..200)) {
            let s = Bytes::from(s);
            for unit in split_annex_b(&s) { rbsp(&unit, 1); }
        }
    }
}
