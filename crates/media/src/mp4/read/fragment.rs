//! `moof`: where the samples of a fragment are, and when (ISO/IEC 14496-12 §8.8).

use super::{boxes, long, movie::Defaults, samples::SamplePlace, word};
use bytes::Bytes;

/// Samples of one fragment; more are absurd.
const MAX_SAMPLES: usize = 1 << 16;
/// The flags of `tfhd` (§8.8.7.1).
const BASE: u32 = 0x1;
const DESCRIPTION: u32 = 0x2;
const DURATION: u32 = 0x8;
const SIZE: u32 = 0x10;
const FLAGS: u32 = 0x20;
const BASE_IS_MOOF: u32 = 0x2_0000;
/// The flags of `trun` (§8.8.8.1).
const OFFSET: u32 = 0x1;
const FIRST_FLAGS: u32 = 0x4;
const EACH_DURATION: u32 = 0x100;
const EACH_SIZE: u32 = 0x200;
const EACH_FLAGS: u32 = 0x400;
const EACH_SHIFT: u32 = 0x800;

/// A track whose samples come in fragments.
#[derive(Debug)]
pub(super) struct FragmentedTrack {
    pub(super) id: u32,
    pub(super) defaults: Defaults,
    /// Ticks to add to all times.
    pub(super) shift: i64,
    /// When the next fragment begins, where it does not tell.
    pub(super) next: i64,
}

/// Samples with the track they belong to, as they are told. `begin` is where `moof` stands. `None`
/// if it makes no sense.
pub(super) fn read(
    moof: &Bytes,
    begin: u64,
    lanes: &mut [FragmentedTrack],
) -> Option<Vec<(u32, SamplePlace)>> {
    let (mut samples, mut end) = (Vec::new(), begin);
    for (_, traf) in boxes(moof).filter(|(name, _)| name == b"traf") {
        end = fragment(&traf, begin, end, lanes, &mut samples)?;
    }
    Some(samples)
}

/// Of one track; where its data ends.
fn fragment(
    traf: &Bytes,
    begin: u64,
    before: u64,
    lanes: &mut [FragmentedTrack],
    out: &mut Vec<(u32, SamplePlace)>,
) -> Option<u64> {
    let head = boxes(traf).find(|(name, _)| name == b"tfhd")?.1;
    let (flags, id) = (word(&head, 0)?, word(&head, 4)?);
    let mut at = 8;
    let mut next = |flag: u32, width: usize| {
        let here = (flags & flag != 0).then_some(at);
        at += here.map_or(0, |_| width);
        here
    };
    let (base, _, duration, size) =
        (next(BASE, 8), next(DESCRIPTION, 4), next(DURATION, 4), next(SIZE, 4));
    next(FLAGS, 4);
    let base = match base {
        Some(at) => long(&head, at)?,
        None if flags & BASE_IS_MOOF != 0 => begin,
        None => before,
    };
    let known = lanes.iter_mut().find(|lane| lane.id == id);
    let mut unknown = FragmentedTrack { id, defaults: Defaults::default(), shift: 0, next: 0 };
    let lane = known.unwrap_or(&mut unknown);
    let mut defaults = lane.defaults;
    if let Some(at) = duration {
        defaults.duration = word(&head, at)?;
    }
    if let Some(at) = size {
        defaults.size = word(&head, at)?;
    }
    if let Some((_, time)) = boxes(traf).find(|(name, _)| name == b"tfdt") {
        let told = if time.first() == Some(&1) { long(&time, 4)? } else { word(&time, 4)?.into() };
        lane.next = i64::try_from(told).ok()?;
    }
    let mut end = base;
    for (_, run) in boxes(traf).filter(|(name, _)| name == b"trun") {
        end = samples(&run, base, end, defaults, lane, out)?;
    }
    Some(end)
}

/// One run; where it ends.
fn samples(
    run: &[u8],
    base: u64,
    before: u64,
    defaults: Defaults,
    lane: &mut FragmentedTrack,
    out: &mut Vec<(u32, SamplePlace)>,
) -> Option<u64> {
    let (flags, count) = (word(run, 0)?, word(run, 4)? as usize);
    let mut at = 8;
    let mut field = |flag: u32| {
        if flags & flag == 0 {
            return Some(None);
        }
        at += 4;
        word(run, at - 4).map(Some)
    };
    let mut place = match field(OFFSET)? {
        Some(offset) => base.checked_add_signed(offset.cast_signed().into())?,
        None => before,
    };
    field(FIRST_FLAGS)?;
    if out.len() + count > MAX_SAMPLES {
        return None;
    }
    for _ in 0..count {
        let duration = field(EACH_DURATION)?.unwrap_or(defaults.duration);
        let size = field(EACH_SIZE)?.unwrap_or(defaults.size);
        field(EACH_FLAGS)?;
        let later = field(EACH_SHIFT)?.unwrap_or(0).cast_signed();
        let dts = lane.next.checked_add(lane.shift)?;
        out.push((
            lane.id,
            SamplePlace { at: place, size, dts, pts: dts.checked_add(later.into())? },
        ));
        place = place.checked_add(size.into())?;
        lane.next = lane.next.checked_add(duration.into())?;
    }
    Some(place)
}
