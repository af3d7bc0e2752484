//! A tap between an enrolled node and its controller. It shows the node a certificate that the
//! controller's own authority has signed, and the controller the node's.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::site::{Controller, Node};
use crate::tap::{Identity, Plan, Tap};

/// The name in the controller's certificate.
const HOST: &str = "127.0.0.1";

/// Starts a tap before the controller. The node reaches it when its link leads there.
///
/// # Errors
/// When a key or certificate of either is not where it should be.
pub(super) fn between(controller: &Controller<'_>, node: &Node<'_>) -> Result<Tap> {
    let server = controller.home().join("server");
    let ca_pem = std::fs::read_to_string(server.join("tls-ca.pem")).context("tls-ca.pem")?;
    let ca_key = std::fs::read_to_string(server.join("tls-ca.key")).context("tls-ca.key")?;
    let authority = CertificateDer::from_pem_slice(ca_pem.as_bytes())?;
    let issuer = Issuer::from_ca_cert_der(&authority, KeyPair::from_pem(&ca_key)?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![HOST.to_owned()])?.signed_by(&key, &issuer)?;
    let of_node = |name: &str| std::fs::read(node.home.join(name)).context(name.to_owned());
    Tap::start(&Plan {
        upstream: controller.address(),
        server_name: HOST.to_owned(),
        server: Identity {
            // As the controller does: the authority comes with it.
            chain_pem: format!("{}{ca_pem}", leaf.pem()).into_bytes(),
            key_pem: key.serialize_pem().into_bytes(),
        },
        ca_pem: ca_pem.into_bytes(),
        client: Some(Identity {
            chain_pem: pem("CERTIFICATE", &of_node("worker/node-tls.crt")?),
            key_pem: pem("PRIVATE KEY", &of_node("worker/node-tls.key")?),
        }),
        protocols: vec!["http/1.1".to_owned()],
    })
}

/// RFC 7468 §2, in one long line, which its readers accept.
fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n").into_bytes()
}
