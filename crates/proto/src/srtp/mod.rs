//! Encrypted RTP and RTCP (RFC 3711, with AES-GCM of RFC 7714), keyed by DTLS (RFC 5764).
//!
//! A [`Sender`] numbers RTP by what the caller says, not by what it has seen: a packet that is sent
//! again with its index has the same bytes as the first time, so nobody needs to keep it. A
//! [`Receiver`] refuses what is forged or was seen before. Neither allocates for a packet, as long
//! as the buffer has room for the [overhead](Profile::rtp_overhead).

mod cipher;
mod counter;
mod derive;
mod gcm;
mod profile;
mod receiver;
mod replay;
mod sender;
#[cfg(test)]
mod tests;

pub use profile::{Keys, Profile};
pub use receiver::Receiver;
pub use sender::Sender;

/// Why a packet was not protected, or not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The keys have other lengths than the profile's.
    #[error("the keys do not fit the profile")]
    Keys,
    /// Too short, not version 2, or with a header longer than the packet.
    #[error("not an RTP or RTCP packet")]
    Malformed,
    /// The tag is not what the keys make of the packet.
    #[error("the packet is forged or damaged")]
    Forged,
    /// Seen before, or older than the window in which that can be told.
    #[error("the packet was seen before or is too old")]
    Replayed,
    /// The sender uses more synchronisation sources than anybody needs.
    #[error("more synchronisation sources than are kept track of")]
    Sources,
    /// Every index was used once; another packet would use one again, which would give the keys
    /// away.
    #[error("the keys are used up")]
    Exhausted,
}

/// Bytes of an RTCP packet that stay readable: its first header and the sender (RFC 3711 §3.4).
const RTCP_CLEAR: usize = 8;
/// Bytes of the word behind an RTCP packet: the flag E and the index.
const WORD: usize = 4;
/// The packet is encrypted, not only authenticated.
const E: u32 = 1 << 31;

fn be32(bytes: &[u8], at: usize) -> Result<u32, Error> {
    let four = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(Error::Malformed)?;
    Ok(u32::from_be_bytes(*four))
}
