use super::*;
use crate::rtp::{Packet, rtcp};
use bytes::Bytes;
use media::{
    Aac, CaptureClock, Captured, ClockPair, G711Law, Mono, Payload, RtpFragment, Timing, TrackId,
    Wall,
};

const H264: Codec = Codec::H264(None);
const H265: Codec = Codec::H265(None);

fn aac() -> Codec {
    Codec::Aac(Aac { config: Bytes::from_static(&[0x12, 0x10]), rate: 44_100, channels: 2 })
}

fn unit(nals: &[(&[u8], usize)]) -> AccessUnit {
    let payload: Payload = nals
        .iter()
        .map(|(head, len)| {
            let mut nal = head.to_vec();
            nal.extend((head.len()..*len).map(|i| i as u8));
            Bytes::from(nal)
        })
        .collect();
    AccessUnit::new(
        TrackId(0),
        1000,
        true,
        Timing::arrived(Mono::from_nanos(5_000_000_000)),
        payload,
    )
}

fn sizes(codec: &Codec, nals: &[(&[u8], usize)]) -> Vec<usize> {
    fragments(&unit(nals), codec).fragments.iter().map(RtpFragment::len).collect()
}

fn whole(fragment: &RtpFragment) -> Vec<u8> {
    [&fragment.head[..], &fragment.body[..]].concat()
}

#[test]
fn parameter_sets_share_a_packet_and_the_picture_is_cut_evenly() {
    let frame = unit(&[(&[0x67], 20), (&[0x68], 5), (&[0x65], 13_000)]);
    let cut = &fragments(&frame, &H264).fragments;
    assert_eq!(whole(&cut[0])[..4], [0x78, 0, 20, 0x67]);
    assert_eq!(cut[0].len(), 1 + 2 + 20 + 2 + 5);
    assert_eq!((&cut[1].head[..], cut[1].body[0]), (&[0x7c, 0x85][..], 1));
    assert_eq!(&cut[2].head[..], &[0x7c, 0x05]);
    assert_eq!(&cut.last().unwrap().head[..], &[0x7c, 0x45]);
    let (last, full) = cut[1..].split_last().unwrap();
    assert!(
        full.iter().all(|f| f.len() == full[0].len() && f.len() <= MAX_PAYLOAD)
            && last.len() <= full[0].len()
    );
    assert_eq!(cut[1..].iter().map(|f| f.body.len()).sum::<usize>(), 12_999);
}

#[test]
fn nothing_large_is_copied() {
    let frame = unit(&[(&[0x41], 5000), (&[0x41], 1100)]);
    for fragment in &fragments(&frame, &H264).fragments {
        let inside = |nal: &Bytes| nal.as_ptr_range().contains(&fragment.body.as_ptr());
        assert!(frame.payload.iter().any(inside));
    }
}

#[test]
fn units_that_fit_are_sent_as_they_are() {
    assert_eq!(sizes(&H264, &[(&[0x41], MAX_PAYLOAD)]), [MAX_PAYLOAD]);
    assert_eq!(sizes(&H264, &[(&[0x41], MAX_PAYLOAD + 1)]), [591, 591]);
    assert_eq!(sizes(&H264, &[(&[0x06], 400), (&[0x41], 600)]), [1005]);
    assert_eq!(sizes(&H264, &[(&[0x06], 400), (&[0x41], 800)]), [400, 800]);
    assert_eq!(sizes(&H264, &[(&[0x06], 1)]), [0; 0]);
}

#[test]
fn h265_heads() {
    let frame = unit(&[(&[0x40, 1], 24), (&[0x42, 1], 40), (&[0x44, 1], 7), (&[0x26, 1], 3000)]);
    let cut = &fragments(&frame, &H265).fragments;
    assert_eq!(whole(&cut[0])[..5], [0x60, 1, 0, 24, 0x40]);
    assert_eq!(&cut[1].head[..], &[0x62, 1, 0x80 | 19]);
    assert_eq!(&cut[2].head[..], &[0x62, 1, 19]);
    assert_eq!(&cut[3].head[..], &[0x62, 1, 0x40 | 19]);
}

#[test]
fn aac_announces_the_whole_frame_in_each_fragment() {
    let frame = unit(&[(&[], 1500)]);
    let cut = &fragments(&frame, &aac()).fragments;
    assert_eq!(cut.len(), 2);
    for fragment in cut {
        assert_eq!(
            &fragment.head[..],
            &[0, 16, (1500u16 >> 5) as u8, ((1500u16 << 3) & 0xff) as u8]
        );
    }
    assert_eq!(cut[0].len(), MAX_PAYLOAD);
}

fn sender(codec: Codec) -> TrackSender {
    let setup = TrackSetup {
        ssrc: 0xabcd,
        payload_type: 96,
        clock_rate: 90_000,
        first_sequence: 0xffff,
        timestamp_offset: u32::MAX - 500,
        cname: "neverblink".into(),
    };
    TrackSender::new(setup, codec)
}

#[test]
fn numbers_wrap_and_the_last_packet_is_marked() {
    let frame = unit(&[(&[0x65], 3000)]);
    let mut sender = sender(H264);
    let wire: Vec<_> = sender
        .packets(&frame)
        .map(|(h, f)| Packet::parse([&h[..], &whole(f)].concat().into()).unwrap())
        .collect();
    assert_eq!(wire.iter().map(|p| p.sequence).collect::<Vec<_>>(), [0xffff, 0, 1]);
    assert_eq!(wire.iter().map(|p| p.marker).collect::<Vec<_>>(), [false, false, true]);
    assert!(wire.iter().all(|p| (p.timestamp, p.ssrc, p.payload_type) == (499, 0xabcd, 96)));
    assert_eq!(sender.next_sequence(), 2);
}

#[test]
fn sound_that_never_pauses_has_no_marker() {
    for codec in
        [Codec::Opus { channels: 2 }, Codec::G711 { law: G711Law::Mu, rate: 8000, channels: 1 }]
    {
        let frame = unit(&[(&[], 160)]);
        assert!(sender(codec).packets(&frame).all(|(h, _)| h[1] == 96));
    }
    assert!(sender(aac()).packets(&unit(&[(&[], 160)])).all(|(h, _)| h[1] == 0x80 | 96));
}

#[test]
fn reports_tie_the_time_of_capture_to_the_timestamp() {
    let mut sender = sender(H264);
    let clocks = ClockPair {
        mono: Mono::from_nanos(10_000_000_000),
        wall: Wall::from_micros(1_700_000_000_000_000),
    };
    let mut frame = unit(&[(&[0x65], 3000)]);
    frame.timing.captured =
        Captured { at: Mono::from_nanos(9_900_000_000), clock: CaptureClock::Sensor };
    let _ = sender.packets(&frame);
    let bytes = sender.sender_report(clocks.mono, &clocks, &Anchor::of(&frame, 90_000));
    let report = rtcp::sender_reports(&bytes).next().unwrap();
    assert_eq!(report.wall(), clocks.wall);
    assert_eq!(report.timestamp, 499 + 9000);
    assert_eq!((report.packets, report.octets), (3, 2999 + 3 * 2));
}
