use super::*;
use crate::{
    AccessUnit, Catalog, Codec, Mono, TrackId,
    container::{Demux, Demuxed},
    mp4::tests::{aac, h264, h265, unit},
};
use proptest::prelude::*;
use std::sync::Arc;

const NOW: Mono = Mono::from_nanos(1);

fn drain(demuxer: &mut TsDemuxer) -> (Vec<Catalog>, Vec<AccessUnit>) {
    let (mut catalogs, mut units) = (Vec::new(), Vec::new());
    while let Some(found) = demuxer.poll() {
        match found {
            Demuxed::Catalog(catalog) => catalogs.push(catalog),
            Demuxed::Unit(unit) => units.push(unit),
        }
    }
    (catalogs, units)
}

fn muxed(catalog: &Catalog, units: &[Arc<AccessUnit>]) -> Vec<Vec<u8>> {
    let mut muxer = TsMuxer::new(catalog).unwrap();
    let frame = |unit: &Arc<AccessUnit>| {
        let mut out = Vec::new();
        muxer.push(unit, &mut out);
        out
    };
    units.iter().map(frame).collect()
}

/// What is of a track, without parameter sets and delimiters.
fn content(unit: &AccessUnit) -> Vec<u8> {
    unit.payload.iter().filter(|nal| !matches!(nal[0] & 0x1f, 7..=9)).flatten().copied().collect()
}

fn pictures(sizes: &[usize]) -> Vec<Arc<AccessUnit>> {
    let picture = |(i, size): (usize, &usize)| {
        let nal = [vec![if i == 0 { 0x65 } else { 0x41 }], vec![i as u8 + 2; *size]].concat();
        unit(0, i as i64 * 3000, i == 0, &[&nal])
    };
    sizes.iter().enumerate().map(picture).collect()
}

#[test]
fn every_frame_comes_with_its_own_last_packet() {
    let catalog = Catalog::new([(h264(), 90_000)]);
    let mut demuxer = TsDemuxer::default();
    for packets in muxed(&catalog, &pictures(&[1000, 20, 5000, 300])) {
        demuxer.push(NOW, &packets);
        assert_eq!(drain(&mut demuxer).1.len(), 1, "none waits for the next");
    }
}

#[test]
fn a_frame_that_takes_long_to_come_was_captured_before_its_first_packet() {
    let catalog = Catalog::new([(h264(), 90_000)]);
    let mut demuxer = TsDemuxer::default();
    let mut units = Vec::new();
    for (i, packets) in muxed(&catalog, &pictures(&[1000, 5000])).iter().enumerate() {
        for (j, packet) in packets.chunks(188).enumerate() {
            demuxer.push(Mono::from_nanos(1000 * i as u64 + j as u64), packet);
        }
        units.extend(drain(&mut demuxer).1);
    }
    let [_, long] = &units[..] else { panic!("{} frames", units.len()) };
    let (captured, received) =
        (long.timing.captured.at.as_nanos(), long.timing.received.as_nanos());
    assert_eq!(captured, 1000);
    assert!(received >= 1000 + 5000 / 188, "with its last packet: {received}");
}

#[test]
fn a_frame_that_fills_its_last_packet_comes_with_the_next_or_a_pause() {
    let catalog = Catalog::new([(h264(), 90_000)]);
    // Whatever the headers take: one of these lengths fills the packets exactly.
    for size in 1000..1000 + 184 {
        let frames = muxed(&catalog, &pictures(&[100, size, 100]));
        let mut demuxer = TsDemuxer::default();
        demuxer.push(NOW, &frames[0]);
        drain(&mut demuxer);
        demuxer.push(NOW, &frames[1]);
        if !demuxer.awaits_pause() {
            continue;
        }
        assert!(drain(&mut demuxer).1.is_empty());
        demuxer.pause(NOW);
        let (_, units) = drain(&mut demuxer);
        assert_eq!((units.len(), content(&units[0]).len()), (1, size + 1));
        demuxer.push(NOW, &frames[2]);
        assert_eq!((drain(&mut demuxer).1.len(), demuxer.stats()), (1, TsStats::default()));
        return;
    }
    panic!("no length fills its packets");
}

#[test]
fn a_pause_within_a_frame_costs_that_one_and_is_not_believed_again() {
    let catalog = Catalog::new([(h264(), 90_000)]);
    let frames = muxed(&catalog, &pictures(&[100, 2000, 2000]));
    let mut demuxer = TsDemuxer::default();
    demuxer.push(NOW, &frames[0]);
    drain(&mut demuxer);
    for (frame, whole) in [(1, false), (2, true)] {
        let (head, rest) = frames[frame].split_at(4 * PACKET);
        demuxer.push(NOW, head);
        demuxer.pause(NOW);
        demuxer.push(NOW, rest);
        let (_, units) = drain(&mut demuxer);
        assert_eq!((units.len(), content(&units[0]).len() == 2001), (1, whole), "frame {frame}");
        assert_eq!(units[0].discontinuity, whole, "what follows the broken one is marked");
    }
    assert_eq!(demuxer.stats().damaged, 1);
}

#[test]
fn a_lost_packet_costs_its_frame_and_is_counted() {
    let catalog = Catalog::new([(h264(), 90_000)]);
    let mut frames = muxed(&catalog, &pictures(&[100, 2000, 100]));
    frames[1].drain(2 * PACKET..3 * PACKET);
    let mut demuxer = TsDemuxer::default();
    demuxer.push(NOW, &frames.concat());
    let (_, units) = drain(&mut demuxer);
    assert_eq!(
        units.iter().map(|u| (u.pts, u.discontinuity)).collect::<Vec<_>>(),
        [(90_000, false), (96_000, true)]
    );
    assert_eq!(demuxer.stats(), TsStats { lost: 1, damaged: 1, ..TsStats::default() });
}

#[test]
fn another_map_is_another_catalogue() {
    let mut muxer = TsMuxer::new(&Catalog::new([(h264(), 90_000)])).unwrap();
    let (mut out, mut demuxer) = (Vec::new(), TsDemuxer::default());
    muxer.push(&unit(0, 0, true, &[&[0x65, 1]]), &mut out);
    assert!(muxer.set_catalog(&Catalog::new([(h265(), 90_000), (aac(), 48_000)])));
    muxer.push(&unit(0, 3000, true, &[&[0x26, 1]]), &mut out);
    muxer.push(&unit(1, 1600, true, &[&[1, 2, 3]]), &mut out);
    demuxer.push(NOW, &out);
    let (catalogs, units) = drain(&mut demuxer);
    let names =
        |catalog: &Catalog| catalog.tracks.iter().map(|t| t.codec.name()).collect::<Vec<_>>();
    assert_eq!(catalogs.first().map(names), Some(vec!["h264"]));
    assert_eq!(catalogs.last().map(names), Some(vec!["h265", "aac"]));
    assert!(
        catalogs.last().unwrap().video().unwrap().codec.video_params().is_some(),
        "its sets came with the keyframe"
    );
    assert_eq!(
        units.iter().map(|u| u.track).collect::<Vec<_>>(),
        [TrackId(0), TrackId(0), TrackId(1)]
    );
    assert_eq!(units[2].payload[0][..], [1, 2, 3]);
}

#[test]
fn what_cannot_be_carried_is_named() {
    let mut packet = vec![0x47, 0x50, 0, 0x10, 0];
    let mut map = vec![
        2, 0xb0, 23, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x81, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 1,
        0xf0, 0,
    ];
    map.extend(super::tables::crc(&map).to_be_bytes());
    packet.extend(map);
    packet.resize(PACKET, 0xff);
    let association = &muxed(&Catalog::new([(h264(), 90_000)]), &pictures(&[1]))[0][..PACKET];
    let mut demuxer = TsDemuxer::default();
    demuxer.push(NOW, &[association, &packet].concat());
    assert!(demuxer.has_program());
    assert_eq!(demuxer.ignored(), ["ac3 sound"]);
    assert!(matches!(drain(&mut demuxer).0[0].tracks[0].codec, Codec::H264(None)));
}

proptest! {
    #[test]
    fn what_was_muxed_comes_back(
        frames in prop::collection::vec((prop::collection::vec(2u8.., 1..700), 2i64..4000, any::<bool>()), 1..30),
        cuts in prop::collection::vec(1usize..1500, 1..50),
        start in 0i64..1 << 33,
    ) {
        let catalog = Catalog::new([(h264(), 90_000), (Codec::Opus { channels: 1 }, 48_000)]);
        let (mut units, mut pts) = (vec![unit(0, start, true, &[&[0x65, 2]])], start);
        for (bytes, step, sound) in &frames {
            pts += step;
            let nal = [&[0x41][..], bytes].concat();
            // Twenty milliseconds in one frame.
            let sound_bytes = [&[0x08][..], bytes].concat();
            units.push(if *sound { unit(1, pts * 48 / 90, true, &[&sound_bytes]) } else { unit(0, pts, false, &[&nal]) });
        }
        let stream = muxed(&catalog, &units).concat();
        let (mut demuxer, mut rest, mut got) = (TsDemuxer::default(), &stream[..], Vec::new());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            demuxer.push(NOW, now);
            got.extend(drain(&mut demuxer).1);
            rest = later;
        }
        demuxer.pause(NOW);
        got.extend(drain(&mut demuxer).1);
        prop_assert_eq!(demuxer.stats(), TsStats::default());
        for track in [TrackId(0), TrackId(1)] {
            let of = |u: &&AccessUnit| u.track == track;
            let sent: Vec<_> = units.iter().map(|u| &**u).filter(of).map(content).collect();
            let back: Vec<_> = got.iter().filter(of).map(content).collect();
            prop_assert_eq!(sent, back);
        }
        let times: Vec<_> = got.iter().filter(|u| u.track == TrackId(0)).map(|u| u.dts).collect();
        prop_assert!(times.windows(2).all(|w| w[0] < w[1]));
    }

    #[test]
    fn garbage_never_panics(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..20), at in 0usize..2000) {
        let catalog = Catalog::new([(h264(), 90_000), (aac(), 48_000)]);
        let sound = unit(1, 1600, true, &[&[1, 2, 3]]);
        let mut stream = muxed(&catalog, &[pictures(&[500, 900, 100]), vec![sound]].concat()).concat();
        let mut demuxer = TsDemuxer::default();
        for piece in pieces {
            let at = at % stream.len();
            stream.splice(at..(at + piece.len()).min(stream.len()), piece);
            demuxer.push(NOW, &stream);
            demuxer.pause(NOW);
            drain(&mut demuxer);
        }
    }
}
