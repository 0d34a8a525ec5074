//! What people watch: bars, a ramp, a ball and a sweeping hand.

use super::canvas::{BLACK, Color, I420, Rect, WHITE};
use media::Mono;

/// Bars of 75 % intensity: grey, yellow, cyan, green, magenta, red, blue (ITU-R BT.709, limited
/// range).
const BARS: [Color; 7] = [
    Color { y: 180, u: 128, v: 128 },
    Color { y: 168, u: 44, v: 136 },
    Color { y: 145, u: 147, v: 44 },
    Color { y: 133, u: 63, v: 52 },
    Color { y: 63, u: 193, v: 204 },
    Color { y: 51, u: 109, v: 212 },
    Color { y: 28, u: 212, v: 120 },
];
const FLOOR: Color = Color { y: 40, u: 140, v: 120 };
const BALL: Color = Color { y: 200, u: 60, v: 150 };

/// Rows of cells, in the grid of [`super::clock`], that things are drawn in.
mod rows {
    pub(super) const BARS: (usize, usize) = (15, 12);
    pub(super) const RAMP: (usize, usize) = (27, 3);
    pub(super) const LANE: (usize, usize) = (31, 13);
}

const SECOND: u64 = 1_000_000_000;
/// The ball crosses the picture and returns in this time, and touches the ground twice.
const BALL_PERIOD: u64 = 4 * SECOND;
/// The hand sweeps across the picture once in this time, at constant speed: every uneven frame
/// shows.
const HAND_PERIOD: u64 = 2 * SECOND;

/// Draws all that stays.
pub(super) fn draw_backdrop(canvas: &mut I420) {
    let band = |canvas: &I420, (row, height): (usize, usize)| {
        canvas.cells(0, row, super::clock::COLUMNS, height)
    };
    let bars = band(canvas, rows::BARS);
    for (i, color) in BARS.into_iter().enumerate() {
        let (x, end) = (i * bars.w / BARS.len(), (i + 1) * bars.w / BARS.len());
        canvas.fill(Rect { x, w: end - x, ..bars }, color);
    }
    let ramp = band(canvas, rows::RAMP);
    let levels = usize::from(WHITE.y - BLACK.y) + 1;
    for row in canvas.luma_rows_mut(ramp) {
        let n = row.len();
        row.iter_mut().enumerate().for_each(|(x, p)| *p = BLACK.y + (x * levels / n) as u8);
    }
    let lane = band(canvas, rows::LANE);
    canvas.fill(lane, FLOOR);
}

/// The moving things and where they were drawn last.
pub(super) struct Scene {
    lane: Rect,
    radius: usize,
    /// Half the width of the ball for each of its rows.
    outline: Vec<usize>,
    drawn: [Rect; 2],
}

impl Scene {
    pub(super) fn new(canvas: &I420) -> Self {
        let (row, height) = rows::LANE;
        let lane = canvas.cells(0, row, super::clock::COLUMNS, height);
        let radius = (lane.h / 5).min(lane.w / 5).max(2) & !1;
        let half = |row: usize| {
            ((radius * radius) as f64 - (row as f64 + 0.5 - radius as f64).powi(2)).max(0.0).sqrt()
                as usize
        };
        let outline = (0..2 * radius).map(half).collect();
        Self { lane, radius, outline, drawn: [Rect { x: 0, y: 0, w: 0, h: 0 }; 2] }
    }

    /// Takes away what was drawn last and draws the scene of `now`.
    pub(super) fn draw(&mut self, canvas: &mut I420, backdrop: &I420, now: Mono) {
        self.drawn.iter().for_each(|rect| canvas.restore(backdrop, *rect));
        self.drawn = [self.draw_hand(canvas, now), self.draw_ball(canvas, now)];
    }

    fn draw_hand(&self, canvas: &mut I420, now: Mono) -> Rect {
        let w = (self.lane.w / 160).max(2) & !1;
        let x = along(phase(now, HAND_PERIOD), self.lane.w, w);
        let hand = Rect { x: x & !1, w, ..self.lane };
        canvas.fill(hand, WHITE);
        hand
    }

    fn draw_ball(&self, canvas: &mut I420, now: Mono) -> Rect {
        let size = 2 * self.radius;
        let phase = phase(now, BALL_PERIOD);
        let there = 1.0 - (phase * 2.0 - 1.0).abs();
        // Two parabolas a period, as thrown things fly.
        let fall = ((phase * 2.0).fract() * 2.0 - 1.0).powi(2);
        let x = (self.lane.x + along(there, self.lane.w, size)) & !1;
        let y = (self.lane.y + along(fall, self.lane.h, size)) & !1;
        for (row, half) in self.outline.iter().enumerate().step_by(2) {
            canvas.fill(Rect { x: x + self.radius - half, y: y + row, w: 2 * half, h: 2 }, BALL);
        }
        Rect { x, y, w: size + 2, h: size }
    }
}

/// How far, from 0 to 1, `now` is within a period.
fn phase(now: Mono, period: u64) -> f64 {
    (now.as_nanos() % period) as f64 / period as f64
}

/// Where a thing of `size` begins that has gone this part of its way through `length`.
fn along(part: f64, length: usize, size: usize) -> usize {
    (part * length.saturating_sub(size) as f64) as usize
}

/// Fresh noise in the lowest part of the picture.
pub(super) struct Noise {
    area: Rect,
    state: u64,
}

impl Noise {
    pub(super) fn new(canvas: &I420, percent: u8) -> Self {
        let h = canvas.height() * usize::from(percent) / 100;
        Self { area: Rect { x: 0, y: canvas.height() - h, w: canvas.width(), h }, state: 1 }
    }

    pub(super) fn draw(&mut self, canvas: &mut I420) {
        for word in canvas.luma_rows_mut(self.area).flat_map(|row| row.chunks_mut(8)) {
            // xorshift64 (Marsaglia 2003): good enough to be unpredictable for an encoder, and
            // cheap.
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            let bytes = (self.state & 0x3f3f_3f3f_3f3f_3f3f) + 0x6060_6060_6060_6060;
            word.copy_from_slice(&bytes.to_le_bytes()[..word.len()]);
        }
    }
}
