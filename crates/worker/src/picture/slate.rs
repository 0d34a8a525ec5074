//! What is shown in place of a camera that has no picture: why, and since when.

use super::{
    Draw, I420,
    canvas::{BLACK, Color, Rect},
    font,
};
use media::ClockPair;

/// Dark, so that it does not dazzle at night.
const GROUND: Color = Color { y: 32, u: 136, v: 124 };
const MARK: Color = Color { y: 120, u: 128, v: 160 };
/// The mark crosses the picture in this time: what moves is no frozen picture.
const PERIOD: u64 = 4_000_000_000;
/// Characters in a line of the title, at least.
const TITLE: usize = 24;

/// A title and a text, and a mark that moves below them.
pub struct Slate {
    canvas: I420,
    lane: Rect,
}

impl Slate {
    /// A picture of this size; text that has no room is left out.
    pub fn new(width: usize, height: usize, title: &str, text: &str) -> Self {
        let mut canvas = I420::new(width, height);
        let all = Rect { x: 0, y: 0, w: width, h: height };
        canvas.fill(all, GROUND);
        let scale = (width / (TITLE * font::ADVANCE)).max(1);
        let margin = font::ADVANCE * scale;
        let lane = Rect { x: 0, y: height - height / 16, w: width, h: height / 16 };
        let y = write(&mut canvas, margin, scale, title, lane.y);
        // Half as large, if that can be read.
        write(&mut canvas, y, (scale * 2 / 3).max(1), text, lane.y);
        Self { canvas, lane }
    }
}

impl Draw for Slate {
    fn draw(&mut self, now: ClockPair) -> &I420 {
        self.canvas.fill(self.lane, BLACK);
        let w = (self.lane.w / 20).max(2);
        let x = (now.mono.as_nanos() % PERIOD) as usize * (self.lane.w - w) / PERIOD as usize;
        self.canvas.fill(Rect { x: x & !1, w, ..self.lane }, MARK);
        &self.canvas
    }
}

/// Writes `text` from row `y` on, down to row `end`; returns the row behind it.
fn write(canvas: &mut I420, mut y: usize, scale: usize, text: &str, end: usize) -> usize {
    let margin = font::ADVANCE * scale;
    let room = canvas.width().saturating_sub(2 * margin) / (font::ADVANCE * scale);
    for line in lines(text, room.max(1)) {
        if y + font::HEIGHT * scale > end {
            break;
        }
        font::draw(canvas, margin, y, scale, &line);
        y += (font::HEIGHT + 4) * scale;
    }
    y + font::HEIGHT * scale
}

/// Words in lines of at most `room` characters; longer words are cut.
fn lines(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let pieces = text.split_whitespace().flat_map(|word| {
        let letters: Vec<_> = word.chars().collect();
        letters.chunks(room).map(|piece| piece.iter().collect::<String>()).collect::<Vec<_>>()
    });
    for piece in pieces {
        let last = lines.len() - 1;
        let taken = lines[last].chars().count();
        match taken {
            0 => lines[last] = piece,
            _ if taken + 1 + piece.chars().count() <= room => {
                lines[last] = format!("{} {piece}", lines[last]);
            }
            _ => lines.push(piece),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(
            lines("no answer from 192.0.2.10: is it on?", 12),
            ["no answer", "from", "192.0.2.10:", "is it on?"]
        );
        assert_eq!(lines("aaaabbbbcc d", 4), ["aaaa", "bbbb", "cc d"]);
        assert_eq!(lines("", 4), [""]);
    }

    #[test]
    fn any_size_takes_any_text_and_moves() {
        let clock = |ms: u64| ClockPair {
            mono: media::Mono::from_nanos(ms * 1_000_000),
            wall: media::Wall::from_micros(0),
        };
        for (width, height) in [(64, 64), (320, 240), (1920, 1080), (2, 2)] {
            let mut slate = Slate::new(width, height, "FRONT OFFLINE", &"word ".repeat(500));
            let first = slate.draw(clock(0)).clone();
            assert!(
                width < 64 || first.as_bytes() != slate.draw(clock(2000)).as_bytes(),
                "{width}x{height}"
            );
            assert!(width < 64 || first.as_bytes().contains(&235), "nothing is written");
        }
    }
}
