use super::*;
use bytes::Bytes;
use media::{Aac, Catalog, Codec, G711Law, TrackId, VideoParams, h264, h265};
use proptest::prelude::*;
use std::sync::Arc;

/// What ffmpeg announces for x264 and its own AAC encoder.
const FFMPEG: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=tool:libavformat 59.27.100\r\n\
m=video 0 RTP/AVP 96\r\nb=AS:2500\r\na=rtpmap:96 H264/90000\r\n\
a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z2QAH6yyAKALdCAAAAMAIAAAB5HjBkk=,aOvDyyLA; profile-level-id=64001F\r\n\
a=control:streamid=0\r\n\
m=audio 0 RTP/AVP 97\r\nb=AS:128\r\na=rtpmap:97 MPEG4-GENERIC/44100/2\r\n\
a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3; config=121056E500\r\n\
a=control:streamid=1\r\n";

fn one(media: &str) -> Media {
    let all =
        parse(format!("v=0\r\no=- 0 0 IN IP4 1.2.3.4\r\ns=x\r\nt=0 0\r\n{media}\r\n").as_bytes());
    all.unwrap().remove(0)
}

#[test]
fn ffmpeg() {
    let media = parse_announce(FFMPEG.as_bytes()).unwrap();
    assert_eq!(
        media.iter().map(|m| m.control.as_deref()).collect::<Vec<_>>(),
        [Some("streamid=0"), Some("streamid=1")]
    );
    let [video, audio] = [0, 1].map(|i| media[i].format.as_ref().unwrap());
    let params = video.codec.video_params().unwrap();
    assert_eq!(
        (video.payload_type, video.clock_rate, params.width, params.height),
        (96, 90_000, 1280, 720)
    );
    assert_eq!(video.parameter_sets.len(), 2);
    let Codec::Aac(aac) = &audio.codec else { panic!("{audio:?}") };
    assert_eq!((aac.rate, aac.channels, &aac.config[..2]), (44_100, 2, &[0x12, 0x10][..]));
    assert_eq!(audio.au_headers, AuHeaders { size: 13, index: 3, index_delta: 3 });
}

#[test]
fn sloppy_cameras() {
    let sdp = "v=0\no=broken\ns=\nb=nonsense\nt=\nm=video 0 RTP/AVP 96 \nc=IN IP4\na=rtpmap:96  h264/90000 \na=fmtp:96 Packetization-Mode=1;\
        sprop-parameter-sets=Z2QAH6yyAKALdCAAAAMAIAAAB5HjBkk,aOvDyyLA,!!!;\na=control:rtsp://192.0.2.1/track1\n";
    let media = parse(sdp.as_bytes()).unwrap();
    assert!(media[0].format.as_ref().unwrap().codec.video_params().is_some(), "{media:?}");
    assert_eq!(media[0].control.as_deref(), Some("rtsp://192.0.2.1/track1"));
}

#[test]
fn parameter_sets_may_be_missing_or_broken() {
    for fmtp in
        ["", "a=fmtp:96 packetization-mode=1", "a=fmtp:96 sprop-parameter-sets=Z2QAHw==,aOvDyyLA"]
    {
        let format = one(&format!("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n{fmtp}"))
            .format
            .unwrap();
        assert_eq!(format.codec, Codec::H264(None));
    }
}

#[test]
fn h265_sets() {
    let fmtp = "sprop-vps=QAEMAf//AWAAAAMAkAAAAwAAAwBdlZgJ; sprop-sps=QgEBAWAAAAMAkAAAAwAAAwBdoAKAgC0WWVmkkyuAQAAAAwBAAAAHgg==; \
        sprop-pps=RAHBcrRiQA==";
    let format =
        one(&format!("m=video 0 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\na=fmtp:98 {fmtp}"))
            .format
            .unwrap();
    let params = format.codec.video_params().unwrap();
    assert_eq!((params.width, params.height, format.parameter_sets.len()), (1280, 720, 3));
}

#[test]
fn sound_of_all_kinds() {
    let codec = |lines: &str| {
        let f = one(lines).format.unwrap();
        (f.payload_type, f.clock_rate, f.codec)
    };
    let g711 = |law, rate, channels| Codec::G711 { law, rate, channels };
    assert_eq!(codec("m=audio 0 RTP/AVP 0"), (0, 8000, g711(G711Law::Mu, 8000, 1)));
    assert_eq!(codec("m=audio 0 RTP/AVP 8"), (8, 8000, g711(G711Law::A, 8000, 1)));
    assert_eq!(
        codec("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 pcma/16000/2"),
        (97, 16_000, g711(G711Law::A, 16_000, 2))
    );
    assert_eq!(
        codec("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2"),
        (97, 48_000, Codec::Opus { channels: 2 })
    );
    assert_eq!(
        codec("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=fmtp:97 sprop-stereo=0"),
        (97, 48_000, Codec::Opus { channels: 1 })
    );
    assert_eq!(
        codec("m=audio 0 RTP/AVP 3 101 8\r\na=rtpmap:101 telephone-event/8000").0,
        8,
        "the first that is understood"
    );
}

#[test]
fn what_is_not_carried_is_named() {
    let error = |lines: &str| one(lines).format.unwrap_err().to_string();
    let text = error("m=audio 0 RTP/AVP 96\r\na=rtpmap:96 MP4A-LATM/44100");
    assert!(
        text.contains("audio payload type 96 (MP4A-LATM) is not supported")
            && text.contains("OPUS"),
        "{text}"
    );
    assert!(error("m=video 0 RTP/AVP 26").contains("26 (JPEG)"));
    assert!(error("m=video 0 RTP/AVP 99").contains("99 (no usable rtpmap)"));
    assert!(
        error("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=2")
            .contains("packetization-mode 0 or 1")
    );
    assert!(
        error("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=fmtp:96 sprop-max-don-diff=2")
            .contains("sprop-max-don-diff")
    );
    assert!(error("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/1000").contains("90000 Hz"));
    assert!(error("m=audio 0 RTP/AVP 96\r\na=rtpmap:96 mpeg4-generic/44100").contains("config="));
    assert!(
        error("m=audio 0 RTP/AVP 96\r\na=rtpmap:96 mpeg4-generic/44100\r\na=fmtp:96 config=12")
            .contains("cannot be read")
    );
    assert!(
        error("m=audio 0 RTP/AVP 96\r\na=rtpmap:96 mpeg4-generic/44100\r\na=fmtp:96 config=1210;CTSDeltaLength=3")
            .contains("AAC-hbr")
    );
    assert!(error("m=video 0 TCP/WHATEVER 96\r\na=rtpmap:96 H264/90000").contains("TCP/WHATEVER"));
}

#[test]
fn a_publisher_must_be_carried_whole_but_metadata_may_be_ignored() {
    let metadata = format!(
        "{FFMPEG}m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:m\r\n"
    );
    let media = parse_announce(metadata.as_bytes()).unwrap();
    assert_eq!((media.len(), &media[2].kind), (3, &Kind::Other("application".into())));
    let latm = format!("{FFMPEG}m=audio 0 RTP/AVP 99\r\na=rtpmap:99 MP4A-LATM/44100\r\n");
    assert!(
        parse_announce(latm.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("payload type 99 (MP4A-LATM)")
    );
    assert_eq!(
        parse(latm.as_bytes()).unwrap().len(),
        3,
        "a camera's unknown track does not spoil the others"
    );
}

#[test]
fn no_description_at_all() {
    for sdp in ["", "hello", "v=0\r\n", "m=application 0 RTP/AVP 96\r\n"] {
        assert!(matches!(parse(sdp.as_bytes()), Err(Error::Nothing)), "{sdp}");
    }
    assert!(matches!(parse(b"m=video\r\n"), Err(Error::Syntax(_))));
    assert!(matches!(parse(&vec![b'a'; MAX_LEN + 1]), Err(Error::TooLong)));
    assert!(matches!(parse("m=audio 0 RTP/AVP 0\r\n".repeat(33).as_bytes()), Err(Error::TooLong)));
}

fn all_codecs() -> Catalog {
    let video = VideoParams { width: 1280, height: 720, fps: None, max_reorder: None };
    let set = |b: &'static [u8]| Bytes::from_static(b);
    let announced = parse_announce(FFMPEG.as_bytes()).unwrap();
    let h264 = announced[0].format.as_ref().unwrap().codec.clone();
    let h265 = h265::ParameterSets {
        vps: set(&[0x40, 1, 2]),
        sps: set(&[0x42, 1, 3]),
        pps: set(&[0x44, 1, 4]),
        video,
        description: Default::default(),
    };
    Catalog::new([
        (h264, 90_000),
        (Codec::H264(None), 90_000),
        (Codec::H265(Some(Arc::new(h265))), 90_000),
        (Codec::H265(None), 90_000),
        (Codec::Aac(Aac { config: set(&[0x12, 0x10]), rate: 44_100, channels: 2 }), 44_100),
        (Codec::Opus { channels: 1 }, 48_000),
        (Codec::Opus { channels: 2 }, 48_000),
        (Codec::G711 { law: G711Law::Mu, rate: 8000, channels: 1 }, 8000),
        (Codec::G711 { law: G711Law::A, rate: 16_000, channels: 2 }, 16_000),
    ])
}

#[test]
fn what_is_described_is_read_back() {
    let catalog = all_codecs();
    let sdp = describe("front\r\na=evil", 7, &catalog);
    assert!(
        sdp_types::Session::parse(sdp.as_bytes()).is_ok() && !sdp.contains("\na=evil"),
        "{sdp}"
    );
    let media = parse_announce(sdp.as_bytes()).unwrap();
    assert_eq!(media.len(), catalog.tracks.len());
    for (media, track) in media.iter().zip(&catalog.tracks) {
        let format = media.format.as_ref().unwrap();
        assert_eq!(
            (format.payload_type, format.clock_rate),
            (payload_type(track), track.timescale)
        );
        assert_eq!(media.control, Some(control(track)));
        match &track.codec {
            // The made-up sets cannot be parsed, but they travel.
            Codec::H265(Some(sets)) => {
                assert_eq!(format.parameter_sets, [&sets.vps, &sets.sps, &sets.pps]);
            }
            codec => assert_eq!(&format.codec, codec),
        }
    }
}

#[test]
fn payload_types_of_g711_are_its_own_where_it_has_them() {
    let types: Vec<_> = all_codecs().tracks.iter().map(payload_type).collect();
    assert_eq!(types, [96, 97, 98, 99, 100, 101, 102, 0, 104]);
    let many = media::Track { id: TrackId(200), timescale: 90_000, codec: Codec::H264(None) };
    assert!((96..128).contains(&payload_type(&many)));
}

#[test]
fn profile_and_sets_of_h264_are_told() {
    let sdp = describe("x", 1, &all_codecs());
    assert!(sdp.contains("profile-level-id=64001F; sprop-parameter-sets=Z2QAH6yyAKALdCAAAAMAIAAAB5HjBkk=,aOvDyyLA\r\n"), "{sdp}");
    assert!(h264::find_sets(&[]).is_none());
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn never_panics_near_the_real_thing(cut in 0..FFMPEG.len(), insert in "[a-z0-9=;:/ ,\r\n]{0,12}", skip in 0usize..12) {
        let sdp = format!("{}{insert}{}", &FFMPEG[..cut], &FFMPEG[(cut + skip).min(FFMPEG.len())..]);
        let _ = parse(sdp.as_bytes());
    }
}
