use super::*;
use crate::{
    AccessUnit, Catalog,
    container::{
        Demux, Demuxed,
        file::FileReader,
        tests::{demuxed, times},
    },
    mp4::{
        Fragmenter,
        boxes::{put, put_full},
        init_segment, tests as samples, tracks,
    },
};
use bytes::BufMut;
use proptest::prelude::*;

fn catalog() -> Catalog {
    Catalog::new([(samples::h264(), 90_000), (samples::aac(), 48_000)])
}

/// So many seconds in fragments of ten frames: pictures at 25 fps with a keyframe each, and sound.
fn fragmented(fragments: i64) -> Vec<u8> {
    let tracks = tracks(&catalog());
    let mut fragmenter = Fragmenter::new(&tracks).unwrap();
    let mut out = init_segment(&tracks).to_vec();
    for fragment in 0..fragments {
        for frame in 0..10 {
            let n = fragment * 10 + frame;
            let nal: &[u8] = if frame == 0 { &[0x65, 9, 9] } else { &[0x41, 9, 9] };
            for unit in [
                samples::unit(0, n * 3600, frame == 0, &[nal]),
                samples::unit(1, n * 1920, true, &[&[7, n as u8]]),
            ] {
                if let Some(admitted) = fragmenter.admit(&unit) {
                    fragmenter.add(admitted);
                }
            }
        }
        out.extend_from_slice(&fragmenter.cut(None, i64::MAX).unwrap().concat());
    }
    out
}

/// A file with one index, at its end: pictures in chunks of three, of which the second of each is
/// shown two frames later, and sound in one chunk.
fn indexed(frames: u32) -> Vec<u8> {
    let picture = |n: u32| {
        [&[0, 0, 0, 5, if n.is_multiple_of(10) { 0x65 } else { 0x41 }][..], &n.to_be_bytes()]
            .concat()
    };
    let mut out = Vec::new();
    put(&mut out, *b"ftyp", |out| out.put_slice(b"isom\0\0\0\0"));
    let begin = out.len() as u32 + 8;
    put(&mut out, *b"mdat", |out| {
        (0..frames).for_each(|n| out.put_slice(&picture(n)));
        (0..frames).for_each(|n| out.put_slice(&[n as u8, 1]));
    });
    put(&mut out, *b"moov", |out| {
        put_full(out, *b"mvhd", 0, 0, |out| [0, 0, 1000, 0].iter().for_each(|n| out.put_u32(*n)));
        let shifts = |out: &mut Vec<u8>| {
            put_full(out, *b"ctts", 1, 0, |out| {
                out.put_u32(frames);
                (0..frames).for_each(|n| out.put_u64(1 << 32 | if n % 3 == 1 { 20 } else { 0 }));
            });
        };
        let chunks: Vec<_> = (0..frames.div_ceil(3)).map(|chunk| begin + chunk * 27).collect();
        track(out, 1, b"vide", 100, (2, 4), frames, &[(1, 3)], 9, &chunks, shifts);
        track(
            out,
            2,
            b"soun",
            100,
            (0, 0),
            frames,
            &[(1, frames)],
            2,
            &[begin + frames * 9],
            |_| {},
        );
    });
    out
}

/// `edit`: milliseconds of silence before it, and ticks that are cut off.
#[allow(clippy::too_many_arguments, reason = "a file has many parts")]
fn track(
    out: &mut Vec<u8>,
    id: u32,
    handler: &[u8],
    clock: u32,
    edit: (u32, u32),
    frames: u32,
    runs: &[(u32, u32)],
    size: u32,
    chunks: &[u32],
    more: impl FnOnce(&mut Vec<u8>),
) {
    let known = tracks(&catalog());
    put(out, *b"trak", |out| {
        put_full(out, *b"tkhd", 0, 0, |out| [0, 0, id].iter().for_each(|n| out.put_u32(*n)));
        put(out, *b"edts", |out| {
            put_full(out, *b"elst", 0, 0, |out| {
                [2, edit.0, u32::MAX, 0, 0, edit.1, 0].iter().for_each(|n| out.put_u32(*n));
            });
        });
        put(out, *b"mdia", |out| {
            put_full(out, *b"mdhd", 0, 0, |out| {
                [0, 0, clock, 0].iter().for_each(|n| out.put_u32(*n));
            });
            put_full(out, *b"hdlr", 0, 0, |out| out.put_slice(&[&[0; 4], handler].concat()));
            put(out, *b"minf", |out| {
                put(out, *b"stbl", |out| {
                    put_full(out, *b"stsd", 0, 0, |out| {
                        out.put_u32(1);
                        crate::mp4::sample_entry::put_entry(out, &known[id as usize - 1]);
                    });
                    put_full(out, *b"stts", 0, 0, |out| {
                        [1, frames, 4].iter().for_each(|n| out.put_u32(*n));
                    });
                    put_full(out, *b"stsc", 0, 0, |out| {
                        out.put_u32(runs.len() as u32);
                        runs.iter().for_each(|(first, each)| {
                            [*first, *each, 1].iter().for_each(|n| out.put_u32(*n));
                        });
                    });
                    put_full(out, *b"stsz", 0, 0, |out| {
                        [size, frames].iter().for_each(|n| out.put_u32(*n));
                    });
                    put_full(out, *b"stco", 0, 0, |out| {
                        out.put_u32(chunks.len() as u32);
                        chunks.iter().for_each(|n| out.put_u32(*n));
                    });
                    more(out);
                });
            });
        });
    });
}

fn read(file: &[u8]) -> Result<Vec<AccessUnit>, FileFault> {
    let (mut reader, mut units) = (FileReader::open(file)?, Vec::new());
    while let Some(found) = reader.read()? {
        if let Demuxed::Unit(unit) = found {
            units.push(unit);
        }
    }
    Ok(units)
}

#[test]
fn a_file_is_read_by_its_index_in_the_order_of_decoding() {
    // More than one window of each table.
    let frames = 3500;
    let units = read(&indexed(frames)).unwrap();
    assert_eq!(units.len() as u32, 2 * frames);
    let (pictures, sound) = (times(&units, 0), times(&units, 1));
    for (n, (dts, pts, key)) in pictures.iter().enumerate() {
        // Four of a hundred ticks a frame, two milliseconds of silence, of which nothing is left by
        // rounding, and four ticks cut off.
        let expected = (n as i64 * 4 - 4) * 900;
        assert_eq!((*dts, *key), (expected, n % 10 == 0), "{n}");
        assert_eq!(pts - dts, if n % 3 == 1 { 20 * 900 } else { 0 });
    }
    assert!(
        sound.iter().enumerate().all(|(n, (dts, ..))| *dts == n as i64 * 1920),
        "{:?}",
        &sound[..5]
    );
    let nal = units.iter().filter(|unit| unit.track.0 == 0).nth(3456).unwrap();
    assert_eq!(nal.payload.last().unwrap()[1..], 3456u32.to_be_bytes());
    let seconds =
        |unit: &AccessUnit| unit.dts as f64 / if unit.track.0 == 0 { 90_000.0 } else { 48_000.0 };
    assert!(units.windows(2).all(|w| seconds(&w[0]) <= seconds(&w[1])), "one after the other");
}

#[test]
fn fragments_come_out_of_pipes_and_files_alike() {
    let stream = fragmented(3);
    for cut in [1, 100, 100_000] {
        let (catalogs, units) = demuxed(&mut Mp4Demuxer::default(), &stream, &[cut]);
        assert_eq!(catalogs, [catalog()]);
        let pictures: Vec<_> = (0..30).map(|n| (n * 3600, n * 3600, n % 10 == 0)).collect();
        let sound: Vec<_> = (0..30).map(|n| (n * 1920, n * 1920, true)).collect();
        assert_eq!(times(&units, 0), pictures);
        // How long the sound lasts is known by its codec, not by when it comes.
        assert_eq!(times(&units, 1).len(), sound.len());
        let file = read(&stream).unwrap();
        assert_eq!((times(&file, 0), times(&file, 1)), (times(&units, 0), times(&units, 1)));
        assert_eq!(units[0].payload.len(), 3, "its parameter sets are with it");
    }
}

#[test]
fn a_frame_comes_with_its_last_byte() {
    let stream = fragmented(1);
    let mut demuxer = Mp4Demuxer::default();
    demuxer.push(crate::Mono::default(), &stream[..stream.len() - 1]);
    let before = std::iter::from_fn(|| demuxer.poll()).count();
    demuxer.push(crate::Mono::default(), &stream[stream.len() - 1..]);
    assert_eq!(
        (before, std::iter::from_fn(|| demuxer.poll()).count()),
        (20, 1),
        "a catalogue and nineteen, then the last"
    );
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let file = indexed(30);
    let moov = file.windows(4).position(|w| w == b"moov").unwrap() - 4;
    let words = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert_eq!(
        words(&file[..moov]),
        format!("the end without an index (moov): was the recording finished? at byte {moov}")
    );
    assert!(
        words(&file[..moov + 400]).contains("cut short at byte"),
        "{}",
        words(&file[..moov + 400])
    );
    // An index that names places where something else is.
    let mut early = file.clone();
    early.splice(16..moov, []);
    assert_eq!(words(&early), "a frame that makes no sense at byte 24");
    let mut demuxer = Mp4Demuxer::default();
    demuxed(&mut demuxer, &file, &[500]);
    assert!(demuxer.broken().unwrap().what.contains("a stream must be fragmented"));
    // A fragment that is being written ends the file, and is no mistake.
    let stream = fragmented(2);
    assert!(read(&stream[..stream.len() - 5]).unwrap().len() >= 30);
}

proptest! {
    #[test]
    fn mistakes_never_panic(at in 0usize..3000, bytes in prop::collection::vec(any::<u8>(), 0..12), cut in 1usize..300, kind in any::<bool>()) {
        let mut file = if kind { fragmented(2) } else { indexed(40) };
        let at = at % file.len();
        file.splice(at..(at + bytes.len()).min(file.len()), bytes);
        let _ = read(&file);
        demuxed(&mut Mp4Demuxer::default(), &file, &[cut]);
    }
}
