//! AES in counter mode with HMAC-SHA1 (RFC 3711 §4.1.1, §4.2): encrypt, then authenticate.

use super::derive::{Part, Use, apply, counter_mode, derive};
use super::{E, Error, Keys, RTCP_CLEAR, WORD};
use aws_lc_rs::cipher::EncryptingKey;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};

/// Bytes of a tag: HMAC-SHA1, cut.
const TAG: usize = 10;

/// One direction's keys for RTP, or for RTCP.
pub(super) struct Counter {
    key: EncryptingKey,
    salt: [u8; 14],
    mac: hmac::Key,
}

impl Counter {
    pub(super) fn derive(keys: &Keys<'_>, of: Use) -> Result<Self, Error> {
        let key = derive::<16>(keys, of, Part::Encryption)?;
        Self::new(
            &key,
            derive(keys, of, Part::Salt)?,
            &derive::<20>(keys, of, Part::Authentication)?,
        )
    }

    /// Takes session keys.
    pub(super) fn new(key: &[u8], salt: [u8; 14], mac: &[u8]) -> Result<Self, Error> {
        let mac = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, mac);
        Ok(Self { key: counter_mode(key)?, salt, mac })
    }

    /// Salt, source and index, each at its place in 128 bits, of which the lowest 16 count blocks
    /// (§4.1.1).
    fn apply(&self, ssrc: u32, index: u64, data: &mut [u8]) -> Result<(), Error> {
        let mut iv =
            (u128::from(ssrc) << 64 | u128::from(index & 0xffff_ffff_ffff) << 16).to_be_bytes();
        iv.iter_mut().zip(self.salt).for_each(|(i, s)| *i ^= s);
        apply(&self.key, iv, data)
    }

    fn tag(&self, packet: &[u8], behind: &[u8]) -> [u8; TAG] {
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(packet);
        context.update(behind);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&context.sign().as_ref()[..TAG]);
        tag
    }

    fn verify(&self, packet: &[u8], behind: &[u8], tag: &[u8]) -> Result<(), Error> {
        verify_slices_are_equal(&self.tag(packet, behind), tag).map_err(|_| Error::Forged)
    }

    pub(super) fn seal_rtp(
        &self,
        out: &mut Vec<u8>,
        start: usize,
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<(), Error> {
        self.apply(ssrc, index, &mut out[start + header..])?;
        let tag = self.tag(&out[start..], &roll_over(index));
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
        let (body, tag) = packet.split_last_chunk_mut::<TAG>().ok_or(Error::Malformed)?;
        self.verify(body, &roll_over(index), tag)?;
        self.apply(ssrc, index, body.get_mut(header..).ok_or(Error::Malformed)?)?;
        Ok(body.len())
    }

    pub(super) fn seal_rtcp(
        &self,
        out: &mut Vec<u8>,
        start: usize,
        ssrc: u32,
        index: u32,
    ) -> Result<(), Error> {
        self.apply(ssrc, index.into(), &mut out[start + RTCP_CLEAR..])?;
        out.extend_from_slice(&(E | index).to_be_bytes());
        let tag = self.tag(&out[start..], &[]);
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// The length of the clear packet. The word has been read, but is still in place.
    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        word: u32,
    ) -> Result<usize, Error> {
        let (body, tag) = packet.split_last_chunk_mut::<TAG>().ok_or(Error::Malformed)?;
        let end = body
            .len()
            .checked_sub(WORD)
            .filter(|end| *end >= RTCP_CLEAR)
            .ok_or(Error::Malformed)?;
        self.verify(body, &[], tag)?;
        if word & E != 0 {
            self.apply(ssrc, (word & !E).into(), &mut body[RTCP_CLEAR..end])?;
        }
        Ok(end)
    }
}

/// What is authenticated behind an RTP packet, though it is not sent: the count of its number's
/// roll-overs.
fn roll_over(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}
