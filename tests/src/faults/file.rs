//! A film that is played again and again, in a folder that people tidy up.

use super::{Fault, OTHER, Patient, SMALL};
use crate::{Server, clip::film};
use anyhow::Result;
use std::{
    fs::{self, OpenOptions, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};
use tempfile::TempDir;

/// Of the film. Whatever befalls it is known at its end at the latest.
const SECONDS: u32 = 2;

/// An MP4 file, and two from which it is put back: one as it was, one in another resolution.
pub struct FileCamera {
    name: String,
    folder: TempDir,
    other: bool,
}

impl FileCamera {
    /// Makes the films with ffmpeg.
    ///
    /// # Errors
    /// If that is not possible.
    pub fn start(name: &str) -> Result<Self> {
        let camera = Self {
            name: name.into(),
            folder: TempDir::with_prefix("neverblink-films-")?,
            other: false,
        };
        film(&camera.path("small.mp4"), SMALL, SECONDS)?;
        film(&camera.path("other.mp4"), OTHER, SECONDS)?;
        camera.put_back()?;
        Ok(camera)
    }

    fn path(&self, film: &str) -> PathBuf {
        self.folder.path().join(film)
    }

    fn film(&self) -> PathBuf {
        self.path("film.mp4")
    }

    /// As careful people do it: a new file in the place of the old one.
    fn put_back(&self) -> Result<()> {
        let (film, new) =
            (if self.other { "other.mp4" } else { "small.mp4" }, self.path("new.mp4"));
        fs::copy(self.path(film), &new)?;
        Ok(fs::rename(new, self.film())?)
    }

    /// As `cp` does it: into the file that is being played.
    fn write_over(&self) -> Result<()> {
        let length = usize::try_from(fs::metadata(self.film())?.len())?;
        Ok(fs::write(
            self.film(),
            std::iter::repeat_with(|| fastrand::u8(..)).take(length).collect::<Vec<_>>(),
        )?)
    }

    fn cut(&self) -> Result<()> {
        let file = OpenOptions::new().write(true).open(self.film())?;
        Ok(file.set_len(file.metadata()?.len() / 2)?)
    }

    fn allow(&self, mode: u32) -> Result<()> {
        Ok(fs::set_permissions(self.film(), Permissions::from_mode(mode))?)
    }
}

impl Patient for FileCamera {
    fn name(&self) -> &str {
        &self.name
    }

    fn source(&self) -> String {
        format!("file:{}", self.film().display())
    }

    fn faults(&self) -> &'static [Fault] {
        use Fault::*;
        // Nothing is locked for root.
        match nix::unistd::geteuid().is_root() {
            true => &[Gone, Garbage, Resized, Cut],
            false => &[Gone, Garbage, Resized, Cut, Locked],
        }
    }

    fn strike(&mut self, fault: Fault, _: &Server) -> Result<()> {
        match fault {
            Fault::Garbage => self.write_over(),
            Fault::Cut => self.cut(),
            Fault::Locked => self.allow(0o000),
            Fault::Resized => {
                self.other = !self.other;
                self.put_back()
            }
            _ => Ok(fs::remove_file(self.film())?),
        }
    }

    fn heal(&mut self, fault: Fault, _: &Server) -> Result<()> {
        match fault {
            Fault::Resized => Ok(()),
            Fault::Locked => self.allow(0o644),
            _ => self.put_back(),
        }
    }
}
