//! Matroska and WebM (RFC 9559 in EBML, RFC 8794), from a file or a pipe, read from beginning to
//! end: neither index nor the lengths of what contains the frames are needed, and both may be
//! missing.

mod block;
mod ebml;
mod tracks;

use super::{Broken, ContainerTimes, Demux, Demuxed, Lanes, MAX_FRAME};
use crate::{Mono, dts::DecodeTimes};
use bytes::{Bytes, BytesMut};
use ebml::Head;
use tracks::MkvTrack;

/// The largest elements that are read as a whole.
const MAX_TRACKS: u64 = 1 << 20;
const MAX_INFO: u64 = 64 << 10;
/// A frame with what is around it, or several small ones.
const MAX_BLOCK: u64 = MAX_FRAME as u64 + 4096;
/// Ticks a second.
const NANOS: u32 = 1_000_000_000;
/// Of a millisecond, unless the file says otherwise (RFC 9559 §5.1.2.9).
const USUAL_SCALE: u64 = 1_000_000;

/// Takes a file apart.
#[derive(Debug)]
pub struct MkvDemuxer {
    held: BytesMut,
    /// Where `held` begins.
    at: u64,
    /// Bytes that are yet to be skipped.
    skip: u64,
    /// Nanoseconds a tick.
    scale: u64,
    /// Ticks at which the cluster begins.
    cluster: u64,
    tracks: Vec<(MkvTrack, Option<DecodeTimes>)>,
    lanes: Lanes,
    broken: Option<Broken>,
}

impl Default for MkvDemuxer {
    fn default() -> Self {
        Self {
            held: BytesMut::new(),
            at: 0,
            skip: 0,
            scale: USUAL_SCALE,
            cluster: 0,
            tracks: Vec::new(),
            lanes: Lanes::default(),
            broken: None,
        }
    }
}

impl MkvDemuxer {
    fn advance(&mut self, length: usize) -> Bytes {
        self.at += length as u64;
        self.held.split_to(length).freeze()
    }

    fn fail(&mut self, what: String) -> bool {
        self.broken = Some(Broken { at: self.at, what });
        self.held.clear();
        false
    }

    /// Takes the next element; false if it has not come.
    fn element(&mut self, now: Mono) -> bool {
        let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.held.len());
        self.advance(passed);
        self.skip -= passed as u64;
        if self.skip > 0 {
            return false;
        }
        let head = match ebml::head(&self.held) {
            Ok(Some(head)) => head,
            Ok(None) => return false,
            Err(what) => return self.fail(what.to_owned()),
        };
        match head.id {
            // What is inside is read as if it stood alone, so that their ends need not be known.
            ebml::SEGMENT | ebml::CLUSTER => {
                self.advance(head.len);
                true
            }
            ebml::TRACKS => {
                self.whole(head, MAX_TRACKS, |demuxer, body| demuxer.learn_tracks(&body))
            }
            ebml::INFO => self.whole(head, MAX_INFO, |demuxer, body| demuxer.learn_scale(&body)),
            ebml::TIMESTAMP => {
                self.whole(head, 8, |demuxer, body| demuxer.cluster = ebml::number(&body))
            }
            ebml::SIMPLE_BLOCK => {
                self.whole(head, MAX_BLOCK, |demuxer, body| demuxer.block(now, body))
            }
            ebml::BLOCK_GROUP => self.whole(head, MAX_BLOCK, |demuxer, body| {
                let block = ebml::children(&body).find(|(id, _)| *id == ebml::BLOCK);
                block.into_iter().for_each(|(_, block)| demuxer.block(now, block));
            }),
            _ => self.pass(head),
        }
    }

    fn pass(&mut self, head: Head) -> bool {
        let Some(size) = head.size else {
            return self.fail(format!("an element {:X} without a length", head.id));
        };
        self.advance(head.len);
        self.skip = size;
        true
    }

    /// Waits for all of an element, and takes it.
    fn whole(&mut self, head: Head, most: u64, take: impl FnOnce(&mut Self, Bytes)) -> bool {
        let size = match head.size {
            Some(size) if size <= most => size as usize,
            _ => return self.fail(format!("an element {:X} of absurd length", head.id)),
        };
        if self.held.len() < head.len + size {
            return false;
        }
        self.advance(head.len);
        let body = self.advance(size);
        take(self, body);
        true
    }

    fn learn_scale(&mut self, info: &Bytes) {
        let told = ebml::children(info)
            .find(|(id, _)| *id == ebml::TIMESTAMP_SCALE)
            .map(|(_, body)| ebml::number(&body));
        self.scale =
            told.filter(|scale| (1..=1_000_000_000).contains(scale)).unwrap_or(USUAL_SCALE);
    }

    fn learn_tracks(&mut self, body: &Bytes) {
        (self.tracks, self.lanes) = (Vec::new(), Lanes::default());
        for (_, entry) in ebml::children(body).filter(|(id, _)| *id == ebml::TRACK_ENTRY) {
            let Some((described, track)) = tracks::read(&entry) else { continue };
            let reorders = track.as_ref().ok().and_then(tracks::reorders);
            self.lanes.add(described.number, track);
            if self.lanes.has(described.number) {
                let times = reorders.map(|depth| DecodeTimes::new(depth, described.interval));
                self.tracks.push((described, times));
            }
        }
    }

    /// RFC 9559 §10.
    fn block(&mut self, now: Mono, body: Bytes) {
        // One that makes no sense is missing, and the decoder sees that.
        let Some(block) = block::read(body) else { return };
        let Some((track, times)) =
            self.tracks.iter_mut().find(|(track, _)| track.number == block.track)
        else {
            return;
        };
        let ticks = i128::from(self.cluster) + i128::from(block.time);
        let nanos = ticks * i128::from(self.scale) - i128::from(track.delay);
        let Ok(mut pts) = i64::try_from(nanos) else { return };
        for frame in block.frames {
            let frame = if track.prefix.is_empty() {
                frame
            } else {
                [&track.prefix[..], &frame].concat().into()
            };
            let dts = times.as_mut().map_or(pts, |times| times.next(pts).dts);
            self.lanes.frame(now, track.number, ContainerTimes { dts, pts, clock: NANOS }, &frame);
            // Frames in one block have one time; the others follow from how long each lasts.
            pts = pts.saturating_add(track.interval_of(&frame));
        }
    }
}

impl Demux for MkvDemuxer {
    fn push(&mut self, now: Mono, bytes: &[u8]) {
        if self.broken.is_none() {
            self.held.extend_from_slice(bytes);
            while self.element(now) {}
        }
    }

    fn poll(&mut self) -> Option<Demuxed> {
        self.lanes.poll()
    }

    fn ignored(&self) -> &[String] {
        self.lanes.ignored()
    }

    fn is_hopeless(&self) -> bool {
        self.lanes.is_hopeless()
    }

    fn broken(&self) -> Option<Broken> {
        self.broken.clone()
    }
}

#[cfg(test)]
mod tests;
