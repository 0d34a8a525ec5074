//! Telling players what the samples mean, where an encoder does not.

use super::Colour;
use crate::bits::{self, BitReader};
use bytes::Bytes;

/// Profiles whose parameter sets tell of chroma and depth (§7.3.2.1.1).
const HIGH: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// `video_format`: not said (table E-2).
const UNSPECIFIED: u32 = 5;
/// `aspect_ratio_idc` with a ratio behind it (table E-1).
const EXTENDED: u32 = 255;
/// Most reference frames of a cycle of picture order counts (§7.4.2.1.1).
const MAX_CYCLE: u32 = 255;

/// The sequence parameter set with this colour in its VUI (§E.1.1), where it says none or another;
/// the rest of it stays. `None` if it cannot be read, or has scaling matrices, which no encoder of
/// cameras has.
pub fn with_colour(sps: &[u8], colour: Colour) -> Option<Bytes> {
    let header = *sps.first()?;
    let rbsp = bits::rbsp(sps, 1);
    let end = stop_bit(&rbsp)?;
    let mut reader = CountingReader { inner: BitReader::new(&rbsp), at: 0 };
    to_vui(&mut reader)?;
    let mut out = BitWriter::default();
    out.copy(&rbsp, 0..reader.at);
    let has_vui = reader.bits(1)? == 1;
    out.bits(1, 1);
    if has_vui {
        let from = reader.at;
        if reader.bits(1)? == 1 && reader.bits(8)? == EXTENDED {
            reader.bits(32)?;
        }
        if reader.bits(1)? == 1 {
            reader.bits(1)?;
        }
        out.copy(&rbsp, from..reader.at);
        skip_signal(&mut reader)?;
    } else {
        // No aspect ratio, no overscan.
        out.bits(0, 2);
    }
    signal(&mut out, colour);
    if has_vui {
        (reader.at <= end).then(|| out.copy(&rbsp, reader.at..end))?;
    } else {
        // No place of chroma, no timing, no buffers of two kinds, no structure of pictures, no
        // restrictions.
        out.bits(0, 6);
    }
    Some(out.finish(header))
}

/// Where the last bit that is set is (§7.3.2.11).
fn stop_bit(rbsp: &[u8]) -> Option<usize> {
    let last = rbsp.iter().rposition(|byte| *byte != 0)?;
    Some(last * 8 + 7 - rbsp[last].trailing_zeros() as usize)
}

/// Reads up to `vui_parameters_present_flag` (§7.3.2.1.1).
fn to_vui(r: &mut CountingReader<'_>) -> Option<()> {
    let profile = r.bits(8)?;
    r.bits(16)?;
    r.ue()?;
    if HIGH.contains(&profile) {
        if r.ue()? == 3 {
            r.bits(1)?;
        }
        r.pass(2)?;
        r.bits(1)?;
        (r.bits(1)? == 0).then_some(())?;
    }
    r.ue()?;
    match r.ue()? {
        0 => r.pass(1)?,
        1 => {
            r.bits(1)?;
            r.pass(2)?;
            let cycle = r.ue()?;
            (cycle <= MAX_CYCLE).then_some(())?;
            r.pass(cycle)?;
        }
        _ => {}
    }
    r.pass(1)?;
    r.bits(1)?;
    r.pass(2)?;
    if r.bits(1)? == 0 {
        r.bits(1)?;
    }
    r.bits(1)?;
    if r.bits(1)? == 1 {
        r.pass(4)?;
    }
    Some(())
}

fn skip_signal(r: &mut CountingReader<'_>) -> Option<()> {
    if r.bits(1)? == 1 {
        r.bits(4)?;
        if r.bits(1)? == 1 {
            r.bits(24)?;
        }
    }
    Some(())
}

/// BT.709 for all three where the matrix is that, else those of BT.601 as SMPTE 170M has them
/// (tables E-3 to E-5).
fn signal(out: &mut BitWriter, colour: Colour) {
    out.bits(1, 1);
    out.bits(UNSPECIFIED, 3);
    out.bits(colour.full_range.into(), 1);
    let Some(matrix) = colour.matrix else { return out.bits(0, 1) };
    let others = if matrix == 1 { 1 } else { 6 };
    out.bits(1, 1);
    [others, others, matrix.into()].into_iter().for_each(|number| out.bits(number, 8));
}

/// A reader that knows where it is.
struct CountingReader<'a> {
    inner: BitReader<'a>,
    at: usize,
}

impl CountingReader<'_> {
    fn bits(&mut self, n: u32) -> Option<u32> {
        self.at += n as usize;
        self.inner.bits(n)
    }

    fn ue(&mut self) -> Option<u32> {
        let value = self.inner.ue()?;
        // As many zeros as bits follow the first one.
        self.at += 2 * (value.checked_add(1)?.ilog2() as usize) + 1;
        Some(value)
    }

    /// Passes over so many codes.
    fn pass(&mut self, codes: u32) -> Option<()> {
        (0..codes).try_for_each(|_| self.ue().map(drop))
    }
}

#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    used: usize,
}

impl BitWriter {
    fn bits(&mut self, value: u32, n: u32) {
        for bit in (0..n).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.used % 8);
            }
            self.used += 1;
        }
    }

    fn copy(&mut self, from: &[u8], range: std::ops::Range<usize>) {
        range.for_each(|at| self.bits((from[at / 8] >> (7 - at % 8) & 1).into(), 1));
    }

    /// With the stop bit and with emulation prevention (§7.4.1).
    fn finish(mut self, header: u8) -> Bytes {
        self.bits(1, 1);
        let mut unit = vec![header];
        let mut zeros = 0;
        for byte in self.bytes {
            if zeros == 2 && byte <= 3 {
                unit.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            unit.push(byte);
        }
        unit.into()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::ParameterSets, *};
    use proptest::prelude::*;

    /// What x264 writes for 1280x720 at 30 fps: high profile, VUI with timing and restrictions, no
    /// colour.
    const WITH_VUI: &[u8] = &[
        0x67, 0x64, 0x00, 0x1f, 0xac, 0xb2, 0x00, 0xa0, 0x0b, 0x74, 0x20, 0x00, 0x00, 0x03, 0x00,
        0x20, 0x00, 0x00, 0x07, 0x91, 0xe3, 0x06, 0x49,
    ];
    /// Baseline, level 3, 640x360, cropped, no VUI: written by hand after §7.3.2.1.1.
    const WITHOUT: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0x40];

    fn read(sps: impl Into<Bytes>) -> ParameterSets {
        ParameterSets::parse(sps.into(), Bytes::from_static(&[0x68, 0xea])).unwrap()
    }

    const COLOURS: [Colour; 4] = [
        Colour { full_range: false, matrix: Some(1) },
        Colour { full_range: true, matrix: Some(6) },
        Colour { full_range: true, matrix: Some(1) },
        Colour { full_range: true, matrix: None },
    ];

    #[test]
    fn colours_are_told_and_all_else_stays() {
        for sps in [WITH_VUI, WITHOUT] {
            let before = read(Bytes::from_static(sps));
            let mut last = with_colour(sps, COLOURS[0]).unwrap();
            for colour in COLOURS {
                last = with_colour(&last, colour).unwrap();
                let after = read(last.clone());
                assert_eq!((after.colour(), &after.video), (colour, &before.video));
                assert_eq!(after.profile_level_id(), before.profile_level_id());
                assert_eq!(with_colour(sps, colour).unwrap(), last, "whatever was said before");
            }
        }
    }

    #[test]
    fn what_was_said_may_be_said_again() {
        let told = with_colour(WITH_VUI, COLOURS[0]).unwrap();
        assert_eq!(with_colour(&told, COLOURS[0]).unwrap(), told);
    }

    proptest! {
        #[test]
        fn never_panics(sps in prop::collection::vec(any::<u8>(), 0..64), cut in 0usize..23, full_range: bool) {
            let colour = Colour { full_range, matrix: Some(6) };
            let _ = with_colour(&sps, colour);
            let mut mixed = WITH_VUI[..cut].to_vec();
            mixed.extend(sps);
            // What comes out can be read again, and says it.
            if let Some(told) = with_colour(&mixed, colour) {
                prop_assert!(told.len() <= mixed.len() * 3 / 2 + 16);
                let again = with_colour(&told, colour);
                prop_assert_eq!(again, Some(told));
            }
        }
    }
}
