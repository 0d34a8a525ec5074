//! Loss, reordering and duplicates by a seeded network, in virtual time.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
struct Weather {
    seed: u64,
    /// In 1000 packets.
    lost: u32,
    duplicated: u32,
    /// Most that a packet is held up, below the receiver's patience.
    delay_ms: u64,
}

fn weather() -> impl Strategy<Value = Weather> {
    (any::<u64>(), prop_oneof![Just(0u32), 1..150u32], 0..80u32, 0..50u64)
        .prop_map(|(seed, lost, duplicated, delay_ms)| Weather { seed, lost, duplicated, delay_ms })
}

/// What a network delivers, by time, and what it swallowed. The first and the last frame come
/// through, since nobody could miss what was lost before the first packet or behind the last.
struct Delivery {
    arrivals: Vec<(Mono, Bytes)>,
    lost: Vec<usize>,
    duplicates: u64,
}

fn deliver(packets: &[Bytes], owner: &[usize], weather: &Weather) -> Delivery {
    let mut rng = fastrand::Rng::with_seed(weather.seed);
    let mut arrivals = BTreeMap::new();
    let (mut lost, mut duplicates) = (Vec::new(), 0);
    for (i, bytes) in packets.iter().enumerate() {
        let edge = owner[i] == 0 || Some(&owner[i]) == owner.last();
        if !edge && rng.u32(..1000) < weather.lost {
            lost.push(i);
            continue;
        }
        let copies = 1 + u64::from(rng.u32(..1000) < weather.duplicated);
        duplicates += copies - 1;
        for copy in 0..copies {
            let delay = if edge { 0 } else { rng.u64(..=weather.delay_ms) };
            arrivals.insert((ms(1000 + i as u64 + delay), i, copy), bytes.clone());
        }
    }
    Delivery {
        arrivals: arrivals.into_iter().map(|((at, ..), bytes)| (at, bytes)).collect(),
        lost,
        duplicates,
    }
}

fn run(r: &mut TrackReceiver, arrivals: Vec<(Mono, Bytes)>) -> Vec<AccessUnit> {
    let mut out = Vec::new();
    for (at, bytes) in arrivals {
        while let Some(due) = r.poll_timeout().filter(|due| *due <= at) {
            r.handle_timeout(due);
            out.extend(units(r));
        }
        r.handle_rtp(at, bytes);
        out.extend(units(r));
    }
    while let Some(due) = r.poll_timeout() {
        r.handle_timeout(due);
        out.extend(units(r));
    }
    out
}

/// NAL units of one frame: maybe parameter sets and SEI, then slices of which only the first begins
/// the picture. No zeros, so that nothing looks like a start code.
fn frame(syntax: &'static Codec) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let body = |max: usize| prop::collection::vec(1u8..128, 4..max);
    let slices = prop::collection::vec(prop_oneof![3 => body(3000), 2 => body(400)], 1..4);
    (any::<bool>(), prop::option::of(body(300)), slices).prop_map(move |(key, sei, slices)| {
        let h265 = matches!(syntax, Codec::H265(_));
        let with = |h264_head: u8, h265_type: u8, body: &[u8]| match h265 {
            true => [&[h265_type << 1, 1], body].concat(),
            false => [&[h264_head], body].concat(),
        };
        let mut nals = Vec::new();
        if key {
            nals.extend(h265.then(|| with(0, 32, &[1; 20])));
            nals.extend([with(0x67, 33, &[0x42, 1, 31, 0xff, 9]), with(0x68, 34, &[0xee, 9])]);
        }
        nals.extend(sei.map(|body| with(6, 39, &body)));
        for (i, mut slice) in slices.into_iter().enumerate() {
            slice[0] |= if i == 0 { 0x80 } else { 0 };
            nals.push(if key { with(0x65, 19, &slice) } else { with(0x41, 1, &slice) });
        }
        nals
    })
}

const H264: &Codec = &Codec::H264(None);
const H265: &Codec = &Codec::H265(None);

fn is_slice(codec: &Codec, nal: &[u8]) -> bool {
    match codec {
        Codec::H265(_) => nal[0] >> 1 < 32,
        _ => [1, 5].contains(&(nal[0] & 31)),
    }
}

/// Sends frames through the weather and holds what comes out against what went in.
fn check(
    codec: &Codec,
    frames: &[Vec<Vec<u8>>],
    weather: &Weather,
    begin: (u16, u32),
) -> Result<(), TestCaseError> {
    let sent = frames.iter().enumerate().map(|(i, nals)| {
        let nals: Vec<_> = nals.iter().map(Vec::as_slice).collect();
        unit(i as i64 * 3000, &nals)
    });
    let sent: Vec<_> = sent.collect();
    let (packets, owner) = number(codec, begin, &sent);
    let delivery = deliver(&packets, &owner, weather);
    let mut r = receiver(&Format::new(96, RATE, codec.clone()), Transport::Unordered);
    let got = run(&mut r, delivery.arrivals);

    let stats = r.stats();
    prop_assert_eq!(stats.lost, delivery.lost.len() as u64);
    prop_assert_eq!((stats.duplicates, stats.late, stats.malformed), (delivery.duplicates, 0, 0));
    prop_assert_eq!(
        (stats.packets, stats.restarts, stats.jumps),
        ((packets.len() - delivery.lost.len()) as u64 + stats.duplicates, 0, 0)
    );
    prop_assert!(weather.delay_ms > 0 || weather.lost > 0 || stats.reordered == 0);

    let damaged = |i: usize| delivery.lost.iter().any(|&p| owner[p] == i);
    let mut missing: Vec<_> = (0..sent.len()).collect();
    for unit in &got {
        let i = ((unit.pts - got[0].pts) / 3000) as usize;
        prop_assert!(
            missing.contains(&i) && missing.iter().all(|m| *m >= i || damaged(*m)),
            "frame {} out of order",
            i
        );
        missing.retain(|m| *m != i);
        if damaged(i) {
            // All that can be missing unnoticed is what comes before the picture.
            let slices = |u: &AccessUnit| {
                u.payload.iter().filter(|n| is_slice(codec, n)).cloned().collect::<Vec<_>>()
            };
            prop_assert_eq!(slices(unit), slices(&sent[i]));
        } else {
            prop_assert_eq!(&unit.payload, &sent[i].payload);
            prop_assert_eq!(unit.key, unit.payload.iter().any(|n| [0x65, 0x26].contains(&n[0])));
        }
    }
    prop_assert!(
        missing.iter().all(|m| damaged(*m)),
        "undamaged frames are missing: {:?}",
        missing
    );
    prop_assert_eq!(stats.frames as usize, got.len());
    prop_assert!(delivery.lost.is_empty() || got.iter().any(|u| u.discontinuity));
    Ok(())
}

/// The packets of all units and, for each, which unit it belongs to.
fn number(
    codec: &Codec,
    (sequence, timestamp): (u16, u32),
    sent: &[AccessUnit],
) -> (Vec<Bytes>, Vec<usize>) {
    let mut owner = Vec::new();
    for (i, unit) in sent.iter().enumerate() {
        owner.extend(std::iter::repeat_n(
            i,
            crate::rtp::send::fragments(unit, codec).fragments.len(),
        ));
    }
    (packets_of(codec, setup(sequence, timestamp), sent), owner)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn h264_survives_any_weather(frames in prop::collection::vec(frame(H264), 4..20), w in weather(), seq: u16, ts: u32) {
        check(H264, &frames, &w, (seq, ts))?;
    }

    #[test]
    fn h265_survives_any_weather(frames in prop::collection::vec(frame(H265), 4..20), w in weather(), seq: u16, ts: u32) {
        check(H265, &frames, &w, (seq, ts))?;
    }
}
