//! The muxer: frames into packets.

use super::{
    packet::{Marks, PacketStream},
    pes, tables,
};
use crate::{
    AccessUnit, Catalog, Codec, MediaKind, Track,
    aac::AudioSpecificConfig,
    dts::{DecodeTimes, Times},
    time::rescale,
};

/// Ticks a second of all times in a transport stream, but for the fine part of the clock.
const CLOCK: u32 = 90_000;
/// Where the program map and the tracks are.
const MAP: u16 = 0x1000;
const FIRST_TRACK: u16 = 0x100;
/// How far the program's clock is behind the decode times: sound that comes that much later than
/// its picture is in time.
const HEADROOM: i64 = CLOCK as i64 / 5;
/// The tables are repeated this often, and before every keyframe.
const TABLES_EVERY: i64 = CLOCK as i64 * 2 / 5;
/// Where the times begin, so that none is negative.
const START: i64 = CLOCK as i64;

/// Makes one transport stream of a stream's tracks: the first picture and the first sound that it
/// can carry.
#[derive(Debug)]
pub struct TsMuxer {
    tables: [PacketStream; 2],
    lanes: Vec<TrackLane>,
    version: u8,
    awaits_key: bool,
    /// To subtract from the stream's times, in ticks of [`CLOCK`].
    origin: Option<i64>,
    tables_at: Option<i64>,
}

#[derive(Debug)]
struct TrackLane {
    track: Track,
    packets: PacketStream,
    times: DecodeTimes,
    last: Option<i64>,
}

impl TsMuxer {
    /// For a stream that consists of `catalog`; `None` if none of its tracks can be carried.
    pub fn new(catalog: &Catalog) -> Option<Self> {
        let lanes = lanes(catalog);
        (!lanes.is_empty()).then(|| Self {
            tables: [PacketStream::new(0), PacketStream::new(MAP)],
            lanes,
            version: 0,
            awaits_key: true,
            origin: None,
            tables_at: None,
        })
    }

    /// The stream's tracks have changed; false if none of the new ones can be carried.
    pub fn set_catalog(&mut self, catalog: &Catalog) -> bool {
        let mut lanes = lanes(catalog);
        // Counters go on.
        for (new, old) in lanes.iter_mut().zip(self.lanes.drain(..)) {
            new.packets = old.packets;
        }
        self.lanes = lanes;
        self.version = self.version.wrapping_add(1);
        self.restart();
        !self.lanes.is_empty()
    }

    /// Frames are missing: goes on with the next keyframe. Counters and clock run on, so that no
    /// player takes it for an error.
    pub fn restart(&mut self) {
        self.awaits_key = true;
        for lane in &mut self.lanes {
            lane.times.restart();
            lane.last = None;
        }
    }

    /// Appends the packets of a frame to `out`: nothing if it is of another track or comes before
    /// the first keyframe.
    pub fn push(&mut self, unit: &AccessUnit, out: &mut Vec<u8>) {
        let Some(index) = self.lanes.iter().position(|l| l.track.id == unit.track) else { return };
        let leads = index == 0;
        if self.awaits_key && !(leads && unit.key) {
            return;
        }
        let Some(times) = self.lanes[index].times(unit) else { return };
        let origin = *self.origin.get_or_insert(times.dts.saturating_sub(START));
        let times =
            Times { dts: times.dts.saturating_sub(origin), pts: times.pts.saturating_sub(origin) };
        if times.dts < 0 {
            return;
        }
        self.awaits_key = false;
        if leads {
            self.put_tables(times.dts, unit.key, out);
        }
        self.put_frame(index, unit, times, out);
    }

    fn put_tables(&mut self, now: i64, key: bool, out: &mut Vec<u8>) {
        let recent = self.tables_at.is_some_and(|at| (0..TABLES_EVERY).contains(&(now - at)));
        let pictures = self.lanes.first().is_some_and(TrackLane::is_video);
        if recent && !(key && pictures) {
            return;
        }
        self.tables_at = Some(now);
        let entries = self
            .lanes
            .iter()
            .map(|l| tables::MapEntry { pid: l.packets.pid(), codec: &l.track.codec });
        let entries: Vec<_> = entries.collect();
        let clock = self.lanes.first().map_or(0x1fff, |l| l.packets.pid());
        let map = tables::map(self.version, clock, &entries);
        self.tables[0].write_section(out, &tables::association(MAP));
        self.tables[1].write_section(out, &map);
    }

    fn put_frame(&mut self, index: usize, unit: &AccessUnit, times: Times, out: &mut Vec<u8>) {
        let leads = index == 0;
        let lane = &mut self.lanes[index];
        let clock = leads.then(|| times.dts.saturating_sub(HEADROOM).max(0).cast_unsigned());
        let marks = Marks { random_access: unit.key && lane.is_video(), clock };
        let codec = &lane.track.codec;
        if lane.track.codec.kind() == MediaKind::Video {
            let header = pes::header(codec, times, 0);
            let mut pieces = vec![&header[..]];
            pes::pictures(unit, codec, &mut pieces);
            lane.packets.write(out, marks, &pieces);
            return;
        }
        for frame in &unit.payload {
            let Some(head) = pes::sound_head(codec, frame) else { continue };
            let header = pes::header(codec, times, head.len() + frame.len());
            lane.packets.write(out, marks, &[&header, &head, frame]);
        }
    }
}

impl TrackLane {
    fn is_video(&self) -> bool {
        self.track.codec.kind() == MediaKind::Video
    }

    /// In ticks of [`CLOCK`], strictly rising; `None` for sound that belongs where other sound is
    /// already.
    fn times(&mut self, unit: &AccessUnit) -> Option<Times> {
        let pts = rescale(unit.pts, self.track.timescale, CLOCK);
        if self.is_video() {
            return Some(self.times.next(pts));
        }
        if self.last.is_some_and(|last| pts <= last) {
            return None;
        }
        self.last = Some(pts);
        Some(Times { dts: pts, pts })
    }
}

fn lanes(catalog: &Catalog) -> Vec<TrackLane> {
    let first = |kind| catalog.tracks.iter().find(|t| t.codec.kind() == kind && carries(&t.codec));
    let tracks = [first(MediaKind::Video), first(MediaKind::Audio)].into_iter().flatten();
    let lane = |(pid, track): (u16, &Track)| {
        let video = track.codec.video_params();
        let step = video.and_then(|v| v.fps).map_or(3000, |fps| (f64::from(CLOCK) / fps) as i64);
        let times = DecodeTimes::new(video.and_then(|v| v.max_reorder), step);
        TrackLane { track: track.clone(), packets: PacketStream::new(pid), times, last: None }
    };
    (FIRST_TRACK..).zip(tracks).map(lane).collect()
}

/// G.711 and motion JPEG have no place in a transport stream; AAC must fit ADTS.
fn carries(codec: &Codec) -> bool {
    match codec {
        Codec::H264(_) | Codec::H265(_) | Codec::Opus { .. } => true,
        Codec::Aac(aac) => {
            AudioSpecificConfig::parse(&aac.config).is_some_and(|c| c.adts_header(0).is_some())
        }
        Codec::Mjpeg(_) | Codec::G711 { .. } => false,
    }
}
