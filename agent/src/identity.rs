//! Who this node is: fixed at enrolment, in root-owned files; only a local operator changes it.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{Digest, EnvironmentName, NodeKeyId, NodeName, RepositoryId, SiteName};
use sanaga_proto::wire::envelope::{Algorithm, EnvelopeSigner};
use serde::{Deserialize, Serialize};

use crate::disk;

/// The files of an identity: most below the configuration folder, the worker's own in its folder.
#[derive(Debug, Clone)]
pub struct IdentityFiles {
    folder: PathBuf,
    worker: PathBuf,
}

impl IdentityFiles {
    /// The files in these folders.
    #[must_use]
    pub fn new(folder: &Path, worker: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            worker: worker.to_owned(),
        }
    }

    /// The folder that the worker may write to.
    #[must_use]
    pub fn worker(&self) -> &Path {
        &self.worker
    }

    /// What was agreed at enrolment; it is written last, so that it is there only after the rest.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.folder.join("identity.json")
    }

    /// The signing key: the helper's, never the worker's.
    #[must_use]
    pub fn node_key(&self) -> PathBuf {
        self.folder.join("node.key")
    }

    /// The key of the TLS certificate.
    #[must_use]
    pub fn tls_key(&self) -> PathBuf {
        self.worker.join("node-tls.key")
    }

    /// The TLS certificate, DER.
    #[must_use]
    pub fn tls_certificate(&self) -> PathBuf {
        self.worker.join("node-tls.crt")
    }

    /// The CA's certificate, DER.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The number of the newest chain of receipts. That it is there says that trust was begun here,
    /// also when the database and all floors are lost; an enrolment removes it.
    #[must_use]
    pub fn epoch(&self) -> PathBuf {
        self.folder.join("epoch")
    }

    /// The pinned first root.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.join("root.json")
    }
}

/// What was agreed at enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The format of this file.
    pub version: u32,
    /// Where the controller is.
    pub url: String,
    /// Which repository.
    pub repository: RepositoryId,
    /// The node's environment.
    pub environment: EnvironmentName,
    /// The node's name.
    pub node: NodeName,
    /// Its site.
    pub site: SiteName,
}

impl Identity {
    /// Reads the identity; none before enrolment.
    ///
    /// # Errors
    /// A failure of the disk, or a file that is not what was written.
    pub fn load(files: &IdentityFiles) -> Result<Option<Self>, Failure> {
        let path = files.identity();
        let Some(bytes) = read_optional(&path)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Failure::new(code::CONFIG_UNREADABLE)
                .arg("path", path.display())
                .arg("problem", error)
        })
    }

    /// Writes the identity for good.
    ///
    /// # Errors
    /// A failure of the disk.
    pub fn save(&self, files: &IdentityFiles) -> Result<(), Failure> {
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Failure::new(code::INTERNAL).arg("problem", error))?;
        write(&files.identity(), &bytes, 0o644)
    }
}

/// The node's signing key.
pub struct NodeKey {
    pair: Ed25519KeyPair,
}

impl NodeKey {
    /// Reads the key, or makes it: a second enrolment attempt uses the same one.
    ///
    /// # Errors
    /// A failure of the disk or of the random source.
    pub fn load_or_make(files: &IdentityFiles) -> Result<Self, Failure> {
        let path = files.node_key();
        if let Some(bytes) = read_optional(&path)? {
            return Self::from_pkcs8(&path, &bytes);
        }
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|error| Failure::new(code::INTERNAL).arg("problem", error))?;
        write(&path, document.as_ref(), 0o600)?;
        Self::from_pkcs8(&path, document.as_ref())
    }

    /// Reads the key.
    ///
    /// # Errors
    /// [`code::NOT_ENROLLED`] when there is none.
    pub fn load(files: &IdentityFiles) -> Result<Self, Failure> {
        let path = files.node_key();
        let bytes = read_optional(&path)?.ok_or_else(|| Failure::new(code::NOT_ENROLLED))?;
        Self::from_pkcs8(&path, &bytes)
    }

    fn from_pkcs8(path: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        Ed25519KeyPair::from_pkcs8(bytes)
            .map(|pair| Self { pair })
            .map_err(|error| {
                Failure::new(code::CONFIG_UNREADABLE)
                    .arg("path", path.display())
                    .arg("problem", error)
            })
    }

    /// The 32 raw bytes of the public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        let bytes = self.pair.public_key().as_ref();
        std::array::from_fn(|i| bytes.get(i).copied().unwrap_or_default())
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> NodeKeyId {
        Digest::of(&self.public())
    }
}

impl EnvelopeSigner for NodeKey {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDsa
    }

    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(self.pair.sign(bytes).as_ref().to_vec())
    }
}

/// The TLS key's PKCS#8 and a certificate request for it, both DER.
///
/// # Errors
/// A failure of the disk, or a key that does not load.
pub fn tls_request(files: &IdentityFiles) -> Result<Vec<u8>, Failure> {
    let path = files.tls_key();
    let unusable = |error: rcgen::Error| {
        Failure::new(code::CONFIG_UNREADABLE)
            .arg("path", path.display())
            .arg("problem", error)
    };
    sanaga_durable::make_dir(files.worker())
        .map_err(|error| disk::durable_failure(files.worker(), error))?;
    let key = match read_optional(&path)? {
        Some(bytes) => rcgen::KeyPair::try_from(bytes.as_slice()).map_err(unusable)?,
        None => {
            let key =
                rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(unusable)?;
            write(&path, &key.serialize_der(), 0o600)?;
            key
        }
    };
    let request = rcgen::CertificateParams::default()
        .serialize_request(&key)
        .map_err(unusable)?;
    Ok(request.der().as_ref().to_vec())
}

/// What the worker shows to the controller.
#[derive(Debug)]
pub struct Credentials {
    /// The CA's certificate, DER.
    pub ca: Vec<u8>,
    /// Our certificate and its PKCS#8 key, DER; none before enrolment.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Credentials {
    /// The credentials of an enrolled node.
    ///
    /// # Errors
    /// [`code::NOT_ENROLLED`] when a file is missing.
    pub fn load(files: &IdentityFiles) -> Result<Self, Failure> {
        let need =
            |path: PathBuf| read_optional(&path)?.ok_or_else(|| Failure::new(code::NOT_ENROLLED));
        let client = (need(files.tls_certificate())?, need(files.tls_key())?);
        Ok(Self {
            ca: need(files.ca())?,
            client: Some(client),
        })
    }
}

/// Reads a file that may be absent.
///
/// # Errors
/// Any other failure of the disk.
pub fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk::failure(path, error)),
    }
}

/// Writes a file for good.
///
/// # Errors
/// A failure of the disk.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    sanaga_durable::write_file(path, bytes, mode)
        .map_err(|error| disk::durable_failure(path, error))
}
