//! A picture in planes: full luma, chroma of half the size both ways (I420, limited range, BT.709).

/// A colour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Color {
    pub(super) y: u8,
    pub(super) u: u8,
    pub(super) v: u8,
}

pub(super) const BLACK: Color = Color { y: 16, u: 128, v: 128 };
pub(super) const WHITE: Color = Color { y: 235, u: 128, v: 128 };

/// A rectangle in luma pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rect {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) w: usize,
    pub(super) h: usize,
}

impl Rect {
    /// Grown so that it begins and ends at even places, where chroma pixels do.
    fn even(self) -> Self {
        let (x, y) = (self.x & !1, self.y & !1);
        Self {
            x,
            y,
            w: (self.x + self.w).next_multiple_of(2) - x,
            h: (self.y + self.h).next_multiple_of(2) - y,
        }
    }

    fn halved(self) -> Self {
        Self { x: self.x / 2, y: self.y / 2, w: self.w / 2, h: self.h / 2 }
    }

    fn clipped(self, width: usize, height: usize) -> Self {
        let (x, y) = (self.x.min(width), self.y.min(height));
        Self { x, y, w: self.w.min(width - x), h: self.h.min(height - y) }
    }
}

/// A raw picture: Y, U and V one behind the other without padding, which is also how `rawvideo`
/// tools want it.
#[derive(Clone, Debug)]
pub struct I420 {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl I420 {
    /// A black picture; sizes are rounded down to even numbers.
    pub fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width & !1, height & !1);
        let mut data = vec![BLACK.u; width * height * 3 / 2];
        data[..width * height].fill(BLACK.y);
        Self { width, height, data }
    }

    /// Luma columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Luma rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All three planes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.data
    }

    /// The planes Y, U, V; their strides are the width and half of it.
    pub fn planes(&self) -> [&[u8]; 3] {
        let (y, rest) = self.data.split_at(self.width * self.height);
        let (u, v) = rest.split_at(rest.len() / 2);
        [y, u, v]
    }

    /// Each plane with its width and height.
    pub(crate) fn planes_mut(&mut self) -> [(&mut [u8], usize, usize); 3] {
        let (w, h) = (self.width, self.height);
        let (y, rest) = self.data.split_at_mut(w * h);
        let (u, v) = rest.split_at_mut(w * h / 4);
        [(y, w, h), (u, w / 2, h / 2), (v, w / 2, h / 2)]
    }

    /// `w` × `h` cells of the grid of [`super::clock`], beginning at a column and a row.
    pub(super) fn cells(&self, column: usize, row: usize, w: usize, h: usize) -> Rect {
        use super::clock::{COLUMNS, ROWS};
        let (x, y) = (column * self.width / COLUMNS, row * self.height / ROWS);
        Rect {
            x,
            y,
            w: (column + w) * self.width / COLUMNS - x,
            h: (row + h) * self.height / ROWS - y,
        }
    }

    /// Fills a rectangle, grown to even places.
    pub(super) fn fill(&mut self, rect: Rect, color: Color) {
        let rect = rect.even();
        for ((plane, w, h), (rect, value)) in self.planes_mut().into_iter().zip([
            (rect, color.y),
            (rect.halved(), color.u),
            (rect.halved(), color.v),
        ]) {
            rows_mut(plane, w, rect.clipped(w, h)).for_each(|row| row.fill(value));
        }
    }

    /// Fills the luma of exactly this rectangle.
    pub(super) fn fill_luma(&mut self, rect: Rect, value: u8) {
        let (w, h) = (self.width, self.height);
        rows_mut(&mut self.data, w, rect.clipped(w, h)).for_each(|row| row.fill(value));
    }

    /// The luma rows of a rectangle, to be written.
    pub(super) fn luma_rows_mut(&mut self, rect: Rect) -> impl Iterator<Item = &mut [u8]> {
        let (w, h) = (self.width, self.height);
        rows_mut(&mut self.data, w, rect.clipped(w, h))
    }

    /// Takes a rectangle, grown to even places, from another picture of the same size.
    pub(super) fn restore(&mut self, from: &Self, rect: Rect) {
        let rect = rect.even();
        let sources = from.planes();
        for ((i, (plane, w, h)), source) in self.planes_mut().into_iter().enumerate().zip(sources) {
            let rect = if i == 0 { rect } else { rect.halved() }.clipped(w, h);
            let spans =
                (rect.y..rect.y + rect.h).map(|row| row * w + rect.x..row * w + rect.x + rect.w);
            spans.for_each(|span| plane[span.clone()].copy_from_slice(&source[span]));
        }
    }
}

/// The part of each row that lies in an already clipped rectangle.
fn rows_mut(plane: &mut [u8], width: usize, rect: Rect) -> impl Iterator<Item = &mut [u8]> {
    let rows = plane.chunks_exact_mut(width.max(1)).skip(rect.y).take(rect.h);
    rows.map(move |row| &mut row[rect.x..rect.x + rect.w])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_are_clipped_and_even() {
        let mut c = I420::new(17, 9);
        assert_eq!((c.width(), c.height(), c.as_bytes().len()), (16, 8, 192));
        c.fill(Rect { x: 13, y: 5, w: 90, h: 90 }, Color { y: 200, u: 1, v: 2 });
        let [y, u, v] = c.planes();
        assert_eq!(y.iter().filter(|b| **b == 200).count(), 4 * 4);
        assert_eq!(u.iter().filter(|b| **b == 1).count(), 2 * 2);
        assert_eq!(v.iter().filter(|b| **b == 2).count(), 2 * 2);
        assert_eq!((y[4 * 16 + 12], y[4 * 16 + 11], y[3 * 16 + 12]), (200, 16, 16));
        let before = I420::new(16, 8);
        c.restore(&before, Rect { x: 12, y: 4, w: 4, h: 4 });
        assert_eq!(c.as_bytes(), before.as_bytes());
    }
}
