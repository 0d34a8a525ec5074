use super::cipher::Cipher;
use super::derive::Use;
use super::replay::Sources;
use super::{E, Error, Keys, Profile, be32};
use crate::rtp::header_len;
use std::fmt;

/// Words of the window for RTP: 1024 packets, so that one sent again under its old number half a
/// second late is let in.
const RTP_WINDOW: usize = 16;
/// Words of the window for RTCP.
const RTCP_WINDOW: usize = 2;

/// Opens what the other side sends. Of each source it remembers which packets it has seen; a source
/// is remembered from its first authentic packet on, and there are sixteen at most (the one thing
/// that allocates).
pub struct Receiver {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    seen_rtp: Sources<RTP_WINDOW>,
    seen_rtcp: Sources<RTCP_WINDOW>,
}

impl Receiver {
    /// Derives the session keys.
    ///
    /// # Errors
    /// [`Error::Keys`] if they have not the profile's lengths.
    pub fn new(profile: Profile, keys: &Keys<'_>) -> Result<Self, Error> {
        Ok(Self::with_ciphers(
            profile,
            Cipher::derive(profile, keys, Use::Rtp)?,
            Cipher::derive(profile, keys, Use::Rtcp)?,
        ))
    }

    pub(super) fn with_ciphers(profile: Profile, rtp: Cipher, rtcp: Cipher) -> Self {
        Self { profile, rtp, rtcp, seen_rtp: Sources::default(), seen_rtcp: Sources::default() }
    }

    /// What it was made for.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Opens an RTP packet in place: the clear packet, header and all. How often its number rolled
    /// over is taken from the packets before (RFC 3711 §3.3.1).
    ///
    /// # Errors
    /// See [`Error`]; the packet is spoilt then.
    pub fn unprotect_rtp<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a [u8], Error> {
        let header = header_len(packet).ok_or(Error::Malformed)?;
        let ssrc = be32(packet, 8)?;
        let sequence = be32(packet, 0)? as u16;
        let index =
            self.seen_rtp.get(ssrc).map_or(sequence.into(), |window| window.nearest(sequence));
        self.seen_rtp.check(ssrc, index)?;
        let end = self.rtp.open_rtp(packet, header, index)?;
        self.seen_rtp.record(ssrc, index);
        Ok(&packet[..end])
    }

    /// Opens a compound RTCP packet in place. Each source of the other side has indices of its own,
    /// as each has a cryptographic context (RFC 3711 §3.2.3).
    ///
    /// # Errors
    /// See [`Error`]; the packet is spoilt then.
    pub fn unprotect_rtcp<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a [u8], Error> {
        let ssrc = be32(packet, 4)?;
        let word = self.rtcp.rtcp_word(packet)?;
        let index = u64::from(word & !E);
        self.seen_rtcp.check(ssrc, index)?;
        let end = self.rtcp.open_rtcp(packet, word)?;
        self.seen_rtcp.record(ssrc, index);
        Ok(&packet[..end])
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("profile", &self.profile).finish_non_exhaustive()
    }
}
