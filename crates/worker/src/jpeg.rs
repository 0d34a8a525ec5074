//! JPEG from planes: `jpeg-encoder` behind the few words the worker needs.
//!
//! The planes go in as they are, so there is no way over RGB. The crate is Rust all the way.
//! libjpeg-turbo is several times as fast (3 ms for 1920x1080, measured apart, where this takes 13
//! ms on a busy machine), but builds with CMake only.

use crate::picture::I420;
use bytes::Bytes;
use jpeg_encoder::{Encoder, EncodingError, ImageBuffer, JpegColorType, SamplingFactor};

/// The encoder refused; its own words.
#[derive(Debug, thiserror::Error)]
#[error("JPEG encoder: {0}")]
pub struct Error(#[from] EncodingError);

/// A baseline JPEG file (4:2:0, full range BT.601) of a picture in these colours; quality from 1 to
/// 100.
///
/// # Errors
/// If the picture is empty, or larger than JPEG allows.
pub fn encode(picture: &I420, quality: u8) -> Result<Bytes, Error> {
    let mut file = Vec::with_capacity(picture.width() * picture.height() / 6);
    let mut encoder = Encoder::new(&mut file, quality.clamp(1, 100));
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode_image(Planes(picture))?;
    Ok(file.into())
}

struct Planes<'a>(&'a I420);

impl ImageBuffer for Planes<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        u16::try_from(self.0.width()).unwrap_or(0)
    }

    fn height(&self) -> u16 {
        u16::try_from(self.0.height()).unwrap_or(0)
    }

    /// The encoder wants chroma of full size and takes means of four: four equal ones are what they
    /// were.
    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let (w, y) = (self.0.width(), usize::from(y));
        let [luma, blue, red] = self.0.planes();
        let [to_luma, to_blue, to_red, _] = buffers;
        to_luma.extend_from_slice(line(luma, w, y));
        to_blue.extend(line(blue, w / 2, y / 2).iter().flat_map(|v| [*v; 2]));
        to_red.extend(line(red, w / 2, y / 2).iter().flat_map(|v| [*v; 2]));
    }
}

/// A row of a plane.
fn line(plane: &[u8], width: usize, y: usize) -> &[u8] {
    plane.get(y * width..(y + 1) * width).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_right_size_that_grows_with_quality() {
        let picture = |noise| {
            let options = crate::picture::Options {
                name: "x".into(),
                width: 322,
                height: 182,
                fps: 30,
                noise,
            };
            let now =
                media::ClockPair { mono: media::Mono::default(), wall: media::Wall::default() };
            crate::picture::Picture::new(&options).draw(now).clone()
        };
        let [poor, good] = [20, 90].map(|q| encode(&picture(30), q).unwrap());
        assert!(poor.len() * 2 < good.len());
        for file in [&poor, &good] {
            assert!(file.starts_with(&[0xff, 0xd8, 0xff]) && file.ends_with(&[0xff, 0xd9]));
            // SOF0: length, precision, height, width (ITU-T T.81 §B.2.2).
            let frame = file.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
            assert_eq!(file[frame + 5..frame + 9], [0, 182, 1, 66]);
        }
        assert!(encode(&I420::new(0, 0), 50).is_err());
    }
}
