//! Fragmented MP4 as it comes out of a pipe: each frame is handed out with its last byte.

use super::{
    BoxPlace,
    fragment::{self, FragmentedTrack},
    movie,
    samples::SamplePlace,
};
use crate::{
    Mono,
    container::{Broken, ContainerTimes, Demux, Demuxed, Lanes, MAX_FRAME},
};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// An index that is read as a whole is smaller.
const MAX_INDEX: u64 = 4 << 20;

/// Takes such a stream apart.
#[derive(Debug, Default)]
pub struct Mp4Demuxer {
    held: BytesMut,
    /// Where `held` begins.
    at: u64,
    /// Up to here everything is to be passed over, but for the samples in it.
    skip: u64,
    tracks: Vec<FragmentedTrack>,
    clocks: Vec<u32>,
    fragmented: bool,
    lanes: Lanes,
    /// Samples of the fragment, by their places.
    samples: VecDeque<(u32, SamplePlace)>,
    broken: Option<Broken>,
}

impl Mp4Demuxer {
    fn advance(&mut self, length: u64) -> Bytes {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(self.held.len());
        self.at += length as u64;
        self.held.split_to(length).freeze()
    }

    fn fail(&mut self, at: u64, what: &str) -> bool {
        self.broken = Some(Broken { at, what: what.to_owned() });
        self.held.clear();
        false
    }

    /// Takes the next box or frame; false if it has not come.
    fn step(&mut self, now: Mono) -> bool {
        if self.at < self.skip {
            return self.content(now);
        }
        let place = match BoxPlace::read(&self.held, self.at, u64::MAX) {
            Some(Ok(place)) => place,
            Some(Err(_)) => return self.fail(self.at, "a box of impossible length"),
            None => return false,
        };
        match &place.name {
            b"moov" | b"moof" => self.index(place),
            b"mdat" if !self.fragmented => self.fail(
                place.begin,
                "pictures without an index before them: a stream must be fragmented, with ffmpeg \
                 -movflags frag_every_frame+empty_moov+default_base_moof;",
            ),
            _ => {
                self.advance(place.body - place.begin);
                self.skip = place.end;
                true
            }
        }
    }

    fn index(&mut self, place: BoxPlace) -> bool {
        if place.end - place.begin > MAX_INDEX {
            return self.fail(place.begin, "an index of absurd length");
        }
        if self.at + (self.held.len() as u64) < place.end {
            return false;
        }
        let whole = self.advance(place.end - place.begin);
        let body = whole.slice((place.body - place.begin) as usize..);
        let taken = if &place.name == b"moov" {
            self.movie(&whole)
        } else {
            self.fragment(&body, place.begin)
        };
        taken.is_some() || self.fail(place.begin, "an index that makes no sense")
    }

    fn movie(&mut self, whole: &Bytes) -> Option<()> {
        let mut storage = &whole[..];
        let place = BoxPlace::read(whole, 0, whole.len() as u64)?.ok()?;
        let movie = movie::read(&mut storage, place).ok()?;
        self.fragmented = movie.fragmented;
        (self.tracks, self.clocks, self.lanes) = (Vec::new(), Vec::new(), Lanes::default());
        for described in movie.tracks {
            self.lanes.add(described.id.into(), described.track?);
            let (id, defaults, shift) = (described.id, described.defaults, described.shift);
            self.tracks.push(FragmentedTrack { id, defaults, shift, next: 0 });
            self.clocks.push(described.timescale);
        }
        Some(())
    }

    fn fragment(&mut self, body: &Bytes, begin: u64) -> Option<()> {
        let mut samples = fragment::read(body, begin, &mut self.tracks)?;
        samples.sort_by_key(|(_, sample)| sample.at);
        self.samples = samples.into();
        Some(())
    }

    /// Takes what belongs to the next sample, or is before it.
    fn content(&mut self, now: Mono) -> bool {
        let next = self.samples.front().map(|(_, sample)| sample.at).filter(|at| *at < self.skip);
        let upto = next.unwrap_or(self.skip);
        if self.at < upto {
            self.advance(upto - self.at);
            return !self.held.is_empty();
        }
        let Some((id, sample)) = self.samples.front().copied() else { return true };
        if sample.size as usize > MAX_FRAME || sample.at < self.at {
            return self.fail(self.at, "a frame that lies where none can be");
        }
        if self.held.len() < sample.size as usize {
            return false;
        }
        self.samples.pop_front();
        let bytes = self.advance(sample.size.into());
        let clock = self
            .tracks
            .iter()
            .zip(&self.clocks)
            .find(|(lane, _)| lane.id == id)
            .map(|(_, clock)| *clock);
        if let Some(clock) = clock.filter(|_| !bytes.is_empty()) {
            let times = ContainerTimes { dts: sample.dts, pts: sample.pts, clock };
            // One that makes no sense is missing, and the decoder sees that.
            self.lanes.frame(now, id.into(), times, &bytes);
        }
        true
    }
}

impl Demux for Mp4Demuxer {
    fn push(&mut self, now: Mono, bytes: &[u8]) {
        if self.broken.is_none() {
            self.held.extend_from_slice(bytes);
            while self.step(now) {}
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
