use super::super::tests::{demuxed, times};
use super::*;
use crate::mp4::tests as samples;
use proptest::prelude::*;

const MS: u64 = 1_000_000;

/// A frame of so many slices, whose first is the first of its picture.
fn frame(h265: bool, key: bool, slices: usize, fill: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |nal: &[u8]| out.extend([&[0, 0, 0, 1][..], nal].concat());
    if key {
        match if h265 { samples::h265() } else { samples::h264() } {
            Codec::H264(Some(sets)) => [&sets.sps, &sets.pps].iter().for_each(|set| put(set)),
            Codec::H265(Some(sets)) => {
                [&sets.vps, &sets.sps, &sets.pps].iter().for_each(|set| put(set));
            }
            _ => unreachable!(),
        }
    }
    for slice in 0..slices {
        let first = if slice == 0 { 0x80 } else { 0x40 };
        match (h265, key) {
            (true, true) => put(&[19 << 1, 1, first, fill, fill]),
            (true, false) => put(&[1 << 1, 1, first, fill, fill]),
            (false, true) => put(&[0x65, first, fill, fill]),
            (false, false) => put(&[0x41, first, fill, fill]),
        }
    }
    out
}

fn drain(demuxer: &mut AnnexBDemuxer) -> Vec<AccessUnit> {
    std::iter::from_fn(|| demuxer.poll())
        .filter_map(|found| match found {
            Demuxed::Unit(unit) => Some(unit),
            Demuxed::Catalog(_) => None,
        })
        .collect()
}

#[test]
fn no_frame_waits_for_the_next() {
    for h265 in [false, true] {
        let mut demuxer = AnnexBDemuxer::new(h265);
        for i in 0..5u64 {
            let now = Mono::from_nanos(i * 40 * MS);
            demuxer.push(now, &frame(h265, i % 3 == 0, 2, i as u8 + 2));
            assert!(drain(&mut demuxer).is_empty() && demuxer.awaits_pause());
            demuxer.pause(now);
            let units = drain(&mut demuxer);
            assert_eq!(times(&units, 0), [(i as i64 * 3600, i as i64 * 3600, i % 3 == 0)]);
            assert!(!demuxer.awaits_pause());
        }
        assert_eq!(demuxer.garbage(), 0);
    }
}

#[test]
fn a_pause_within_a_picture_costs_that_one_and_is_not_believed_again() {
    for cut_slice in [false, true] {
        let mut demuxer = AnnexBDemuxer::h264();
        let whole = frame(false, true, 2, 7);
        // Between two slices, or within the last.
        let (head, tail) = whole.split_at(whole.len() - if cut_slice { 2 } else { 8 });
        demuxer.push(Mono::default(), head);
        demuxer.pause(Mono::default());
        assert_eq!(drain(&mut demuxer).len(), 1);
        demuxer.push(Mono::default(), tail);
        demuxer.push(Mono::default(), &frame(false, false, 2, 8));
        assert!(!demuxer.awaits_pause(), "not believed again");
        demuxer.push(Mono::default(), &frame(false, false, 1, 9));
        let units = drain(&mut demuxer);
        assert_eq!(
            (units.len(), units[0].payload.len(), units[0].discontinuity),
            (1, 2, true),
            "{cut_slice}"
        );
    }
}

#[test]
fn parameters_that_change_are_told() {
    let mut demuxer = AnnexBDemuxer::h264();
    let stream =
        [frame(false, true, 1, 2), frame(false, false, 1, 2), frame(false, true, 1, 2)].concat();
    let (catalogs, units) = demuxed(&mut demuxer, &stream, &[1000]);
    assert_eq!((catalogs, units.len()), (vec![Catalog::new([(samples::h264(), 90_000)])], 3));
}

#[test]
fn what_never_ends_is_not_kept() {
    let mut demuxer = AnnexBDemuxer::h264();
    demuxer.push(Mono::default(), &[0, 0, 1, 0x65, 0x80]);
    for _ in 0..40 {
        demuxer.push(Mono::default(), &vec![7; 1 << 20]);
        assert!(demuxer.held.len() <= MAX_FRAME + (1 << 20));
    }
    assert!(demuxer.garbage() > 30 << 20);
}

proptest! {
    #[test]
    fn however_it_is_cut_every_frame_comes_once(
        h265 in any::<bool>(),
        slices in prop::collection::vec(1usize..4, 1..30),
        cuts in prop::collection::vec(1usize..60, 1..20),
    ) {
        let stream: Vec<u8> = slices.iter().enumerate().flat_map(|(i, n)| frame(h265, i % 7 == 0, *n, i as u8 + 2)).collect();
        let (_, units) = demuxed(&mut AnnexBDemuxer::new(h265), &stream, &cuts);
        prop_assert_eq!(units.len(), slices.len());
        for (i, (unit, slices)) in units.iter().zip(&slices).enumerate() {
            let sets = if i % 7 > 0 { 0 } else if h265 { 3 } else { 2 };
            prop_assert_eq!((unit.key, unit.payload.len()), (i % 7 == 0, slices + sets));
            prop_assert!(unit.payload.last().unwrap().ends_with(&[i as u8 + 2]));
        }
        prop_assert!(units.windows(2).all(|w| w[0].dts < w[1].dts));
    }
}
