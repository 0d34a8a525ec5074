use std::fmt;

/// What both sides agreed on in the DTLS handshake (RFC 5764 §4.1.2, RFC 7714 §14.2). Cheapest
/// first: AES-GCM costs a third of AES-CM with HMAC-SHA1, and carries six bytes a packet more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// AES-256 in Galois/counter mode, tag of 16 bytes.
    AeadAes256Gcm,
    /// AES-128 in Galois/counter mode, tag of 16 bytes.
    AeadAes128Gcm,
    /// AES-128 in counter mode, tag of 10 bytes by HMAC-SHA1: what every peer has.
    Aes128CmHmacSha1_80,
}

impl Profile {
    /// Bytes of a master key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32,
            Self::AeadAes128Gcm | Self::Aes128CmHmacSha1_80 => 16,
        }
    }

    /// Bytes of a master salt.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => 12,
            Self::Aes128CmHmacSha1_80 => 14,
        }
    }

    /// Bytes that an RTP packet grows by.
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => 16,
            Self::Aes128CmHmacSha1_80 => 10,
        }
    }

    /// Bytes that a compound RTCP packet grows by: the tag, and the word with the index.
    pub const fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + super::WORD
    }

    /// Bytes to take from the handshake's exporter.
    pub const fn material_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }

    /// The handshake's keying material as (the DTLS client's keys, the server's), which each of
    /// them sends with (RFC 5764 §4.2). None if the length is not
    /// [`material_len`](Self::material_len).
    pub fn split(self, material: &[u8]) -> Option<(Keys<'_>, Keys<'_>)> {
        if material.len() != self.material_len() {
            return None;
        }
        let (keys, salts) = material.split_at(2 * self.key_len());
        let (client_key, server_key) = keys.split_at(self.key_len());
        let (client_salt, server_salt) = salts.split_at(self.salt_len());
        Some((Keys::new(client_key, client_salt), Keys::new(server_key, server_salt)))
    }
}

/// A master key and its salt, borrowed: all that is kept is what is derived from them.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    pub(super) key: &'a [u8],
    pub(super) salt: &'a [u8],
}

impl<'a> Keys<'a> {
    /// Takes key and salt as they are.
    pub const fn new(key: &'a [u8], salt: &'a [u8]) -> Self {
        Self { key, salt }
    }
}

impl fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}
