//! The keys that are online: snapshot, timestamp and director, and the authority of our TLS
//! certificates. They lie in `HOME/server`, readable by the owner alone; keys of people never do.

mod ring;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sanaga_proto::trust::{MemorySigner, PublicKey, Signer as _};

use self::ring::Ring;

/// The names of the online roles, which are also the names of their key files.
pub const ONLINE: [&str; 3] = ["snapshot", "timestamp", "director"];
/// A key file or certificate is never bigger, bytes.
const FILE_BYTES_MAX: u64 = 16_384;
/// The authority is trusted through signed metadata, so its own dates only must not be in the way.
const CA_YEARS: i32 = 60;

/// The online keys.
#[derive(Debug)]
pub struct ServerKeys {
    online: BTreeMap<&'static str, Ring>,
    /// Issues certificates for the server and the nodes.
    pub tls_ca: TlsCa,
}

/// The authority of our TLS certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsCa {
    /// Its private key, PKCS#8 PEM.
    pub key_pem: String,
    /// Its certificate, PEM.
    pub certificate_pem: String,
    /// The SHA-256 of its SubjectPublicKeyInfo, as tokens carry it.
    pub key_digest: Digest,
}

impl ServerKeys {
    /// Makes what is missing in `folder` and reads the rest, so that a broken-off `init` goes on.
    ///
    /// # Errors
    /// `NOT_WRITABLE` or `DISK_FAULT` with the file, `INTERNAL` when no key can be made.
    pub fn create(folder: &Path, name: &str) -> Result<Self, Failure> {
        for role in ONLINE {
            Ring::create(folder, role)?;
        }
        let (key_path, certificate_path) = tls_paths(folder);
        if !certificate_path.exists() {
            let (key, certificate) = new_ca(name).map_err(|error| {
                Failure::new(code::INTERNAL).arg("problem", format!("TLS authority: {error}"))
            })?;
            write_private(&key_path, key.as_bytes())?;
            write_private(&certificate_path, certificate.as_bytes())?;
        }
        Self::load(folder)
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// `DISK_FAULT` with the file that is missing or is not a key.
    pub fn load(folder: &Path) -> Result<Self, Failure> {
        let (key_path, certificate_path) = tls_paths(folder);
        let key_pem = read_text(&key_path)?;
        let pair = KeyPair::from_pem(&key_pem).map_err(|error| fault(&key_path, &error))?;
        Ok(Self {
            online: ONLINE
                .into_iter()
                .map(|role| Ok((role, Ring::load(folder, role)?)))
                .collect::<Result<_, Failure>>()?,
            tls_ca: TlsCa {
                certificate_pem: read_text(&certificate_path)?,
                key_digest: Digest::of(&pair.subject_public_key_info()),
                key_pem,
            },
        })
    }

    /// The public half of the key that signs for an online role.
    #[must_use]
    pub fn public(&self, role: &str) -> Option<PublicKey> {
        let ring = self.online.get(role)?;
        Some(ring.active().public().clone())
    }

    /// The key that signs for an online role whose signed keys are `named`: the present one, or the
    /// next one where that has just been named.
    ///
    /// # Errors
    /// `BAD_SIGNATURE` when this server has none of them.
    pub fn signer(&self, role: &str, named: &[PublicKey]) -> Result<Arc<MemorySigner>, Failure> {
        let ring = self.online.get(role);
        ring.and_then(|ring| ring.among(named)).ok_or_else(|| {
            Failure::new(code::BAD_SIGNATURE)
                .arg("role", role)
                .arg("problem", "this server has none of its keys")
        })
    }

    /// Makes the key that is to take the place of an online role's key, and gives its public half.
    /// It signs nothing until root or targets names it.
    ///
    /// # Errors
    /// `NO_SUCH_ROLE`, or what the disk says.
    pub fn prepare(&self, role: &str) -> Result<PublicKey, Failure> {
        match self.online.get(role) {
            Some(ring) => ring.prepare(),
            None => Err(Failure::new(code::NO_SUCH_ROLE)
                .arg("role", role)
                .arg("near", "")),
        }
    }

    /// Forgets the key that metadata, now current, no longer names.
    ///
    /// # Errors
    /// What the disk says.
    pub fn follow(&self, role: &str, named: &[PublicKey]) -> Result<(), Failure> {
        self.online
            .get(role)
            .map_or(Ok(()), |ring| ring.follow(named))
    }
}

fn tls_paths(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("tls-ca.key"), folder.join("tls-ca.pem"))
}

fn new_ca(name: &str) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("{name} (Sanaga)"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020 + CA_YEARS, 1, 1);
    let certificate = params.self_signed(&key)?;
    Ok((key.serialize_pem(), certificate.pem()))
}

fn read_signer(path: &Path) -> Result<MemorySigner, Failure> {
    let bytes = std::fs::read(path).map_err(|error| fault(path, &error))?;
    MemorySigner::from_pkcs8(&bytes).map_err(|error| fault(path, &error))
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let length = std::fs::metadata(path)
        .map_err(|error| fault(path, &error))?
        .len();
    if length > FILE_BYTES_MAX {
        return Err(fault(path, &format!("bigger than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| fault(path, &error))
}

/// Writes a file that only the owner can read, and that is there whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    sanaga_durable::write_file(path, bytes, 0o600).map_err(|error| not_writable(path, &error))
}

fn not_writable(path: &Path, problem: &(dyn std::error::Error + 'static)) -> Failure {
    crate::disk::failure(path, problem)
}

fn fault(path: &Path, problem: &dyn std::fmt::Display) -> Failure {
    Failure::new(code::DISK_FAULT)
        .arg("path", path.display())
        .arg("problem", problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let made = ServerKeys::create(folder.path(), "Pharma Plus").unwrap();
        let again = ServerKeys::create(folder.path(), "Pharma Plus").unwrap();
        for role in ONLINE {
            assert_eq!(made.public(role), again.public(role));
            assert!(made.public(role).is_some());
        }
        assert_eq!(made.tls_ca, again.tls_ca);
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
