//! The server's side of TLS: 1.3 only, our own certificate, and client certificates that are asked
//! for and not demanded. Each endpoint decides what it needs.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};

use super::authority::{Authority, SERVER_CERTIFICATE_S, not_before_s};
use super::error::ApiError;
use super::tickets::Tickets;

/// The server's certificate, which is made anew in time.
pub(super) struct OwnCertificate {
    host: String,
    authority: Arc<Authority>,
    current: RwLock<(u64, Arc<CertifiedKey>)>,
}

impl std::fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnCertificate({})", self.host)
    }
}

impl OwnCertificate {
    pub(super) fn new(authority: Arc<Authority>, host: &str, now_s: u64) -> Result<Self, ApiError> {
        let first = authority.server(host, now_s)?;
        Ok(Self {
            host: host.to_owned(),
            authority,
            current: RwLock::new((now_s, first)),
        })
    }

    /// Makes a new one when a third of the time of the present one is over.
    pub(super) fn renew(&self, now_s: u64) -> Result<(), ApiError> {
        let made_s = self.read().0;
        if now_s.abs_diff(made_s) < SERVER_CERTIFICATE_S / 3 {
            return Ok(());
        }
        let next = self.authority.server(&self.host, now_s)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (now_s, next);
        Ok(())
    }

    fn read(&self) -> (u64, Arc<CertifiedKey>) {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.read().1)
    }
}

/// Checks a client's chain but not its dates: which of them matter is for the endpoint to say, and
/// a node whose certificate ran out in the dark must still be told so.
#[derive(Debug)]
struct ChainOnly {
    inner: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for ChainOnly {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // The name of the authority would cost bytes, and a node has one certificate only.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let issued_s = not_before_s(end_entity)
            .ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let issued = UnixTime::since_unix_epoch(Duration::from_secs(issued_s));
        self.inner
            .verify_client_cert(end_entity, intermediates, issued)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The one provider of cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// How the server speaks TLS.
pub(super) fn config(
    authority: &Authority,
    own: Arc<OwnCertificate>,
) -> Result<ServerConfig, ApiError> {
    let failed = |error: String| ApiError::certificate("set up TLS", error);
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.certificate().clone())
        .map_err(|error| failed(error.to_string()))?;
    let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| failed(error.to_string()))?
        .with_client_cert_verifier(Arc::new(ChainOnly { inner }))
        .with_cert_resolver(own);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = Arc::new(Tickets::default());
    // Every connection gets one for the next; more would cost bytes.
    config.send_tls13_tickets = 1;
    Ok(config)
}
