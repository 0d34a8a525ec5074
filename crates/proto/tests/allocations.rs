//! What runs for every packet does not touch the heap. The counter counts each thread for itself.

use allocation_counter::measure;
use media::Wall;
use proto::{
    rtp::{
        CAPTURE_TIME, ExtensionIds, Extensions, Header, PLAYOUT_DELAY, TRANSPORT_SEQUENCE,
        feedback::{self, Dlrr, Feedback},
        rtcp::{self, ReportBlock, SenderReport},
        write_packet, write_repair,
    },
    srtp::{Profile, Receiver, Sender},
};
use std::time::Duration;

const PACKETS: u64 = 1000;

fn peers(profile: Profile) -> (Sender, Receiver) {
    let material = vec![3; profile.material_len()];
    let (keys, _) = profile.split(&material).expect("a fitting length");
    (Sender::new(profile, &keys).expect("keys"), Receiver::new(profile, &keys).expect("keys"))
}

#[test]
fn srtp_allocates_nothing_for_a_packet() {
    for profile in [Profile::AeadAes256Gcm, Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80] {
        let (mut sender, mut receiver) = peers(profile);
        let mut out = Vec::with_capacity(1500);
        let mut pass = |index: u64| {
            out.clear();
            out.extend([0x80, 96, (index >> 8) as u8, index as u8]);
            out.resize(1200, 1);
            sender.protect_rtp(&mut out, 0, 12, index).unwrap();
            assert_eq!(receiver.unprotect_rtp(&mut out).unwrap().len(), 1200);
            out.resize(100, 1);
            sender.protect_rtcp(&mut out, 0).unwrap();
            assert_eq!(receiver.unprotect_rtcp(&mut out).unwrap().len(), 100);
        };
        assert!(
            measure(|| pass(0)).count_total > 0,
            "a source's first packet makes the place to remember it"
        );
        assert_eq!(measure(|| (1..PACKETS).for_each(&mut pass)).count_total, 0, "{profile:?}");
    }
}

/// All that is done for a packet of a viewer, and for its repair.
#[test]
fn a_packet_is_written_and_protected_without_allocating() {
    let (sender, _) = peers(Profile::AeadAes128Gcm);
    let mut ids = ExtensionIds::default();
    assert!(
        ids.learn(1, CAPTURE_TIME)
            && ids.learn(2, PLAYOUT_DELAY)
            && ids.learn(3, TRANSPORT_SEQUENCE)
    );
    let mut out = Vec::with_capacity(3000);
    let mut pass = |index: u64| {
        let extensions = Extensions {
            capture_time: Some(Wall::from_micros(5)),
            playout_delay: Some((Duration::ZERO, Duration::ZERO)),
            transport_sequence: Some(index as u16),
        };
        let header = Header {
            payload_type: 96,
            marker: false,
            sequence: index as u16,
            timestamp: 0,
            ssrc: 1,
        };
        out.clear();
        let before =
            write_packet(&mut out, header, &ids, &extensions, &[&[0x7c, 0x85], &[7; 1100]]);
        sender.protect_rtp(&mut out, 0, before, index).unwrap();
        let start = out.len();
        let header = Header { ssrc: 2, payload_type: 97, ..header };
        let before =
            write_repair(&mut out, header, 5, &ids, &extensions, &[&[0x7c, 0x85], &[7; 1100]]);
        sender.protect_rtp(&mut out, start, before, index).unwrap();
        assert_eq!(out.len() - start, start + 2);
    };
    pass(0);
    assert_eq!(measure(|| (1..PACKETS).for_each(&mut pass)).count_total, 0);
}

#[test]
fn reports_are_written_and_feedback_is_read_without_allocating() {
    let report = SenderReport { ssrc: 1, ntp: 2, timestamp: 3, packets: 4, octets: 5 };
    let mut compound = rtcp::write_receiver_report(1, Some(&ReportBlock::default()), "me").to_vec();
    compound.extend([0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 9, 0, 7, 0xff, 0xff]);
    compound.extend([0x80, 207, 0, 4, 0, 0, 0, 1, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
    let mut out = Vec::with_capacity(500);
    let (mut items, mut lost) = (0, 0);
    let pass = |_| {
        for item in feedback::read(&compound) {
            items += 1;
            lost += if let Feedback::Nack(nack) = item { nack.lost().count() } else { 0 };
        }
        out.clear();
        rtcp::put_sender_report(&mut out, &report, "neverblink");
        feedback::put_dlrr(&mut out, 1, &Dlrr::new(1, 2, Duration::from_millis(3)));
    };
    assert_eq!(measure(|| (0..PACKETS).for_each(pass)).count_total, 0);
    assert_eq!((items, lost), (3 * PACKETS, 17 * PACKETS as usize));
}
