//! Files of any kind, read from the beginning to the end in pieces.
//!
//! MP4 is read by its index, a piece of which is held at a time, in the order of decoding; all
//! others as the streams that they are. Memory does not grow with the file.

use super::{Broken, Demux, Demuxed, Format};
use crate::{Mono, mp4};
use std::io;

/// Bytes at places. The caller decides what is behind it; nothing here opens anything.
pub trait Storage {
    /// Reads what is at `at` into `into`; as many bytes as it says, which are fewer only at the
    /// end.
    ///
    /// # Errors
    /// As whatever is behind it has them.
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<usize>;
}

impl Storage for &[u8] {
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

/// Why a file cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It cannot be read at all.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It makes no sense.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// It holds something that is not known here.
    #[error("neither MP4, Matroska, MPEG-TS nor FLV")]
    Unknown,
    /// It holds no times, which a file needs to be played by.
    #[error("bare {0} without times")]
    Untimed(Format),
    /// It ends before anything is found.
    #[error("empty")]
    Empty,
}

impl FileFault {
    /// It makes no sense at this byte.
    pub(crate) fn broken(at: u64, what: impl Into<String>) -> Self {
        Self::Broken(Broken { at, what: what.into() })
    }
}

/// Read at once.
const PIECE: usize = 64 << 10;

/// Reads one file, once.
pub struct FileReader<S> {
    storage: S,
    format: Format,
    way: Way,
}

enum Way {
    Indexed(Box<mp4::Indexed>),
    Streamed { demuxer: Box<dyn Demux>, at: u64, buffer: Vec<u8>, ended: bool },
}

impl<S: Storage> FileReader<S> {
    /// Looks at what there is.
    ///
    /// # Errors
    /// If it is nothing that can be played.
    pub fn open(mut storage: S) -> Result<Self, FileFault> {
        let mut head = [0; Format::TELLING];
        let length = storage.read_at(0, &mut head)?;
        if length == 0 {
            return Err(FileFault::Empty);
        }
        let format = Format::recognise(&head[..length]).ok_or(FileFault::Unknown)?;
        let way = match format {
            Format::Mp4 => Way::Indexed(Box::new(mp4::Indexed::open(&mut storage)?)),
            Format::H264 | Format::H265 | Format::Mjpeg | Format::Multipart => {
                return Err(FileFault::Untimed(format));
            }
            Format::Ts | Format::Flv | Format::Mkv => {
                let demuxer = format.demuxer().ok_or(FileFault::Unknown)?;
                Way::Streamed { demuxer, at: 0, buffer: vec![0; PIECE], ended: false }
            }
        };
        Ok(Self { storage, format, way })
    }

    /// The kind of file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the next catalogue or frame; `None` at the end. Frames come as they are stored,
    /// those of MP4 in the order of their decode times.
    ///
    /// # Errors
    /// If it cannot be read further.
    pub fn read(&mut self) -> Result<Option<Demuxed>, FileFault> {
        let (demuxer, at, buffer, ended) = match &mut self.way {
            Way::Indexed(indexed) => return indexed.read(&mut self.storage),
            Way::Streamed { demuxer, at, buffer, ended } => (demuxer, at, buffer, ended),
        };
        loop {
            if let Some(found) = demuxer.poll() {
                return Ok(Some(found));
            }
            if let Some(broken) = demuxer.broken() {
                return Err(broken.into());
            }
            if *ended {
                return Ok(None);
            }
            let length = self.storage.read_at(*at, buffer)?;
            *at += length as u64;
            if length == 0 {
                *ended = true;
                demuxer.pause(Mono::default());
            } else {
                demuxer.push(Mono::default(), &buffer[..length]);
            }
        }
    }

    /// Tracks that are left out.
    pub fn ignored(&self) -> &[String] {
        match &self.way {
            Way::Indexed(indexed) => indexed.ignored(),
            Way::Streamed { demuxer, .. } => demuxer.ignored(),
        }
    }

    /// True if its tracks are known and none can be carried.
    pub fn is_hopeless(&self) -> bool {
        match &self.way {
            Way::Indexed(indexed) => indexed.is_hopeless(),
            Way::Streamed { demuxer, .. } => demuxer.is_hopeless(),
        }
    }
}
