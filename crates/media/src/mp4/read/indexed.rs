//! A file by its index: one for all of it (`moov`), or one in each fragment (`moof`).

use super::{
    BoxPlace, exactly,
    fragment::{self, FragmentedTrack},
    movie::{self, MovieTrack},
    place,
    samples::{SamplePlace, Samples},
    shown,
};
use crate::{
    Mono,
    container::{
        ContainerTimes, Demuxed, Lanes, MAX_FRAME,
        file::{FileFault, Storage},
    },
    time::rescale,
};
use std::collections::VecDeque;

/// The index of a fragment is smaller.
const MAX_MOOF: usize = 4 << 20;
/// Boxes at the top of a file until its index; more are absurd.
const MAX_TOP: usize = 1 << 16;
const NANOS: u32 = 1_000_000_000;

/// Reads the frames of a file in the order of their decode times.
#[derive(Debug)]
pub struct Indexed {
    lanes: Lanes,
    tracks: Vec<IndexedTrack>,
    /// Where to look for the next fragment, if there are any.
    fragments: Option<u64>,
}

#[derive(Debug)]
struct IndexedTrack {
    lane: FragmentedTrack,
    timescale: u32,
    /// By the index for all of the file.
    samples: Option<Samples>,
    /// The next samples of the last fragment read.
    ready: VecDeque<SamplePlace>,
}

impl IndexedTrack {
    fn time(&self) -> Option<i64> {
        self.ready.front().map(|sample| rescale(sample.dts, self.timescale, NANOS))
    }
}

impl Indexed {
    /// Finds the index.
    ///
    /// # Errors
    /// If there is none, or it makes no sense.
    pub fn open(storage: &mut impl Storage) -> Result<Self, FileFault> {
        let (index, first) = find(storage)?;
        let movie = movie::read(storage, index)?;
        let mut lanes = Lanes::default();
        let mut tracks = Vec::new();
        for described in movie.tracks {
            let MovieTrack { id, timescale, shift, track: Some(track), defaults, index } =
                described
            else {
                continue;
            };
            lanes.add(id.into(), track);
            if lanes.has(id.into()) {
                let lane = FragmentedTrack { id, defaults, shift, next: 0 };
                let samples = Some(Samples::new(index, shift));
                tracks.push(IndexedTrack { lane, timescale, samples, ready: VecDeque::new() });
            }
        }
        Ok(Self { lanes, tracks, fragments: movie.fragmented.then_some(first).flatten() })
    }

    /// Returns the next catalogue or frame; `None` at the end.
    ///
    /// # Errors
    /// If it cannot be read further.
    pub fn read(&mut self, storage: &mut impl Storage) -> Result<Option<Demuxed>, FileFault> {
        loop {
            if let Some(found) = self.lanes.poll() {
                return Ok(Some(found));
            }
            for track in &mut self.tracks {
                let Some(samples) = track.samples.as_mut().filter(|_| track.ready.is_empty())
                else {
                    continue;
                };
                match samples.next(storage)? {
                    Some(sample) => track.ready.push_back(sample),
                    None => track.samples = None,
                }
            }
            let first = self
                .tracks
                .iter_mut()
                .filter(|track| !track.ready.is_empty())
                .min_by_key(|track| track.time());
            let more = match first {
                Some(track) => frame(storage, track, &mut self.lanes, self.fragments.is_some())?,
                None => self.fragment(storage)?,
            };
            if !more {
                return Ok(None);
            }
        }
    }

    /// Tracks that are left out.
    pub fn ignored(&self) -> &[String] {
        self.lanes.ignored()
    }

    /// True if no track can be carried.
    pub fn is_hopeless(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Goes on to the next fragment; false if there is none.
    fn fragment(&mut self, storage: &mut impl Storage) -> Result<bool, FileFault> {
        let Some(at) = self.fragments else { return Ok(false) };
        // One that is being written may be cut anywhere.
        let Some(found) = place(storage, at, u64::MAX)? else { return Ok(false) };
        self.fragments = Some(found.end);
        if &found.name != b"moof" {
            return Ok(true);
        }
        let length = usize::try_from(found.len()).ok().filter(|length| *length <= MAX_MOOF);
        let length = length.ok_or_else(|| {
            FileFault::broken(at, "an index of a fragment (moof) of absurd length")
        })?;
        let Some(bytes) = exactly(storage, found.body, length)? else { return Ok(false) };
        let mut lanes: Vec<_> =
            self.tracks.iter_mut().map(|track| std::mem::replace(&mut track.lane, EMPTY)).collect();
        let samples = fragment::read(&bytes, at, &mut lanes);
        self.tracks.iter_mut().zip(lanes).for_each(|(track, lane)| track.lane = lane);
        let samples = samples.ok_or_else(|| {
            FileFault::broken(at, "an index of a fragment (moof) that makes no sense")
        })?;
        for (id, sample) in samples {
            let track = self.tracks.iter_mut().find(|track| track.lane.id == id);
            track.into_iter().for_each(|track| track.ready.push_back(sample));
        }
        Ok(true)
    }
}

const EMPTY: FragmentedTrack = FragmentedTrack {
    id: 0,
    defaults: movie::Defaults { duration: 0, size: 0 },
    shift: 0,
    next: 0,
};

/// Reads the next frame of a track; false if the file ends before.
fn frame(
    storage: &mut impl Storage,
    track: &mut IndexedTrack,
    lanes: &mut Lanes,
    may_end: bool,
) -> Result<bool, FileFault> {
    let Some(SamplePlace { at, size, dts, pts }) = track.ready.pop_front() else { return Ok(true) };
    let length = usize::try_from(size).ok().filter(|size| *size <= MAX_FRAME);
    let length = length.ok_or_else(|| FileFault::broken(at, "a frame of absurd length"))?;
    if length == 0 {
        return Ok(true);
    }
    match exactly(storage, at, length)? {
        Some(bytes) => {
            let times = ContainerTimes { dts, pts, clock: track.timescale };
            if !lanes.frame(Mono::default(), track.lane.id.into(), times, &bytes) {
                return Err(FileFault::broken(at, "a frame that makes no sense"));
            }
            Ok(true)
        }
        None if may_end => Ok(false),
        None => Err(FileFault::broken(at, "the end of the file where its index names a frame")),
    }
}

/// Where the index for all of the file is, and the first fragment.
fn find(storage: &mut impl Storage) -> Result<(BoxPlace, Option<u64>), FileFault> {
    let (mut at, mut index, mut first) = (0, None, None);
    for _ in 0..MAX_TOP {
        let Some(found) = place(storage, at, u64::MAX)? else { break };
        if at == 0 && !found.name.iter().all(u8::is_ascii_graphic) {
            return Err(FileFault::broken(0, format!("a box {}", shown(found.name))));
        }
        match &found.name {
            b"moov" => index = Some(found),
            b"moof" => first = first.or(Some(at)),
            _ => {}
        }
        if index.is_some() && (first.is_some() || found.end == u64::MAX) {
            break;
        }
        at = found.end;
    }
    let index = index.ok_or_else(|| {
        FileFault::broken(at, "the end without an index (moov): was the recording finished?")
    })?;
    Ok((index, first))
}
