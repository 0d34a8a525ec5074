use super::super::tests::{demuxed, times};
use super::*;
use crate::{
    Codec,
    mp4::{self, tests as samples},
};
use proptest::prelude::*;

fn tag(kind: u8, time: u32, body: &[u8]) -> Vec<u8> {
    let [high, t @ ..] = time.to_be_bytes();
    let length = &(body.len() as u32).to_be_bytes()[1..];
    let back = (body.len() as u32 + 11).to_be_bytes();
    [&[kind][..], length, &t, &[high, 0, 0, 0], body, &back].concat()
}

/// A keyframe, one that is shown 80 ms later than it is decoded, and sound.
fn file(video: &Codec, enhanced: bool) -> Vec<u8> {
    let config = mp4::decoder_config(video).unwrap();
    let Codec::Aac(aac) = samples::aac() else { unreachable!() };
    let h265 = matches!(video, Codec::H265(_));
    let (key, other): (&[u8], &[u8]) = if h265 {
        (&[0, 0, 0, 3, 19 << 1, 1, 9], &[0, 0, 0, 3, 2, 1, 9])
    } else {
        (&[0, 0, 0, 2, 0x65, 9], &[0, 0, 0, 2, 0x41, 9])
    };
    let letters: &[u8] = if h265 { b"hvc1" } else { b"avc1" };
    let pictures = |packet: u8, key: bool, later: &[u8], data: &[u8]| match enhanced {
        true => [
            &[0x80 | if key { 0x10 } else { 0x20 } | packet][..],
            letters,
            if packet == 1 { later } else { &[] },
            data,
        ]
        .concat(),
        false => [&[if key { 0x17 } else { 0x27 }, packet.min(1)][..], later, data].concat(),
    };
    [
        b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec(),
        tag(SCRIPT, 0, b"\x02\0\x0aonMetaData"),
        tag(VIDEO, 0, &pictures(0, true, &[0; 3], &config)),
        tag(AUDIO, 0, &[&[0xaf, 0][..], &aac.config].concat()),
        tag(VIDEO, 1000, &pictures(1, true, &[0; 3], key)),
        tag(AUDIO, 1010, &[0xaf, 1, 7, 7]),
        tag(VIDEO, 1040, &pictures(1, false, &[0, 0, 80], other)),
        tag(VIDEO, 0x0100_0000, &pictures(1, false, &[0xff, 0xff, 0xd8], other)),
    ]
    .concat()
}

#[test]
fn both_forms_are_read_in_pieces_of_any_length() {
    for (codec, enhanced) in
        [(samples::h264(), false), (samples::h264(), true), (samples::h265(), true)]
    {
        for cut in [1, 7, 10_000] {
            let (catalogs, units) =
                demuxed(&mut FlvDemuxer::default(), &file(&codec, enhanced), &[cut]);
            let codecs: Vec<_> =
                catalogs.last().unwrap().tracks.iter().map(|track| track.codec.clone()).collect();
            assert_eq!(codecs, [codec.clone(), samples::aac()]);
            let later = 0x0100_0000 * 90;
            // A frame that would be shown before it is decoded is decoded earlier.
            let expected = [
                (90_000, 90_000, true),
                (93_600, 100_800, false),
                (later - 3600, later - 3600, false),
            ];
            assert_eq!(times(&units, 0), expected, "{codec} {enhanced}");
            assert_eq!(times(&units, 1), [(48_480, 48_480, true)]);
        }
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let good = file(&samples::h264(), false);
    let mut demuxer = FlvDemuxer::default();
    demuxed(&mut demuxer, &[&good[..], b"what is this, and what comes behind it"].concat(), &[50]);
    let broken = demuxer.broken().unwrap();
    assert_eq!(
        (broken.at, broken.what.as_str()),
        (good.len() as u64, "something else than an FLV tag")
    );
    let mut demuxer = FlvDemuxer::default();
    let old = [
        b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec(),
        tag(VIDEO, 0, &[0x12, 1, 2]),
        tag(AUDIO, 0, &[0x2f, 1]),
    ]
    .concat();
    demuxed(&mut demuxer, &old, &[50]);
    assert_eq!(demuxer.ignored(), ["flv1 (Sorenson H.263)", "mp3"]);
}

proptest! {
    #[test]
    fn mistakes_never_panic(at in 0usize..300, bytes in prop::collection::vec(any::<u8>(), 0..20), cut in 1usize..40) {
        let mut stream = file(&samples::h265(), true);
        let at = at % stream.len();
        stream.splice(at..(at + bytes.len()).min(stream.len()), bytes);
        demuxed(&mut FlvDemuxer::default(), &stream, &[cut]);
    }
}
