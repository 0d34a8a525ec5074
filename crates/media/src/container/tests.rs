use super::*;
use crate::TrackId;
use proptest::prelude::*;

/// What comes out of `stream` cut into pieces of these lengths, over and over; a pause follows.
pub(crate) fn demuxed(
    demuxer: &mut dyn Demux,
    stream: &[u8],
    cuts: &[usize],
) -> (Vec<Catalog>, Vec<AccessUnit>) {
    let (mut catalogs, mut units, mut rest) = (Vec::new(), Vec::new(), stream);
    let mut drain = |demuxer: &mut dyn Demux| {
        while let Some(found) = demuxer.poll() {
            match found {
                Demuxed::Catalog(catalog) => catalogs.push(catalog),
                Demuxed::Unit(unit) => units.push(unit),
            }
        }
    };
    for (i, cut) in cuts.iter().cycle().enumerate() {
        if rest.is_empty() {
            break;
        }
        let (piece, later) = rest.split_at((*cut).clamp(1, rest.len()));
        demuxer.push(Mono::from_nanos(i as u64 * 1_000_000), piece);
        drain(demuxer);
        rest = later;
    }
    demuxer.pause(Mono::from_nanos(u64::MAX / 4));
    drain(demuxer);
    (catalogs, units)
}

/// Of one track: decode and presentation times, and whether it is a keyframe.
pub(crate) fn times(units: &[AccessUnit], track: u8) -> Vec<(i64, i64, bool)> {
    units
        .iter()
        .filter(|unit| unit.track == TrackId(track))
        .map(|unit| (unit.dts, unit.pts, unit.key))
        .collect()
}

#[test]
fn formats_are_known_by_their_first_bytes() {
    for (head, format) in [
        (&b"G@\0\x11\0\0\xb0\x0d"[..], Some(Format::Ts)),
        (b"\0\0\0\x01\x67\x64\0\x1f", Some(Format::H264)),
        (b"\0\0\x01\x09\xf0\0\0\0", Some(Format::H264)),
        (b"\0\0\0\x01\x06\x05\xff\xff", Some(Format::H264)),
        (b"\0\0\0\x01\x40\x01\x0c\x01", Some(Format::H265)),
        (b"\0\0\x01\x46\x01\x50\0\0", Some(Format::H265)),
        (b"FLV\x01\x05\0\0\0", Some(Format::Flv)),
        (b"\0\0\0\x1cftyp", Some(Format::Mp4)),
        (b"\0\0\x04\xd0moov", Some(Format::Mp4)),
        (b"\x1a\x45\xdf\xa3\x93\x42\x82\x88", Some(Format::Mkv)),
        (b"\xff\xd8\xff\xe0\0\x10JF", Some(Format::Mjpeg)),
        (b"--frame\r", Some(Format::Multipart)),
        (b"\r\n--ffmp", Some(Format::Multipart)),
        (b"RIFF\0\0\0\0", None),
        (b"\0", None),
        (b"", None),
    ] {
        assert_eq!(Format::recognise(head), format, "{head:?}");
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(
        kind in 0usize..8,
        head in prop::collection::vec(any::<u8>(), 0..12),
        pieces in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xff), any::<u8>()], 0..200), 0..12),
    ) {
        let Some(mut demuxer) = Format::ALL[kind].demuxer() else { return Ok(()) };
        let stream = [head, pieces.concat()].concat();
        demuxed(&mut *demuxer, &stream, &pieces.iter().map(Vec::len).chain([7]).collect::<Vec<_>>());
        if let Ok(mut reader) = file::FileReader::open(&stream[..]) {
            while let Ok(Some(_)) = reader.read() {}
        }
    }
}
