//! Numbers that others printed.

use super::super::cipher::Cipher;
use super::super::counter::Counter;
use super::super::derive::{Part, Use, derive};
use super::super::gcm::Gcm;
use super::super::{Keys, Profile, Receiver, Sender};
use super::hex;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// RFC 7714 §16: a packet with number f17b.
const RTP: &str = "8040f17b 8041f8d3 5501a0b2
    47616c6c 6961 2065737420 6f6d6e6973 20 6469 76 69736120 696e207061727465732074726573";
const RTP_INDEX: u64 = 0xf17b;
/// RFC 7714 §17, as its subsections have it (the introduction prints another one).
const RTCP: &str = "81c8000d4d617273 4e5450314e545032 525450200000042a 0000e9304c756e61 deadbeefdeadbeef deadbeefdeadbeef deadbeef";
const RTCP_INDEX: u32 = 0x5d4;

/// RFC 7714 gives session keys: nothing is to be derived.
fn gcm(key_len: usize) -> Gcm {
    Gcm::new(&hex(KEY)[..key_len], *b"Quid pro quo").unwrap()
}

fn peers(profile: Profile) -> (Sender, Receiver) {
    let cipher = || Cipher::Gcm(gcm(profile.key_len()));
    let sender = Sender::with_ciphers(profile, cipher(), cipher(), RTCP_INDEX);
    (sender, Receiver::with_ciphers(profile, cipher(), cipher()))
}

#[test]
fn rfc7714_section_16_rtp() {
    for (profile, expected) in [
        (
            Profile::AeadAes128Gcm,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833 899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Profile::AeadAes256Gcm,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b 7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let (sender, mut receiver) = peers(profile);
        let mut packet = hex(RTP);
        sender.protect_rtp(&mut packet, 0, 12, RTP_INDEX).unwrap();
        assert_eq!((&packet[..12], &packet[12..]), (&hex(RTP)[..12], &hex(expected)[..]));
        assert_eq!(receiver.unprotect_rtp(&mut packet).unwrap(), hex(RTP));
    }
}

/// §16.1.3, §16.2.3: everything is in clear, as if it were header.
#[test]
fn rfc7714_section_16_rtp_authenticated_only() {
    for (key, tag) in
        [(16, "22493f82d2bce397e9d79e3b19aa4216"), (32, "a866d5910f887463067ceefec45215d4")]
    {
        let mut packet = hex(RTP);
        let len = packet.len();
        gcm(key).seal_rtp(&mut packet, 0, len, 0x5501_a0b2, RTP_INDEX).unwrap();
        assert_eq!((&packet[..len], &packet[len..]), (&hex(RTP)[..], &hex(tag)[..]));
        assert_eq!(gcm(key).open_rtp(&mut packet, len, 0x5501_a0b2, RTP_INDEX), Ok(len));
    }
}

#[test]
fn rfc7714_section_17_rtcp() {
    for (profile, expected) in [
        (
            Profile::AeadAes128Gcm,
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b c84aa45896cf4d2fc5abf87245d9eade 800005d4",
        ),
        (
            Profile::AeadAes256Gcm,
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad 1d1eb30c4446839f57ff6f6cb26ac3be 800005d4",
        ),
    ] {
        let (mut sender, mut receiver) = peers(profile);
        let mut packet = hex(RTCP);
        sender.protect_rtcp(&mut packet, 0).unwrap();
        assert_eq!((&packet[..8], &packet[8..]), (&hex(RTCP)[..8], &hex(expected)[..]));
        assert_eq!(receiver.unprotect_rtcp(&mut packet).unwrap(), hex(RTCP));
    }
}

#[test]
fn rfc7714_section_17_rtcp_authenticated_only() {
    for (profile, tag) in [
        (Profile::AeadAes128Gcm, "841dd9683dd78ec92ae58790125f62b3"),
        (Profile::AeadAes256Gcm, "91db4afbfeee5a978fab4393ed2615fe"),
    ] {
        let mut packet = hex(&[RTCP, tag, "000005d4"].concat());
        assert_eq!(peers(profile).1.unprotect_rtcp(&mut packet).unwrap(), hex(RTCP));
        packet = hex(&[RTCP, tag, "000005d5"].concat());
        assert!(peers(profile).1.unprotect_rtcp(&mut packet).is_err());
    }
}

#[test]
fn rfc3711_appendix_b2_key_stream() {
    const BLOCKS: usize = 65282;
    let salt = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd").try_into().unwrap();
    let counter = Counter::new(&hex("2b7e151628aed2a6abf7158809cf4f3c"), salt, &[0; 20]).unwrap();
    let mut packet = vec![0; 12 + 16 * BLOCKS];
    counter.seal_rtp(&mut packet, 0, 12, 0, 0).unwrap();
    let stream = &packet[12..];
    assert_eq!(
        stream[..48],
        hex(
            "e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab 41e95b3bb0a2e8dd477901e4fca894c0"
        )
    );
    assert_eq!(
        stream[16 * 0xfeff..16 * BLOCKS],
        hex(
            "ec8cdf7398607cb0f2d21675ea9ea1e4 362b7c3c6773516318a077d7fc5073ae 6a2cc3787889374fbeb4c81b17ba6c44"
        )
    );
}

#[test]
fn rfc3711_appendix_b3_key_derivation() {
    let (key, salt) =
        (hex("e1f97a0d3e018be0d64fa32c06de4139"), hex("0ec675ad498afeebb6960b3aabe6"));
    let keys = Keys::new(&key, &salt);
    assert_eq!(
        derive::<16>(&keys, Use::Rtp, Part::Encryption).unwrap()[..],
        hex("c61e7a93744f39ee10734afe3ff7a087")
    );
    assert_eq!(
        derive::<14>(&keys, Use::Rtp, Part::Salt).unwrap()[..],
        hex("30cbbc08863d8c85d49db34a9ae1")
    );
    assert_eq!(
        derive::<94>(&keys, Use::Rtp, Part::Authentication).unwrap()[..],
        hex("cebe321f6ff7716b6fd4ab49af256a15 6d38baa48f0a0acf3c34e2359e6cdbce e049646c43d9327ad175578ef7227098
             6371c10c9a369ac2f94a8c5fbcdddc25 6d6e919a48b610ef17c2041e47403576 6b68642c59bbfc2f34db60dbdfb2")
    );
}

/// The packets that libsrtp checks itself with: master keys in, so they hold the derivation of all
/// labels and the formats.
#[test]
fn the_reference_packets_of_libsrtp() {
    let gcm_keys = (&KEY[..32], "a0a1a2a3a4a5a6a7a8a9aaab");
    for (profile, (key, salt), rtp, rtcp) in [
        (
            Profile::Aes128CmHmacSha1_80,
            ("e1f97a0d3e018be0d64fa32c06de4139", "0ec675ad498afeebb6960b3aabe6"),
            "4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
            "7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798",
        ),
        (
            Profile::AeadAes128Gcm,
            gcm_keys,
            "c5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392",
            "c98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e 80000001",
        ),
    ] {
        let (key, salt) = (hex(key), hex(salt));
        let mut sender = Sender::new(profile, &Keys::new(&key, &salt)).unwrap();
        let mut packet = [hex("800f1234decafbadcafebabe"), vec![0xab; 16]].concat();
        sender.protect_rtp(&mut packet, 0, 12, 0x1234).unwrap();
        assert_eq!(packet[12..], hex(rtp), "{profile:?}");
        sender.protect_rtcp(&mut vec![0; 8], 0).unwrap(); // libsrtp begins at 1
        let mut packet = [hex("81c8000bcafebabe"), vec![0xab; 16]].concat();
        sender.protect_rtcp(&mut packet, 0).unwrap();
        assert_eq!(packet[8..], hex(rtcp), "{profile:?}");
    }
}
