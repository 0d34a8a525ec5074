use super::super::rtcp::{self, SenderReport};
use super::*;
use proptest::prelude::*;
use rtcp_types::{RtcpPacketWriter, RtcpPacketWriterExt};
use std::time::Duration;

fn packet(first: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    [&[0x80 | first, kind][..], &(body.len() as u16 / 4).to_be_bytes(), body].concat()
}

fn said(bytes: &[u8]) -> Vec<Feedback<'_>> {
    read(bytes).collect()
}

/// As another library writes it.
fn theirs(builder: &impl RtcpPacketWriter) -> Vec<u8> {
    let mut out = vec![0; 1500];
    let len = builder.write_into(&mut out).unwrap();
    out.truncate(len);
    out
}

const BLOCK_9: ReportBlock = ReportBlock {
    ssrc: 9,
    fraction_lost: 25,
    cumulative_lost: -2,
    highest_sequence: 0x1_0007,
    jitter: 77,
    last_report: 5,
    since_last_report: 6,
};

#[test]
fn a_browsers_compound_is_read_in_order() {
    let report = rtcp::write_receiver_report(1, Some(&BLOCK_9), "me");
    let remb = packet(
        15,
        206,
        &[0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, 0x13, 0x24, 0x9f, 0, 0, 0, 9],
    );
    let time = packet(0, 207, &[0, 0, 0, 1, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
    let nack =
        packet(1, 205, &[0, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xfe, 0b1000_0000, 0b0000_0101, 0, 7, 0, 0]);
    let pli = packet(1, 206, &[0, 0, 0, 1, 0, 0, 0, 9]);
    let wide = packet(15, 205, &[0, 0, 0, 1, 0, 0, 0, 9, 0, 1, 0, 1, 0, 0, 0, 0, 0x20, 1, 4, 0]);
    let compound = [&report[..], &remb, &time, &nack, &pli, &wide].concat();
    let [report, Feedback::Bitrate { bits }, time, Feedback::Nack(nack), pli, last] =
        said(&compound)[..]
    else {
        panic!("{:?}", said(&compound))
    };
    assert_eq!(report, Feedback::Report { from: 1, block: BLOCK_9 });
    assert_eq!(bits, 0x3249f << 4);
    assert_eq!(time, Feedback::ReceiverTime { from: 1, ntp: 0x0102_0304_0506_0708 });
    assert_eq!((nack.media, nack.lost().collect::<Vec<_>>()), (9, vec![0xfffe, 0xffff, 1, 14, 7]));
    assert_eq!(pli, Feedback::PictureLoss { media: 9 });
    assert_eq!(last, Feedback::TransportWide(&wide));
}

#[test]
fn requests_for_keyframes_are_told_apart() {
    let fir =
        packet(4, 206, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 200, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0]);
    let request = |media, sequence| Feedback::KeyframeRequest { media, sequence };
    assert_eq!(said(&fir), [request(9, 200), request(8, 1)]);
}

#[test]
fn blocks_of_sender_reports_count_too() {
    let info = rtcp::write_sender_report(
        &SenderReport { ssrc: 3, ntp: 0, timestamp: 0, packets: 0, octets: 0 },
        "",
    );
    let block = &rtcp::write_receiver_report(1, Some(&BLOCK_9), "")[8..32];
    let compound = packet(2, 200, &[&info[4..28], block, block, &[1; 4]].concat());
    assert_eq!(said(&compound), [Feedback::Report { from: 3, block: BLOCK_9 }; 2]);
}

#[test]
fn goodbyes_name_their_sources_and_not_the_reason() {
    let bye = packet(2, 203, &[0, 0, 0, 5, 0, 0, 0, 6, 3, b'b', b'y', b'e']);
    assert_eq!(said(&bye), [Feedback::Goodbye { ssrc: 5 }, Feedback::Goodbye { ssrc: 6 }]);
    assert_eq!(said(&packet(3, 203, &[0; 8])), []);
}

#[test]
fn the_answer_to_a_receivers_clock_is_read_back() {
    let answer = Dlrr::new(7, 0x1111_2222_3333_4444, Duration::from_millis(1500));
    assert_eq!((answer.last_report, answer.since_last_report), (0x2222_3333, 0x1_8000));
    let mut out = vec![];
    put_dlrr(&mut out, 2, &answer);
    assert_eq!((out.len(), said(&out)), (24, vec![Feedback::Dlrr(answer)]));
    let parsed = rtcp_types::Compound::parse(&out).unwrap().next().unwrap();
    assert!(matches!(parsed, Ok(rtcp_types::Packet::Xr(_))), "{parsed:?}");
}

#[test]
fn padding_is_no_content() {
    let mut nack = packet(1, 205, &[0, 0, 0, 1, 0, 0, 0, 9, 0, 7, 0, 0, 0, 0, 0, 4]);
    nack[0] |= 0x20;
    let [Feedback::Nack(lost)] = said(&nack)[..] else { panic!("{:?}", said(&nack)) };
    assert_eq!(lost.lost().collect::<Vec<_>>(), [7]);
    for wrong in [0, 17] {
        *nack.last_mut().unwrap() = wrong;
        assert_eq!(said(&nack), []);
    }
}

#[test]
fn what_is_odd_is_passed_over() {
    let pli = packet(1, 206, &[0, 0, 0, 1, 0, 0, 0, 9]);
    let odd = [
        packet(1, 204, &[0; 8]),                                      // an APP packet
        packet(1, 206, &[0; 4]),                                      // too short
        packet(15, 206, &[0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M']), // cut
        packet(0, 207, &[0, 0, 0, 1, 4, 0, 0, 9, 1, 2, 3, 4]), // a block longer than the packet
        packet(31, 201, &[0, 0, 0, 1]), // announces blocks that are not there
    ];
    let mut wrong_version = pli.clone();
    wrong_version[0] = 0x41;
    let compound =
        [&odd[0], &odd[1], &odd[3], &odd[4], &wrong_version, &pli].map(Vec::as_slice).concat();
    assert_eq!(said(&compound), [Feedback::PictureLoss { media: 9 }]);
    assert_eq!(said(&odd[2]), []);
}

#[test]
fn estimates_and_numbers_are_bounded() {
    let remb =
        packet(15, 206, &[0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 0, 0xff, 0xff, 0xff]);
    assert_eq!(said(&remb), [Feedback::Bitrate { bits: u64::MAX }]);
    let nack = packet(1, 205, &[0xff; 8 + 4 * 5000]);
    let [Feedback::Nack(nack)] = said(&nack)[..] else { panic!() };
    assert_eq!(nack.lost().count(), MAX_LOST);
}

proptest! {
    #[test]
    fn numbers_that_another_library_writes_are_read(lost in prop::collection::btree_set(0u16..2000, 1..300)) {
        let nack = lost.iter().fold(rtcp_types::Nack::builder(), |n, s| n.add_rtp_sequence(*s));
        let bytes = theirs(&rtcp_types::TransportFeedback::builder(&nack).sender_ssrc(1).media_ssrc(9));
        let [Feedback::Nack(nack)] = said(&bytes)[..] else { panic!("{bytes:?}") };
        prop_assert_eq!(nack.lost().collect::<Vec<_>>(), lost.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn blocks_that_another_library_writes_are_read(ssrc: u32, fraction: u8, lost in 0u32..1 << 24, highest: u32, jitter: u32) {
        let block = rtcp_types::ReportBlock::builder(ssrc).fraction_lost(fraction).cumulative_lost(lost)
            .extended_sequence_number(highest).interarrival_jitter(jitter);
        let bytes = theirs(&rtcp_types::ReceiverReport::builder(4).add_report_block(block));
        let [Feedback::Report { from: 4, block }] = said(&bytes)[..] else { panic!("{bytes:?}") };
        prop_assert_eq!((block.ssrc, block.fraction_lost, block.highest_sequence, block.jitter), (ssrc, fraction, highest, jitter));
        prop_assert_eq!(block.cumulative_lost.cast_unsigned() & 0xff_ffff, lost);
    }

    /// Noise behind plausible headers, and anything at all.
    #[test]
    fn never_panics(
        parts in prop::collection::vec((0u8..64, 199u8..209, prop::collection::vec(any::<u8>(), 0..60)), 0..6), noise in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut bytes: Vec<u8> = parts.iter().flat_map(|(first, kind, body)| packet(*first, *kind, &body[..body.len() / 4 * 4])).collect();
        bytes.extend(noise);
        let items = said(&bytes);
        prop_assert!(items.len() <= bytes.len() / 4);
        prop_assert!(items.iter().all(|item| !matches!(item, Feedback::Nack(n) if n.lost().count() > MAX_LOST)));
    }
}
