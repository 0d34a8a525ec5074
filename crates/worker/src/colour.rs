//! The colours of video as JPEG wants them: full range, BT.601 (JFIF 1.02, p. 3).

use crate::picture::I420;
use media::h264::Colour;

/// Rows from which on streams that do not say are taken for BT.709, as browsers do.
pub(crate) const HD_ROWS: usize = 720;
/// Fractional bits of the arithmetic.
const BITS: u32 = 14;
const HALF: i32 = 1 << (BITS - 1);

/// How luma and chroma become others: all multiplied by 2^[`BITS`].
struct Matrix {
    black: i32,
    luma: i32,
    /// What blue-yellow and red-cyan differences add to luma.
    to_luma: [i32; 2],
    /// The two new differences of the two old ones.
    chroma: [[i32; 2]; 2],
}

impl Matrix {
    fn new(colour: Colour, rows: usize) -> Self {
        let hd = colour.matrix.map_or(rows >= HD_ROWS, |m| m == 1);
        // Of full-range BT.709 in terms of full-range BT.601, from the luma coefficients of both.
        let (to_luma, chroma) = match hd {
            true => ([0.101_58, 0.196_08], [[0.989_85, -0.110_65], [-0.072_46, 0.983_40]]),
            false => ([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]),
        };
        let (y, c, black) =
            if colour.full_range { (1.0, 1.0, 0) } else { (255.0 / 219.0, 255.0 / 224.0, 16) };
        let fixed = |v: f64| (v * f64::from(1 << BITS)).round() as i32;
        Self {
            black,
            luma: fixed(y),
            to_luma: to_luma.map(|v| fixed(v * c)),
            chroma: chroma.map(|r| r.map(|v| fixed(v * c))),
        }
    }

    fn changes_nothing(&self) -> bool {
        self.black == 0 && self.to_luma == [0, 0]
    }
}

/// Turns a decoded picture into one for JPEG, in place.
pub(crate) fn convert(picture: &mut I420, colour: Colour) {
    let matrix = Matrix::new(colour, picture.height());
    if matrix.changes_nothing() {
        return;
    }
    let [(luma, w, _), (blue, half, _), (red, ..)] = picture.planes_mut();
    let (w, half) = (w.max(2), half.max(1));
    let mut added = vec![0i32; w];
    let rows = luma
        .chunks_exact_mut(w * 2)
        .zip(blue.chunks_exact_mut(half).zip(red.chunks_exact_mut(half)));
    for (luma, (blue, red)) in rows {
        chroma_row(&matrix, blue, red, &mut added);
        luma.chunks_exact_mut(w).for_each(|row| luma_row(&matrix, row, &added));
    }
}

/// Turns a row of both differences, and notes what they add to each luma sample below.
fn chroma_row(matrix: &Matrix, blue: &mut [u8], red: &mut [u8], added: &mut [i32]) {
    let [[bb, br], [rb, rr]] = matrix.chroma;
    for ((b, r), added) in blue.iter_mut().zip(red).zip(added.chunks_exact_mut(2)) {
        let (cb, cr) = (i32::from(*b) - 128, i32::from(*r) - 128);
        added.fill(matrix.to_luma[0] * cb + matrix.to_luma[1] * cr + HALF);
        *b = sample(((bb * cb + br * cr + HALF) >> BITS) + 128);
        *r = sample(((rb * cb + rr * cr + HALF) >> BITS) + 128);
    }
}

fn luma_row(matrix: &Matrix, row: &mut [u8], added: &[i32]) {
    for (y, added) in row.iter_mut().zip(added) {
        *y = sample(((i32::from(*y) - matrix.black) * matrix.luma + added) >> BITS);
    }
}

fn sample(v: i32) -> u8 {
    v.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(y: u8, u: u8, v: u8, colour: Colour) -> [u8; 3] {
        let mut picture = I420::new(4, 2);
        for ((plane, ..), value) in picture.planes_mut().into_iter().zip([y, u, v]) {
            plane.fill(value);
        }
        convert(&mut picture, colour);
        picture.planes().map(|plane| {
            assert!(plane.iter().all(|s| *s == plane[0]));
            plane[0]
        })
    }

    const HD: Colour = Colour { full_range: false, matrix: Some(1) };
    const SD: Colour = Colour { full_range: false, matrix: Some(6) };

    #[test]
    fn black_and_white_reach_the_ends() {
        for colour in [HD, SD] {
            assert_eq!(one(16, 128, 128, colour), [0, 128, 128]);
            assert_eq!(one(235, 128, 128, colour), [255, 128, 128]);
            assert_eq!(one(0, 128, 128, colour)[0], 0);
            assert_eq!(one(255, 128, 128, colour)[0], 255);
        }
    }

    /// RGB of a JPEG sample (JFIF).
    fn rgb([y, b, r]: [u8; 3]) -> [f64; 3] {
        let (y, b, r) = (f64::from(y), f64::from(b) - 128.0, f64::from(r) - 128.0);
        [y + 1.402 * r, y - 0.344_14 * b - 0.714_14 * r, y + 1.772 * b]
    }

    #[test]
    fn red_green_and_blue_of_bt_709_stay_red_green_and_blue() {
        // Limited range BT.709: the values of ITU-T H.273 for full red, green, blue.
        for (video, wanted) in [
            ([63, 102, 240], [255.0, 0.0, 0.0]),
            ([173, 42, 26], [0.0, 255.0, 0.0]),
            ([32, 240, 118], [0.0, 0.0, 255.0]),
        ] {
            let got = rgb(one(video[0], video[1], video[2], HD));
            assert!(
                got.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 5.0),
                "{got:?} for {wanted:?}"
            );
        }
    }

    #[test]
    fn what_is_jpeg_already_is_left_alone() {
        assert_eq!(one(7, 40, 200, Colour { full_range: true, matrix: Some(5) }), [7, 40, 200]);
    }
}
