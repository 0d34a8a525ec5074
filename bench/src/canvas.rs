//! The arguments that everything that draws the test picture shares.

use worker::picture::Options;

#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Canvas {
    /// Columns, even
    #[arg(long, default_value_t = 1280)]
    pub(crate) width: usize,
    /// Rows, even
    #[arg(long, default_value_t = 720)]
    pub(crate) height: usize,
    /// Frames a second
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=240))]
    pub(crate) fps: u16,
    /// Percent of the picture that is noise (0 to 60), to use up an encoder's bitrate
    #[arg(long, default_value_t = 0)]
    pub(crate) noise: u8,
}

impl Canvas {
    /// The picture with `name` in it.
    pub(crate) fn named(&self, name: &str) -> Options {
        let Self { width, height, fps, noise } = *self;
        Options { name: name.into(), width, height, fps, noise }
    }
}
