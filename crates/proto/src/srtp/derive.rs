//! Session keys out of a master key (RFC 3711 §4.3, key derivation rate 0).

use super::{Error, Keys};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};

/// Longest salt: AES-CM's.
const SALT: usize = 14;
/// Where a label meets the salt: 48 bits of index, which stay 0, are behind it.
const LABEL_AT: usize = 7;

/// Whether keys are for RTP or for RTCP: the first of the three labels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    Rtp = 0,
    Rtcp = 3,
}

/// What a session key is for, added to [`Use`].
#[derive(Clone, Copy)]
pub(super) enum Part {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
}

/// AES in counter mode under `key`: of 128 or 256 bits.
pub(super) fn counter_mode(key: &[u8]) -> Result<EncryptingKey, Error> {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    UnboundCipherKey::new(algorithm, key).and_then(EncryptingKey::ctr).map_err(|_| Error::Keys)
}

/// Encrypts, or decrypts, which is the same here.
pub(super) fn apply(key: &EncryptingKey, iv: [u8; 16], data: &mut [u8]) -> Result<(), Error> {
    let context = EncryptionContext::Iv128(iv.into());
    key.less_safe_encrypt(data, context).map(drop).map_err(|_| Error::Malformed)
}

/// The session key of a label, `N` bytes long. A salt shorter than AES-CM's is taken with zeros
/// behind (RFC 7714 §11).
pub(super) fn derive<const N: usize>(
    keys: &Keys<'_>,
    of: Use,
    part: Part,
) -> Result<[u8; N], Error> {
    let mut iv = [0; 16];
    iv.get_mut(..keys.salt.len())
        .filter(|to| to.len() <= SALT)
        .ok_or(Error::Keys)?
        .copy_from_slice(keys.salt);
    iv[LABEL_AT] ^= of as u8 + part as u8;
    let mut out = [0; N];
    apply(&counter_mode(keys.key)?, iv, &mut out)?;
    Ok(out)
}
