//! What can keep the server from serving.

use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Coded};

/// A cause from below.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A failure of the server as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Another program has the address.
    #[error("{address} is taken")]
    Taken {
        /// The address.
        address: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
    /// The socket for operators cannot be made.
    #[error("cannot make {path}")]
    Socket {
        /// Its path.
        path: String,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
    /// A certificate or a key does not do what it must.
    #[error("{what} failed")]
    Certificate {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        cause: Cause,
    },
}

impl ApiError {
    pub(super) fn certificate(what: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Certificate {
            what,
            cause: cause.into(),
        }
    }
}

impl Coded for ApiError {
    fn code(&self) -> Code {
        match self {
            Self::Taken { .. } => code::PORT_TAKEN,
            Self::Listen { .. } => code::BAD_USAGE,
            Self::Socket { .. } => code::NOT_WRITABLE,
            Self::Certificate { .. } => code::INTERNAL,
        }
    }

    fn args(&self) -> Args {
        match self {
            Self::Taken { address } => Args::from([("address", address.clone())]),
            Self::Listen { address, cause } => {
                Args::from([("problem", format!("cannot listen on {address}: {cause}"))])
            }
            Self::Socket { path, cause } => {
                Args::from([("path", path.clone()), ("problem", cause.to_string())])
            }
            Self::Certificate { what, cause } => {
                Args::from([("problem", format!("{what}: {cause}"))])
            }
        }
    }
}
