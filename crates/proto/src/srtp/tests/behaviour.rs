//! What holds for every packet and every profile.

use super::super::{Error, Keys, Profile, Receiver, Sender};
use proptest::prelude::*;

const PROFILES: [Profile; 3] =
    [Profile::AeadAes256Gcm, Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80];

fn material(profile: Profile) -> Vec<u8> {
    (0..profile.material_len()).map(|i| (i * 7 + 1) as u8).collect()
}

/// A server's sender and its client's receiver.
fn peers(profile: Profile) -> (Sender, Receiver) {
    let material = material(profile);
    let (_, server) = profile.split(&material).unwrap();
    (Sender::new(profile, &server).unwrap(), Receiver::new(profile, &server).unwrap())
}

fn rtp(ssrc: u32, index: u64, payload: &[u8]) -> Vec<u8> {
    let header =
        [&[0x80, 96][..], &(index as u16).to_be_bytes(), &[0, 0, 0, 9], &ssrc.to_be_bytes()]
            .concat();
    [&header, payload].concat()
}

fn sealed(sender: &Sender, ssrc: u32, index: u64) -> Vec<u8> {
    let mut packet = rtp(ssrc, index, b"picture");
    sender.protect_rtp(&mut packet, 0, 12, index).unwrap();
    packet
}

fn rtcp(ssrc: u32, words: u8) -> Vec<u8> {
    [&[0x80, 201, 0, words + 1][..], &ssrc.to_be_bytes(), &vec![7; 4 * usize::from(words)]].concat()
}

#[test]
fn each_side_sends_with_its_own_keys() {
    for profile in PROFILES {
        let material = material(profile);
        let (client, server) = profile.split(&material).unwrap();
        let (k, s) = (profile.key_len(), profile.salt_len());
        assert_eq!((client.key, server.key), (&material[..k], &material[k..2 * k]));
        assert_eq!(
            (client.salt, server.salt),
            (&material[2 * k..2 * k + s], &material[2 * k + s..])
        );
        assert!(profile.split(&material[1..]).is_none());
        let sender = Sender::new(profile, &client).unwrap();
        let mut receiver = Receiver::new(profile, &server).unwrap();
        assert_eq!(receiver.unprotect_rtp(&mut sealed(&sender, 1, 1)), Err(Error::Forged));
    }
}

#[test]
fn keys_of_other_lengths_are_refused_and_never_printed() {
    let keys = Keys::new(&[0xee; 16], &[0xee; 14]);
    assert!(matches!(Sender::new(Profile::AeadAes128Gcm, &keys), Err(Error::Keys)));
    assert!(matches!(Receiver::new(Profile::AeadAes256Gcm, &keys), Err(Error::Keys)));
    let sender = Sender::new(Profile::Aes128CmHmacSha1_80, &keys).unwrap();
    let receiver = Receiver::new(Profile::Aes128CmHmacSha1_80, &keys).unwrap();
    let said = format!("{keys:?} {sender:?} {receiver:?}").to_lowercase();
    assert!(!said.contains("ee, ") && !said.contains("238") && said.contains("aes128cm"), "{said}");
}

#[test]
fn a_packet_sent_again_has_the_same_bytes() {
    for profile in PROFILES {
        let (sender, _) = peers(profile);
        let first = sealed(&sender, 1, 70_000);
        sealed(&sender, 1, 70_001);
        assert_eq!(sealed(&sender, 1, 70_000), first);
        assert_ne!(sealed(&sender, 1, 70_000 + (1 << 16)), first, "the roll-overs count");
    }
}

#[test]
fn what_was_seen_is_refused_and_late_ones_are_let_in() {
    for profile in PROFILES {
        let (sender, mut receiver) = peers(profile);
        let mut open =
            |index| receiver.unprotect_rtp(&mut sealed(&sender, 1, index)).map(<[u8]>::len);
        for index in [65_530, 65_540, 65_535, 65_536, 66_000, 65_537] {
            assert_eq!(open(index), Ok(19), "{index}");
            assert_eq!(open(index), Err(Error::Replayed));
        }
        assert_eq!(open(66_000 - 1024), Err(Error::Replayed), "older than the window");
        assert_eq!(open(66_000 - 1023), Ok(19));
    }
}

#[test]
fn roll_overs_are_followed_for_each_source() {
    let (sender, mut receiver) = peers(Profile::AeadAes128Gcm);
    for index in (0..300_000).step_by(20_000) {
        for ssrc in [5, 6] {
            let index = index + u64::from(ssrc) * 1000;
            assert!(receiver.unprotect_rtp(&mut sealed(&sender, ssrc, index)).is_ok());
        }
    }
}

#[test]
fn each_source_of_rtcp_has_its_own_indices() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = peers(profile);
        let (mut other, _) = peers(profile);
        let mut first = rtcp(1, 3);
        sender.protect_rtcp(&mut first, 0).unwrap();
        let mut second = rtcp(2, 0);
        other.protect_rtcp(&mut second, 0).unwrap();
        assert_eq!(receiver.unprotect_rtcp(&mut first.clone()).unwrap(), rtcp(1, 3));
        assert_eq!(receiver.unprotect_rtcp(&mut second).unwrap(), rtcp(2, 0));
        assert_eq!(receiver.unprotect_rtcp(&mut first), Err(Error::Replayed));
    }
}

#[test]
fn sources_are_bounded_and_forgers_take_no_place() {
    let (sender, mut receiver) = peers(Profile::AeadAes128Gcm);
    for ssrc in 0..100 {
        assert_eq!(receiver.unprotect_rtp(&mut rtp(ssrc, 1, &[0; 40])), Err(Error::Forged));
    }
    for ssrc in 0..16 {
        assert!(receiver.unprotect_rtp(&mut sealed(&sender, ssrc, 1)).is_ok());
    }
    assert_eq!(receiver.unprotect_rtp(&mut sealed(&sender, 16, 1)), Err(Error::Sources));
    assert!(receiver.unprotect_rtp(&mut sealed(&sender, 15, 2)).is_ok());
}

/// A forged packet far ahead must not move the window.
#[test]
fn forgery_changes_nothing() {
    let (sender, mut receiver) = peers(Profile::AeadAes128Gcm);
    assert!(receiver.unprotect_rtp(&mut sealed(&sender, 1, 100)).is_ok());
    assert_eq!(receiver.unprotect_rtp(&mut rtp(1, 30_000, &[0; 40])), Err(Error::Forged));
    assert!(receiver.unprotect_rtp(&mut sealed(&sender, 1, 99)).is_ok());
}

#[test]
fn an_error_leaves_nothing_in_clear() {
    for profile in PROFILES {
        let (mut sender, _) = peers(profile);
        for (len, header, index) in [(40, 41, 1), (11, 11, 1), (40, 12, 1 << 48), (0, 0, 0)] {
            let mut out = vec![1; 5 + len];
            assert!(sender.protect_rtp(&mut out, 5, header, index).is_err());
            assert_eq!(out, [1; 5]);
        }
        let mut out = vec![1; 12];
        assert_eq!(sender.protect_rtcp(&mut out, 5), Err(Error::Malformed));
        assert_eq!(out, [1; 5]);
        assert!(sender.protect_rtp(&mut out, 9, 0, 0).is_err(), "begins behind the end");
    }
}

#[test]
fn rtcp_ends_when_its_indices_do() {
    let profile = Profile::AeadAes128Gcm;
    let material = material(profile);
    let (keys, _) = profile.split(&material).unwrap();
    let cipher = || {
        super::super::cipher::Cipher::derive(profile, &keys, super::super::derive::Use::Rtcp)
            .unwrap()
    };
    let mut sender = Sender::with_ciphers(profile, cipher(), cipher(), (1 << 31) - 1);
    assert_eq!(sender.protect_rtcp(&mut rtcp(1, 0), 0), Ok(()));
    assert_eq!(sender.protect_rtcp(&mut rtcp(1, 0), 0), Err(Error::Exhausted));
}

fn profiles() -> impl Strategy<Value = Profile> {
    prop::sample::select(&PROFILES)
}

proptest! {
    #[test]
    fn rtp_round_trip(
        profile in profiles(), ssrc: u32, index in 0u64..0x8000, csrcs in 0u8..3, words in prop::option::of(0u8..4),
        payload in prop::collection::vec(any::<u8>(), 0..1400), before in 0usize..30,
    ) {
        let (sender, mut receiver) = peers(profile);
        let mut clear = rtp(ssrc, index, &[]);
        clear[0] |= csrcs | u8::from(words.is_some()) << 4;
        clear.resize(12 + usize::from(csrcs) * 4, 3);
        if let Some(words) = words {
            clear.extend([0xbe, 0xde, 0, words]);
            clear.resize(clear.len() + 4 * usize::from(words), 1);
        }
        let header = clear.len();
        clear.extend(&payload);
        let mut out = [&vec![9; before], &clear[..]].concat();
        sender.protect_rtp(&mut out, before, header, index).unwrap();
        prop_assert_eq!(&out[..before + header], &[&vec![9; before], &clear[..header]].concat());
        prop_assert_eq!(out.len(), before + clear.len() + profile.rtp_overhead());
        prop_assert!(payload.len() < 16 || out[before + header..before + clear.len()] != payload[..]);
        prop_assert_eq!(receiver.unprotect_rtp(&mut out[before..]).unwrap(), clear);
    }

    #[test]
    fn rtcp_round_trip(profile in profiles(), ssrc: u32, words in 0u8..200, before in 0usize..30) {
        let (mut sender, mut receiver) = peers(profile);
        for _ in 0..3 {
            let mut out = [vec![9; before], rtcp(ssrc, words)].concat();
            sender.protect_rtcp(&mut out, before).unwrap();
            prop_assert_eq!(out.len(), before + rtcp(ssrc, words).len() + profile.rtcp_overhead());
            prop_assert_eq!(receiver.unprotect_rtcp(&mut out[before..]).unwrap(), rtcp(ssrc, words));
        }
    }

    #[test]
    fn one_bit_is_enough_to_be_refused(profile in profiles(), at: prop::sample::Index, bit in 0u32..8, cut in 1usize..60) {
        let (mut sender, mut receiver) = peers(profile);
        let flip = |packet: &[u8]| {
            let mut packet = packet.to_vec();
            let at = at.index(packet.len());
            packet[at] ^= 1 << bit;
            packet
        };
        let mut packet = sealed(&sender, 1, 5);
        prop_assert!(receiver.unprotect_rtp(&mut flip(&packet)).is_err());
        prop_assert!(receiver.unprotect_rtp(&mut packet[..packet.len().saturating_sub(cut)].to_vec()).is_err());
        prop_assert!(receiver.unprotect_rtp(&mut packet).is_ok());
        let mut packet = rtcp(1, 4);
        sender.protect_rtcp(&mut packet, 0).unwrap();
        prop_assert!(receiver.unprotect_rtcp(&mut flip(&packet)).is_err());
        prop_assert!(receiver.unprotect_rtcp(&mut packet[..packet.len().saturating_sub(cut)].to_vec()).is_err());
        prop_assert!(receiver.unprotect_rtcp(&mut packet).is_ok());
    }

    #[test]
    fn noise_is_refused(profile in profiles(), mut noise in prop::collection::vec(any::<u8>(), 0..100)) {
        let (_, mut receiver) = peers(profile);
        prop_assert!(receiver.unprotect_rtp(&mut noise.clone()).is_err());
        prop_assert!(receiver.unprotect_rtcp(&mut noise).is_err());
    }
}
