use super::*;
use crate::{Aac, G711Law, Mono, Payload, Timing, TrackId, dts::DecodeTimes};
use proptest::prelude::*;
use std::sync::Arc;

/// What x264 and x265 write for 1280x720.
const H264_SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1f, 0xac, 0xb2, 0x00, 0xa0, 0x0b, 0x74, 0x20, 0x00, 0x00, 0x03, 0x00, 0x20,
    0x00, 0x00, 0x07, 0x91, 0xe3, 0x06, 0x49,
];
const H265_SPS: &[u8] = &[
    0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03,
    0x00, 0x5d, 0xa0, 0x02, 0x80, 0x80, 0x2d, 0x16, 0x59, 0x59, 0xa4, 0x93, 0x2b, 0x80, 0x40, 0x00,
    0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x07, 0x82,
];

pub(crate) fn h264() -> Codec {
    let sets =
        h264::ParameterSets::parse(Bytes::from_static(H264_SPS), Bytes::from_static(&[0x68, 0xea]))
            .unwrap();
    Codec::H264(Some(Arc::new(sets)))
}

pub(crate) fn h265() -> Codec {
    let set = |b: &'static [u8]| Bytes::from_static(b);
    let sets = h265::ParameterSets::parse(set(&[0x40, 1]), set(H265_SPS), set(&[0x44, 1])).unwrap();
    Codec::H265(Some(Arc::new(sets)))
}

pub(crate) fn aac() -> Codec {
    Codec::Aac(Aac { config: Bytes::from_static(&[0x11, 0x90]), rate: 48_000, channels: 2 })
}

pub(crate) fn unit(track: u8, pts: i64, key: bool, payload: &[&[u8]]) -> Arc<AccessUnit> {
    let payload: Payload = payload.iter().map(|b| Bytes::copy_from_slice(b)).collect();
    Arc::new(AccessUnit::new(TrackId(track), pts, key, Timing::arrived(Mono::default()), payload))
}

/// The content of the first box of each name along `path`.
fn find<'a>(mut data: &'a [u8], path: &[&str]) -> Option<&'a [u8]> {
    for name in path {
        data = boxes(data).into_iter().find(|(n, _)| n == name)?.1;
    }
    Some(data)
}

fn boxes(mut data: &[u8]) -> Vec<(String, &[u8])> {
    let mut found = Vec::new();
    while !data.is_empty() {
        let length = u32::from_be_bytes(data[..4].try_into().unwrap()) as usize;
        found.push((String::from_utf8_lossy(&data[4..8]).into_owned(), &data[8..length]));
        data = &data[length..];
    }
    found
}

fn number(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(data[at..at + 4].try_into().unwrap())
}

/// A frame as read back.
#[derive(Clone, PartialEq, Debug)]
struct ReadFrame {
    track: u32,
    dts: i64,
    duration: i64,
    pts: i64,
    key: bool,
    bytes: Vec<u8>,
}

fn read(fragment: &[u8]) -> Vec<ReadFrame> {
    let mut frames = Vec::new();
    let moof = find(fragment, &["moof"]).unwrap();
    for (_, traf) in boxes(moof).into_iter().filter(|(n, _)| n == "traf") {
        let track = number(find(traf, &["tfhd"]).unwrap(), 4);
        let tfdt = find(traf, &["tfdt"]).unwrap();
        let mut dts = i64::from_be_bytes(tfdt[4..12].try_into().unwrap());
        let run = find(traf, &["trun"]).unwrap();
        let pictures = number(run, 0) & 0xc00 == 0xc00;
        let mut offset = number(run, 8) as usize;
        let width = if pictures { 16 } else { 8 };
        for entry in run[12..].chunks(width).take(number(run, 4) as usize) {
            let (duration, size) = (i64::from(number(entry, 0)), number(entry, 4) as usize);
            let (key, late) = if pictures {
                (number(entry, 8) == 0x0200_0000, number(entry, 12))
            } else {
                (true, 0)
            };
            let bytes = fragment[offset..offset + size].to_vec();
            frames.push(ReadFrame { track, dts, duration, pts: dts + i64::from(late), key, bytes });
            (dts, offset) = (dts + duration, offset + size);
        }
    }
    frames
}

#[test]
fn the_init_segment_tells_codecs_and_no_duration() {
    let g711 = Codec::G711 { law: G711Law::Mu, rate: 8000, channels: 1 };
    let catalog = Catalog::new([(g711, 8000), (h264(), 90_000), (aac(), 48_000)]);
    let tracks = tracks(&catalog);
    assert_eq!(tracks.iter().map(|t| t.id.0).collect::<Vec<_>>(), [1, 2], "G.711 is left out");
    let init = init_segment(&tracks);
    assert_eq!(number(find(&init, &["moov", "mvhd"]).unwrap(), 16), 0);
    assert!(find(&init, &["moov", "mvex", "mehd"]).is_none());
    let avc = find(&init, &["moov", "trak", "mdia", "minf", "stbl", "stsd"]).unwrap();
    let avc = &avc[8 + 8 + 78..];
    assert_eq!(find(avc, &["avcC"]).unwrap()[..7], [1, 0x64, 0, 0x1f, 0xff, 0xe1, 0]);
    assert_eq!(find(avc, &["avcC"]).unwrap()[36..], [0xfd, 0xf8, 0xf8, 0], "4:2:0 with eight bits");
    let sound = boxes(find(&init, &["moov"]).unwrap())
        .into_iter()
        .filter(|(n, _)| n == "trak")
        .nth(1)
        .unwrap()
        .1;
    let entry = find(sound, &["mdia", "minf", "stbl", "stsd"]).unwrap();
    assert_eq!(&entry[12..16], b"mp4a");
    assert!(entry.ends_with(&[5, 0x80, 0x80, 0x80, 2, 0x11, 0x90, 6, 0x80, 0x80, 0x80, 1, 2]));
}

#[test]
fn h265_and_opus_describe_themselves() {
    let catalog = Catalog::new([(h265(), 90_000), (Codec::Opus { channels: 2 }, 48_000)]);
    let init = init_segment(&tracks(&catalog));
    let entry = find(&init, &["moov", "trak", "mdia", "minf", "stbl", "stsd"]).unwrap();
    let hevc = find(&entry[8 + 8 + 78..], &["hvcC"]).unwrap();
    assert_eq!(hevc[..13], [1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 0x5d]);
    assert_eq!(hevc[13..23], [0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 3]);
    let names: Vec<_> = catalog.tracks.iter().filter_map(|t| codec_string(&t.codec)).collect();
    assert_eq!(names, ["hvc1.1.6.L93.90", "opus"]);
    assert_eq!(
        [codec_string(&h264()), codec_string(&aac())].map(Option::unwrap),
        ["avc1.64001f", "mp4a.40.2"]
    );
}

#[test]
fn samples_are_slices_without_the_sets_of_the_init_segment() {
    let unit = unit(0, 0, true, &[H264_SPS, &[0x68, 0xea], &[0x68, 0xeb], &[0x65, 1, 2, 3]]);
    let sample = sample(&unit, &h264());
    let bytes: Vec<u8> = sample.iter().flat_map(|b| b.to_vec()).collect();
    assert_eq!(
        bytes,
        [0, 0, 0, 2, 0x68, 0xeb, 0, 0, 0, 4, 0x65, 1, 2, 3],
        "a set that differs stays"
    );
    assert!(sample.iter().any(|b| b.as_ptr() == unit.payload[3].as_ptr()), "nothing is copied");
}

fn video_only() -> Fragmenter {
    Fragmenter::new(&tracks(&Catalog::new([(h264(), 90_000)]))).unwrap()
}

/// Puts frames into fragments of `per` frames each and reads them back.
fn round_trip(fragmenter: &mut Fragmenter, pts: &[i64], per: usize) -> Vec<ReadFrame> {
    let mut out = Vec::new();
    for (i, pts) in pts.iter().enumerate() {
        let frame = fragmenter.admit(&unit(0, *pts, i == 0, &[&[0x41, i as u8]])).unwrap();
        fragmenter.add(frame);
        if fragmenter.held() == per {
            out.extend(read(&fragmenter.cut(None, i64::MAX).unwrap().concat()));
        }
    }
    out
}

#[test]
fn a_frame_a_fragment_has_neither_gap_nor_delay() {
    let frames = round_trip(&mut video_only(), &[90_000, 93_000, 96_000, 99_000], 1);
    assert_eq!(
        frames.iter().map(|f| (f.dts, f.duration, f.pts)).collect::<Vec<_>>(),
        [(0, 3000, 0), (3000, 3000, 3000), (6000, 3000, 6000), (9000, 3000, 9000)]
    );
    assert_eq!(frames[2].bytes, [0, 0, 0, 2, 0x41, 2]);
    assert!(frames[0].key && !frames[1].key);
}

#[test]
fn a_late_frame_is_decoded_where_the_last_ended_and_shown_late() {
    let frames = round_trip(&mut video_only(), &[0, 3000, 6000, 12_000, 15_000], 1);
    assert_eq!((frames[3].dts, frames[3].pts, frames[3].duration), (9000, 12_000, 6000));
    assert_eq!((frames[4].dts, frames[4].pts), (15_000, 15_000), "caught up");
    let frames = round_trip(&mut video_only(), &[0, 3000, 300_000], 1);
    assert_eq!(frames[2].dts, 300_000, "a pause is a gap");
}

#[test]
fn a_fragment_is_no_longer_than_allowed() {
    let mut fragmenter = video_only();
    let frame = fragmenter.admit(&unit(0, 0, true, &[&[1]])).unwrap();
    fragmenter.add(frame);
    let next = fragmenter.admit(&unit(0, 45_000, false, &[&[1]])).unwrap();
    assert_eq!(fragmenter.span_with(&next), 90_000);
    assert_eq!(fragmenter.cut(Some(&next), 9000).unwrap().span, (0, 9000));
    fragmenter.add(next);
    assert_eq!(fragmenter.cut(None, 9000).unwrap().span, (9000, 18_000), "the pause is spread");
}

#[test]
fn sound_runs_without_seams_and_a_pause_stays_a_pause() {
    let catalog = Catalog::new([(h264(), 90_000), (aac(), 48_000)]);
    let mut fragmenter = Fragmenter::new(&tracks(&catalog)).unwrap();
    assert!(
        fragmenter.admit(&unit(1, 0, true, &[&[7]])).is_none(),
        "the file begins with a picture"
    );
    let sound =
        [47_000, 48_000, 49_020, 48_200, 50_050, 60_000].map(|pts| unit(1, pts, true, &[&[7]]));
    for unit in [unit(0, 90_000, true, &[&[1]])].iter().chain(&sound) {
        if let Some(frame) = fragmenter.admit(unit) {
            fragmenter.add(frame);
        }
    }
    let frames = read(&fragmenter.cut(None, i64::MAX).unwrap().concat());
    let sound: Vec<_> =
        frames.iter().filter(|f| f.track == 2).map(|f| (f.dts, f.duration)).collect();
    assert_eq!(
        sound,
        [(0, 1024), (1024, 1024), (2048, 9952), (12_000, 1024)],
        "what was moved back is left out"
    );
}

proptest! {
    #[test]
    fn frames_come_back_whole_in_order_and_on_time(
        steps in prop::collection::vec(1i64..9000, 2..60),
        per in 1usize..5,
        reorder in prop::bool::ANY,
    ) {
        let mut pts: Vec<i64> = steps.iter().scan(0, |at, step| { *at += step; Some(*at) }).collect();
        if reorder {
            pts[1..].chunks_mut(2).for_each(|pair| pair.reverse());
        }
        let frames = round_trip(&mut video_only(), &pts, per);
        prop_assert_eq!(frames.len(), pts.len() / per * per);
        let mut times = DecodeTimes::new(Some(0), 3000);
        let first = pts[0];
        for (i, (frame, pts)) in frames.iter().zip(&pts).enumerate() {
            prop_assert_eq!(frame.pts, times.next(*pts).pts - first);
            prop_assert!(frame.dts <= frame.pts && frame.duration > 0);
            prop_assert_eq!(&frame.bytes, &[0, 0, 0, 2, 0x41, i as u8]);
        }
        for pair in frames.windows(2) {
            prop_assert!(pair[0].dts < pair[1].dts);
            prop_assert!(pair[0].dts + pair[0].duration >= pair[1].dts, "a gap: {:?}", pair);
        }
    }

    #[test]
    fn any_frames_any_order_no_panic(
        units in prop::collection::vec((0u8..4, any::<i64>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..5)), 0..40),
        most in any::<i64>(),
    ) {
        let catalog = Catalog::new([(h265(), 90_000), (Codec::Opus { channels: 2 }, 48_000)]);
        let mut fragmenter = Fragmenter::new(&tracks(&catalog)).unwrap();
        for (track, pts, key, bytes) in units {
            if let Some(frame) = fragmenter.admit(&unit(track, pts, key, &[&bytes])) {
                if track == 0 && pts % 3 == 0 {
                    let _ = fragmenter.cut(Some(&frame), most).map(|f| f.concat());
                }
                fragmenter.add(frame);
            }
        }
        let _ = fragmenter.cut(None, most);
    }
}
