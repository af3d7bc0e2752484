//! What can go wrong between here and a host. None of it is a reason to stop the site.

use std::path::PathBuf;

use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Coded, Failure};

/// A fault of the link or of a host.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection, or it broke.
    #[error("{host} cannot be reached")]
    Offline {
        /// The host.
        host: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// Nothing came for too long.
    #[error("nothing from {host} for {seconds} s")]
    Stalled {
        /// The host.
        host: String,
        /// For how long, seconds.
        seconds: u64,
    },
    /// An answer that no Sanaga host gives: a captive portal, a wrong range, an error page.
    #[error("{host}: {problem}")]
    BadAnswer {
        /// The host.
        host: String,
        /// What was wrong.
        problem: String,
    },
    /// The host asked for a pause (RFC 9110 §10.2.3).
    #[error("{host} asks to wait {seconds} s")]
    AskedToWait {
        /// The host.
        host: String,
        /// How long, seconds.
        seconds: u64,
    },
    /// The controller refused, with a code of its own.
    #[error("{host} refused")]
    Refused {
        /// The host.
        host: String,
        /// Its words.
        #[source]
        refusal: Failure,
    },
    /// A frame that is not what its hash says.
    #[error("{host}: damaged bytes at {offset}")]
    FrameMismatch {
        /// The host.
        host: String,
        /// Where in the served file, bytes.
        offset: u64,
    },
    /// The partial pack cannot be kept.
    #[error("{path}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Something of our own, not of the link: it keeps its code.
    #[error("{0}")]
    Own(Failure),
    /// Our own TLS material does not load.
    #[error("TLS: {0}")]
    Tls(String),
    /// The worker, a process of its own, told it.
    #[error("{text}")]
    Told {
        /// Code and words.
        failure: Failure,
        /// The pause that a host asked for, seconds.
        wait_s: Option<u64>,
        /// The error and its causes.
        text: String,
    },
}

impl FetchError {
    /// An error of reqwest against `host`; a time-out is a stall.
    #[must_use]
    pub fn from_reqwest(host: &str, stall_s: u64, source: reqwest::Error) -> Self {
        if source.is_timeout() {
            return Self::Stalled {
                host: host.to_owned(),
                seconds: stall_s,
            };
        }
        Self::Offline {
            host: host.to_owned(),
            source: source.without_url(),
        }
    }

    /// Whether it is a fault of this machine's disk, and of no host.
    #[must_use]
    pub fn is_of_disk(&self) -> bool {
        (400..500).contains(&self.code().number)
    }

    /// The pause that the host asked for, seconds.
    #[must_use]
    pub fn wait_s(&self) -> Option<u64> {
        match self {
            Self::AskedToWait { seconds, .. } => Some(*seconds),
            Self::Told { wait_s, .. } => *wait_s,
            Self::Offline { .. }
            | Self::Stalled { .. }
            | Self::BadAnswer { .. }
            | Self::Refused { .. }
            | Self::FrameMismatch { .. }
            | Self::Disk { .. }
            | Self::Own(_)
            | Self::Tls(_) => None,
        }
    }
}

/// The innermost cause, which says most: "connection refused" and not "error sending request".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

impl Coded for FetchError {
    fn code(&self) -> Code {
        match self {
            Self::Offline { .. } => code::OFFLINE,
            Self::Stalled { .. } => code::STALLED,
            Self::BadAnswer { .. } => code::BAD_ANSWER,
            Self::AskedToWait { .. } => code::ASKED_TO_WAIT,
            Self::Refused { refusal, .. } => refusal.code(),
            Self::FrameMismatch { .. } => code::FRAME_MISMATCH,
            Self::Disk { source, .. } => crate::disk::code_of(source),
            Self::Own(failure) | Self::Told { failure, .. } => failure.code(),
            Self::Tls(_) => code::INTERNAL,
        }
    }

    fn args(&self) -> Args {
        match self {
            Self::Offline { host, source } => {
                Args::from([("host", host.clone()), ("problem", root_cause(source))])
            }
            Self::Stalled { host, seconds } | Self::AskedToWait { host, seconds } => {
                Args::from([("host", host.clone()), ("seconds", seconds.to_string())])
            }
            Self::BadAnswer { host, problem } => {
                Args::from([("host", host.clone()), ("problem", problem.clone())])
            }
            Self::Refused { refusal, .. } => refusal.args(),
            Self::FrameMismatch { host, offset } => {
                Args::from([("host", host.clone()), ("offset", offset.to_string())])
            }
            Self::Disk { path, source } => crate::disk::args_of(path, source),
            Self::Own(failure) | Self::Told { failure, .. } => failure.args(),
            Self::Tls(problem) => Args::from([("problem", problem.clone())]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_our_own_keeps_its_code() {
        let lost = Failure::new(code::NOT_ENROLLED);
        let told = Failure::of(FetchError::Own(lost));
        assert_eq!(told.code(), code::NOT_ENROLLED);
        let full = Failure::new(code::DISK_FULL).arg("path", "/x");
        let told = FetchError::Own(full);
        assert_eq!(told.args().get("path").map(String::as_str), Some("/x"));
        assert_eq!(told.retry(), code::DISK_FULL.retry);
    }
}
