//! Smaller pictures: each new sample is the mean of the area that it covers.

use crate::picture::I420;

/// The width and height of `picture` at most `width` columns wide, in even numbers; 0 asks for the
/// picture's own.
pub(crate) fn fit(picture: &I420, width: usize) -> (usize, usize) {
    let (w, h) = (picture.width(), picture.height());
    if width == 0 || width >= w || h == 0 {
        return (w, h);
    }
    let even = |n: usize| n.max(2) & !1;
    (even(width), even((h * width + w / 2) / w))
}

/// The picture at this size, which is not larger than its own.
pub(crate) fn shrink(picture: &I420, (width, height): (usize, usize)) -> I420 {
    if (width, height) == (picture.width(), picture.height()) {
        return picture.clone();
    }
    let mut small = I420::new(width, height);
    let (w, h) = (picture.width(), picture.height());
    let sources = picture.planes().into_iter().zip([(w, h), (w / 2, h / 2), (w / 2, h / 2)]);
    for ((plane, to_w, to_h), (source, (w, h))) in small.planes_mut().into_iter().zip(sources) {
        shrink_plane(Plane { samples: source, w, h }, plane, to_w, to_h);
    }
    small
}

#[derive(Clone, Copy)]
struct Plane<'a> {
    samples: &'a [u8],
    w: usize,
    h: usize,
}

/// Rows first, summed up in one row of sums, which the compiler turns into vector code; then the
/// columns of that row.
fn shrink_plane(from: Plane<'_>, to: &mut [u8], to_w: usize, to_h: usize) {
    if from.w == 0 || to_w == 0 || to_h == 0 {
        return;
    }
    let columns: Vec<Span> = (0..to_w).map(|x| Span::new(x, from.w, to_w)).collect();
    let mut sums = vec![0.0f32; from.w];
    let (across, down) = (from.w as f32 / to_w as f32, from.h as f32 / to_h as f32);
    for (y, row) in to.chunks_exact_mut(to_w).enumerate() {
        sums.fill(0.0);
        let rows = Span::new(y, from.h, to_h);
        for (i, source) in
            from.samples.chunks_exact(from.w).skip(rows.first).take(rows.count).enumerate()
        {
            let weight = rows.weight(i);
            sums.iter_mut()
                .zip(source)
                .for_each(|(sum, sample)| *sum += weight * f32::from(*sample));
        }
        for (sample, span) in row.iter_mut().zip(&columns) {
            *sample = (span.sum(&sums) / (across * down) + 0.5) as u8;
        }
    }
}

/// The samples of a row or column that one new sample covers, the first and the last in part.
struct Span {
    first: usize,
    count: usize,
    first_weight: f32,
    last_weight: f32,
}

impl Span {
    fn new(at: usize, from: usize, to: usize) -> Self {
        // In units of 1/to of a sample, so that all is exact.
        let (begin, end) = (at * from, (at + 1) * from);
        let (first, last) = (begin / to, (end - 1) / to);
        let part = |n: usize| n as f32 / to as f32;
        if first == last {
            return Self {
                first,
                count: 1,
                first_weight: part(end - begin),
                last_weight: part(end - begin),
            };
        }
        let (first_weight, last_weight) = (part((first + 1) * to - begin), part(end - last * to));
        Self { first, count: last - first + 1, first_weight, last_weight }
    }

    fn weight(&self, i: usize) -> f32 {
        match i {
            0 => self.first_weight,
            i if i + 1 == self.count => self.last_weight,
            _ => 1.0,
        }
    }

    fn sum(&self, row: &[f32]) -> f32 {
        let covered = row.iter().skip(self.first).take(self.count).enumerate();
        covered.map(|(i, sample)| self.weight(i) * sample).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plane(samples: &[u8], w: usize, to_w: usize, to_h: usize) -> Vec<u8> {
        let mut to = vec![0; to_w * to_h];
        shrink_plane(Plane { samples, w, h: samples.len() / w }, &mut to, to_w, to_h);
        to
    }

    #[test]
    fn a_new_sample_is_the_mean_of_what_it_covers() {
        assert_eq!(plane(&[0, 100, 200, 40, 0, 100, 200, 40], 4, 2, 1), [50, 120]);
        assert_eq!(
            plane(&[0, 30, 60], 3, 2, 1),
            [10, 50],
            "a sample that two share counts half for each"
        );
        assert_eq!(plane(&[9; 35], 7, 3, 2), [9; 6]);
    }

    #[test]
    fn sizes_are_even_keep_the_shape_and_never_grow() {
        let picture = I420::new(1280, 720);
        assert_eq!(
            [0, 320, 333, 1280, 4000, 1].map(|w| fit(&picture, w)),
            [(1280, 720), (320, 180), (332, 186), (1280, 720), (1280, 720), (2, 2)]
        );
        let small = shrink(&picture, (332, 186));
        assert_eq!((small.width(), small.height()), (332, 186));
        assert_eq!(small.as_bytes(), I420::new(332, 186).as_bytes(), "black stays black");
    }

    proptest! {
        #[test]
        fn any_size_is_possible_and_flat_stays_flat(w in 1usize..70, h in 1usize..40, to_w in 1usize..70, to_h in 1usize..40, v: u8) {
            let (to_w, to_h) = (to_w.min(w), to_h.min(h));
            let out = plane(&vec![v; w * h], w, to_w, to_h);
            prop_assert!(out.iter().all(|s| *s == v), "{out:?}");
        }
    }
}
