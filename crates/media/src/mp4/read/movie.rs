//! `moov`: the tracks of a file and where their index is. Only what is small is held.

use super::{BoxPlace, entry, inside, long, table::Table, word};
use crate::{
    container::{
        TrackContent,
        file::{FileFault, Storage},
    },
    time::rescale,
};

/// Boxes that are read as a whole are smaller.
const SMALL: usize = 64 << 10;
/// More tracks than these are not looked at.
const MAX_TRACKS: usize = 32;
const NANOS: u32 = 1_000_000_000;

/// The values that a track's fragments may leave out (§8.8.3).
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Defaults {
    pub(super) duration: u32,
    pub(super) size: u32,
}

/// A track of the file.
#[derive(Debug)]
pub(super) struct MovieTrack {
    pub(super) id: u32,
    /// Ticks a second of its times.
    pub(super) timescale: u32,
    /// Ticks to add to its times, by its edit list (§8.6.6).
    pub(super) shift: i64,
    pub(super) track: Option<Result<TrackContent, String>>,
    pub(super) defaults: Defaults,
    pub(super) index: Index,
}

/// The tables that say where a track's samples are (§8.6 and §8.7).
#[derive(Clone, Default, Debug)]
pub(super) struct Index {
    pub(super) durations: Option<Table>,
    pub(super) shifts: Option<Table>,
    pub(super) chunks: Option<Table>,
    pub(super) offsets: Option<Table>,
    pub(super) wide_offsets: bool,
    /// The length of all samples, if they have one.
    pub(super) size: u32,
    pub(super) sizes: Option<Table>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Movie {
    pub(super) tracks: Vec<MovieTrack>,
    /// It says that fragments follow.
    pub(super) fragmented: bool,
}

/// Reads `moov`.
pub(super) fn read(storage: &mut impl Storage, place: BoxPlace) -> Result<Movie, FileFault> {
    let (mut movie, mut clock) = (Movie { tracks: Vec::new(), fragmented: false }, 1000);
    let places = inside(storage, place)?;
    for place in &places {
        match &place.name {
            b"mvhd" => clock = timescale(storage, *place)?,
            b"trak" if movie.tracks.len() < MAX_TRACKS => {
                movie.tracks.extend(track(storage, *place, clock)?);
            }
            _ => {}
        }
    }
    for place in places.iter().filter(|place| &place.name == b"mvex") {
        movie.fragmented = true;
        for place in inside(storage, *place)?.into_iter().filter(|place| &place.name == b"trex") {
            let bytes = place.whole(storage, SMALL)?;
            let Some((id, duration, size)) = word(&bytes, 4)
                .zip(word(&bytes, 12))
                .zip(word(&bytes, 16))
                .map(|((a, b), c)| (a, b, c))
            else {
                continue;
            };
            let known = movie.tracks.iter_mut().find(|track| track.id == id);
            known.into_iter().for_each(|track| track.defaults = Defaults { duration, size });
        }
    }
    Ok(movie)
}

/// Of `mvhd` and `mdhd`: it stands behind two times of 32 or 64 bits.
fn timescale(storage: &mut impl Storage, place: BoxPlace) -> Result<u32, FileFault> {
    let bytes = place.whole(storage, SMALL)?;
    let at = if bytes.first() == Some(&1) { 20 } else { 12 };
    Ok(word(&bytes, at).unwrap_or(0).max(1))
}

/// `None` if it holds neither pictures nor sound.
fn track(
    storage: &mut impl Storage,
    place: BoxPlace,
    clock: u32,
) -> Result<Option<MovieTrack>, FileFault> {
    let mut found = MovieTrack {
        id: 0,
        timescale: 1,
        shift: 0,
        track: None,
        defaults: Defaults::default(),
        index: Index::default(),
    };
    let mut edits = None;
    for place in inside(storage, place)? {
        match &place.name {
            b"tkhd" => {
                let bytes = place.whole(storage, SMALL)?;
                found.id =
                    word(&bytes, if bytes.first() == Some(&1) { 20 } else { 12 }).unwrap_or(0);
            }
            b"edts" => {
                edits = inside(storage, place)?.into_iter().find(|place| &place.name == b"elst");
            }
            b"mdia" if !media(storage, place, &mut found)? => return Ok(None),
            _ => {}
        }
    }
    if let Some(edits) = edits {
        found.shift = shift(storage, edits, clock, found.timescale)?;
    }
    Ok(found.track.is_some().then_some(found))
}

/// Of an edit list counts by how much its first edit moves the track: silence before it, or what is
/// cut off.
fn shift(
    storage: &mut impl Storage,
    place: BoxPlace,
    clock: u32,
    timescale: u32,
) -> Result<i64, FileFault> {
    let bytes = place.whole(storage, SMALL)?;
    let wide = bytes.first() == Some(&1);
    let edit = |index: usize| {
        let at = 8 + index * if wide { 20 } else { 12 };
        match wide {
            true => Some((long(&bytes, at)?, long(&bytes, at + 8)?.cast_signed())),
            false => Some((word(&bytes, at)?.into(), word(&bytes, at + 4)?.cast_signed().into())),
        }
    };
    let mut shift = 0_i64;
    for index in 0..word(&bytes, 4).unwrap_or(0).min(8) as usize {
        match edit(index) {
            Some((silence, -1)) => {
                let silence = i64::try_from(silence).unwrap_or(0);
                shift =
                    shift.saturating_add(rescale(rescale(silence, clock, NANOS), NANOS, timescale));
            }
            Some((_, begin)) => return Ok(shift.saturating_sub(begin)),
            None => break,
        }
    }
    Ok(shift)
}

/// False if it holds neither pictures nor sound.
fn media(
    storage: &mut impl Storage,
    place: BoxPlace,
    found: &mut MovieTrack,
) -> Result<bool, FileFault> {
    for place in inside(storage, place)? {
        match &place.name {
            b"mdhd" => found.timescale = timescale(storage, place)?,
            b"hdlr" => {
                let bytes = place.whole(storage, SMALL)?;
                if !matches!(bytes.get(8..12), Some(b"vide" | b"soun")) {
                    return Ok(false);
                }
            }
            b"minf" => {
                for place in
                    inside(storage, place)?.into_iter().filter(|place| &place.name == b"stbl")
                {
                    tables(storage, place, found)?;
                }
            }
            _ => {}
        }
    }
    Ok(true)
}

fn tables(
    storage: &mut impl Storage,
    place: BoxPlace,
    found: &mut MovieTrack,
) -> Result<(), FileFault> {
    let index = &mut found.index;
    for place in inside(storage, place)? {
        match &place.name {
            b"stsd" => found.track = Some(entry::read(&place.whole(storage, SMALL)?)),
            b"stts" => index.durations = Some(Table::read(storage, place, 8, 8)?),
            b"ctts" => index.shifts = Some(Table::read(storage, place, 8, 8)?),
            b"stsc" => index.chunks = Some(Table::read(storage, place, 8, 12)?),
            b"stco" => index.offsets = Some(Table::read(storage, place, 8, 4)?),
            b"co64" => {
                (index.offsets, index.wide_offsets) =
                    (Some(Table::read(storage, place, 8, 8)?), true);
            }
            b"stsz" => {
                let head = super::exactly(storage, place.body, 12)?.unwrap_or_default();
                index.size = word(&head, 4).unwrap_or(0);
                index.sizes =
                    Some(Table::read(storage, place, 12, if index.size == 0 { 4 } else { 0 })?);
            }
            _ => {}
        }
    }
    Ok(())
}
