//! The clock that programs read: blocks in the picture that survive encoding, scaling and screens.
//!
//! # What it says
//! Two numbers and a checksum, 64 bits:
//! - `millis`, 32 bits: the low 32 bits of the milliseconds since 1970-01-01T00:00:00Z, rounded
//!   down, on the wall clock of the machine that draws, at the moment of capture, which is when
//!   drawing of the frame begins. It wraps every 49.7 days: a reader takes the difference to its
//!   own clock's low 32 bits as a signed 32-bit number.
//! - `frame`, 16 bits: counts drawn frames from 0 and wraps. A gap is a lost frame, the same number
//!   twice a repeated one.
//! - `crc`, 16 bits: CRC-16 with polynomial 0x1021, initial value 0xFFFF, neither reflected nor
//!   inverted (CRC-16/IBM-3740, whose check value over `123456789` is 0x29B1) over six bytes:
//!   `millis` then `frame`, both most significant byte first.
//!
//! # Where it is
//! The picture is divided into [`COLUMNS`] × [`ROWS`] cells (80 × 45: cells of 16 × 16 pixels, just
//! a macroblock, in 1280 × 720). In a picture of `W` × `H` pixels the cell in column `c` and row
//! `r`, both counted from 0 at the top left, covers the columns `floor(c·W/80)` to
//! `floor((c+1)·W/80) − 1` and the rows `floor(r·H/45)` to `floor((r+1)·H/45) − 1`. As only
//! fractions of the picture count, a scaled picture is read with the same formula and its own `W`
//! and `H`.
//!
//! Columns 1 to 38 of the rows 1 to 4 are a black panel. In it, the rows 2 and 3 carry one block a
//! cell, white being 1:
//!
//! | column | 2 | 3 | 4 … 35 | 36 | 37 |
//! |---|---|---|---|---|---|
//! | row 2 | white | black | `millis`, most significant bit first | black | white |
//! | row 3 | white | black | `frame`, then `crc`, each most significant bit first | black | white |
//!
//! # How to read it
//! A cell's brightness is the mean luma (any of R, G, B will do) of its middle: the pixels whose
//! offset from the cell's first pixel is from `floor(w/4)` to `w − 1 − floor(w/4)`, likewise in
//! height, `w` being the cell's width. The threshold is half-way between the mean of the four white
//! and the mean of the four black marker cells. If those means differ by less than 60 (of 255), or
//! the checksum is wrong, there is no clock in this picture.
//!
//! Reliable from 320 × 180 pixels on.

use super::canvas::{BLACK, I420, WHITE};

/// Cells across the picture.
pub const COLUMNS: usize = 80;
/// Cells down the picture.
pub const ROWS: usize = 45;

/// Rows of blocks.
const BLOCK_ROWS: [usize; 2] = [2, 3];
/// Column of the first data bit.
const FIRST_BIT: usize = 4;
const WHITE_MARKERS: [usize; 2] = [2, 37];
const BLACK_MARKERS: [usize; 2] = [3, 36];
/// Least difference between white and black.
const MIN_CONTRAST: u32 = 60;

/// What the clock in a picture says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Low 32 bits of the wall clock in milliseconds at capture.
    pub millis: u32,
    /// Low 16 bits of the frame's number.
    pub frame: u16,
}

impl Stamp {
    fn words(self) -> [u32; 2] {
        [self.millis, u32::from(self.frame) << 16 | u32::from(self.crc())]
    }

    fn from_words([millis, rest]: [u32; 2]) -> Option<Self> {
        let stamp = Self { millis, frame: (rest >> 16) as u16 };
        (stamp.crc() == rest as u16).then_some(stamp)
    }

    fn crc(self) -> u16 {
        let [a, b, c, d] = self.millis.to_be_bytes();
        let [e, f] = self.frame.to_be_bytes();
        crc16(&[a, b, c, d, e, f])
    }

    /// Draws the data blocks; panel and markers stay from frame to frame.
    pub(super) fn draw(self, canvas: &mut I420) {
        for (row, word) in BLOCK_ROWS.into_iter().zip(self.words()) {
            for bit in 0..32 {
                let value = if word >> (31 - bit) & 1 == 1 { WHITE.y } else { BLACK.y };
                canvas.fill_luma(canvas.cells(FIRST_BIT + bit, row, 1, 1), value);
            }
        }
    }

    /// Reads the clock of a picture, given its luma plane with `stride` bytes from row to row.
    /// `None` if none can be read for sure.
    pub fn read(luma: &[u8], width: usize, height: usize, stride: usize) -> Option<Self> {
        if width < COLUMNS
            || height < ROWS
            || stride < width
            || luma.len() < stride * (height - 1) + width
        {
            return None;
        }
        let cell = |column, row| {
            brightness(luma, stride, span(column, width, COLUMNS), span(row, height, ROWS))
        };
        let markers = |columns: [usize; 2]| {
            BLOCK_ROWS.iter().flat_map(|r| columns.map(|c| cell(c, *r))).sum::<u32>() / 4
        };
        let (white, black) = (markers(WHITE_MARKERS), markers(BLACK_MARKERS));
        if white < black + MIN_CONTRAST {
            return None;
        }
        let threshold = (white + black) / 2;
        let word = |row| {
            (FIRST_BIT..FIRST_BIT + 32)
                .fold(0, |w: u32, c| w << 1 | u32::from(cell(c, row) > threshold))
        };
        Self::from_words(BLOCK_ROWS.map(word))
    }
}

/// First pixel and end of the middle of cell `i` of `n` across `size` pixels.
fn span(i: usize, size: usize, n: usize) -> std::ops::Range<usize> {
    let (from, to) = (i * size / n, (i + 1) * size / n);
    let margin = (to - from) / 4;
    from + margin..to - margin
}

fn brightness(
    luma: &[u8],
    stride: usize,
    x: std::ops::Range<usize>,
    y: std::ops::Range<usize>,
) -> u32 {
    let pixels = x.len() * y.len();
    let sum: u32 = y
        .flat_map(|row| &luma[row * stride + x.start..row * stride + x.end])
        .map(|p| u32::from(*p))
        .sum();
    sum / (pixels as u32).max(1)
}

/// Draws what stays: the panel and the markers.
pub(super) fn draw_panel(canvas: &mut I420) {
    canvas.fill(canvas.cells(1, 1, 38, 4), BLACK);
    for (column, row) in WHITE_MARKERS.into_iter().flat_map(|c| BLOCK_ROWS.map(|r| (c, r))) {
        canvas.fill_luma(canvas.cells(column, row, 1, 1), WHITE.y);
    }
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(width: usize, height: usize, stamp: Stamp) -> I420 {
        let mut canvas = I420::new(width, height);
        draw_panel(&mut canvas);
        stamp.draw(&mut canvas);
        canvas
    }

    fn read(canvas: &I420) -> Option<Stamp> {
        Stamp::read(canvas.planes()[0], canvas.width(), canvas.height(), canvas.width())
    }

    #[test]
    fn checksum_is_the_published_one() {
        assert_eq!(crc16(b"123456789"), 0x29b1);
    }

    #[test]
    fn every_size_and_value_is_read_back() {
        let sizes = [
            (160, 90),
            (320, 180),
            (320, 240),
            (640, 360),
            (854, 480),
            (1280, 720),
            (1920, 1080),
            (720, 1280),
            (3840, 2160),
        ];
        for (width, height) in sizes {
            for millis in [0, u32::MAX, 0x5555_aaaa, 1_754_000_000, 1] {
                let stamp = Stamp { millis, frame: (millis >> 3) as u16 };
                assert_eq!(read(&drawn(width, height, stamp)), Some(stamp), "{width}x{height}");
            }
        }
    }

    #[test]
    fn a_wrong_bit_or_no_contrast_is_no_clock() {
        let mut canvas = drawn(640, 360, Stamp { millis: 77, frame: 1 });
        let cell = canvas.cells(20, 2, 1, 1);
        canvas.fill_luma(cell, WHITE.y);
        assert_eq!(read(&canvas), None);
        assert_eq!(read(&I420::new(640, 360)), None);
        assert_eq!(Stamp::read(&[0; 10], 640, 360, 640), None);
    }
}
