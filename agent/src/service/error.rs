//! What can go wrong with a service.

use std::io::ErrorKind;
use std::path::PathBuf;

use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Coded};
use sanaga_proto::ids::AppName;

/// A fault of a service.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It does not start.
    #[error("{app} does not start: {problem}")]
    Start {
        /// The app.
        app: AppName,
        /// Why.
        problem: String,
    },
    /// It does not stop.
    #[error("{app} does not stop: {problem}")]
    Stop {
        /// The app.
        app: AppName,
        /// Why.
        problem: String,
    },
    /// The proxy in front of it does not take the new instance.
    #[error("the proxy in front of {app} does not switch: {problem}")]
    Proxy {
        /// The app.
        app: AppName,
        /// Why.
        problem: String,
    },
    /// Its record cannot be read or written.
    #[error("the record {} of a service cannot be kept", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Coded for ServiceError {
    fn code(&self) -> Code {
        match self {
            Self::Start { .. } => code::START_FAILED,
            Self::Stop { .. } => code::STOP_FAILED,
            Self::Proxy { .. } => code::PROXY_FAILED,
            Self::Record { source, .. } if source.kind() == ErrorKind::StorageFull => {
                code::DISK_FULL
            }
            Self::Record { .. } => code::DISK_FAULT,
        }
    }

    fn args(&self) -> Args {
        match self {
            Self::Start { app, problem }
            | Self::Stop { app, problem }
            | Self::Proxy { app, problem } => {
                Args::from([("app", app.to_string()), ("problem", problem.clone())])
            }
            Self::Record { path, source } => Args::from([
                ("path", path.display().to_string()),
                ("problem", source.to_string()),
                // The words of a full disk; a record takes one block.
                ("needed", "4096".to_owned()),
                ("free", "0".to_owned()),
            ]),
        }
    }
}
