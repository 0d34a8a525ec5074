//! AES-GCM (RFC 7714): encrypts and authenticates in one pass.

use super::derive::{Part, Use, derive};
use super::{E, Error, Keys, RTCP_CLEAR, WORD};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Bytes of a tag.
const TAG: usize = 16;

/// One direction's key for RTP, or for RTCP.
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    pub(super) fn derive(keys: &Keys<'_>, of: Use) -> Result<Self, Error> {
        let salt = derive(keys, of, Part::Salt)?;
        match keys.key.len() {
            32 => Self::new(&derive::<32>(keys, of, Part::Encryption)?, salt),
            _ => Self::new(&derive::<16>(keys, of, Part::Encryption)?, salt),
        }
    }

    /// Takes a session key of 16 or 32 bytes.
    pub(super) fn new(key: &[u8], salt: [u8; 12]) -> Result<Self, Error> {
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).map_err(|_| Error::Keys)?;
        Ok(Self { key: LessSafeKey::new(key), salt })
    }

    /// §8.1 and §9.1: two zero bytes, the source, and the index in 48 bits, under the salt.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let clear = u128::from(ssrc) << 48 | u128::from(index & 0xffff_ffff_ffff);
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&clear.to_be_bytes()[4..]);
        nonce.iter_mut().zip(self.salt).for_each(|(n, s)| *n ^= s);
        Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&self, nonce: Nonce, aad: &[u8], data: &mut [u8]) -> Result<[u8; TAG], Error> {
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), data)
            .map_err(|_| Error::Malformed)?;
        tag.as_ref().try_into().map_err(|_| Error::Malformed)
    }

    fn open(&self, nonce: Nonce, aad: &[u8], tag: &[u8], data: &mut [u8]) -> Result<(), Error> {
        self.key
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag, data)
            .map(drop)
            .map_err(|_| Error::Forged)
    }

    pub(super) fn seal_rtp(
        &self,
        out: &mut Vec<u8>,
        start: usize,
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<(), Error> {
        let (header, payload) = out[start..].split_at_mut(header);
        let tag = self.seal(self.nonce(ssrc, index), header, payload)?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// The length of the clear packet.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Error> {
        let (header, rest) = packet.split_at_mut_checked(header).ok_or(Error::Malformed)?;
        let (payload, tag) = rest.split_last_chunk_mut::<TAG>().ok_or(Error::Malformed)?;
        self.open(self.nonce(ssrc, index), header, tag, payload)?;
        Ok(header.len() + payload.len())
    }

    pub(super) fn seal_rtcp(
        &self,
        out: &mut Vec<u8>,
        start: usize,
        ssrc: u32,
        index: u32,
    ) -> Result<(), Error> {
        let word = (E | index).to_be_bytes();
        let (clear, data) = out[start..].split_at_mut(RTCP_CLEAR);
        let tag = self.seal(self.nonce(ssrc, index.into()), &rtcp_aad(clear, word), data)?;
        out.extend_from_slice(&tag);
        out.extend_from_slice(&word);
        Ok(())
    }

    /// The length of the clear packet. The word has been read, but is still in place.
    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        word: u32,
    ) -> Result<usize, Error> {
        let end = packet
            .len()
            .checked_sub(TAG + WORD)
            .filter(|end| *end >= RTCP_CLEAR)
            .ok_or(Error::Malformed)?;
        let nonce = self.nonce(ssrc, (word & !E).into());
        if word & E == 0 {
            return self.check_rtcp(packet, nonce, end);
        }
        let (clear, rest) = packet.split_at_mut(RTCP_CLEAR);
        let (data, rest) = rest.split_at_mut(end - RTCP_CLEAR);
        self.open(nonce, &rtcp_aad(clear, word.to_be_bytes()), &rest[..TAG], data)?;
        Ok(end)
    }

    /// A packet in clear: all of it and the word behind it are authenticated (§9.3). The tag
    /// between them makes room.
    fn check_rtcp(&self, packet: &mut [u8], nonce: Nonce, end: usize) -> Result<usize, Error> {
        let mut tag = [0; TAG];
        tag.copy_from_slice(&packet[end..end + TAG]);
        packet.copy_within(end + TAG.., end);
        self.open(nonce, &packet[..end + WORD], &tag, &mut [])?;
        Ok(end)
    }
}

/// §9.2: the clear beginning and the word at the end.
fn rtcp_aad(clear: &[u8], word: [u8; WORD]) -> [u8; RTCP_CLEAR + WORD] {
    let mut aad = [0; RTCP_CLEAR + WORD];
    aad[..RTCP_CLEAR].copy_from_slice(clear);
    aad[RTCP_CLEAR..].copy_from_slice(&word);
    aad
}
