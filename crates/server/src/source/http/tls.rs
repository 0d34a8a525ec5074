//! TLS to a camera: whose certificate is taken, and what is said of one that is not.
//!
//! Cameras make their certificates themselves, for no name and for ever. One can be named by its
//! fingerprint, which is shown when it is refused: then nobody else's is taken, whatever the
//! authorities say.

use super::{faults, target::Target};
use crate::supervise::Exit;
use std::{
    fmt, io,
    sync::{Arc, OnceLock},
};
use tokio::{net::TcpStream, sync::OnceCell, task::spawn_blocking};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
        SignatureScheme,
        client::{
            WebPkiServerVerifier,
            danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        },
        crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

/// Which certificates a camera may show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trust {
    /// Those that an authority known to this machine has signed for the camera's name.
    Authorities,
    /// The one with this fingerprint (SHA-256).
    One([u8; 32]),
    /// Any: somebody in between can read and change everything.
    Any,
}

/// SHA-256 of a certificate, as people compare and paste it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, certificate);
        Self(digest.as_ref().try_into().unwrap_or_default())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// How to speak TLS with one camera.
pub(super) struct Tls {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    /// By the authorities that this machine knows, once they are read.
    authorities: OnceCell<Arc<WebPkiServerVerifier>>,
}

impl Tls {
    pub(super) fn new(trust: Trust) -> Self {
        Self {
            trust,
            provider: Arc::new(aws_lc_rs::default_provider()),
            authorities: OnceCell::new(),
        }
    }

    /// Agrees on keys with a camera that is connected, and sees to it that it is the right one.
    pub(super) async fn begin(
        &self,
        target: &Target,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Exit> {
        let authorities = match self.trust {
            Trust::Authorities => self
                .authorities
                .get_or_try_init(|| authorities(self.provider.clone()))
                .await
                .ok()
                .cloned(),
            Trust::One(_) | Trust::Any => None,
        };
        let judge = Arc::new(Judge {
            trust: self.trust,
            authorities,
            provider: self.provider.clone(),
            seen: OnceLock::new(),
        });
        let begun = match self
            .connector(judge.clone())
            .zip(ServerName::try_from(target.bare_host().to_owned()).ok())
        {
            Some((connector, name)) => connector.connect(name, stream).await,
            None => Err(io::Error::other(Error::UnsupportedNameType)),
        };
        begun.map_err(|error| {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
            let lacks_list = judge.trust == Trust::Authorities && judge.authorities.is_none();
            match (cause, judge.seen.get()) {
                (Some(Error::InvalidCertificate(_)), Some(seen)) if lacks_list => {
                    faults::no_authorities(target, seen)
                }
                (Some(Error::InvalidCertificate(why)), Some(seen)) => {
                    faults::certificate(target, why, seen)
                }
                (Some(cause), _) => faults::no_tls(target, cause),
                (None, _) => faults::tls_broken(target, &error),
            }
        })
    }

    fn connector(&self, judge: Arc<Judge>) -> Option<TlsConnector> {
        let config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .ok()?;
        let config =
            config.dangerous().with_custom_certificate_verifier(judge).with_no_client_auth();
        Some(TlsConnector::from(Arc::new(config)))
    }
}

/// Reads the system's list, or the one that `SSL_CERT_FILE` or `SSL_CERT_DIR` names.
async fn authorities(provider: Arc<CryptoProvider>) -> io::Result<Arc<WebPkiServerVerifier>> {
    let found = spawn_blocking(rustls_native_certs::load_native_certs).await?;
    for error in &found.errors {
        tracing::warn!(%error, "certificates of authorities cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
        .build()
        .map_err(io::Error::other)
}

/// Judges the certificate of one connection, and keeps its fingerprint for the words.
#[derive(Debug)]
struct Judge {
    trust: Trust,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    seen: OnceLock<Fingerprint>,
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen = *self.seen.get_or_init(|| Fingerprint::of(certificate));
        match (self.trust, &self.authorities) {
            (Trust::Any, _) => Ok(ServerCertVerified::assertion()),
            (Trust::One(wanted), _) if Fingerprint(wanted) == seen => {
                Ok(ServerCertVerified::assertion())
            }
            (Trust::One(_), _) => Err(CertificateError::ApplicationVerificationFailure.into()),
            (Trust::Authorities, Some(authorities)) => {
                authorities.verify_server_cert(certificate, between, name, ocsp, now)
            }
            (Trust::Authorities, None) => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
