//! A picture into the memory of an encoder, whose rows may be longer and more than the picture's.

use crate::{picture::I420, raw::Placed, v4l2::Raw};

impl Placed {
    /// Bytes of a picture.
    pub(super) fn bytes(self) -> usize {
        self.stride * self.rows + self.stride / 2 * self.rows.div_ceil(2) * 2
    }

    /// A picture of this size has room.
    pub(super) fn holds(self, width: usize, height: usize) -> bool {
        width > 0
            && height > 0
            && self.stride >= width
            && self.rows >= height
            && self.stride.is_multiple_of(2)
    }

    /// Copies the samples; false, and nothing, where there is no room. What is around the picture
    /// repeats its edge, for an encoder that looks there would see rubbish.
    pub(super) fn fill(self, picture: &I420, to: &mut [u8]) -> bool {
        let (w, h) = (picture.width(), picture.height());
        if !self.holds(w, h) || to.len() < self.bytes() {
            return false;
        }
        let [y, u, v] = picture.planes();
        let (luma, chroma) = to.split_at_mut(self.stride * self.rows);
        let half = self.rows.div_ceil(2);
        rows(y, w, luma, self.stride, self.rows);
        match self.raw {
            Raw::Nv12 => pairs(u, v, w / 2, chroma, self.stride, half),
            _ => {
                let (blue, red) = chroma.split_at_mut(self.stride / 2 * half);
                rows(u, w / 2, blue, self.stride / 2, half);
                rows(v, w / 2, red, self.stride / 2, half);
            }
        }
        true
    }
}

/// Each row of the picture, and the last one again for rows that it does not have.
fn sources(plane: &[u8], width: usize, count: usize) -> impl Iterator<Item = &[u8]> {
    let all = plane.len() / width;
    (0..count).map(move |row| &plane[row.min(all - 1) * width..][..width])
}

fn rows(from: &[u8], width: usize, to: &mut [u8], stride: usize, count: usize) {
    for (to, from) in to.chunks_exact_mut(stride).zip(sources(from, width, count)) {
        let (inside, outside) = to.split_at_mut(width);
        inside.copy_from_slice(from);
        outside.fill(from[width - 1]);
    }
}

fn pairs(blue: &[u8], red: &[u8], width: usize, to: &mut [u8], stride: usize, count: usize) {
    let from = sources(blue, width, count).zip(sources(red, width, count));
    for (to, (blue, red)) in to.chunks_exact_mut(stride).zip(from) {
        let last = [blue[width - 1], red[width - 1]];
        let (inside, outside) = to.split_at_mut(width * 2);
        for (pair, (blue, red)) in inside.chunks_exact_mut(2).zip(blue.iter().zip(red)) {
            (pair[0], pair[1]) = (*blue, *red);
        }
        outside.chunks_exact_mut(2).for_each(|pair| pair.copy_from_slice(&last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(w: usize, h: usize) -> I420 {
        let mut picture = I420::new(w, h);
        let mut n = 0_u8;
        for (plane, ..) in picture.planes_mut() {
            plane
                .iter_mut()
                .for_each(|sample| (n, *sample) = (n.wrapping_mul(31).wrapping_add(7), n));
        }
        picture
    }

    proptest! {
        /// What reads the pictures of cameras reads what is written here.
        #[test]
        fn what_is_written_is_read_again(w in 1usize..40, h in 1usize..40, more in 0usize..20, rows in 0usize..9, nv12: bool) {
            let (w, h) = (w * 2, h * 2);
            let place = Placed { raw: if nv12 { Raw::Nv12 } else { Raw::Yu12 }, stride: w + more * 2, rows: h + rows };
            let mut memory = vec![0; place.bytes()];
            let before = picture(w, h);
            prop_assert!(place.fill(&before, &mut memory));
            let mut after = I420::new(w, h);
            place.copy(&memory, &mut after).unwrap();
            prop_assert_eq!(before.as_bytes(), after.as_bytes());
        }

        #[test]
        fn no_size_is_a_panic(w in 0usize..40, h in 0usize..40, stride in 0usize..90, rows in 0usize..50, length in 0usize..6000) {
            let place = Placed { raw: Raw::Nv12, stride, rows };
            let mut memory = vec![0; length];
            let done = place.fill(&picture(w, h), &mut memory);
            prop_assert!(!done || (place.holds(w & !1, h & !1) && place.bytes() <= length));
        }
    }

    #[test]
    fn the_edge_is_repeated_around_the_picture() {
        let place = Placed { raw: Raw::Yu12, stride: 6, rows: 3 };
        let mut memory = vec![0; place.bytes()];
        let mut small = I420::new(4, 2);
        let [(y, ..), (u, ..), (v, ..)] = small.planes_mut();
        y.copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        (u[0], u[1], v[0], v[1]) = (20, 21, 30, 31);
        assert!(place.fill(&small, &mut memory));
        assert_eq!(memory[..18], [1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 8, 8, 5, 6, 7, 8, 8, 8]);
        assert_eq!(memory[18..], [20, 21, 21, 20, 21, 21, 30, 31, 31, 30, 31, 31]);
    }
}
