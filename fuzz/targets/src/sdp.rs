//! Session descriptions: reading, and that what is read can be described and read again.

use media::{Catalog, Codec, TrackId};
use proto::{
    rtp::receive::{TrackReceiver, Transport},
    sdp,
};

/// Takes the bytes as a description.
///
/// # Panics
/// If a description's tracks are not the same after describing and reading them.
pub fn sdp(data: &[u8]) {
    let strict = sdp::parse_announce(data);
    let Ok(media) = sdp::parse(data) else {
        assert!(strict.is_err());
        return;
    };
    let all_carried = media.iter().all(|m| m.format.is_ok() || !m.kind.is_track());
    assert_eq!(strict.is_ok(), all_carried);
    let formats: Vec<_> = media.into_iter().filter_map(|m| m.format.ok()).collect();
    for format in &formats {
        TrackReceiver::new(TrackId(0), format, Transport::Unordered);
    }
    let catalog = Catalog::new(formats.into_iter().map(|f| (f.codec, f.clock_rate)));
    let described = sdp::describe("fuzz", 1, &catalog);
    if catalog.tracks.is_empty() {
        return;
    }
    let again =
        sdp::parse_announce(described.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{described}"));
    for (track, media) in catalog.tracks.iter().zip(again) {
        let Ok(format) = media.format else { panic!("{described}") };
        assert_eq!(
            (format.payload_type, format.clock_rate),
            (sdp::payload_type(track), track.timescale)
        );
        assert_same(&format.codec, &track.codec);
    }
}

fn assert_same(read: &Codec, written: &Codec) {
    match (read, written) {
        // On the wire Opus has two channels or a hint.
        (Codec::Opus { .. }, Codec::Opus { .. }) => {}
        _ => assert_eq!(read, written),
    }
}
