use super::super::tests::{demuxed, times};
use super::*;
use crate::{
    Codec,
    mp4::{self, tests as samples},
};
use proptest::prelude::*;

const UNKNOWN: &[u8] = &[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

fn id(id: u32) -> Vec<u8> {
    id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

fn element(name: u32, body: &[u8]) -> Vec<u8> {
    [&id(name)[..], &(body.len() as u64 | 1 << 56).to_be_bytes(), body].concat()
}

fn entry(number: u8, codec: &str, private: &[u8], more: &[u8]) -> Vec<u8> {
    let body = [
        element(0xd7, &[number]),
        element(0x86, codec.as_bytes()),
        element(0x63a2, private),
        more.to_vec(),
    ]
    .concat();
    element(ebml::TRACK_ENTRY, &body)
}

fn simple(track: u8, time: i16, data: &[u8]) -> Vec<u8> {
    let [a, b] = time.to_be_bytes();
    element(ebml::SIMPLE_BLOCK, &[&[0x80 | track, a, b, 0x80], data].concat())
}

fn head(tracks: &[Vec<u8>]) -> Vec<u8> {
    let segment = [&id(ebml::SEGMENT)[..], UNKNOWN].concat();
    let info = element(ebml::INFO, &element(ebml::TIMESTAMP_SCALE, &[0x0f, 0x42, 0x40]));
    [
        element(0x1a45_dfa3, b"\x42\x82\x84webm"),
        segment,
        element(0xec, &[0; 90]),
        info,
        element(ebml::TRACKS, &tracks.concat()),
    ]
    .concat()
}

fn cluster(ticks: u16, blocks: &[Vec<u8>]) -> Vec<u8> {
    [
        &id(ebml::CLUSTER)[..],
        UNKNOWN,
        &element(ebml::TIMESTAMP, &ticks.to_be_bytes()),
        &blocks.concat(),
    ]
    .concat()
}

fn pictures(number: u8, more: &[u8]) -> Vec<u8> {
    entry(number, "V_MPEG4/ISO/AVC", &mp4::decoder_config(&samples::h264()).unwrap(), more)
}

const KEY: &[u8] = &[0, 0, 0, 2, 0x65, 9];
const OTHER: &[u8] = &[0, 0, 0, 2, 0x41, 9];

fn file() -> Vec<u8> {
    // Behind its head 6.5 ms of sound are to be thrown away.
    let opus = entry(
        2,
        "A_OPUS",
        &[],
        &[element(0x56aa, &6_500_000u32.to_be_bytes()), element(0xe1, &element(0x9f, &[2]))]
            .concat(),
    );
    let group = element(
        ebml::BLOCK_GROUP,
        &[element(ebml::BLOCK, &[&[0x81, 0, 40, 0], OTHER].concat()), element(0x9b, &[40])]
            .concat(),
    );
    [
        head(&[pictures(1, &[]), opus]),
        cluster(1000, &[simple(1, 0, KEY), simple(2, 7, &[0xfc, 1]), group]),
        element(0x1c53_bb6b, &[0; 40]),
        // Decoded before what it is shown after.
        cluster(1100, &[simple(1, 60, OTHER), simple(1, -20, OTHER), simple(2, -73, &[0xfc, 2])]),
    ]
    .concat()
}

#[test]
fn a_file_without_lengths_and_index_is_read_in_pieces_of_any_length() {
    for cut in [1, 13, 100_000] {
        let (catalogs, units) = demuxed(&mut MkvDemuxer::default(), &file(), &[cut]);
        assert_eq!(catalogs.last().unwrap().tracks[0].codec, samples::h264());
        assert_eq!(catalogs.last().unwrap().tracks[1].codec, Codec::Opus { channels: 2 });
        let pictures = times(&units, 0);
        assert_eq!(
            pictures.iter().map(|(_, pts, _)| pts / 90).collect::<Vec<_>>(),
            [1000, 1040, 1160, 1080]
        );
        assert!(pictures.iter().all(|(dts, pts, _)| dts <= pts), "{pictures:?}");
        assert_eq!(times(&units, 1), [(48_024, 48_024, true), (48_984, 48_984, true)]);
    }
}

#[test]
fn what_was_stripped_off_is_put_back() {
    let stripped = |algorithm: u8| {
        let compression =
            element(0x5034, &[element(0x4254, &[algorithm]), element(0x4255, &[0, 0, 0])].concat());
        element(0x6d80, &element(0x6240, &compression))
    };
    let stream =
        [head(&[pictures(1, &stripped(3))]), cluster(0, &[simple(1, 0, &KEY[3..])])].concat();
    let (_, units) = demuxed(&mut MkvDemuxer::default(), &stream, &[50]);
    assert_eq!(units[0].payload.last().unwrap()[..], [0x65, 9]);
    let mut demuxer = MkvDemuxer::default();
    demuxed(&mut demuxer, &head(&[pictures(1, &stripped(0)), entry(2, "V_VP9", &[], &[])]), &[50]);
    assert!(demuxer.is_hopeless());
    assert_eq!(demuxer.ignored(), ["compressed broken h264", "vp9"]);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let good = file();
    let mut demuxer = MkvDemuxer::default();
    demuxed(&mut demuxer, &[&good[..], &[0x07, 1, 2, 3, 4]].concat(), &[50]);
    assert_eq!(demuxer.broken().unwrap().at, good.len() as u64);
    let mut demuxer = MkvDemuxer::default();
    demuxed(
        &mut demuxer,
        &[&id(ebml::SIMPLE_BLOCK)[..], &[0x10, 0xff, 0xff, 0xff]].concat(),
        &[50],
    );
    assert_eq!(demuxer.broken().unwrap().what, "an element A3 of absurd length");
}

proptest! {
    #[test]
    fn mistakes_never_panic(at in 0usize..1000, bytes in prop::collection::vec(any::<u8>(), 0..20), cut in 1usize..90) {
        let mut stream = file();
        let at = at % stream.len();
        stream.splice(at..(at + bytes.len()).min(stream.len()), bytes);
        demuxed(&mut MkvDemuxer::default(), &stream, &[cut]);
    }
}
