//! What runs for every packet does not touch the heap. The counter counts each thread for itself.

use allocation_counter::measure;
use proto::srtp::{Profile, Receiver, Sender};

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
        assert!(measure(|| pass(0)).count_total > 0, "a source's first packet makes the place to remember it");
        assert_eq!(measure(|| (1..PACKETS).for_each(&mut pass)).count_total, 0, "{profile:?}");
    }
}
