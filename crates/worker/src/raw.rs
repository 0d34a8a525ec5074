//! A camera's pictures as the encoder wants them: planes of Y, U and V, chroma of half the size
//! both ways.

use crate::{picture::I420, tables::with_tables, v4l2::Raw};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

/// Most columns and rows of a picture.
pub(crate) const MAX_SIDE: usize = 8192;

/// Why a picture is left out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Bad {
    /// Fewer bytes than the picture's size needs.
    #[error("{got} bytes instead of {wanted}")]
    Short { got: usize, wanted: usize },
    /// What the decoder says.
    #[error("JPEG decoder: {0}")]
    Jpeg(String),
    /// The size is not what the camera said.
    #[error("a JPEG of {0}x{1}")]
    Size(usize, usize),
}

/// Where the samples are in a driver's buffer: where a camera put them, or where an encoder wants
/// them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Placed {
    pub(crate) raw: Raw,
    /// Rows of luma that the driver speaks of, behind which chroma comes; of a camera's picture
    /// there may be one less, to be even.
    pub(crate) rows: usize,
    /// Bytes from one row of luma to the next; 0 if a camera does not tell them.
    pub(crate) stride: usize,
}

impl Placed {
    /// Fills `picture` with the samples in `bytes`.
    ///
    /// # Errors
    /// [`Bad::Short`].
    pub(crate) fn copy(self, bytes: &[u8], picture: &mut I420) -> Result<(), Bad> {
        let (w, h) = (picture.width(), picture.height());
        let stride = self.stride.max(self.row(w)).max(1);
        let rows = self.rows.max(h);
        let whole = stride * rows;
        let wanted = match self.raw {
            Raw::Yu12 => whole + stride / 2 * rows.div_ceil(2) + stride / 2 * (h / 2 - 1) + w / 2,
            Raw::Nv12 => whole + stride * (h / 2 - 1) + w,
            Raw::Yuyv | Raw::Uyvy | Raw::Grey => stride * (h - 1) + self.row(w),
        };
        if bytes.len() < wanted {
            return Err(Bad::Short { got: bytes.len(), wanted });
        }
        let (luma, chroma) = bytes.split_at(whole.min(bytes.len()));
        let [(y, ..), (u, ..), (v, ..)] = picture.planes_mut();
        match self.raw {
            Raw::Yuyv => packed::<0>(bytes, stride, w, [y, u, v]),
            Raw::Uyvy => packed::<1>(bytes, stride, w, [y, u, v]),
            Raw::Yu12 => {
                rows_of(luma, stride, y, w);
                let (blue, red) =
                    chroma.split_at((stride / 2 * rows.div_ceil(2)).min(chroma.len()));
                rows_of(blue, stride / 2, u, w / 2);
                rows_of(red, stride / 2, v, w / 2);
            }
            Raw::Nv12 => {
                rows_of(luma, stride, y, w);
                let pairs = chroma
                    .chunks(stride)
                    .zip(u.chunks_exact_mut(w / 2).zip(v.chunks_exact_mut(w / 2)));
                for (from, (u, v)) in pairs {
                    let samples = from.chunks_exact(2).zip(u.iter_mut().zip(v));
                    samples.for_each(|(pair, (u, v))| (*u, *v) = (pair[0], pair[1]));
                }
            }
            Raw::Grey => {
                rows_of(luma, stride, y, w);
                u.fill(128);
                v.fill(128);
            }
        }
        Ok(())
    }

    /// Bytes of a row, at least.
    fn row(self, width: usize) -> usize {
        if matches!(self.raw, Raw::Yuyv | Raw::Uyvy) { width * 2 } else { width }
    }
}

fn rows_of(from: &[u8], stride: usize, to: &mut [u8], width: usize) {
    let rows = to.chunks_exact_mut(width).zip(from.chunks(stride));
    rows.for_each(|(to, from)| to.copy_from_slice(&from[..width]));
}

/// Two columns in four bytes, luma first at `LUMA`; chroma is the mean of two rows.
fn packed<const LUMA: usize>(from: &[u8], stride: usize, width: usize, [y, u, v]: [&mut [u8]; 3]) {
    let mut rows = from.chunks(stride);
    let half = width / 2;
    for ((y, u), v) in
        y.chunks_exact_mut(width * 2).zip(u.chunks_exact_mut(half)).zip(v.chunks_exact_mut(half))
    {
        let (Some(first), Some(second)) = (rows.next(), rows.next()) else { return };
        let (upper, lower) = y.split_at_mut(width);
        for (luma, from) in [(upper, first), (lower, second)] {
            let pairs = luma.chunks_exact_mut(2).zip(from.chunks_exact(4));
            pairs.for_each(|(to, from)| (to[0], to[1]) = (from[LUMA], from[LUMA + 2]));
        }
        let fours = first.chunks_exact(4).zip(second.chunks_exact(4));
        for ((a, b), (u, v)) in fours.zip(u.iter_mut().zip(v)) {
            *u = mean(a[1 - LUMA], b[1 - LUMA]);
            *v = mean(a[3 - LUMA], b[3 - LUMA]);
        }
    }
}

fn mean(a: u8, b: u8) -> u8 {
    u16::midpoint(a.into(), u16::from(b) + 1) as u8
}

/// Decodes a JPEG file into `picture`, which is of its size, rounded down to even numbers. Its
/// colours are BT.601 in full range (JFIF).
///
/// # Errors
/// If it is damaged or of another size.
pub(crate) fn decode(file: &[u8], picture: &mut I420) -> Result<(), Bad> {
    let file = with_tables(file);
    let wrong = |e: zune_jpeg::errors::DecodeErrors| Bad::Jpeg(e.to_string());
    let options = DecoderOptions::default().set_max_width(MAX_SIDE).set_max_height(MAX_SIDE);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&*file), options);
    decoder.decode_headers().map_err(wrong)?;
    let (w, h) = decoder.dimensions().unwrap_or_default();
    if (w & !1, h & !1) != (picture.width(), picture.height()) || w < 2 || h < 2 {
        return Err(Bad::Size(w, h));
    }
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    decoder.set_options(options.jpeg_set_out_colorspace(if grey {
        ColorSpace::Luma
    } else {
        ColorSpace::YCbCr
    }));
    let samples = decoder.decode().map_err(wrong)?;
    let depth = if grey { 1 } else { 3 };
    if samples.len() < w * h * depth {
        return Err(Bad::Short { got: samples.len(), wanted: w * h * depth });
    }
    if grey {
        return Placed { raw: Raw::Grey, rows: h, stride: w }.copy(&samples, picture);
    }
    shrink_chroma(&samples, w, picture);
    Ok(())
}

/// From three bytes a sample to planes.
fn shrink_chroma(samples: &[u8], w: usize, picture: &mut I420) {
    let even = picture.width();
    let [(y, ..), (u, ..), (v, ..)] = picture.planes_mut();
    let pairs = samples.chunks_exact(w * 3 * 2).zip(y.chunks_exact_mut(even * 2));
    for ((from, y), (u, v)) in
        pairs.zip(u.chunks_exact_mut(even / 2).zip(v.chunks_exact_mut(even / 2)))
    {
        let (first, second) = from.split_at(w * 3);
        let (upper, lower) = y.split_at_mut(even);
        for (luma, from) in [(upper, first), (lower, second)] {
            luma.iter_mut().zip(from.chunks_exact(3)).for_each(|(to, from)| *to = from[0]);
        }
        let squares = first.chunks_exact(6).zip(second.chunks_exact(6));
        for ((a, b), (u, v)) in squares.zip(u.iter_mut().zip(v)) {
            let of_four = |i: usize| {
                ((u16::from(a[i])
                    + u16::from(a[i + 3])
                    + u16::from(b[i])
                    + u16::from(b[i + 3])
                    + 2)
                    / 4) as u8
            };
            (*u, *v) = (of_four(1), of_four(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Planes of a 4x2 picture.
    fn planes(raw: Raw, stride: usize, bytes: &[u8]) -> [Vec<u8>; 3] {
        let mut picture = I420::new(4, 2);
        Placed { raw, rows: 2, stride }.copy(bytes, &mut picture).unwrap();
        picture.planes().map(<[u8]>::to_vec)
    }

    #[test]
    fn samples_of_each_format_come_to_their_places() {
        let wanted = [vec![1, 2, 3, 4, 5, 6, 7, 8], vec![20, 30], vec![120, 130]];
        let yuyv = [1, 20, 2, 120, 3, 30, 4, 130, 5, 20, 6, 120, 7, 30, 8, 130];
        assert_eq!(planes(Raw::Yuyv, 8, &yuyv), wanted);
        let uyvy = [20, 1, 120, 2, 30, 3, 130, 4, 20, 5, 120, 6, 30, 7, 130, 8];
        assert_eq!(planes(Raw::Uyvy, 0, &uyvy), wanted);
        assert_eq!(planes(Raw::Nv12, 4, &[1, 2, 3, 4, 5, 6, 7, 8, 20, 120, 30, 130]), wanted);
        assert_eq!(planes(Raw::Yu12, 4, &[1, 2, 3, 4, 5, 6, 7, 8, 20, 30, 120, 130]), wanted);
        let padded = [1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 0, 20, 120, 30, 130, 0, 0];
        assert_eq!(planes(Raw::Nv12, 6, &padded), wanted, "rows may be longer than the picture");
        assert_eq!(planes(Raw::Grey, 4, &[1, 2, 3, 4, 5, 6, 7, 8])[1], [128, 128]);
    }

    #[test]
    fn chroma_of_two_rows_is_their_mean() {
        let yuyv = [0, 10, 0, 100, 0, 10, 0, 100, 0, 20, 0, 201, 0, 20, 0, 201];
        assert_eq!(planes(Raw::Yuyv, 8, &yuyv)[1..], [vec![15, 15], vec![151, 151]]);
    }

    #[test]
    fn a_jpeg_comes_back_as_it_was() {
        let options = crate::picture::Options {
            name: "x".into(),
            width: 320,
            height: 180,
            fps: 30,
            noise: 0,
        };
        let now = media::ClockPair { mono: media::Mono::default(), wall: media::Wall::default() };
        let before = crate::picture::Picture::new(&options).draw(now).clone();
        let file = crate::jpeg::encode(&before, 95).unwrap();
        let mut after = I420::new(320, 180);
        decode(&file, &mut after).unwrap();
        let off: u64 = before
            .as_bytes()
            .iter()
            .zip(after.as_bytes())
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        let mean = off as f64 / before.as_bytes().len() as f64;
        assert!(mean < 2.0, "{mean}");
        assert!(matches!(decode(&file, &mut I420::new(640, 360)), Err(Bad::Size(320, 180))));
        assert!(matches!(decode(&file[..100], &mut after), Err(Bad::Jpeg(_))));
    }

    proptest! {
        #[test]
        fn no_size_and_no_length_is_a_panic(raw in 0usize..5, w in 1usize..40, h in 1usize..40, stride in 0usize..90, length in 0usize..6000) {
            let raw = [Raw::Yu12, Raw::Nv12, Raw::Yuyv, Raw::Uyvy, Raw::Grey][raw];
            let mut picture = I420::new(w.max(2), h.max(2));
            let _ = Placed { raw, rows: h, stride }.copy(&vec![7; length], &mut picture);
        }

        #[test]
        fn damaged_files_are_no_panic(at in 0usize..3000, value: u8, cut in 0usize..4000) {
            let mut file = crate::jpeg::encode(&I420::new(64, 64), 50).unwrap().to_vec();
            let at = at % file.len();
            file[at] = value;
            file.truncate(file.len() - cut % file.len());
            let _ = decode(&file, &mut I420::new(64, 64));
        }
    }
}
