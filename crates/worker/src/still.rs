//! Notices a picture that stands still.
//!
//! A picture counts as still while every look finds one that is, to the last sample, one of the few
//! seen before. Looks at a coded stream are at its keyframes. Measured at 1280x720 (x264 at 0.15 to
//! 2 Mbit/s, x265, and the encoder here): one and the same picture, coded for ever, comes back in a
//! handful of forms that take turns, once the encoder's rate control has settled, which takes 1 to
//! 25 s from its start. With the least noise of a sensor (±1 step of 256) no two keyframes were
//! ever equal, at no bitrate, while no measure of distance told the two apart: forms of the still
//! picture differ by up to 23 steps in a sample and 3.2 in the mean of 8x8, more than noise makes.
//! So an encoder that never settles hides a hung camera, and a live one is not taken for hung. A
//! form is another form of the same picture only if it is near ([`NEAR`]): a clock or a light that
//! goes through the same few states again and again in a picture without noise is not still.

use crate::picture::I420;
use media::Mono;
use proto::ipc::Look;
use std::{collections::VecDeque, time::Duration};

/// From look to look, at least.
const PACE: Duration = Duration::from_millis(250);
/// Forms of a still picture that are remembered.
const FORMS: usize = 16;
/// Side of the squares whose means are compared.
const SQUARE: usize = 8;
/// The most by which the mean of a square differs between two forms of one picture.
const NEAR: u8 = 5;
/// So many looks in a row that find something new, however near, are more than an encoder needs to
/// settle (six were seen).
const LIVELY: u32 = 10;

/// Remembers what a picture looked like.
#[derive(Default)]
pub(crate) struct Watch {
    /// Digests of the forms seen since `found.since`, and of those before them that are near.
    forms: VecDeque<u64>,
    /// Means of the first of these forms.
    squares: Vec<u8>,
    /// Looks in a row that have found something new.
    lively: u32,
    found: Option<Look>,
}

impl Watch {
    /// What the looks have found; `None` before the first.
    pub(crate) fn found(&self) -> Option<Look> {
        self.found
    }

    /// Looks at a picture, unless it has looked at one just before.
    pub(crate) fn look(&mut self, now: Mono, picture: &I420) {
        if self.found.is_some_and(|found| now.since(found.newest) < PACE) {
            return;
        }
        let digest = digest(picture);
        if self.forms.contains(&digest) {
            self.lively = 0;
            self.found = self.found.map(|found| Look { newest: now, ..found });
            return;
        }
        let moved = self.learn(digest, means(picture)).then_some(now);
        self.found = Some(Look {
            since: now,
            newest: now,
            moved: moved.or(self.found.and_then(|found| found.moved)),
        });
    }

    /// Remembers another form; true if it tells beyond doubt that something moves.
    fn learn(&mut self, digest: u64, squares: Vec<u8>) -> bool {
        self.lively = self.lively.saturating_add(1);
        let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= NEAR;
        let far =
            self.squares.len() != squares.len() || !self.squares.iter().zip(&squares).all(near);
        let first = self.found.is_none();
        if far {
            self.forms.clear();
            self.squares = squares;
        }
        if self.forms.len() >= FORMS {
            self.forms.pop_front();
        }
        self.forms.push_back(digest);
        !first && (far || self.lively > LIVELY)
    }
}

/// Of all samples: a picture that differs in one has another, but for one chance in 2^64.
fn digest(picture: &I420) -> u64 {
    let mix =
        |sum: u64, word: u64| (sum.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, rest) = picture.as_bytes().as_chunks::<8>();
    let sum =
        words.iter().fold(picture.width() as u64, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)))
}

/// Mean luma of each square; squares at the right and below may be smaller.
fn means(picture: &I420) -> Vec<u8> {
    let [luma, ..] = picture.planes();
    let (width, across) = (picture.width().max(1), picture.width().div_ceil(SQUARE));
    let mut means = Vec::with_capacity(across * picture.height().div_ceil(SQUARE));
    let mut sums = vec![0u32; across];
    for rows in luma.chunks(width * SQUARE) {
        sums.fill(0);
        for row in rows.chunks_exact(width) {
            sums.iter_mut()
                .zip(row.chunks(SQUARE))
                .for_each(|(sum, part)| *sum += part.iter().map(|s| u32::from(*s)).sum::<u32>());
        }
        let height = rows.len() / width;
        means.extend(sums.iter().enumerate().map(|(x, sum)| {
            let samples = height * SQUARE.min(width - x * SQUARE);
            (sum / u32::try_from(samples.max(1)).unwrap_or(1)).min(255) as u8
        }));
    }
    means
}

#[cfg(test)]
mod tests;
