//! What comes in containers: MPEG-TS, and JPEG files in multipart answers.

use crate::Input;
use media::{
    Mono,
    container::{Demux, Demuxed},
    jpeg,
    ts::Demuxer,
};
use proto::multipart::Reader;

/// What a demuxer may hold back: a frame of each track.
const MOST_HELD: usize = 3 * (8 << 20);

/// A transport stream in pieces, with pauses between.
pub fn mpegts(data: &[u8]) {
    let mut input = Input(data);
    let (mut demuxer, mut taken, mut tracks) = (Demuxer::default(), 0, 0);
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
