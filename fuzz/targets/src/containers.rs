//! Input in containers: streams of all kinds, files, and JPEG files in multipart answers.

use crate::Input;
use media::{
    Mono,
    container::{Demux, Demuxed, Format, file},
    jpeg,
    ts::TsDemuxer,
};
use proto::multipart::Reader;

/// The most bytes that a demuxer may hold back: a frame of each track.
const MOST_HELD: usize = 3 * (8 << 20);

/// A transport stream in pieces, with pauses between.
pub fn mpegts(data: &[u8]) {
    let mut input = Input(data);
    let (mut demuxer, mut taken, mut tracks) = (TsDemuxer::default(), 0, 0);
    while let Some(length) = input.byte() {
        // A packet and more, or less.
        let piece = input.bytes(usize::from(length) * 2);
        demuxer.push(Mono::from_nanos(1), piece);
        if length % 16 == 0 {
            demuxer.pause(Mono::from_nanos(2));
        }
        while let Some(found) = demuxer.poll() {
            match found {
                Demuxed::Catalog(catalog) => {
                    tracks = catalog.tracks.len();
                    assert!((1..=2).contains(&tracks), "one of each kind");
                }
                Demuxed::Unit(unit) => {
                    assert!(usize::from(unit.track.0) < tracks, "of a track that was told");
                    taken += unit.size();
                    assert!(unit.dts <= unit.pts && !unit.payload.is_empty());
                }
            }
        }
    }
    assert!(taken <= data.len() + MOST_HELD);
}

/// Any other stream in pieces, as a command writes it. The first byte says which, the lowest bit of
/// each piece's length whether a pause follows.
///
/// # Panics
/// If more comes out than went in, or something that was not announced.
pub fn containers(data: &[u8]) {
    let mut input = Input(data);
    let Some(format) = input.byte().map(|kind| Format::ALL[usize::from(kind) % Format::ALL.len()])
    else {
        return;
    };
    let Some(mut demuxer) = format.demuxer() else { return };
    let (mut taken, mut tracks, mut now) = (0, 0, 0);
    while let Some(length) = input.byte() {
        now += 1_000_000;
        demuxer.push(Mono::from_nanos(now), input.bytes(usize::from(length) * 8));
        if length % 2 == 1 {
            demuxer.pause(Mono::from_nanos(now));
        }
        while let Some(found) = demuxer.poll() {
            match found {
                Demuxed::Catalog(catalog) => tracks = catalog.tracks.len(),
                Demuxed::Unit(unit) => {
                    assert!(usize::from(unit.track.0) < tracks, "of a track that was told");
                    assert!(unit.dts <= unit.pts && !unit.payload.is_empty());
                    taken += unit.size();
                }
            }
        }
        assert!(tracks <= 2, "one of each kind");
    }
    // A keyframe may be given parameter sets, and each laced frame its stripped beginning.
    assert!(taken <= data.len() * MOST_GIVEN);
}

/// Frames of a few bytes can be given sets of as many as a whole input has.
const MOST_GIVEN: usize = 4096;

/// A file.
///
/// # Panics
/// If it has more frames than can be.
pub fn file(data: &[u8]) {
    let Ok(mut reader) = file::FileReader::open(data) else { return };
    // An index may name the same bytes again and again, which ends with the index.
    let mut frames = 0;
    while let Ok(Some(found)) = reader.read() {
        frames += usize::from(matches!(found, Demuxed::Unit(_)));
        if frames > MOST_FRAMES {
            return;
        }
    }
}

/// Looked at of one file.
const MOST_FRAMES: usize = 2000;

/// A multipart answer in pieces.
pub fn multipart(data: &[u8]) {
    let mut input = Input(data);
    let mut reader = Reader::default();
    while let Some(length) = input.byte() {
        reader.push(input.bytes(usize::from(length)));
        loop {
            match reader.poll() {
                Ok(Some(file)) => drop(jpeg::size(&file)),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}
