//! Long runs and reports in virtual time.

use super::*;
use crate::rtp::rtcp;
use media::{CaptureClock, ClockPair, Wall};
use std::time::Duration;

const SLICE: &[u8] = &[0x41, 0x9a, 1];
const WALL: i64 = 1_700_000_000_000_000;

/// Our clocks at `ms`, with the wall clock moved by `step` µs.
fn clocks(at: u64, step: i64) -> ClockPair {
    ClockPair { mono: ms(at), wall: Wall::from_micros(WALL + at as i64 * 1000 + step) }
}

#[test]
fn three_days_of_frames_wrap_everything_and_nobody_notices() {
    let mut r = receiver(&h264(), Transport::Unordered);
    let (mut next, mut frames) = (90_000, 0);
    for second in 0..3 * 86_400u32 {
        let timestamp = 4_000_000_000u32.wrapping_add(second.wrapping_mul(90_000));
        r.handle_rtp(
            ms(1000 + u64::from(second) * 1000),
            packet(second as u16, timestamp, true, SLICE),
        );
        for unit in units(&mut r) {
            assert_eq!((unit.pts, unit.discontinuity), (next, false));
            next += 90_000;
            frames += 1;
        }
    }
    let stats = r.stats();
    assert_eq!((frames, stats.lost, stats.jumps, stats.restarts), (3 * 86_400, 0, 0, 0));
}

#[test]
fn a_camera_that_sets_its_clock_does_not_jump_in_the_stream() {
    let mut r = receiver(&h264(), Transport::Ordered);
    let stamps = [0u32, 3600, 7200, 500_000_000, 500_003_600];
    for (i, timestamp) in stamps.into_iter().enumerate() {
        r.handle_rtp(ms(1000 + i as u64 * 40), packet(i as u16, timestamp, true, SLICE));
    }
    let got: Vec<_> = units(&mut r).iter().map(|u| (u.pts - 90_000, u.discontinuity)).collect();
    assert_eq!(got, [(0, false), (3600, false), (7200, false), (10_800, true), (14_400, false)]);
    assert_eq!(r.stats().jumps, 1);
}

/// Sends a frame taken at `taken` ms that arrives 25 ms later; its age by the receiver, if the
/// sender told.
fn age(r: &mut TrackReceiver, sequence: u16, taken: u64) -> Option<Duration> {
    r.handle_rtp(ms(taken + 25), packet(sequence, (taken as u32).wrapping_mul(90), true, SLICE));
    let unit = units(r).pop()?;
    let age = unit.timing.received.since(unit.timing.captured.at);
    (unit.timing.captured.clock == CaptureClock::SenderReport).then_some(age)
}

/// A report made at `at` ms by a sender whose wall clock is `step` µs beside the truth.
fn report(ssrc: u32, at: u64, step: i64) -> Bytes {
    let ntp = clocks(at, step).wall.to_ntp();
    rtcp::write_sender_report(
        &rtcp::SenderReport {
            ssrc,
            ntp,
            timestamp: (at as u32).wrapping_mul(90),
            packets: 0,
            octets: 0,
        },
        "c",
    )
}

#[test]
fn capture_times_follow_the_sender_through_wall_clock_steps() {
    let mut r = receiver(&h264(), Transport::Ordered);
    let is_25_ms = |age: Option<Duration>| {
        age.is_some_and(|a| a.abs_diff(Duration::from_millis(25)) < Duration::from_millis(2))
    };
    assert_eq!(age(&mut r, 0, 1000), None, "nothing told yet");
    r.handle_rtcp(ms(1101), &clocks(1101, 0), &report(9, 1100, 0));
    assert_eq!(age(&mut r, 1, 1200), None, "somebody else's report");
    r.handle_rtcp(ms(1301), &clocks(1301, 0), &report(7, 1300, 0));
    assert!(is_25_ms(age(&mut r, 2, 1400)));
    // Our wall clock is set back by an hour: frames before the next report keep the old mapping.
    assert!(is_25_ms(age(&mut r, 3, 1500)));
    r.handle_rtcp(ms(1601), &clocks(1601, -3_600_000_000), &report(7, 1600, 0));
    assert_eq!(age(&mut r, 4, 1700), None, "the clocks disagree");
    r.handle_rtcp(ms(1801), &clocks(1801, -3_600_000_000), &report(7, 1800, -3_600_000_000));
    assert!(is_25_ms(age(&mut r, 5, 1900)), "the sender's clock was set too");
}

#[test]
fn a_report_before_the_first_packet_counts() {
    let mut r = receiver(&h264(), Transport::Unordered);
    r.handle_rtcp(ms(1001), &clocks(1001, 0), &report(7, 1000, 0));
    assert!(age(&mut r, 0, 1040).is_some());
}

#[test]
fn sound_is_moved_to_where_the_reports_say_its_picture_is() {
    let sound = Format::new(96, 48_000, Codec::Opus { channels: 2 });
    let (mut video, mut audio) =
        (receiver(&h264(), Transport::Ordered), receiver(&sound, Transport::Ordered));
    let together = Together::default();
    [&mut video, &mut audio].into_iter().for_each(|r| {
        r.disbelieve_clock();
        r.keep_together(&together);
    });
    // The picture's encoder takes 150 ms, that of the sound 20 ms; their timestamps begin anywhere.
    let report = |timestamp| {
        let ntp = clocks(1000, 3_600_000_000).wall.to_ntp();
        rtcp::write_sender_report(
            &rtcp::SenderReport { ssrc: 7, ntp, timestamp, packets: 0, octets: 0 },
            "c",
        )
    };
    let mut apart = Vec::new();
    for i in 0..100u32 {
        let at = 1000 + 20 * u64::from(i);
        if i == 50 {
            video.handle_rtcp(ms(at), &clocks(at, 0), &report(500_000));
            audio.handle_rtcp(ms(at), &clocks(at, 0), &report(4_000_000_000));
        }
        video.handle_rtp(ms(at + 150), packet(i as u16, 500_000 + i * 1800, true, SLICE));
        audio.handle_rtp(ms(at + 20), packet(i as u16, 4_000_000_000 + i * 960, true, &[0xfc, 1]));
        let (picture, heard) = (&units(&mut video)[0], &units(&mut audio)[0]);
        apart.push(picture.pts / 90 - heard.pts / 48);
    }
    assert_eq!((apart[0], apart[49]), (130, 130), "as they arrived");
    assert!(apart[50..].iter().all(|ms| *ms == 0), "{apart:?}");
}

#[test]
fn receiver_reports_tell_loss_and_the_last_sender_report() {
    let mut r = receiver(&h264(), Transport::Unordered);
    assert_eq!(r.receiver_report(ms(0), 1, "me")[..2], [0x80, 201], "nothing to report on yet");
    for i in (0..100u16).filter(|i| i % 10 != 5) {
        r.handle_rtp(
            ms(1000 + u64::from(i) * 40),
            packet(65_500u16.wrapping_add(i), u32::from(i) * 3600, true, SLICE),
        );
    }
    r.handle_rtcp(ms(5000), &clocks(5000, 0), &report(7, 5000, 0));
    let bytes = r.receiver_report(ms(5500), 1, "me");
    let compound = rtcp_types::Compound::parse(&bytes).unwrap().next().unwrap().unwrap();
    let rtcp_types::Packet::Rr(rr) = compound else { panic!("{compound:?}") };
    let block = rr.report_blocks().next().unwrap();
    assert_eq!(
        (rr.ssrc(), block.ssrc(), block.cumulative_lost(), block.fraction_lost()),
        (1, 7, 10, 25)
    );
    assert_eq!(block.extended_sequence_number(), 65_500 + 99);
    assert_eq!(block.delay_since_last_sender_report_timestamp(), 32_768);
    assert_eq!(block.last_sender_report_timestamp(), (clocks(5000, 0).wall.to_ntp() >> 16) as u32);
}
