use super::cipher::Cipher;
use super::derive::Use;
use super::{E, Error, Keys, Profile};
use std::fmt;

/// Indices an RTP source has: 32 bits of roll-overs before the number of 16 (RFC 3711 §3.3.1).
const INDICES: u64 = 1 << 48;

/// Protects what one side sends.
pub struct Sender {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    rtcp_index: u32,
}

impl Sender {
    /// Derives the session keys.
    ///
    /// # Errors
    /// [`Error::Keys`] if they have not the profile's lengths.
    pub fn new(profile: Profile, keys: &Keys<'_>) -> Result<Self, Error> {
        let rtp = Cipher::derive(profile, keys, Use::Rtp)?;
        Ok(Self { profile, rtp, rtcp: Cipher::derive(profile, keys, Use::Rtcp)?, rtcp_index: 0 })
    }

    /// What it was made for.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Encrypts the RTP packet in `out[start..]`, whose header with all extensions has `header`
    /// bytes, and appends the tag. `index` is the packet's number with the count of its roll-overs
    /// before it: its low 16 bits are the header's number. Within one source and session **no other
    /// packet may have the index, not even one that differs in an extension only**: with GCM two of
    /// them give away the key that authenticates. The same packet, byte for byte, may be sent
    /// again.
    ///
    /// A receiver takes the first number it sees for one without roll-overs, so a source begins
    /// below 2¹⁵.
    ///
    /// # Errors
    /// [`Error::Malformed`] if there is no packet with such a header, [`Error::Exhausted`] if
    /// `index` has more than 48 bits. `out` ends at `start` then, so that nothing leaves in clear.
    pub fn protect_rtp(
        &self,
        out: &mut Vec<u8>,
        start: usize,
        header: usize,
        index: u64,
    ) -> Result<(), Error> {
        let room = if index < INDICES { Ok(()) } else { Err(Error::Exhausted) };
        let sealed = room.and_then(|()| self.rtp.seal_rtp(out, start, header, index));
        sealed.inspect_err(|_| out.truncate(start))
    }

    /// Encrypts the compound RTCP packet in `out[start..]` and appends tag and index, which counts
    /// from 0 (RFC 3711 §3.4).
    ///
    /// # Errors
    /// [`Error::Malformed`] if it has less than 8 bytes, [`Error::Exhausted`] after 2³¹ packets.
    /// `out` ends at `start` then.
    pub fn protect_rtcp(&mut self, out: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        let room = if self.rtcp_index < E { Ok(()) } else { Err(Error::Exhausted) };
        room.and_then(|()| self.rtcp.seal_rtcp(out, start, self.rtcp_index))
            .inspect_err(|_| out.truncate(start))?;
        self.rtcp_index += 1;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn with_ciphers(
        profile: Profile,
        rtp: Cipher,
        rtcp: Cipher,
        rtcp_index: u32,
    ) -> Self {
        Self { profile, rtp, rtcp, rtcp_index }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("profile", &self.profile)
            .field("rtcp_index", &self.rtcp_index)
            .finish_non_exhaustive()
    }
}
