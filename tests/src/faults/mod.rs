//! Cameras of every kind, and everything that goes wrong with them: what the fault matrix and the
//! soak strike with.

mod command;
mod course;
mod everyone;
mod file;
mod made;
mod pi;
mod pulled;
mod pushed;
mod sent;
mod ward;
mod web;
mod whip;

pub use command::CommandCamera;
pub use course::{Course, wait_until_well};
pub use everyone::Everyone;
pub use file::FileCamera;
pub use made::MadeCamera;
pub use pi::PiCamera;
pub use pulled::PulledCamera;
pub use pushed::PushedCamera;
pub use sent::SentCamera;
pub use ward::{Ward, treat_all};
pub use web::FlaskCamera;
pub use whip::WhipPatient;

use crate::{PublisherOptions, Server};
use anyhow::Result;

/// A fault of a camera.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// Its process ends by SIGKILL; it is started again at once, or when the fault is over, as its
    /// kind of camera is in the field.
    Killed,
    /// It stands still (SIGSTOP) while its connections stay.
    Stopped,
    /// It sends noise in place of pictures.
    Garbage,
    /// It goes on in another resolution.
    Resized,
    /// Its time stamps jump ahead by an hour.
    Ahead,
    /// They jump back by an hour.
    Back,
    /// They begin so that they wrap soon.
    Wrapped,
    /// Its port is closed.
    Closed,
    /// It complains on its standard error and exits.
    Exits,
    /// Its file is deleted, and put back when the fault is over.
    Gone,
    /// Its file loses its second half.
    Cut,
    /// Its file may not be read.
    Locked,
}

/// A camera that can be struck by faults. It belongs to the thread that made it or healed it last.
pub trait Patient: Send {
    /// Its name in the server.
    fn name(&self) -> &str;

    /// Its `source:`.
    fn source(&self) -> String;

    /// Begins to work, for a source that comes to the server by itself.
    ///
    /// # Errors
    /// If it cannot.
    fn begin(&mut self, _server: &Server) -> Result<()> {
        Ok(())
    }

    /// The faults that it can have.
    fn faults(&self) -> &'static [Fault];

    /// Lets it happen.
    ///
    /// # Errors
    /// If it cannot.
    fn strike(&mut self, fault: Fault, server: &Server) -> Result<()>;

    /// Lets it pass.
    ///
    /// # Errors
    /// If it cannot.
    fn heal(&mut self, fault: Fault, server: &Server) -> Result<()>;
}

/// Small pictures: it is about what goes wrong, not about pixels.
const SMALL: (u32, u32) = (320, 240);
const OTHER: (u32, u32) = (480, 272);
/// An hour at 90 kHz.
const HOUR: u32 = 90_000 * 3600;

fn picture((width, height): (u32, u32)) -> PublisherOptions {
    PublisherOptions { width, height, gop: 15, bitrate: 300_000, ..PublisherOptions::default() }
}
