//! JPEG files one behind the other, as `ffmpeg -f mjpeg` and camera tools write them. Times are
//! those of arrival.

use super::{ContainerTimes, Demux, Demuxed, Lanes, MAX_FRAME, TrackContent};
use crate::{Mono, jpeg::Scanner};
use bytes::{Buf, BytesMut};

/// Begins a file (T.81 table B.1), with the first byte of the next marker.
const START: &[u8] = &[0xff, 0xd8, 0xff];
const NANOS: u32 = 1_000_000_000;

/// Takes such a stream apart. What is no file is passed over.
#[derive(Debug)]
pub struct MjpegDemuxer {
    held: BytesMut,
    scanner: Scanner,
    lanes: Lanes,
    garbage: u64,
}

impl Default for MjpegDemuxer {
    fn default() -> Self {
        let mut lanes = Lanes::default();
        lanes.add(0, Ok(TrackContent::Jpeg(None)));
        Self { held: BytesMut::new(), scanner: Scanner::default(), lanes, garbage: 0 }
    }
}

impl MjpegDemuxer {
    /// Goes on to the next beginning of a file, or what may become one. At least the first byte is
    /// passed over if `anyway`.
    fn find(&mut self, anyway: bool) {
        let from = usize::from(anyway);
        let begins = |at: &usize| {
            START.starts_with(&self.held[*at..(*at + START.len()).min(self.held.len())])
        };
        let at = (from..self.held.len()).find(begins).unwrap_or(self.held.len());
        self.garbage += at as u64;
        self.held.advance(at);
        self.scanner = Scanner::default();
    }
}

impl Demux for MjpegDemuxer {
    fn push(&mut self, now: Mono, bytes: &[u8]) {
        let fresh = self.held.is_empty();
        self.held.extend_from_slice(bytes);
        if fresh {
            self.find(false);
        }
        while !self.held.is_empty() {
            match self.scanner.end(&self.held) {
                Ok(Some(end)) => {
                    let file = self.held.split_to(end).freeze();
                    let at = i64::try_from(now.as_nanos()).unwrap_or_default();
                    if !self.lanes.frame(
                        now,
                        0,
                        ContainerTimes { dts: at, pts: at, clock: NANOS },
                        &file,
                    ) {
                        self.garbage += file.len() as u64;
                    }
                    self.find(false);
                }
                Ok(None) if self.held.len() <= MAX_FRAME => return,
                Ok(None) | Err(_) => self.find(true),
            }
        }
    }

    fn poll(&mut self) -> Option<Demuxed> {
        self.lanes.poll()
    }

    fn ignored(&self) -> &[String] {
        self.lanes.ignored()
    }

    fn is_hopeless(&self) -> bool {
        false
    }

    fn garbage(&self) -> u64 {
        self.garbage
    }
}
