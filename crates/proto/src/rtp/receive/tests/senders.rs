//! Senders as they are: every way to misuse marker, timestamp, SSRC and parameter sets that cameras
//! are known for.

use super::*;
use media::{CaptureClock, MediaKind};

const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1f, 0xac, 0xb2, 0x00, 0xa0, 0x0b, 0x74, 0x20, 0x00, 0x00, 0x03, 0x00, 0x20,
    0x00, 0x00, 0x07, 0x91, 0xe3, 0x06, 0x49,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xc3, 0xcb, 0x22, 0xc0];
/// The first slice of a keyframe, and another of the same picture.
const IDR: &[u8] = &[0x65, 0x88, 1];
const IDR_2: &[u8] = &[0x65, 0x21, 2];
const P: &[u8] = &[0x41, 0x9a, 3];
const P_2: &[u8] = &[0x41, 0x22, 4];

/// Feeds packets with rising sequence numbers: timestamp, marker, payload.
fn feed(r: &mut TrackReceiver, first: u16, packets: &[(u32, bool, &[u8])]) -> Vec<AccessUnit> {
    for (i, (timestamp, marker, payload)) in packets.iter().enumerate() {
        let sequence = first.wrapping_add(i as u16);
        r.handle_rtp(
            ms(1000 + u64::from(sequence)),
            packet(sequence, *timestamp, *marker, payload),
        );
    }
    units(r)
}

fn ordered() -> TrackReceiver {
    receiver(&h264(), Transport::Ordered)
}

#[test]
fn a_marked_frame_is_there_at_once_and_an_unmarked_one_with_the_next() {
    let mut r = ordered();
    assert_eq!(heads(&feed(&mut r, 0, &[(0, false, P), (0, true, P_2)])), [[0x41, 0x41]]);
    assert_eq!(heads(&feed(&mut r, 2, &[(3000, false, P), (3000, false, P_2)])), [[]; 0]);
    assert_eq!(heads(&feed(&mut r, 4, &[(6000, false, P)])), [[0x41, 0x41]]);
}

#[test]
fn a_marker_on_every_slice_is_distrusted_after_the_first_time() {
    let mut r = ordered();
    let got = feed(
        &mut r,
        0,
        &[
            (0, true, SPS),
            (0, true, PPS),
            (0, true, IDR),
            (0, true, IDR_2),
            (3000, true, P),
            (3000, true, P_2),
        ],
    );
    assert_eq!(
        heads(&got),
        [vec![0x67, 0x68, 0x65], vec![0x65]],
        "the first frame comes in two parts"
    );
    assert_eq!(
        (got[0].pts, got[0].key, got[1].key),
        (got[1].pts, true, false),
        "nobody may begin in the middle of a picture"
    );
    assert_eq!(
        heads(&feed(&mut r, 6, &[(6000, true, P), (6000, true, P_2), (9000, true, P)])),
        [[0x41, 0x41]; 2]
    );
}

#[test]
fn a_marker_that_has_been_right_for_a_while_is_trusted_again() {
    let mut r = ordered();
    feed(&mut r, 0, &[(0, true, IDR), (0, true, IDR_2)]);
    let honest: Vec<_> =
        (1..=60).flat_map(|i| [(i * 3000, false, P), (i * 3000, true, P_2)]).collect();
    feed(&mut r, 2, &honest);
    assert_eq!(feed(&mut r, 122, &[(600_000, false, P), (600_000, true, P_2)]).len(), 1);
}

#[test]
fn two_fields_with_one_timestamp_are_two_pictures() {
    let mut r = ordered();
    assert_eq!(
        feed(&mut r, 0, &[(0, true, P), (0, true, P), (3000, true, P), (3000, true, P)]).len(),
        4
    );
}

#[test]
fn parameter_sets_and_delimiters_of_their_own_are_no_frames() {
    let mut r = ordered();
    let packets: &[(u32, bool, &[u8])] = &[
        (0, false, &[9, 0xf0]),
        (100, true, SPS),
        (200, true, PPS),
        (3000, false, &[9, 0xf0]),
        (3000, false, &[12, 0xff, 0x80]),
        (3000, true, IDR),
    ];
    let (got, stats) = (feed(&mut r, 0, packets), r.stats());
    assert_eq!(heads(&got), [[0x67, 0x68, 0x65]], "remembered, and put before the keyframe");
    assert!(got[0].key && stats.frames_dropped == 0);
}

#[test]
fn parameter_sets_come_from_the_description_where_the_stream_has_none() {
    let mut format = h264();
    format.parameter_sets = [SPS, PPS, &[0x68, 0x5b, 1]].map(Bytes::from_static).to_vec();
    let mut r = receiver(&format, Transport::Ordered);
    let got = feed(&mut r, 0, &[(0, true, IDR), (3000, true, P)]);
    assert_eq!(heads(&got), [vec![0x67, 0x68, 0x68, 0x65], vec![0x41]]);
    assert!(got[0].key && !got[1].key);
    let stap: Vec<u8> = [&[0x78, 0, 23], SPS, &[0, 3], IDR].concat();
    assert_eq!(
        heads(&feed(&mut r, 2, &[(6000, true, &stap)])),
        [[0x67, 0x68, 0x68, 0x65]],
        "only what is missing is added"
    );
}

#[test]
fn a_keyframe_whose_parameter_sets_nobody_told_is_no_place_to_begin() {
    let mut r = ordered();
    let got = feed(&mut r, 0, &[(0, true, IDR), (3000, true, SPS), (3000, true, IDR)]);
    assert_eq!(got.iter().map(|u| u.key).collect::<Vec<_>>(), [false, false]);
    assert!(feed(&mut r, 3, &[(6000, false, PPS), (6000, true, IDR)])[0].key);
}

#[test]
fn a_change_of_parameters_is_told_before_the_frame_that_needs_it() {
    let mut r = ordered();
    let other = &[&SPS[..3], &[0x20], &SPS[4..]].concat()[..];
    for (i, sps) in [SPS, SPS, other].into_iter().enumerate() {
        for (j, payload) in [sps, PPS, IDR].into_iter().enumerate() {
            r.handle_rtp(ms(1000), packet((i * 3 + j) as u16, i as u32 * 3000, j == 2, payload));
        }
    }
    let story = std::iter::from_fn(|| r.poll()).map(|received| match received {
        Received::Codec(Codec::H264(Some(sets))) => (sets.sps[3], sets.video.width),
        Received::Codec(codec) => panic!("{codec:?}"),
        Received::Unit(unit) => (0, unit.payload.len() as u32),
    });
    assert_eq!(story.collect::<Vec<_>>(), [(0x1f, 1280), (0, 3), (0, 3), (0x20, 1280), (0, 3)]);
}

#[test]
fn byte_streams_in_packets_are_taken_apart() {
    let stream: Vec<u8> = [&[0, 0, 0, 1], SPS, &[0, 0, 0, 1], PPS, &[0, 0, 1], IDR].concat();
    assert_eq!(heads(&feed(&mut ordered(), 0, &[(0, true, &stream)])), [[0x67, 0x68, 0x65]]);
    assert_eq!(
        heads(&feed(&mut ordered(), 0, &[(0, true, &stream[4..])])),
        [[0x67, 0x68, 0x65]],
        "no start code before the first"
    );
    let fragments: [&[u8]; 2] =
        [&[&[0x7c, 0x87], &stream[5..20]].concat(), &[&[0x7c, 0x47], &stream[20..]].concat()];
    assert_eq!(
        heads(&feed(&mut ordered(), 0, &[(0, false, fragments[0]), (0, true, fragments[1])])),
        [[0x67, 0x68, 0x65]]
    );
}

#[test]
fn trailing_zeros_and_a_forgotten_end_flag_do_no_harm() {
    let mut r = ordered();
    let got = feed(
        &mut r,
        0,
        &[
            (0, false, &[0x5c, 0x81, 0x9a, 3]),
            (0, false, &[0x5c, 1, 4]),
            (0, true, &[0x41, 0x20, 5, 0, 0]),
        ],
    );
    assert_eq!(got[0].payload[..], [&[0x41, 0x9a, 3, 4][..], &[0x41, 0x20, 5]]);
}

#[test]
fn packets_of_interleaved_mode_are_malformed_and_their_frame_is_dropped() {
    for ty in [25, 26, 27, 29, 30, 31] {
        let mut r = ordered();
        let got = feed(
            &mut r,
            0,
            &[(0, false, &[0x60 | ty, 0, 0, 0, 3, 1, 1, 1]), (0, true, P), (3000, true, P)],
        );
        assert_eq!((got.len(), r.stats().malformed, r.stats().frames_dropped), (1, 1, 1));
        assert!(got[0].discontinuity);
    }
}

#[test]
fn packet_types_inside_of_packets_are_left_out() {
    let stap = [&[0x78, 0, 2, 0x7c, 0x85, 0, 3], P].concat();
    let mut r = ordered();
    let got = feed(&mut r, 0, &[(0, false, &stap), (0, true, &[0x7c, 0xc0 | 24, 1])]);
    assert_eq!((heads(&got), r.stats().malformed), (vec![vec![0x41]], 2));
}

#[test]
fn a_frame_of_which_a_part_is_missing_is_dropped_and_the_next_one_says_so() {
    let mut r = ordered();
    feed(&mut r, 0, &[(0, false, SPS), (0, false, PPS), (0, true, IDR)]);
    let got = feed(&mut r, 4, &[(3000, true, P_2), (6000, true, P), (9000, true, P)]);
    assert_eq!(got.iter().map(|u| u.discontinuity).collect::<Vec<_>>(), [true, false]);
    let stats = r.stats();
    assert_eq!(
        (stats.lost, stats.frames_dropped, stats.frames, stats.frames_after_loss),
        (1, 1, 3, 2)
    );
    feed(&mut r, 7, &[(12_000, true, IDR), (15_000, true, P)]);
    assert_eq!(r.stats().frames_after_loss, 2, "a keyframe ends it");
}

#[test]
fn a_stream_joined_in_the_middle_of_a_picture_begins_with_the_next() {
    let got = feed(&mut ordered(), 0, &[(0, true, P_2), (3000, true, P)]);
    assert_eq!(heads(&got), [[0x41]]);
}

#[test]
fn a_new_ssrc_goes_on_where_the_old_one_stopped() {
    for transport in [Transport::Ordered, Transport::Unordered] {
        let mut r = receiver(&h264(), transport);
        r.handle_rtp(ms(1000), from_sender(1, 50, 0xffff_0000, true, P));
        r.handle_rtp(ms(1040), from_sender(1, 51, 0xffff_0e10, false, P)); // its end never comes
        r.handle_rtp(ms(1200), from_sender(2, 9000, 77, true, P));
        r.handle_rtp(ms(1240), from_sender(2, 9001, 77 + 3600, true, P));
        let got = units(&mut r);
        assert_eq!(
            got.iter().map(|u| (u.pts, u.discontinuity)).collect::<Vec<_>>(),
            [(90_000, false), (108_000, true), (111_600, false)]
        );
        assert_eq!(
            (r.stats().restarts, r.stats().frames_dropped, r.remote_ssrc()),
            (1, 1, Some(2))
        );
    }
}

#[test]
fn what_is_not_ours_is_counted_and_ignored() {
    let mut r = receiver(&h264(), Transport::Unordered);
    let mut other = packet(1, 0, true, P).to_vec();
    other[1] = 0x80 | 97;
    for bytes in [&other[..], &[0x80, 200, 0, 1, 0, 0, 0, 7]] {
        r.handle_rtp(ms(0), Bytes::copy_from_slice(bytes));
    }
    r.handle_rtp(ms(0), Bytes::from_static(b"GET / HTTP/1.1\r\n"));
    r.handle_rtp(ms(0), Bytes::new());
    let stats = r.stats();
    assert_eq!((stats.packets, stats.foreign, stats.malformed, units(&mut r).len()), (0, 2, 2, 0));
}

#[test]
fn empty_packets_only_keep_the_flow_alive() {
    let mut r = ordered();
    let got = feed(
        &mut r,
        0,
        &[(0, false, P), (0, false, &[]), (0, true, P_2), (3000, true, &[]), (3000, true, P)],
    );
    assert_eq!(heads(&got), [vec![0x41, 0x41], vec![0x41]]);
    assert_eq!(r.stats().malformed, 0);
}

#[test]
fn a_frame_without_end_is_bounded() {
    let mut r = ordered();
    let body = [&[0x5c, 0x01][..], &[1; 1300]].concat();
    feed(&mut r, 0, &[(0, false, &[0x5c, 0x81, 0x9a])]);
    for i in 1..10_000u16 {
        r.handle_rtp(ms(1000), packet(i, 0, false, &body));
    }
    let got = feed(&mut r, 10_000, &[(0, true, &[0x5c, 0x41, 1]), (3000, true, P)]);
    assert_eq!((got.len(), r.stats().frames_dropped), (1, 1));
    let tiny = [&[0x18][..], &[0, 2, 0x41, 0x9a].repeat(2000)].concat();
    assert_eq!(
        feed(&mut r, 10_002, &[(6000, true, &tiny), (9000, true, P)]).len(),
        1,
        "so is their number of units"
    );
}

#[test]
fn what_nobody_polls_is_bounded_and_said() {
    let mut r = ordered();
    for i in 0..5000u16 {
        r.handle_rtp(ms(1000 + u64::from(i) * 40), packet(i, u32::from(i) * 3600, true, P));
    }
    assert_eq!(
        (units(&mut r).len(), r.stats().frames, r.stats().frames_dropped),
        (4096, 4096, 904)
    );
    let got = feed(&mut r, 5000, &[(5000 * 3600, true, P), (5001 * 3600, true, P)]);
    assert_eq!(got.iter().map(|u| u.discontinuity).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn units_tell_when_they_came() {
    let mut r = ordered();
    let got = feed(&mut r, 0, &[(0, false, P), (0, false, P_2), (0, true, P_2)]);
    let timing = got[0].timing;
    assert_eq!(
        (timing.captured.at, timing.captured.clock, timing.received),
        (ms(1000), CaptureClock::Arrival, ms(1002))
    );
    assert_eq!(h264().codec.kind(), MediaKind::Video);
}
