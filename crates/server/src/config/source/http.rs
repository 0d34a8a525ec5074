//! `http://…` and `https://…`.

use super::address::{Credentials, address, redact};
use crate::config::values::number;
use std::fmt;
use url::Url;

/// How often a camera that sends one file at a time is asked, a second, and how often it may be.
const SNAPSHOTS: u32 = 5;

const MOST_SNAPSHOTS: u32 = 60;

/// A camera that sends JPEG files by HTTP. Its text forms never show the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HttpSource {
    /// The URL without user, password and our own options.
    pub(crate) url: Url,
    /// How to log in.
    pub(crate) credentials: Option<Credentials>,
    /// Which certificates are taken; of `https`.
    pub(crate) certificate: Certificate,
    /// How often to ask a camera that sends one file at a time, a second.
    pub(crate) fps: u32,
}

/// The option `certificate`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Certificate {
    /// What an authority that this machine knows has signed.
    #[default]
    Authorities,
    /// The one with this fingerprint (SHA-256).
    One([u8; 32]),
    /// `any`.
    Any,
}

impl std::str::FromStr for Certificate {
    type Err = String;

    /// A fingerprint as we tell it, or as `openssl x509 -fingerprint -sha256` does.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "certificate is the fingerprint of the camera's certificate (SHA-256, 64 digits of 0-9a-f), or any".to_owned()
        };
        if text == "any" {
            return Ok(Self::Any);
        }
        let digits: Option<Vec<u8>> =
            text.chars().filter(|c| *c != ':').map(|c| Some(c.to_digit(16)? as u8)).collect();
        let digits: [u8; 64] =
            digits.and_then(|digits| digits.try_into().ok()).ok_or_else(wrong)?;
        Ok(Self::One(std::array::from_fn(|i| digits[2 * i] << 4 | digits[2 * i + 1])))
    }
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(self.url.as_str()))?;
        if self.fps != SNAPSHOTS {
            write!(f, "#fps={}", self.fps)?;
        }
        Ok(())
    }
}

/// Our own options stand behind `#`, which no camera ever sees.
pub(super) fn parse(text: &str) -> Result<HttpSource, String> {
    let (mut url, credentials) = address(text, "a URL", "http://user:password@address/path")?;
    let (mut fps, mut certificate) = (SNAPSHOTS, Certificate::default());
    for (key, value) in url::form_urlencoded::parse(url.fragment().unwrap_or_default().as_bytes()) {
        match (&*key, url.scheme()) {
            ("fps", _) => fps = number(&key, &value, 1, MOST_SNAPSHOTS)?,
            ("certificate", "https") => certificate = value.parse()?,
            ("certificate", _) => return Err("certificate is for https://… only".to_owned()),
            // It may be the end of a password.
            (_, "https") => {
                return Err("unknown option behind #; known: certificate, fps. Within a password write # as %23".to_owned());
            }
            _ => {
                return Err(
                    "unknown option behind #; known: fps. Within a password write # as %23"
                        .to_owned(),
                );
            }
        }
    }
    url.set_fragment(None);
    Ok(HttpSource { url, credentials, certificate, fps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_may_be_pasted_as_programs_print_it() {
        let digits = "0123456789abcdef".repeat(4);
        let pasted: Vec<_> = digits
            .as_bytes()
            .chunks(2)
            .map(|pair| String::from_utf8_lossy(pair).to_uppercase())
            .collect();
        for text in [digits.clone(), pasted.join(":")] {
            let source = parse(&format!("https://192.0.2.1/cam#certificate={text}&fps=2")).unwrap();
            let Certificate::One(fingerprint) = source.certificate else { panic!("{text}") };
            assert_eq!(
                (fingerprint[0], fingerprint[1], fingerprint[31], source.fps),
                (0x01, 0x23, 0xef, 2)
            );
        }
        for text in ["", "ANY", &digits[1..], &format!("{digits}0"), &digits.replace('f', "g")] {
            assert!(parse(&format!("https://192.0.2.1/cam#certificate={text}")).is_err(), "{text}");
        }
    }
}
