//! Where published files live: a local folder by default, any object store by configuration. There
//! is no conditional update here, so that every store will do; what is current is decided in the
//! database.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, WriteMultipart};
use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Coded};
use tokio::io::AsyncReadExt;

/// What is read from a file at once when it is published, bytes.
const CHUNK_BYTES: usize = 256 * 1024;
/// What is written at once, bytes; object stores ask for at least 5 MiB.
const PART_BYTES: usize = 8 << 20;

/// A failure of the place where published files live.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The folder cannot be made or opened.
    #[error("{path} cannot be used")]
    Folder {
        /// The folder.
        path: String,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file cannot be read or written.
    #[error("{operation} {path} failed")]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file's path.
        path: String,
        /// Why it failed.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file is bigger than the caller allows.
    #[error("{path} is bigger than {limit} bytes")]
    TooBig {
        /// The file's path.
        path: String,
        /// The bound, bytes.
        limit: u64,
    },
}

impl Coded for RepositoryError {
    fn code(&self) -> Code {
        match self {
            Self::Folder { cause, .. } | Self::File { cause, .. } => {
                crate::disk::code_of(cause.as_ref())
            }
            Self::TooBig { .. } => code::TOO_BIG,
        }
    }

    fn args(&self) -> Args {
        match self {
            Self::Folder { path, cause } | Self::File { path, cause, .. } => {
                crate::disk::args_of(path.as_ref(), cause.as_ref())
            }
            Self::TooBig { path, limit } => {
                Args::from([("what", path.clone()), ("limit", limit.to_string())])
            }
        }
    }
}

/// The published files, by their paths below `/v1/`.
#[derive(Clone)]
pub struct Repository {
    store: Arc<dyn ObjectStore>,
    /// One at a time empties the outbox, so that an older file never comes to lie over a newer one.
    pub(crate) outbox: Arc<tokio::sync::Mutex<()>>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({})", self.store)
    }
}

impl Repository {
    /// Published files in any object store.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            outbox: Arc::default(),
        }
    }

    /// Published files in a local folder, which is made if it is not there. Files and folders are
    /// synced before a write returns.
    ///
    /// # Errors
    /// [`RepositoryError::Folder`].
    pub fn local(folder: &Path) -> Result<Self, RepositoryError> {
        let failed = |cause: Box<dyn std::error::Error + Send + Sync>| RepositoryError::Folder {
            path: folder.display().to_string(),
            cause,
        };
        std::fs::create_dir_all(folder).map_err(|error| failed(Box::new(error)))?;
        let store =
            LocalFileSystem::new_with_prefix(folder).map_err(|error| failed(Box::new(error)))?;
        Ok(Self::new(Arc::new(store.with_fsync(true))))
    }

    /// Writes a file whole, in the place of the former one.
    ///
    /// # Errors
    /// [`RepositoryError::File`]; the former file is then still there.
    pub async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), RepositoryError> {
        self.store
            .put(&location("write", path)?, bytes.into())
            .await
            .map(|_| ())
            .map_err(|error| failed("write", path, error))
    }

    /// Copies a file of this machine in, piece by piece. Nothing is visible before it is whole. A
    /// file of that name and length is left as it is: names of big files are hashes of their content.
    ///
    /// # Errors
    /// [`RepositoryError::File`].
    pub async fn put_file(&self, path: &str, from: &Path) -> Result<(), RepositoryError> {
        let io = |error: std::io::Error| failed("read", &from.display().to_string(), error);
        let mut file = tokio::fs::File::open(from).await.map_err(io)?;
        let length = file.metadata().await.map_err(io)?.len();
        if self.length(path).await? == Some(length) {
            return Ok(());
        }
        let upload = self
            .store
            .put_multipart(&location("write", path)?)
            .await
            .map_err(|error| failed("write", path, error))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        loop {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let mut part = (&mut file).take(CHUNK_BYTES as u64);
            if part.read_to_end(&mut chunk).await.map_err(io)? == 0 {
                break;
            }
            // At most two parts wait in memory.
            upload
                .wait_for_capacity(2)
                .await
                .map_err(|error| failed("write", path, error))?;
            upload.put(Bytes::from(chunk));
        }
        upload
            .finish()
            .await
            .map(|_| ())
            .map_err(|error| failed("write", path, error))
    }

    /// The length of a file, bytes; none when there is no such file.
    ///
    /// # Errors
    /// [`RepositoryError::File`].
    pub async fn length(&self, path: &str) -> Result<Option<u64>, RepositoryError> {
        match self.store.head(&location("look at", path)?).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("look at", path, error)),
        }
    }

    /// A whole file of at most `limit` bytes; none when there is no such file.
    ///
    /// # Errors
    /// [`RepositoryError::TooBig`], [`RepositoryError::File`].
    pub async fn get(&self, path: &str, limit: u64) -> Result<Option<Bytes>, RepositoryError> {
        let found = match self.store.get(&location("read", path)?).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed("read", path, error)),
        };
        if found.meta.size > limit {
            return Err(RepositoryError::TooBig {
                path: path.to_owned(),
                limit,
            });
        }
        let bytes = found.bytes().await;
        bytes.map(Some).map_err(|error| failed("read", path, error))
    }

    /// A part of a file, in small pieces as they are read; none when there is no such file.
    ///
    /// # Errors
    /// [`RepositoryError::File`].
    pub async fn stream(
        &self,
        path: &str,
        range: Range<u64>,
    ) -> Result<
        Option<impl futures_util::Stream<Item = Result<Bytes, RepositoryError>> + Send + use<>>,
        RepositoryError,
    > {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        match self.store.get_opts(&location("read", path)?, options).await {
            Ok(found) => {
                let path = path.to_owned();
                Ok(Some(
                    found
                        .into_stream()
                        .map_err(move |error| failed("read", &path, error)),
                ))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read", path, error)),
        }
    }

    /// The files below a folder, with their lengths in bytes, in order of path.
    ///
    /// # Errors
    /// [`RepositoryError::File`].
    pub async fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, RepositoryError> {
        let mut found: Vec<(String, u64)> = self
            .store
            .list(Some(&location("list", folder)?))
            .map(|meta| meta.map(|meta| (meta.location.to_string(), meta.size)))
            .try_collect()
            .await
            .map_err(|error| failed("list", folder, error))?;
        found.sort();
        Ok(found)
    }
}

fn location(operation: &'static str, path: &str) -> Result<Location, RepositoryError> {
    Location::parse(path).map_err(|error| failed(operation, path, error))
}

fn failed(
    operation: &'static str,
    path: &str,
    cause: impl std::error::Error + Send + Sync + 'static,
) -> RepositoryError {
    RepositoryError::File {
        operation,
        path: path.to_owned(),
        cause: Box::new(cause),
    }
}
