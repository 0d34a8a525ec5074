use super::counter::Counter;
use super::derive::Use;
use super::gcm::Gcm;
use super::{Error, Keys, Profile, RTCP_CLEAR, WORD, be32};

/// What protects RTP, or RTCP, in one direction. Lengths were not checked before.
pub(super) enum Cipher {
    Gcm(Gcm),
    /// Boxed, because it is many times as large and few peers need it.
    Counter(Box<Counter>),
}

impl Cipher {
    pub(super) fn derive(profile: Profile, keys: &Keys<'_>, of: Use) -> Result<Self, Error> {
        if keys.key.len() != profile.key_len() || keys.salt.len() != profile.salt_len() {
            return Err(Error::Keys);
        }
        Ok(match profile {
            Profile::AeadAes256Gcm | Profile::AeadAes128Gcm => Self::Gcm(Gcm::derive(keys, of)?),
            Profile::Aes128CmHmacSha1_80 => Self::Counter(Box::new(Counter::derive(keys, of)?)),
        })
    }

    pub(super) fn seal_rtp(
        &self,
        out: &mut Vec<u8>,
        start: usize,
        header: usize,
        index: u64,
    ) -> Result<(), Error> {
        let packet = out.get(start..).filter(|p| header <= p.len()).ok_or(Error::Malformed)?;
        let ssrc = be32(packet, 8)?;
        match self {
            Self::Gcm(gcm) => gcm.seal_rtp(out, start, header, ssrc, index),
            Self::Counter(counter) => counter.seal_rtp(out, start, header, ssrc, index),
        }
    }

    /// The length of the clear packet.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        index: u64,
    ) -> Result<usize, Error> {
        let ssrc = be32(packet, 8)?;
        match self {
            Self::Gcm(gcm) => gcm.open_rtp(packet, header, ssrc, index),
            Self::Counter(counter) => counter.open_rtp(packet, header, ssrc, index),
        }
    }

    pub(super) fn seal_rtcp(
        &self,
        out: &mut Vec<u8>,
        start: usize,
        index: u32,
    ) -> Result<(), Error> {
        let packet = out.get(start..).filter(|p| RTCP_CLEAR <= p.len()).ok_or(Error::Malformed)?;
        let ssrc = be32(packet, 4)?;
        match self {
            Self::Gcm(gcm) => gcm.seal_rtcp(out, start, ssrc, index),
            Self::Counter(counter) => counter.seal_rtcp(out, start, ssrc, index),
        }
    }

    /// Flag and index at the packet's end: behind the tag with GCM (RFC 7714 §9), before it
    /// otherwise (RFC 3711 §3.4).
    pub(super) fn rtcp_word(&self, packet: &[u8]) -> Result<u32, Error> {
        let behind = match self {
            Self::Gcm(_) => 0,
            Self::Counter(_) => Profile::Aes128CmHmacSha1_80.rtp_overhead(),
        };
        be32(packet, packet.len().checked_sub(behind + WORD).ok_or(Error::Malformed)?)
    }

    /// The length of the clear packet.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], word: u32) -> Result<usize, Error> {
        let ssrc = be32(packet, 4)?;
        match self {
            Self::Gcm(gcm) => gcm.open_rtcp(packet, ssrc, word),
            Self::Counter(counter) => counter.open_rtcp(packet, ssrc, word),
        }
    }
}
