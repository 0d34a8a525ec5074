//! JPEG files in a multipart answer, as `ffmpeg -f mpjpeg` and scripts made for web servers write
//! them.

use media::{
    Mono,
    container::{Broken, Demux, Demuxed, mjpeg},
};
use proto::multipart::Reader;

/// Finds the files, which are read as if they stood one behind the other.
#[derive(Default)]
pub(super) struct Parts {
    reader: Reader,
    files: mjpeg::MjpegDemuxer,
    taken: u64,
    broken: Option<Broken>,
}

impl Demux for Parts {
    fn push(&mut self, now: Mono, bytes: &[u8]) {
        if self.broken.is_some() {
            return;
        }
        self.taken += bytes.len() as u64;
        self.reader.push(bytes);
        loop {
            match self.reader.poll() {
                Ok(Some(file)) => self.files.push(now, &file),
                Ok(None) => return,
                Err(fault) => {
                    self.broken = Some(Broken { at: self.taken, what: fault.to_string() });
                    return;
                }
            }
        }
    }

    fn poll(&mut self) -> Option<Demuxed> {
        self.files.poll()
    }

    fn ignored(&self) -> &[String] {
        self.files.ignored()
    }

    fn is_hopeless(&self) -> bool {
        false
    }

    fn broken(&self) -> Option<Broken> {
        self.broken.clone()
    }

    fn garbage(&self) -> u64 {
        self.files.garbage()
    }
}
