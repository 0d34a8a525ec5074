//! Fragments: `moof` and `mdat` (ISO/IEC 14496-12 §8.8).

use super::{boxes::*, lane::*, sample};
use crate::{AccessUnit, MediaKind, Track, TrackId, dts::Times, time::rescale};
use bytes::{BufMut, Bytes};
use std::sync::Arc;

const NANOS: u32 = 1_000_000_000;
/// `default-base-is-moof`: offsets count from the fragment's own beginning.
const BASE_IS_MOOF: u32 = 0x02_0000;
/// The fields that each frame of a run has (§8.8.8.1).
const DATA_OFFSET: u32 = 1;
const DURATION: u32 = 0x100;
const SIZE: u32 = 0x200;
const FLAGS: u32 = 0x400;
const COMPOSITION_OFFSET: u32 = 0x800;
/// A frame that depends on none, and one that does.
const KEY: u32 = 0x0200_0000;
const DELTA: u32 = 0x0101_0000;
/// More frames than this in one fragment would be a mistake of the caller; a memory bound.
const MAX_FRAMES: usize = 4096;

/// One fragment.
#[derive(Clone, Debug)]
pub struct Mp4Fragment {
    /// `moof`, and the header of `mdat`.
    pub head: Bytes,
    /// The content of `mdat`: slices of the frames.
    pub body: Vec<Bytes>,
    /// It begins with a keyframe, or holds no pictures at all.
    pub independent: bool,
    /// Where its leading track begins and ends, in ticks of that track; the same number twice if it
    /// holds nothing of it.
    pub span: (i64, i64),
}

impl Mp4Fragment {
    /// Bytes.
    pub fn len(&self) -> usize {
        self.head.len() + self.body.iter().map(Bytes::len).sum::<usize>()
    }

    /// Never true.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it in one piece.
    pub fn concat(&self) -> Bytes {
        let mut whole = Vec::with_capacity(self.len());
        whole.extend_from_slice(&self.head);
        self.body.iter().for_each(|piece| whole.extend_from_slice(piece));
        whole.into()
    }
}

/// A frame that has its times and waits to be added.
#[derive(Clone, Debug)]
pub struct Admitted {
    lane: usize,
    placed: TimedUnit,
}

impl Admitted {
    /// The frame.
    pub fn unit(&self) -> &Arc<AccessUnit> {
        &self.placed.unit
    }

    /// Its decode time in the file, in ticks of its track.
    pub fn dts(&self) -> i64 {
        self.placed.times.dts
    }

    /// Its presentation time in the file, in ticks of its track.
    pub fn pts(&self) -> i64 {
        self.placed.times.pts
    }

    /// How long it lasts, in ticks of its track: of sound exactly, of pictures as long as usual.
    pub fn length(&self) -> i64 {
        self.placed.length
    }
}

/// Makes fragments of the frames of some tracks.
///
/// The leading track is the one with pictures, if there is one. The file begins with its first
/// keyframe, at time zero; what other tracks had before that is left out.
#[derive(Debug)]
pub struct Fragmenter {
    lanes: Vec<MuxTrack>,
    leading: usize,
    awaits_key: bool,
    /// The stream's time that is zero in the file, in nanoseconds.
    origin: Option<i64>,
    sequence: u32,
}

impl Fragmenter {
    /// For the tracks that [`tracks`](super::tracks) chose; `None` if there are none.
    pub fn new(tracks: &[Track]) -> Option<Self> {
        let lanes: Vec<_> = tracks.iter().map(MuxTrack::new).collect();
        let leading = lanes.iter().position(|l| !l.is_sound()).unwrap_or(0);
        (!lanes.is_empty()).then_some(Self {
            lanes,
            leading,
            awaits_key: true,
            origin: None,
            sequence: 0,
        })
    }

    /// The leading track.
    pub fn leading(&self) -> &Track {
        &self.lanes[self.leading].track
    }

    /// The timestamps have jumped, or frames are missing: it goes on with the next keyframe. What
    /// is held should be cut first.
    pub fn restart(&mut self) {
        self.awaits_key = true;
        self.lanes.iter_mut().for_each(MuxTrack::restart);
    }

    /// Gives a frame its times. `None` if it has no place in the file: of another track, or before
    /// the first keyframe.
    pub fn admit(&mut self, unit: &Arc<AccessUnit>) -> Option<Admitted> {
        let index = self.lanes.iter().position(|l| l.track.id == unit.track)?;
        if index == self.leading && self.awaits_key && !unit.key
            || index != self.leading && self.origin.is_none()
        {
            return None;
        }
        let times = self.lanes[index].times(unit);
        if index == self.leading {
            self.awaits_key = false;
            if self.origin.is_none() {
                self.begin(times);
            }
        }
        let lane = &mut self.lanes[index];
        if times.dts < lane.origin || lane.held.len() >= MAX_FRAMES {
            return None;
        }
        Some(Admitted { lane: index, placed: lane.place(unit, times)? })
    }

    fn begin(&mut self, first: Times) {
        let origin = rescale(first.dts, self.leading().timescale, NANOS);
        self.origin = Some(origin);
        for lane in &mut self.lanes {
            lane.origin = rescale(origin, NANOS, lane.track.timescale);
        }
        // Not by way of nanoseconds: its first frame is to be at zero exactly.
        self.lanes[self.leading].origin = first.dts;
    }

    /// True if the file carries this track.
    pub fn carries(&self, id: TrackId) -> bool {
        self.lanes.iter().any(|l| l.track.id == id)
    }

    /// True if it is of the leading track.
    pub fn leads(&self, frame: &Admitted) -> bool {
        frame.lane == self.leading
    }

    /// Adds a frame to the fragment to come.
    pub fn add(&mut self, frame: Admitted) {
        self.lanes[frame.lane].held.push(frame.placed);
    }

    /// Frames of the leading track that are held.
    pub fn held(&self) -> usize {
        self.lanes[self.leading].held.len()
    }

    /// True if nothing is held of any track.
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(|l| l.held.is_empty())
    }

    /// Where the leading track's part of what is held begins and ends, in ticks of that track. The
    /// end is a guess.
    pub fn span(&self) -> Option<(i64, i64)> {
        self.lanes[self.leading].span()
    }

    /// Where a fragment that begins with this frame of the leading track would begin: at its decode
    /// time, or where the last fragment ended. To be asked when nothing is held.
    pub fn begin_with(&self, frame: &Admitted) -> i64 {
        self.lanes[self.leading].begin(frame.placed.times.dts)
    }

    /// How long what is held would last with one more frame of the leading track, in its ticks.
    pub fn span_with(&self, frame: &Admitted) -> i64 {
        let lane = &self.lanes[self.leading];
        let begin =
            lane.span().map_or_else(|| lane.begin(frame.placed.times.dts), |(begin, _)| begin);
        frame.placed.times.dts.saturating_add(frame.placed.length).saturating_sub(begin)
    }

    /// Makes a fragment of all that is held; `None` if there is nothing.
    ///
    /// `next`, where it is known already, is the leading frame that comes behind it. `most` bounds
    /// the length, in ticks of the leading track: a pause of the source is then spread over the
    /// fragments that follow.
    pub fn cut(&mut self, next: Option<&Admitted>, most: i64) -> Option<Mp4Fragment> {
        if self.is_empty() {
            return None;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let first = self.lanes[self.leading].held.first();
        let independent = first.is_none_or(|p| p.unit.key);
        let (head, ends) = self.write(next.map(|n| n.placed.times.dts), most);
        let body = self.lanes.iter().flat_map(MuxTrack::pieces).collect();
        for (lane, (_, end)) in self.lanes.iter_mut().zip(&ends) {
            if !lane.held.is_empty() {
                lane.written(*end);
            }
        }
        Some(Mp4Fragment { head, body, independent, span: ends[self.leading] })
    }

    /// `moof` and the head of `mdat`, and where each track begins and ends.
    fn write(&self, next: Option<i64>, most: i64) -> (Bytes, Vec<(i64, i64)>) {
        let mut out = Vec::with_capacity(256);
        let (mut ends, mut offsets) =
            (Vec::with_capacity(self.lanes.len()), Vec::with_capacity(self.lanes.len()));
        let mut data = 0;
        put(&mut out, *b"moof", |out| {
            put_full(out, *b"mfhd", 0, 0, |out| out.put_u32(self.sequence));
            for (i, lane) in self.lanes.iter().enumerate() {
                let (next, most) = if i == self.leading { (next, most) } else { (None, i64::MAX) };
                let (entries, begin, end) = lane.entries(next, most);
                ends.push((begin, end));
                if !entries.is_empty() {
                    let at = run(out, lane, &entries, begin);
                    offsets.push((at, data));
                    data += lane.held.iter().map(|p| lane.size(p)).sum::<usize>();
                }
            }
        });
        let moof = out.len();
        for (at, data) in offsets {
            out[at..at + 4].copy_from_slice(&((moof + 8 + data) as u32).to_be_bytes());
        }
        out.put_u32((data + 8) as u32);
        out.put_slice(b"mdat");
        (out.into(), ends)
    }
}

impl MuxTrack {
    fn pieces(&self) -> impl Iterator<Item = Bytes> + '_ {
        self.held.iter().flat_map(|p| sample(&p.unit, &self.track.codec).iter().cloned())
    }
}

/// Appends `traf`; gives the place of its data offset, which is not known yet.
fn run(out: &mut Vec<u8>, lane: &MuxTrack, entries: &[FragmentEntry<'_>], begin: i64) -> usize {
    let pictures = lane.track.codec.kind() == MediaKind::Video;
    let more = if pictures { FLAGS | COMPOSITION_OFFSET } else { 0 };
    let mut offset = 0;
    put(out, *b"traf", |out| {
        put_full(out, *b"tfhd", 0, BASE_IS_MOOF, |out| out.put_u32(lane.id));
        put_full(out, *b"tfdt", 1, 0, |out| out.put_i64(begin.max(0)));
        put_full(out, *b"trun", 1, DATA_OFFSET | DURATION | SIZE | more, |out| {
            out.put_u32(entries.len() as u32);
            offset = out.len();
            out.put_u32(0);
            for entry in entries {
                out.put_u32(saturate(entry.duration));
                out.put_u32(lane.size(entry.placed) as u32);
                if pictures {
                    out.put_u32(if entry.placed.unit.key { KEY } else { DELTA });
                    out.put_u32(saturate(entry.placed.times.pts.saturating_sub(entry.dts)));
                }
            }
        });
    });
    offset
}

fn saturate(ticks: i64) -> u32 {
    u32::try_from(ticks.clamp(0, i32::MAX.into())).unwrap_or(0)
}
