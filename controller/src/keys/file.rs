//! Key files: `NAME.age` holds the private key as PKCS#8 PEM under a passphrase (age, scrypt), so
//! that `age --decrypt` and OpenSSL read it without us; `NAME.pub` beside it holds the public key.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sanaga_proto::failure::nearest;
use sanaga_proto::ids::KeyName;
use sanaga_proto::trust::{KeyKind, MemorySigner, PublicKey, Signer as _};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::KeyError;

/// The shortest passphrase, characters.
pub const PASSPHRASE_CHARS_MIN: usize = 12;
/// scrypt's log2 N for new files, as of the age program: about a second on a laptop.
pub const WORK_LOG2: u8 = 18;
/// The most work that a file may ask for, log2 N: 16 times as much.
const WORK_LOG2_MAX: u8 = 22;
/// A key file is never bigger, bytes.
const FILE_BYTES_MAX: u64 = 16_384;
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----\n";
const PEM_END: &str = "-----END PRIVATE KEY-----\n";

/// The public part of a key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its name.
    pub name: KeyName,
    /// The key.
    pub public: PublicKey,
    /// The file with the private half.
    pub path: PathBuf,
}

/// A folder of key files.
#[derive(Debug, Clone)]
pub struct KeyFolder {
    folder: PathBuf,
    work_log2: u8,
}

impl KeyFolder {
    /// The key files in a folder, which is made when the first key is.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            work_log2: WORK_LOG2,
        }
    }

    /// The same with less work for each passphrase (log2 N, 1 to 22). For tests.
    #[must_use]
    pub fn with_work(mut self, work_log2: u8) -> Self {
        self.work_log2 = work_log2.clamp(1, WORK_LOG2_MAX);
        self
    }

    /// Makes a key and writes its files.
    ///
    /// # Errors
    /// [`KeyError::NameTaken`], [`KeyError::PassphraseShort`], or the fault of the disk.
    pub fn create(
        &self,
        name: &KeyName,
        kind: KeyKind,
        passphrase: &str,
    ) -> Result<KeyInfo, KeyError> {
        if passphrase.chars().count() < PASSPHRASE_CHARS_MIN {
            let length_min = PASSPHRASE_CHARS_MIN;
            return Err(KeyError::PassphraseShort { length_min });
        }
        let info = |public| KeyInfo {
            name: name.clone(),
            public,
            path: self.private_path(name.as_str()),
        };
        if self.private_path(name.as_str()).exists() || self.public_path(name.as_str()).exists() {
            return Err(KeyError::NameTaken { name: name.clone() });
        }
        std::fs::create_dir_all(&self.folder).map_err(|e| disk("make", &self.folder, e))?;
        let signer = MemorySigner::generate(kind)?;
        let info = info(signer.public().clone());
        let sealed = self
            .seal(&signer, passphrase)
            .map_err(|e| disk("encrypt", &info.path, e))?;
        // The public half last: a key that is listed can be used.
        write(&info.path, &sealed, 0o600)?;
        let public = self.public_path(name.as_str());
        write(&public, export(&info).as_bytes(), 0o644)?;
        Ok(info)
    }

    /// All keys of the folder, by name.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`] or the fault of the disk.
    pub fn list(&self) -> Result<Vec<KeyInfo>, KeyError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(disk("list", &self.folder, error)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| disk("list", &self.folder, e))?.path();
            if path.extension().is_some_and(|extension| extension == "pub") {
                let mut key = read_public(&path)?;
                key.path = path.with_extension("age");
                keys.push(key);
            }
        }
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(keys)
    }

    /// A key by its name.
    ///
    /// # Errors
    /// [`KeyError::NoSuchKey`] with the nearest name.
    pub fn find(&self, name: &str) -> Result<KeyInfo, KeyError> {
        let keys = self.list()?;
        if let Some(found) = keys.iter().find(|key| key.name.as_str() == name) {
            return Ok(found.clone());
        }
        Err(KeyError::NoSuchKey {
            key: name.to_owned(),
            near: nearest(name, keys.iter().map(|key| key.name.as_str())),
        })
    }

    fn private_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.age"))
    }

    fn public_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pub"))
    }

    fn seal(&self, signer: &MemorySigner, passphrase: &str) -> io::Result<Vec<u8>> {
        let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
        recipient.set_work_factor(self.work_log2);
        let recipients = std::iter::once(&recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        let mut sealed = Vec::new();
        let mut writer = encryptor.wrap_output(&mut sealed)?;
        writer.write_all(pem(&signer.to_pkcs8()).as_bytes())?;
        writer.finish()?;
        Ok(sealed)
    }
}

/// Opens a private key file, wherever it is.
///
/// # Errors
/// [`KeyError::WrongPassphrase`], [`KeyError::NotAKey`], or the fault of the disk.
pub fn open(path: &Path, passphrase: &str) -> Result<MemorySigner, KeyError> {
    let sealed = read_bounded(path)?;
    let not_a_key = |problem: String| KeyError::NotAKey {
        path: path.to_owned(),
        problem,
    };
    let decryptor = age::Decryptor::new_buffered(sealed.as_slice())
        .map_err(|error| not_a_key(error.to_string()))?;
    if !decryptor.is_scrypt() {
        return Err(not_a_key("it is not protected by a passphrase".to_owned()));
    }
    let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
    identity.set_max_work_factor(WORK_LOG2_MAX);
    let identities = std::iter::once(&identity as &dyn age::Identity);
    let reader = decryptor.decrypt(identities).map_err(|error| match error {
        age::DecryptError::NoMatchingKeys
        | age::DecryptError::DecryptionFailed
        | age::DecryptError::KeyDecryptionFailed => KeyError::WrongPassphrase { key: stem(path) },
        age::DecryptError::ExcessiveWork { .. }
        | age::DecryptError::InvalidHeader
        | age::DecryptError::InvalidMac
        | age::DecryptError::Io(_)
        | age::DecryptError::UnknownFormat
        | _ => not_a_key(error.to_string()),
    })?;
    let mut text = Zeroizing::new(String::new());
    reader
        .take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| not_a_key(error.to_string()))?;
    let der = from_pem(&text).ok_or_else(|| not_a_key("no PKCS#8 PEM inside".to_owned()))?;
    Ok(MemorySigner::from_pkcs8(&der)?)
}

/// The public part as text, to be sent to whoever sets up roles: the content of `NAME.pub`.
#[must_use]
pub fn export(info: &KeyInfo) -> String {
    let value = json!({
        "name": info.name.as_str(),
        "id": info.public.id().to_string(),
        "key": info.public.to_tuf(),
    });
    format!("{value:#}\n")
}

/// Reads an exported public key.
///
/// # Errors
/// [`KeyError::NotAKey`], or the fault of the disk.
pub fn read_public(path: &Path) -> Result<KeyInfo, KeyError> {
    let bytes = read_bounded(path)?;
    let not_a_key = |problem: String| KeyError::NotAKey {
        path: path.to_owned(),
        problem,
    };
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| not_a_key(e.to_string()))?;
    let name = value.get("name").and_then(Value::as_str);
    let name = name.unwrap_or_default().parse::<KeyName>();
    let public = PublicKey::from_tuf(value.get("key").unwrap_or(&Value::Null))
        .map_err(|e| not_a_key(e.to_string()))?;
    let id = public.id().to_string();
    if value.get("id").and_then(Value::as_str) != Some(id.as_str()) {
        return Err(not_a_key("the id is not that of the key".to_owned()));
    }
    Ok(KeyInfo {
        name: name.map_err(|e| not_a_key(e.to_string()))?,
        public,
        path: path.to_owned(),
    })
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, KeyError> {
    let file = std::fs::File::open(path).map_err(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            return disk("open", path, error);
        }
        KeyError::NoSuchKey {
            key: path.display().to_string(),
            near: String::new(),
        }
    })?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| disk("read", path, e))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(KeyError::NotAKey {
            path: path.to_owned(),
            problem: format!("bigger than {FILE_BYTES_MAX} bytes"),
        });
    }
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyError> {
    sanaga_durable::write_file(path, bytes, mode).map_err(|source| KeyError::NotWritten {
        path: path.to_owned(),
        source,
    })
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn disk(operation: &'static str, path: &Path, source: io::Error) -> KeyError {
    KeyError::Disk {
        operation,
        path: path.to_owned(),
        source,
    }
}

fn pem(der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(BASE64.encode(der));
    let mut text = Zeroizing::new(String::from(PEM_BEGIN));
    for (at, c) in body.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text.push('\n');
    text.push_str(PEM_END);
    text
}

fn from_pem(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let body = text.strip_prefix(PEM_BEGIN)?.strip_suffix(PEM_END)?;
    let body: Zeroizing<String> = Zeroizing::new(body.chars().filter(|c| *c != '\n').collect());
    Some(Zeroizing::new(BASE64.decode(body.as_bytes()).ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use sanaga_proto::code;
    use sanaga_proto::failure::Coded as _;

    use super::*;

    const PASSPHRASE: &str = "correct horse battery";

    fn keys() -> (tempfile::TempDir, KeyFolder) {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFolder::new(&folder.path().join("keys")).with_work(2);
        (folder, keys)
    }

    fn name(text: &str) -> KeyName {
        text.parse().unwrap()
    }

    #[test]
    fn keys_are_made_listed_opened_and_exported() {
        let (_folder, keys) = keys();
        assert_eq!(keys.list().unwrap(), []);
        let ada = keys
            .create(&name("ada"), KeyKind::Ed25519, PASSPHRASE)
            .unwrap();
        let bea = keys
            .create(&name("bea"), KeyKind::P256, PASSPHRASE)
            .unwrap();
        assert_eq!(keys.list().unwrap(), [ada.clone(), bea.clone()]);
        for key in [ada, bea] {
            assert_eq!(keys.find(key.name.as_str()).unwrap(), key);
            let signer = open(&key.path, PASSPHRASE).unwrap();
            assert_eq!(signer.public(), &key.public);
            let mode = std::fs::metadata(&key.path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let sealed = std::fs::read(&key.path).unwrap();
            assert!(sealed.starts_with(b"age-encryption.org/v1\n-> scrypt "));
            let public = read_public(&key.path.with_extension("pub")).unwrap();
            assert_eq!(public.public, key.public);
        }
    }

    #[test]
    fn a_wrong_passphrase_and_a_short_one_are_told_apart() {
        let (_folder, keys) = keys();
        let short = keys.create(&name("ada"), KeyKind::Ed25519, "elevenchars");
        assert_eq!(short.unwrap_err().code(), code::PASSPHRASE_SHORT);
        let ada = keys
            .create(&name("ada"), KeyKind::Ed25519, PASSPHRASE)
            .unwrap();
        let wrong = open(&ada.path, "correct horse batteries").unwrap_err();
        assert_eq!(wrong.code(), code::WRONG_PASSPHRASE);
        assert_eq!(wrong.args()["key"], "ada");
    }

    #[test]
    fn a_key_is_never_overwritten_and_a_misspelt_one_is_guessed() {
        let (_folder, keys) = keys();
        let ada = keys
            .create(&name("ada"), KeyKind::Ed25519, PASSPHRASE)
            .unwrap();
        let again = keys.create(&name("ada"), KeyKind::Ed25519, PASSPHRASE);
        assert_eq!(again.unwrap_err().code(), code::NAME_TAKEN);
        assert_eq!(open(&ada.path, PASSPHRASE).unwrap().public(), &ada.public);
        let missing = keys.find("adda").unwrap_err();
        assert_eq!(
            (missing.code(), missing.args()["near"].as_str()),
            (code::NO_SUCH_KEY, "ada")
        );
    }

    #[test]
    fn damaged_and_foreign_files_are_no_keys() {
        let (folder, keys) = keys();
        let ada = keys
            .create(&name("ada"), KeyKind::Ed25519, PASSPHRASE)
            .unwrap();
        let sealed = std::fs::read(&ada.path).unwrap();
        let path = folder.path().join("other.age");
        let half = &sealed[..sealed.len() / 2];
        for bytes in [&b""[..], b"hello", half, &[b'x'; 20_000]] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(
                open(&path, PASSPHRASE).unwrap_err().code(),
                code::CONFIG_UNREADABLE
            );
        }
        let public = ada.path.with_extension("pub");
        let text = std::fs::read_to_string(&public).unwrap();
        std::fs::write(
            &public,
            text.replacen("\"public\": \"", "\"public\": \"00", 1),
        )
        .unwrap();
        assert!(keys.list().is_err());
    }
}
