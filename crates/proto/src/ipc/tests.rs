use super::*;
use bytes::{Buf, Bytes};
use media::{Catalog, Codec, G711Law, Mono, TrackId, h264};
use proptest::prelude::*;
use std::sync::Arc;

const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1f, 0xac, 0xb2, 0x00, 0xa0, 0x0b, 0x74, 0x20, 0x00, 0x00, 0x03, 0x00, 0x20,
    0x00, 0x00, 0x07, 0x91, 0xe3, 0x06, 0x49,
];

fn catalog() -> Catalog {
    let sets =
        h264::ParameterSets::parse(Bytes::from_static(SPS), Bytes::from_static(&[0x68, 0xea]))
            .unwrap();
    let aac = media::Aac { config: Bytes::from_static(&[0x12, 0x10]), rate: 44_100, channels: 2 };
    Catalog::new([
        (Codec::H264(Some(Arc::new(sets))), 90_000),
        (Codec::H264(None), 90_000),
        (Codec::H265(None), 90_000),
        (Codec::Aac(aac), 44_100),
        (Codec::Opus { channels: 2 }, 48_000),
        (Codec::G711 { law: G711Law::A, rate: 8000, channels: 1 }, 8000),
    ])
}

fn frame() -> impl Strategy<Value = ToServer> {
    let units = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..9);
    (any::<(u8, i64, bool, bool, u64, u64)>(), units).prop_map(
        |((track, pts, key, sensed, captured, encoded), units)| {
            ToServer::Frame(Frame {
                track: TrackId(track),
                pts,
                key,
                captured: Mono::from_nanos(captured),
                sensed,
                encoded: Mono::from_nanos(encoded),
                payload: units.into_iter().map(Bytes::from).collect(),
            })
        },
    )
}

fn coded() -> impl Strategy<Value = Coded> {
    let units = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..5);
    (any::<(i64, bool, bool, u64, u64)>(), units).prop_map(
        |((pts, key, show, captured, received), units)| Coded {
            pts,
            key,
            show,
            captured: Mono::from_nanos(captured),
            received: Mono::from_nanos(received),
            payload: units.into_iter().map(Bytes::from).collect(),
        },
    )
}

fn to_server() -> impl Strategy<Value = ToServer> {
    let progress = any::<(u64, u64, Option<u64>, Option<(u64, u64, Option<u64>)>)>();
    let progress = progress.prop_map(|(frames, skipped, newest, look)| {
        let at = Mono::from_nanos;
        let look = look.map(|(since, newest, moved)| Look {
            since: at(since),
            newest: at(newest),
            moved: moved.map(at),
        });
        Progress { frames, skipped, newest: newest.map(at), look }
    });
    let stats = any::<(u32, u32, u32, u32, u64)>().prop_map(
        |(frames, draw_us, encode_us, encode_us_max, bytes)| Stats {
            frames,
            draw_us,
            encode_us,
            encode_us_max,
            bytes,
        },
    );
    prop_oneof![
        any::<u32>().prop_map(|pid| ToServer::Hello { pid }),
        Just(ToServer::Tracks(catalog())),
        frame(),
        (coded(), any::<[u16; 3]>()).prop_map(|(c, [want, width, height])| ToServer::Picture(
            Picture {
                want,
                width,
                height,
                captured: c.captured,
                received: c.received,
                decoded: c.received,
                encoded: c.captured,
                jpeg: c.payload[0].clone(),
            }
        )),
        ".{0,50}".prop_map(|s| ToServer::Log(Level::Warn, s)),
        ".{0,50}".prop_map(ToServer::Failed),
        ".{0,50}".prop_map(|s| ToServer::Lost(Loss::Gone, s)),
        prop::collection::vec(control(), 0..5).prop_map(ToServer::Controls),
        (any::<u32>(), prop::collection::vec(("[a-z]{0,9}", ".{0,50}"), 0..3))
            .prop_map(|(order, refused)| ToServer::ControlsSet { order, refused }),
        progress.prop_map(ToServer::Heartbeat),
        stats.prop_map(ToServer::Stats),
    ]
}

fn control() -> impl Strategy<Value = Control> {
    let kinds = [ControlKind::Number, ControlKind::Switch, ControlKind::Choice];
    let items = prop::collection::vec((any::<i64>(), ".{0,20}"), 0..4);
    (".{0,30}", 0..kinds.len(), any::<([i64; 5], bool, bool)>(), items).prop_map(
        move |(name, kind, ([min, max, step, default, value], settable, active), items)| Control {
            name,
            kind: kinds[kind],
            min,
            max,
            step,
            default,
            value,
            settable,
            active,
            items,
        },
    )
}

fn values() -> impl Strategy<Value = Vec<(String, i64)>> {
    prop::collection::vec(("[a-z_]{0,20}", any::<i64>()), 0..4)
}

fn capture() -> impl Strategy<Value = Capture> {
    let numbers = any::<([u16; 4], u32)>();
    (
        "[a-z]{0,63}",
        "/dev/.{0,30}",
        0..PictureFormat::ALL.len(),
        0..EncoderChoice::ALL.len(),
        numbers,
    )
        .prop_map(|(name, device, format, encoder, ([width, height, fps, gop], bitrate))| {
            let (format, encoder) = (PictureFormat::ALL[format], EncoderChoice::ALL[encoder]);
            Capture { name, device, width, height, fps, format, gop, bitrate, encoder }
        })
}

fn to_worker() -> impl Strategy<Value = ToWorker> {
    let job = ("[a-z]{0,63}", any::<(u16, u16, u16, u16, u32, u8)>());
    let job = job.prop_map(|(name, (width, height, fps, gop, bitrate, noise))| TestPicture {
        name,
        width,
        height,
        fps,
        gop,
        bitrate,
        noise,
    });
    prop_oneof![
        job.prop_map(|job| ToWorker::Start(Job::TestPicture(job))),
        capture().prop_map(|job| ToWorker::Start(Job::Capture(job))),
        (any::<u32>(), values())
            .prop_map(|(order, values)| ToWorker::SetControls { order, values }),
        Just(ToWorker::ForceKeyframe),
        "[a-z]{0,63}".prop_map(|name| ToWorker::Start(Job::Pictures { name })),
        (".{0,50}", ".{0,200}", any::<(u16, u16)>()).prop_map(|(title, text, (width, height))| {
            ToWorker::Start(Job::Slate(Slate { title, text, width, height }))
        }),
        prop::collection::vec(any::<(u16, u16, u8, u32)>(), 0..=MAX_WANTS).prop_map(|wants| {
            let want = |(id, width, quality, interval_us)| Want { id, width, quality, interval_us };
            ToWorker::Want(wants.into_iter().map(want).collect())
        }),
        coded().prop_map(ToWorker::Decode),
        Just(ToWorker::Stop),
    ]
}

fn drain(mut out: Outgoing) -> Vec<u8> {
    out.copy_to_bytes(out.remaining()).to_vec()
}

fn bytes_of<M: Message>(messages: &[M]) -> Vec<u8> {
    let mut out = Outgoing::default();
    messages.iter().for_each(|m| out.push(m).unwrap());
    drain(out)
}

/// Feeds `bytes` in pieces of the given sizes, over and over, and collects what comes out.
fn feed<M: Message>(bytes: &[u8], sizes: &[usize]) -> Result<Vec<M>, Error> {
    let mut incoming = Incoming::default();
    let mut messages = Vec::new();
    let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(sizes.next().map_or(1, |n| *n.min(&rest.len())));
        incoming.buffer().extend_from_slice(piece);
        while let Some(message) = incoming.poll()? {
            messages.push(message);
        }
        rest = tail;
    }
    Ok(messages)
}

proptest! {
    #[test]
    fn round_trip_to_server(messages in prop::collection::vec(to_server(), 0..6), sizes in prop::collection::vec(1usize..400, 1..5)) {
        prop_assert_eq!(feed::<ToServer>(&bytes_of(&messages), &sizes).unwrap(), messages);
    }

    #[test]
    fn round_trip_to_worker(messages in prop::collection::vec(to_worker(), 0..6), sizes in prop::collection::vec(1usize..40, 1..5)) {
        prop_assert_eq!(feed::<ToWorker>(&bytes_of(&messages), &sizes).unwrap(), messages);
    }

    #[test]
    fn vectored_output_is_the_same_whatever_the_socket_takes(messages in prop::collection::vec(to_server(), 1..5), take in 1usize..500) {
        let mut out = Outgoing::default();
        messages.iter().for_each(|m| out.push(m).unwrap());
        let mut seen = Vec::new();
        while out.has_remaining() {
            let mut slots = [std::io::IoSlice::new(&[]); 3];
            let n = out.chunks_vectored(&mut slots);
            let offered: Vec<u8> = slots[..n].iter().flat_map(|s| s.iter().copied()).take(take).collect();
            out.advance(offered.len());
            seen.extend(offered);
        }
        prop_assert_eq!(seen, bytes_of(&messages));
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..9) {
        let _ = feed::<ToServer>(&bytes, &[7]);
        let _ = feed::<ToWorker>(&bytes, &[7]);
        let mut framed = u32::try_from(bytes.len() + 1).unwrap().to_le_bytes().to_vec();
        framed.push(kind);
        framed.extend(&bytes);
        let _ = feed::<ToServer>(&framed, &[1000]);
        let _ = feed::<ToWorker>(&framed, &[1000]);
    }

    #[test]
    fn a_damaged_message_never_panics(message in to_server(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut bytes = bytes_of(&[message]);
        let at = at.index(bytes.len());
        bytes[at] = with;
        let _ = feed::<ToServer>(&bytes, &[64]);
    }
}

#[test]
fn too_long_a_message_is_refused_by_both_ends_and_for_ever() {
    let mut incoming = Incoming::<ToServer>::default();
    incoming.buffer().extend_from_slice(&u32::MAX.to_le_bytes());
    assert!(incoming.buffer().capacity() < 2 * MAX_MESSAGE);
    let error = Error::Length(u32::MAX as usize);
    assert_eq!(incoming.poll(), Err(error));
    incoming.buffer().extend_from_slice(&bytes_of(&[ToServer::Hello { pid: 1 }]));
    assert_eq!(incoming.poll(), Err(error));

    let payload = [Bytes::from(vec![1; MAX_MESSAGE])].into_iter().collect();
    let (captured, encoded) = (Mono::default(), Mono::default());
    let huge =
        Frame { track: TrackId(0), pts: 0, key: true, captured, sensed: true, encoded, payload };
    let mut out = Outgoing::default();
    assert!(matches!(out.push(&ToServer::Frame(huge)), Err(Error::Length(_))));
    assert!(!out.has_remaining());
}

#[test]
fn another_version_is_named() {
    let mut bytes = bytes_of(&[ToServer::Hello { pid: 1 }]);
    bytes[5] = 99;
    assert_eq!(feed::<ToServer>(&bytes, &[64]), Err(Error::Version(99)));
}

#[test]
fn the_units_of_a_frame_share_the_receive_buffer() {
    let payload = [Bytes::from(vec![1; 5000]), Bytes::from(vec![2; 7])].into_iter().collect();
    let (captured, encoded) = (Mono::default(), Mono::default());
    let sent = ToServer::Frame(Frame {
        track: TrackId(0),
        pts: 0,
        key: true,
        captured,
        sensed: true,
        encoded,
        payload,
    });
    let Ok([ToServer::Frame(got)]) =
        feed(&bytes_of(&[sent]), &[1000]).map(|m| <[_; 1]>::try_from(m).unwrap())
    else {
        panic!()
    };
    assert_eq!(got.payload[0].as_ptr_range().end, got.payload[1].as_ptr_range().start);
}

#[test]
fn long_text_is_cut_between_characters() {
    let long = format!("a{}", "ä".repeat(MAX_TEXT));
    let Ok([ToServer::Failed(text)]) =
        feed(&bytes_of(&[ToServer::Failed(long)]), &[9999]).map(|m| <[_; 1]>::try_from(m).unwrap())
    else {
        panic!()
    };
    assert_eq!((text.len(), text.chars().last()), (MAX_TEXT - 1, Some('ä')));
}
