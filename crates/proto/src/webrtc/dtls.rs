//! The handshake that agrees on keys: DTLS 1.2 as server, on `dimpl`.

use crate::srtp::{self, Profile};
use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile, certificate};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// Longest datagram that `dimpl` makes is its MTU, far below this.
const BUFFER: usize = 2048;
/// A flight that got no answer is sent again after this time; DTLS' default of a second is for the
/// open internet of 2012.
const FLIGHT_TIMEOUT: Duration = Duration::from_millis(250);
const FLIGHT_RETRIES: usize = 7;

/// The identity this server shows in every handshake. Made once, because making one takes
/// milliseconds.
#[derive(Clone)]
pub struct Certificate {
    inner: DtlsCertificate,
    config: Arc<Config>,
}

/// No random numbers or no memory: nothing a user can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no certificate could be made")]
pub struct CertificateError;

impl Certificate {
    /// A new self-signed certificate.
    ///
    /// # Errors
    /// If the machine has no random numbers.
    pub fn generate() -> Result<Self, CertificateError> {
        let inner =
            certificate::generate_self_signed_certificate().map_err(|_| CertificateError)?;
        // ICE has proven the browser's address before DTLS begins, so a cookie would only cost a
        // round trip.
        let config = Config::builder()
            .use_server_cookie(false)
            .flight_start_rto(FLIGHT_TIMEOUT)
            .flight_retries(FLIGHT_RETRIES);
        let config = Arc::new(config.build().map_err(|_| CertificateError)?);
        Ok(Self { inner, config })
    }

    /// The value of `a=fingerprint` (RFC 8122 §5).
    pub fn fingerprint(&self) -> String {
        format!("sha-256 {}", self.inner.fingerprint_str())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.fingerprint()).finish()
    }
}

/// The hash of the certificate that the other side must show (RFC 8122 §5). Only SHA-256 is known,
/// which every browser sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint(Vec<u8>);

impl Fingerprint {
    /// Reads the value of `a=fingerprint`; `None` if it is malformed or of another hash.
    pub fn parse(value: &str) -> Option<Self> {
        let (algorithm, hex) = value.trim().split_once(' ')?;
        let bytes: Vec<u8> = hex
            .trim()
            .split(':')
            .map(|b| u8::from_str_radix(b, 16))
            .collect::<Result<_, _>>()
            .ok()?;
        (algorithm.eq_ignore_ascii_case("sha-256") && bytes.len() == 32).then_some(Self(bytes))
    }
}

/// Why a handshake has failed for good.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the encryption handshake (DTLS) failed: {0}")]
    Engine(String),
    #[error("the other side showed another certificate than its offer announced")]
    WrongCertificate,
    #[error(
        "the other side has no ECDSA certificate, as browsers have (GStreamer 1.22 has an RSA one)"
    )]
    NoCertificate,
    #[error("the agreed keys are unusable")]
    BadKeys,
}

/// What a handshake has led to.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) datagrams: Vec<Vec<u8>>,
    pub(super) keys: Option<Keys>,
    pub(super) closed: bool,
}

/// Agreed keys of both directions.
pub(super) struct Keys {
    pub(super) sender: srtp::Sender,
    pub(super) receiver: srtp::Receiver,
}

/// A handshake, and the little that is said after it.
pub(super) struct Handshake {
    engine: Dtls,
    expected: Fingerprint,
    verified: bool,
    deadline: Option<Instant>,
}

impl Handshake {
    /// Waits for the browser to begin: it repeats what is lost, so that on a bad link the impatient
    /// side is the one that is told nothing else.
    pub(super) fn new(now: Instant, certificate: &Certificate, expected: Fingerprint) -> Self {
        let engine = Dtls::new_12(certificate.config.clone(), certificate.inner.clone(), now);
        Self { engine, expected, verified: false, deadline: Some(now) }
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, data: &[u8]) -> Result<(), Failure> {
        self.engine
            .handle_timeout(now)
            .and_then(|()| self.engine.handle_packet(data))
            .map_err(failed)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), Failure> {
        if self.deadline.is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now).map_err(failed)?;
        }
        Ok(())
    }

    /// Says goodbye; poll to send it.
    pub(super) fn close(&mut self) {
        // It fails only if there is nobody to say goodbye to.
        let _ = self.engine.close();
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn poll(&mut self) -> Result<Progress, Failure> {
        let mut buffer = [0; BUFFER];
        let mut progress = Progress::default();
        loop {
            match self.engine.poll_output(&mut buffer) {
                Output::Packet(packet) => progress.datagrams.push(packet.to_vec()),
                Output::PeerCert(der) => {
                    self.verified = certificate::calculate_fingerprint(der) == self.expected.0;
                    if !self.verified {
                        return Err(Failure::WrongCertificate);
                    }
                }
                Output::KeyingMaterial(material, profile) => {
                    let keys = keys(profile, &material)
                        .filter(|_| self.verified)
                        .ok_or(Failure::BadKeys)?;
                    progress.keys = Some(keys);
                }
                Output::CloseNotify => progress.closed = true,
                Output::Timeout(at) => {
                    self.deadline = Some(at);
                    return Ok(progress);
                }
                Output::BufferTooSmall { .. } => {
                    return Err(Failure::Engine("a message is too long".into()));
                }
                // Nobody speaks SCTP here.
                _ => {}
            }
        }
    }
}

fn failed(error: dimpl::Error) -> Failure {
    match error {
        dimpl::Error::CertificateError(dimpl::CertificateError::NoClientCertificateReceived) => {
            Failure::NoCertificate
        }
        error => Failure::Engine(error.to_string()),
    }
}

/// The browser is the client of the handshake (RFC 5764 §4.2).
fn keys(profile: SrtpProfile, material: &[u8]) -> Option<Keys> {
    let profile = match profile {
        SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
        SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
        SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmHmacSha1_80,
        _ => return None,
    };
    let (client, server) = profile.split(material)?;
    let sender = srtp::Sender::new(profile, &server).ok()?;
    let receiver = srtp::Receiver::new(profile, &client).ok()?;
    Some(Keys { sender, receiver })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_back() {
        let certificate = Certificate::generate().unwrap();
        let read = Fingerprint::parse(&certificate.fingerprint()).unwrap();
        assert_eq!(read.0, certificate.inner.fingerprint());
        assert_eq!(Fingerprint::parse("sha-1 00:01"), None);
        assert_eq!(Fingerprint::parse("sha-256 00:01"), None);
        assert_eq!(Fingerprint::parse("sha-256 zz"), None);
    }
}
