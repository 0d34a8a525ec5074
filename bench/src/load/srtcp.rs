//! SRTCP (RFC 3711 §3.4, RFC 7714 §9) for viewers that have no engine to do it for them.

use anyhow::{Context as _, bail};
use std::mem::take;
use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoProvider,
    Sha1HmacProvider, SrtpProvider, dtls::SrtpProfile,
};

/// The packet's fixed header, which is not encrypted.
const HEAD: usize = 8;
/// The index and its flag.
const INDEX: usize = 4;
const ENCRYPTED: u32 = 1 << 31;
const GCM_TAG: usize = 16;
const HMAC_TAG: usize = 10;
/// The library's counter mode wants to write beyond its input.
const SLACK: usize = 16;

/// Labels of RFC 3711 §4.3.2.
const LABEL_KEY: u8 = 3;
const LABEL_HMAC: u8 = 4;
const LABEL_SALT: u8 = 5;

/// Both directions of one session.
pub(super) struct Srtcp {
    ours: Keys,
    theirs: Keys,
    index: u32,
}

enum Cipher {
    Gcm128(Box<dyn AeadAes128GcmCipher>),
    Gcm256(Box<dyn AeadAes256GcmCipher>),
    Counter(Box<dyn Aes128CmSha1_80Cipher>, [u8; 20], &'static dyn Sha1HmacProvider),
}

struct Keys {
    cipher: Cipher,
    /// With zeros behind it if it has only 12 bytes.
    salt: [u8; 14],
}

impl Srtcp {
    /// From what DTLS exported (RFC 5764 §4.2); `client` if this side began the handshake.
    pub(super) fn new(
        crypto: &CryptoProvider,
        profile: SrtpProfile,
        material: &[u8],
        client: bool,
    ) -> anyhow::Result<Self> {
        let (key, salt) = match profile {
            SrtpProfile::AEAD_AES_256_GCM => (32, 12),
            SrtpProfile::AEAD_AES_128_GCM => (16, 12),
            SrtpProfile::AES128_CM_SHA1_80 => (16, 14),
            other => bail!("no SRTCP for {other}"),
        };
        if material.len() != 2 * (key + salt) {
            bail!("DTLS exports {} bytes for {profile}", material.len());
        }
        let (keys, salts) = material.split_at(2 * key);
        let side = |n: usize| {
            Keys::new(crypto, profile, &keys[n * key..][..key], &salts[n * salt..][..salt])
        };
        let (ours, theirs) = if client { (side(0)?, side(1)?) } else { (side(1)?, side(0)?) };
        Ok(Self { ours, theirs, index: 0 })
    }

    /// Encrypts a packet.
    pub(super) fn seal(&mut self, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        let word = ENCRYPTED | self.index;
        self.index = (self.index + 1) & !ENCRYPTED;
        self.ours.seal(plain, word)
    }

    /// Checks and decrypts a packet.
    pub(super) fn open(&mut self, packet: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.theirs.open(packet)
    }
}

impl Keys {
    fn new(
        crypto: &CryptoProvider,
        profile: SrtpProfile,
        master: &[u8],
        master_salt: &[u8],
    ) -> anyhow::Result<Self> {
        let srtp = crypto.srtp_provider;
        let expand = |label, out: &mut [u8]| derive(srtp, master, master_salt, label, out);
        let (mut short, mut long, mut salt) = ([0; 16], [0; 32], [0; 14]);
        expand(LABEL_SALT, &mut salt[..master_salt.len()]);
        expand(LABEL_KEY, &mut short);
        expand(LABEL_KEY, &mut long);
        let cipher = match profile {
            SrtpProfile::AEAD_AES_256_GCM => {
                Cipher::Gcm256(srtp.aead_aes_256_gcm().create_cipher(long, true))
            }
            SrtpProfile::AEAD_AES_128_GCM => {
                Cipher::Gcm128(srtp.aead_aes_128_gcm().create_cipher(short, true))
            }
            _ => {
                let mut hmac = [0; 20];
                expand(LABEL_HMAC, &mut hmac);
                Cipher::Counter(
                    srtp.aes_128_cm_sha1_80().create_cipher(short, true),
                    hmac,
                    crypto.sha1_hmac_provider,
                )
            }
        };
        Ok(Self { cipher, salt })
    }

    fn seal(&mut self, plain: &[u8], word: u32) -> anyhow::Result<Vec<u8>> {
        let (head, body) =
            plain.split_at_checked(HEAD).context("an RTCP packet of less than 8 bytes")?;
        let (iv, iv_counter) = self.ivs(head, word);
        let aad = [head, &word.to_be_bytes()].concat();
        let mut out = [head, &vec![0; body.len() + SLACK.max(GCM_TAG)]].concat();
        match &mut self.cipher {
            Cipher::Gcm128(c) => c.encrypt(&iv, &aad, body, &mut out[HEAD..])?,
            Cipher::Gcm256(c) => c.encrypt(&iv, &aad, body, &mut out[HEAD..])?,
            Cipher::Counter(c, key, hmac) => {
                c.encrypt(&iv_counter, body, &mut out[HEAD..])?;
                out.truncate(plain.len());
                out.extend(word.to_be_bytes());
                let tag = hmac.sha1_hmac(&*key, &[&out]);
                out.extend(&tag[..HMAC_TAG]);
                return Ok(out);
            }
        }
        out.truncate(plain.len() + GCM_TAG);
        out.extend(word.to_be_bytes());
        Ok(out)
    }

    fn open(&mut self, packet: &[u8]) -> anyhow::Result<Vec<u8>> {
        let tail = if matches!(self.cipher, Cipher::Counter(..)) { HMAC_TAG } else { 0 };
        let most = packet
            .len()
            .checked_sub(INDEX + tail)
            .filter(|at| *at >= HEAD + GCM_TAG - tail)
            .context("a short SRTCP packet")?;
        let (head, body) = packet[..most].split_at(HEAD);
        let word = packet[most..].first_chunk().map_or(0, |word| u32::from_be_bytes(*word));
        let (iv, iv_counter) = self.ivs(head, word);
        let mut out = [head, &vec![0; body.len() + SLACK]].concat();
        let aad: [&[u8]; 2] = [head, &word.to_be_bytes()];
        let len = match &mut self.cipher {
            _ if word & ENCRYPTED == 0 => bail!("an SRTCP packet that is not encrypted"),
            Cipher::Gcm128(c) => c.decrypt(&iv, &aad, body, &mut out[HEAD..])?,
            Cipher::Gcm256(c) => c.decrypt(&iv, &aad, body, &mut out[HEAD..])?,
            Cipher::Counter(c, key, hmac) => {
                let (signed, tag) = packet.split_at(packet.len() - HMAC_TAG);
                if hmac.sha1_hmac(&*key, &[signed])[..HMAC_TAG] != *tag {
                    bail!("an SRTCP packet that is not authentic");
                }
                c.decrypt(&iv_counter, body, &mut out[HEAD..])?;
                body.len()
            }
        };
        out.truncate(HEAD + len);
        Ok(take(&mut out))
    }

    /// The nonce of GCM (RFC 7714 §9.1) and the counter block of counter mode (RFC 3711 §4.1.1).
    fn ivs(&self, head: &[u8], word: u32) -> ([u8; 12], [u8; 16]) {
        let (ssrc, index) = (&head[4..8], (word & !ENCRYPTED).to_be_bytes());
        let mut gcm = [0; 12];
        let mut counter = [0; 16];
        gcm[2..6].copy_from_slice(ssrc);
        gcm[8..12].copy_from_slice(&index);
        counter[4..8].copy_from_slice(ssrc);
        counter[10..14].copy_from_slice(&index);
        gcm.iter_mut().zip(self.salt).for_each(|(b, s)| *b ^= s);
        counter.iter_mut().zip(self.salt).for_each(|(b, s)| *b ^= s);
        (gcm, counter)
    }
}

/// Key derivation (RFC 3711 §4.3, RFC 6188 §2) with a key derivation rate of 0.
fn derive(srtp: &dyn SrtpProvider, master: &[u8], salt: &[u8], label: u8, out: &mut [u8]) {
    let mut block = [0; 16];
    block[..salt.len()].copy_from_slice(salt);
    block[7] ^= label;
    for (round, part) in (0_u16..).zip(out.chunks_mut(16)) {
        block[14..].copy_from_slice(&round.to_be_bytes());
        // One block of output, and the library's padding.
        let mut stream = [0; 32];
        match master.len() {
            32 => srtp.srtp_aes_256_ecb_round(master, &block, &mut stream),
            _ => srtp.srtp_aes_128_ecb_round(master, &block, &mut stream),
        }
        part.copy_from_slice(&stream[..part.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILES: [(SrtpProfile, usize); 3] = [
        (SrtpProfile::AEAD_AES_256_GCM, 88),
        (SrtpProfile::AEAD_AES_128_GCM, 56),
        (SrtpProfile::AES128_CM_SHA1_80, 60),
    ];

    fn crypto() -> CryptoProvider {
        str0m::crypto::from_feature_flags()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    /// RFC 3711 §B.3, with the labels of SRTP.
    #[test]
    fn keys_are_derived_as_in_the_rfc() {
        let (master, salt) =
            (bytes("E1F97A0D3E018BE0D64FA32C06DE4139"), bytes("0EC675AD498AFEEBB6960B3AABE6"));
        let expand = |label, len| {
            let mut out = vec![0; len];
            derive(crypto().srtp_provider, &master, &salt, label, &mut out);
            out
        };
        assert_eq!(expand(0, 16), bytes("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(expand(2, 14), bytes("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(expand(1, 20), bytes("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    #[test]
    fn what_one_side_seals_the_other_opens() {
        for (profile, len) in PROFILES {
            let material: Vec<u8> = (0..len as u8).collect();
            let mut client = Srtcp::new(&crypto(), profile, &material, true).unwrap();
            let mut server = Srtcp::new(&crypto(), profile, &material, false).unwrap();
            let plain: Vec<u8> = (0..32).collect();
            client.seal(&plain).unwrap();
            let sealed = client.seal(&plain).unwrap();
            assert_eq!(server.open(&sealed).unwrap(), plain, "{profile}");
            assert!(client.open(&sealed).is_err(), "its own direction");
            for at in 0..sealed.len() {
                let mut forged = sealed.clone();
                forged[at] ^= 1;
                assert!(server.open(&forged).is_err(), "{profile}, byte {at}");
            }
            (0..sealed.len()).for_each(|n| assert!(server.open(&sealed[..n]).is_err()));
        }
    }
}
