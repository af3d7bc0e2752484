//! TLS towards the controller: one pinned CA, our client certificate, and a clock that may be wrong.
//! Chain and name are always checked. Dates are checked against max(floor + uptime, the leaf's
//! notBefore), or the wall clock if that is sure: content trust never rests on TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sanaga_proto::ids::Digest;

use super::FetchError;
use crate::identity::Credentials;

/// The least time that it can be, in seconds since 1970. It moves on while a configuration is in use:
/// a TLS session can only be taken up again with the configuration that it was made with.
#[derive(Debug, Clone, Default)]
pub struct KnownTime(Arc<AtomicU64>);

impl KnownTime {
    /// Tells it what is known now; a wall clock that was wrong may have taken it back.
    pub fn learn(&self, now_s: u64) {
        self.0.store(now_s, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The configuration of connections to the controller, and the sessions that were made with it.
/// `post_quantum` chooses the key exchange.
///
/// # Errors
/// [`FetchError::Tls`] when a certificate or key does not load.
pub fn pinned(
    credentials: &Credentials,
    known: KnownTime,
    post_quantum: bool,
) -> Result<ClientConfig, FetchError> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(credentials.ca.clone()))
        .map_err(tls)?;
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(tls)?;
    let verifier = Arc::new(Patient { inner, known });
    let builder = ClientConfig::builder_with_provider(exchanging(post_quantum))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &credentials.client {
        Some((certificate, key)) => {
            let key = PrivateKeyDer::try_from(key.clone()).map_err(tls)?;
            builder
                .with_client_auth_cert(vec![CertificateDer::from(certificate.clone())], key)
                .map_err(tls)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// For hosts without TLS: it trusts nobody. A client is never made without one of our own, since it
/// would look for the machine's authorities, which no content rests on, and end the agent if there
/// are none.
///
/// # Errors
/// [`FetchError::Tls`] when the provider does not load.
pub fn nobody() -> Result<ClientConfig, FetchError> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// The configuration of the first contact: the CA is not known yet, only the digest of its key. The
/// server must present that CA in its chain, and the chain must lead to it.
///
/// # Errors
/// [`FetchError::Tls`] when the provider does not load.
pub fn first_contact(ca_key: Digest, post_quantum: bool) -> Result<ClientConfig, FetchError> {
    let mut config = ClientConfig::builder_with_provider(exchanging(post_quantum))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ByToken { ca_key }))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The one provider of cryptography.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The provider with the key exchange of the setting `fetch.post_quantum`. The hybrid group makes a full
/// handshake 2.3 KB longer; without the setting it is not offered at all.
fn exchanging(post_quantum: bool) -> Arc<rustls::crypto::CryptoProvider> {
    use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519, kx_group::SECP256R1];
    if post_quantum {
        provider.kx_groups.insert(0, kx_group::X25519MLKEM768);
    }
    Arc::new(provider)
}

fn tls(error: impl std::fmt::Display) -> FetchError {
    FetchError::Tls(error.to_string())
}

/// The SHA-256 of a certificate's SubjectPublicKeyInfo.
#[must_use]
pub fn key_digest(certificate: &[u8]) -> Option<Digest> {
    use x509_cert::der::{Decode, Encode};
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let key = certificate
        .tbs_certificate
        .subject_public_key_info
        .to_der()
        .ok()?;
    Some(Digest::of(&key))
}

fn not_before_s(certificate: &[u8]) -> Option<u64> {
    use x509_cert::der::Decode;
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    Some(
        certificate
            .tbs_certificate
            .validity
            .not_before
            .to_unix_duration()
            .as_secs(),
    )
}

/// The usual verifier with a clock that never runs behind what is known.
#[derive(Debug)]
struct Patient {
    inner: Arc<WebPkiServerVerifier>,
    known: KnownTime,
}

impl ServerCertVerifier for Patient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let issued_s = intermediates
            .iter()
            .chain([end_entity])
            .filter_map(|certificate| not_before_s(certificate))
            .max()
            .unwrap_or_default();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            self.known.get().max(issued_s),
        ));
        self.inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Finds the CA of the token among the presented certificates and verifies with that one alone.
#[derive(Debug)]
struct ByToken {
    ca_key: Digest,
}

impl ServerCertVerifier for ByToken {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let ca = intermediates
            .iter()
            .find(|certificate| key_digest(certificate) == Some(self.ca_key))
            .ok_or(rustls::Error::InvalidCertificate(
                rustls::CertificateError::UnknownIssuer,
            ))?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let known = KnownTime::default();
        Patient { inner, known }.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::NamedGroup;

    fn groups(config: &ClientConfig) -> Vec<NamedGroup> {
        let groups = config.crypto_provider().kx_groups.iter();
        groups.map(|group| group.name()).collect()
    }

    #[test]
    fn the_setting_chooses_the_key_exchange() {
        let key = rcgen::KeyPair::generate().unwrap();
        let ca = rcgen::CertificateParams::default()
            .self_signed(&key)
            .unwrap();
        let ca = ca.der().as_ref().to_vec();
        let credentials = Credentials { ca, client: None };
        let classic = [NamedGroup::X25519, NamedGroup::secp256r1];
        let hybrid = [&[NamedGroup::X25519MLKEM768], classic.as_slice()].concat();
        for (post_quantum, expected) in [(false, classic.as_slice()), (true, hybrid.as_slice())] {
            let pinned = pinned(&credentials, KnownTime::default(), post_quantum).unwrap();
            assert_eq!(groups(&pinned), expected);
            let first = first_contact(Digest::of(b"key"), post_quantum).unwrap();
            assert_eq!(groups(&first), expected);
        }
    }
}
