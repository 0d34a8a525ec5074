//! The moving test picture: colour bars, a bouncing ball, a clock that people read and one that
//! programs read.
//!
//! Everything that stays is drawn once; a frame only redraws what has changed, so that it costs far
//! less than encoding it. The programs' clock is described in [`clock`].

mod canvas;
pub mod clock;
mod font;
mod scene;
mod slate;

pub use canvas::I420;
use canvas::{BLACK, Rect, WHITE};
use clock::Stamp;
use media::ClockPair;
use scene::Scene;
pub use slate::Slate;

/// Most of the picture, in percent, that noise may cover.
pub const MAX_NOISE: u8 = 60;

/// A part of the picture that is drawn again for each frame.
pub trait Draw {
    /// Draws the next frame, for the moment `now`.
    fn draw(&mut self, now: ClockPair) -> &I420;
}

/// How the picture is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The camera's name, shown at the top right.
    pub name: String,
    /// Luma columns; rounded down to an even number.
    pub width: usize,
    /// Luma rows; rounded down to an even number.
    pub height: usize,
    /// Frames a second, to be shown only.
    pub fps: u16,
    /// Percent of the picture that is noise, at most [`MAX_NOISE`].
    pub noise: u8,
}

/// The picture and what moves in it.
pub struct Picture {
    canvas: I420,
    /// What is behind the moving things.
    backdrop: I420,
    scene: Scene,
    digits: Digits,
    noise: Option<scene::Noise>,
    frames: u64,
}

impl Picture {
    /// The picture with everything that stays.
    pub fn new(options: &Options) -> Self {
        let mut backdrop = I420::new(options.width, options.height);
        scene::draw_backdrop(&mut backdrop);
        draw_label(&mut backdrop, options);
        clock::draw_panel(&mut backdrop);
        let noise = options.noise.min(MAX_NOISE);
        Self {
            canvas: backdrop.clone(),
            scene: Scene::new(&backdrop),
            digits: Digits::new(&backdrop),
            noise: (noise > 0).then(|| scene::Noise::new(&backdrop, noise)),
            backdrop,
            frames: 0,
        }
    }

    /// Draws the next frame, for the moment `now`: read the clocks, then call this at once, and
    /// `now` is the capture time.
    pub fn draw(&mut self, now: ClockPair) -> &I420 {
        self.scene.draw(&mut self.canvas, &self.backdrop, now.mono);
        self.digits.draw(&mut self.canvas, &now.wall.to_string());
        if let Some(noise) = &mut self.noise {
            noise.draw(&mut self.canvas);
        }
        let millis = now.wall.as_micros().div_euclid(1000) as u32;
        Stamp { millis, frame: self.frames as u16 }.draw(&mut self.canvas);
        self.frames += 1;
        &self.canvas
    }
}

impl Draw for Picture {
    fn draw(&mut self, now: ClockPair) -> &I420 {
        // The method of its own.
        Self::draw(self, now)
    }
}

/// Name and size at the top right.
fn draw_label(canvas: &mut I420, options: &Options) {
    let panel = canvas.cells(41, 1, 38, 4);
    canvas.fill(panel, BLACK);
    let scale = (panel.h / 20).max(1);
    let room = panel.w / (font::ADVANCE * scale);
    let size = format!("{}X{} {} FPS", canvas.width(), canvas.height(), options.fps);
    for (line, text) in [&options.name, &size].into_iter().enumerate() {
        let text: String = text.chars().take(room).collect();
        let y = panel.y + scale + line * (font::HEIGHT + 3) * scale;
        font::draw(canvas, panel.x + scale * 2, y, scale, &text);
    }
}

/// UTC in large digits; only digits that have changed are drawn again.
struct Digits {
    x: usize,
    y: usize,
    scale: usize,
    shown: String,
}

/// Where hours begin and milliseconds end in `YYYY-MM-DDThh:mm:ss.mmmZ`.
const TIME_OF_DAY: std::ops::Range<usize> = 11..23;

impl Digits {
    fn new(canvas: &I420) -> Self {
        let chars = TIME_OF_DAY.len();
        let scale = (canvas.width() / ((chars + 4) * font::ADVANCE))
            .clamp(1, (canvas.height() / 64).max(1));
        let x = canvas.width().saturating_sub(chars * font::ADVANCE * scale) / 2;
        Self { x: x & !1, y: canvas.cells(0, 7, 1, 1).y & !1, scale, shown: " ".repeat(chars) }
    }

    fn draw(&mut self, canvas: &mut I420, timestamp: &str) {
        let text = timestamp.get(TIME_OF_DAY).unwrap_or_default();
        let changed = text.char_indices().filter(|(i, c)| !self.shown[*i..].starts_with(*c));
        for (i, c) in changed {
            let x = self.x + i * font::ADVANCE * self.scale;
            let (w, h) = (font::ADVANCE * self.scale, font::HEIGHT * self.scale);
            canvas.fill_luma(Rect { x, y: self.y, w, h }, BLACK.y);
            font::draw(canvas, x, self.y, self.scale, c.encode_utf8(&mut [0; 4]));
        }
        text.clone_into(&mut self.shown);
    }
}

const _: () = assert!(WHITE.y > BLACK.y);

#[cfg(test)]
mod tests;
