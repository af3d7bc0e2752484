//! Our TLS authority at work: certificates for the server itself and for nodes. They are kept
//! small, since each full handshake carries them over the link.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType, SerialNumber,
};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};
use rustls::sign::CertifiedKey;
use sanaga_proto::ids::{Digest, NodeKeyId, NodeName};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::error::ApiError;

/// How long a node's certificate holds, seconds.
pub const NODE_CERTIFICATE_S: u64 = 90 * 86_400;
/// How long the server's own certificate holds, seconds.
pub const SERVER_CERTIFICATE_S: u64 = 90 * 86_400;
/// Certificates begin so long before they are made, for clocks that are behind, seconds.
const EARLY_S: u64 = 3_600;
/// What the name of a node's key in its certificate starts with.
const NODE_URI: &str = "urn:sanaga:node:";
/// A serial number, bytes.
const SERIAL_BYTES: usize = 12;

/// The authority: its key and its certificate.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", Digest::of(&self.certificate).short())
    }
}

/// A certificate that was issued to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// Its serial number.
    pub serial: Vec<u8>,
    /// When it expires, seconds since 1970.
    pub expires_at_s: u64,
}

/// Who a client certificate says is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The node's signing key.
    pub node_key: NodeKeyId,
    /// When the certificate expires, seconds since 1970.
    pub expires_at_s: u64,
}

impl Authority {
    /// Reads the authority.
    ///
    /// # Errors
    /// [`ApiError::Certificate`] for a key or certificate that does not read.
    pub fn from_pem(key: &str, certificate: &str) -> Result<Self, ApiError> {
        let failed = |error| ApiError::certificate("read the TLS authority", error);
        let pair = KeyPair::from_pem(key).map_err(|error| failed(error.to_string()))?;
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, pair)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            issuer,
            certificate,
        })
    }

    /// The authority's certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A new key and certificate for the server at `host` (a name or an address). The authority's
    /// certificate comes with it: a node that joins knows only the hash of its key.
    ///
    /// # Errors
    /// [`ApiError::Certificate`] when `host` cannot stand in a certificate.
    pub fn server(&self, host: &str, now_s: u64) -> Result<Arc<CertifiedKey>, ApiError> {
        let failed = |error: String| ApiError::certificate("make the server's certificate", error);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let key = KeyPair::generate().map_err(|error| failed(error.to_string()))?;
        let mut params =
            CertificateParams::new([host.to_owned()]).map_err(|error| failed(error.to_string()))?;
        params.distinguished_name = DistinguishedName::new();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        dated(&mut params, now_s, SERVER_CERTIFICATE_S);
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(|error| failed(error.to_string()))?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = any_supported_type(&private).map_err(|error| failed(error.to_string()))?;
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        Ok(Arc::new(CertifiedKey::new(chain, signer)))
    }

    /// A certificate for a node, over the key of its request. Names and wishes in the request are
    /// not looked at.
    ///
    /// # Errors
    /// [`ApiError::Certificate`] for a request that does not read or is not signed by its own key.
    pub fn node(
        &self,
        request: &[u8],
        node: &NodeName,
        node_key: &NodeKeyId,
        now_s: u64,
    ) -> Result<Issued, ApiError> {
        let failed = |error: String| ApiError::certificate("the certificate request", error);
        let request = CertificateSigningRequestDer::from(request);
        let asked = CertificateSigningRequestParams::from_der(&request)
            .map_err(|error| failed(error.to_string()))?;
        let uri = Ia5String::try_from(format!("{NODE_URI}{node_key}"))
            .map_err(|error| failed(error.to_string()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, node.as_str());
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        dated(&mut params, now_s, NODE_CERTIFICATE_S);
        let serial = serial().ok_or_else(|| failed("no random numbers".to_owned()))?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let certificate = CertificateSigningRequestParams {
            params,
            public_key: asked.public_key,
        }
        .signed_by(&self.issuer)
        .map_err(|error| failed(error.to_string()))?;
        Ok(Issued {
            certificate: certificate.der().to_vec(),
            serial,
            expires_at_s: now_s.saturating_add(NODE_CERTIFICATE_S),
        })
    }
}

/// Who a client certificate is for; none when it names no node. Its chain was checked by TLS.
#[must_use]
pub fn identity(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let node_key = names.value.general_names.iter().find_map(|name| {
        let GeneralName::URI(uri) = name else {
            return None;
        };
        uri.strip_prefix(NODE_URI)?.parse().ok()
    })?;
    let expires = certificate.validity().not_after.timestamp();
    Some(Identity {
        node_key,
        expires_at_s: u64::try_from(expires).unwrap_or_default(),
    })
}

/// When a certificate begins to hold, seconds since 1970.
#[must_use]
pub fn not_before_s(certificate: &CertificateDer<'_>) -> Option<u64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    u64::try_from(certificate.validity().not_before.timestamp()).ok()
}

fn dated(params: &mut CertificateParams, now_s: u64, valid_s: u64) {
    let at = |seconds| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    params.not_before = at(now_s.saturating_sub(EARLY_S));
    params.not_after = at(now_s.saturating_add(valid_s));
}

/// A random serial number; the top bits keep it positive and of full length.
fn serial() -> Option<Vec<u8>> {
    let mut serial = [0; SERIAL_BYTES];
    rand::fill(&mut serial).ok()?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Some(serial.to_vec())
}
