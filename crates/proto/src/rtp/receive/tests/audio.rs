//! Sound.

use super::*;
use crate::sdp::AuHeaders;
use media::{Aac, G711Law};
use proptest::prelude::*;

fn aac(config: &'static [u8], clock_rate: u32) -> Format {
    Format::new(
        96,
        clock_rate,
        Codec::Aac(Aac { config: Bytes::from_static(config), rate: clock_rate, channels: 2 }),
    )
}

fn lc() -> Format {
    aac(&[0x12, 0x10], 44_100)
}

/// A packet's payload with these AUs, headers as in AAC-hbr.
fn aus(aus: &[&[u8]]) -> Vec<u8> {
    let mut out = ((aus.len() * 16) as u16).to_be_bytes().to_vec();
    aus.iter().for_each(|au| out.extend(((au.len() as u16) << 3).to_be_bytes()));
    aus.iter().for_each(|au| out.extend(*au));
    out
}

fn payloads(units: &[AccessUnit]) -> Vec<&[u8]> {
    units.iter().map(|u| &u.payload[0][..]).collect()
}

#[test]
fn many_frames_a_packet_are_a_frame_length_apart() {
    for (format, ticks) in [(lc(), 1024), (aac(&[0x2b, 0x11, 0x88, 0x00], 48_000), 2048)] {
        let mut r = receiver(&format, Transport::Ordered);
        r.handle_rtp(ms(0), packet(0, 0, true, &aus(&[b"one", b"two", b"three"])));
        let got = units(&mut r);
        assert_eq!(payloads(&got), [&b"one"[..], b"two", b"three"]);
        assert_eq!(got.iter().map(|u| u.pts).collect::<Vec<_>>(), [0, ticks, 2 * ticks]);
    }
}

#[test]
fn other_widths_of_headers() {
    let mut format = lc();
    format.au_headers = AuHeaders { size: 6, index: 2, index_delta: 2 };
    let mut r = receiver(&format, Transport::Ordered);
    r.handle_rtp(ms(0), packet(0, 0, true, &[0, 16, 2 << 2, 3 << 2, 1, 2, 3, 4, 5]));
    assert_eq!(payloads(&units(&mut r)), [&[1, 2][..], &[3, 4, 5]]);
}

#[test]
fn a_frame_in_fragments_is_whole_or_not_at_all() {
    let part = |bytes: &[u8]| [&[0, 16, 0, 10 << 3][..], bytes].concat();
    let mut r = receiver(&lc(), Transport::Ordered);
    r.handle_rtp(ms(0), packet(0, 0, false, &part(b"0123")));
    r.handle_rtp(ms(1), packet(1, 0, false, &part(b"45")));
    r.handle_rtp(ms(2), packet(2, 0, true, &part(b"6789")));
    let got = units(&mut r);
    assert_eq!(
        (payloads(&got), got[0].timing.captured.at, got[0].timing.received),
        (vec![&b"0123456789"[..]], ms(0), ms(2))
    );

    r.handle_rtp(ms(3), packet(3, 1024, false, &part(b"0123")));
    r.handle_rtp(ms(4), packet(5, 1024, true, &part(b"6789")));
    r.handle_rtp(ms(5), packet(6, 2048, true, &aus(&[b"next"])));
    let got = units(&mut r);
    assert_eq!((payloads(&got), got[0].discontinuity), (vec![&b"next"[..]], true));
    assert_eq!((r.stats().lost, r.stats().frames_dropped, r.stats().malformed), (1, 2, 0));
}

#[test]
fn headers_that_do_not_fit_are_malformed() {
    let bad: [&[u8]; 6] = [
        &[0],
        &[0, 17, 0, 8, 1],
        &[0xff, 0xff, 0, 8, 1],
        &[0, 16, 0, 1 << 3 | 1, 1],
        &[0, 16, 0, 1 << 3, 1, 2],
        &[0, 32, 0, 8, 0, 16, 1],
    ];
    let mut r = receiver(&lc(), Transport::Ordered);
    for (i, payload) in bad.into_iter().enumerate() {
        r.handle_rtp(ms(0), packet(i as u16, 1024 * i as u32, true, payload));
    }
    assert_eq!(r.stats().malformed, 6);
    units(&mut r);
    r.handle_rtp(ms(0), packet(6, 9000, true, &aus(&[b"fine"])));
    assert_eq!(payloads(&units(&mut r)), [b"fine"]);
}

#[test]
fn opus_and_g711_are_what_they_are() {
    let mut r =
        receiver(&Format::new(96, 48_000, Codec::Opus { channels: 2 }), Transport::Unordered);
    r.handle_rtp(ms(0), packet(0, 5, false, b"opus"));
    r.handle_rtp(ms(20), packet(1, 965, false, b""));
    r.handle_rtp(ms(40), packet(2, 1925, false, b"more"));
    let got = units(&mut r);
    assert_eq!((payloads(&got), got[1].pts - got[0].pts), (vec![&b"opus"[..], b"more"], 1920));

    let mut r = receiver(
        &Format::new(96, 8000, Codec::G711 { law: G711Law::Mu, rate: 8000, channels: 2 }),
        Transport::Ordered,
    );
    r.handle_rtp(ms(0), packet(0, 0, false, &[7; 2800]));
    let got = units(&mut r);
    assert_eq!(
        got.iter().map(|u| (u.pts, u.size())).collect::<Vec<_>>(),
        [(0, 1178), (589, 1178), (1178, 444)],
        "each fits a packet"
    );
}

proptest! {
    #[test]
    fn aac_round_trip(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..4000), 1..12), seq: u16, ts: u32) {
        let codec = lc().codec;
        let sent: Vec<_> = frames.iter().enumerate().map(|(i, f)| unit(i as i64 * 1024, &[&f[..]])).collect();
        let mut r = receiver(&lc(), Transport::Unordered);
        for (i, bytes) in packets_of(&codec, setup(seq, ts), &sent).into_iter().enumerate() {
            r.handle_rtp(ms(i as u64), bytes);
        }
        let got = units(&mut r);
        prop_assert_eq!(payloads(&got), frames.iter().map(|f| &f[..]).collect::<Vec<_>>());
        prop_assert_eq!(r.stats().malformed, 0);
    }
}
