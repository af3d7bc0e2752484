//! The side that talks to the network, parses and decodes. It runs as a user of its own and is asked
//! over a socket; or, in the demo, in containers and in tests, in the process of the helper. Either way
//! the same asks and answers cross between the two, and what is told is a claim.

mod away;
mod bundle;
mod decoder;
mod fault;
pub mod frame;
mod hands;
pub mod message;
pub mod owner;
mod serve;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{EnvironmentName, FrameRoot, NodeKeyId, RepositoryId};
use sanaga_proto::wire::document::Bytes;
use sanaga_proto::wire::offer::Offer;
use tokio::sync::Notify;

pub use away::Away;
pub use decoder::Decoder;
pub use hands::Hands;
pub use message::{Call, Job, PackStatus};
pub use serve::serve;

use crate::disk;
use crate::fetch::FetchError;
use crate::fetch::exchange::{Heard, Told};
use crate::fetch::resume::{Cost, Progress};
use message::{Ask, Gift, Nothing, Opened, Packs, Polling, Renewing, Taking, Tell};

/// The user that the worker runs as where it is a process of its own.
pub const USER: &str = "sanaga";

/// The worker, wherever it runs.
pub enum Worker {
    /// In this process.
    Here(Rc<Hands>),
    /// In a process of its own.
    Away(Rc<Away>),
}

/// What is said while an ask is under way.
#[derive(Debug, Clone, Default)]
pub struct Talk {
    /// How many bytes of the pack are here.
    pub progress: Progress,
    /// Ends it early; it is still answered.
    pub stop: Arc<Notify>,
}

/// The end of a transfer.
#[derive(Debug)]
pub struct Fetched {
    /// Where it stands.
    pub pack: PackStatus,
    /// What it has cost.
    pub cost: Cost,
    /// How it ended.
    pub end: End,
}

/// How a transfer ended.
#[derive(Debug)]
pub enum End {
    /// The host has no more to give.
    Done,
    /// Somebody asked for it.
    Stopped,
    /// A fault.
    Failed(FetchError),
}

/// What a bundle holds for a node.
#[derive(Debug)]
pub struct Bundle {
    /// The repository that it says that it is of.
    pub repository: RepositoryId,
    /// Documents by their names in polls.
    pub documents: BTreeMap<String, Vec<u8>>,
    /// The packs that it carries.
    pub packs: Vec<FrameRoot>,
}

impl Worker {
    async fn ask(&self, ask: Ask, file: Option<OwnedFd>, talk: &Talk) -> Result<Tell, FetchError> {
        let told = match self {
            Self::Here(hands) => hands.follow(ask, file, talk).await?,
            Self::Away(away) => away.ask(ask, file, talk).await?,
        };
        match told {
            Tell::Fault(message) => Err(fault::to_error(&message)),
            told @ (Tell::Heard(_)
            | Tell::Pack(_)
            | Tell::Progress(_)
            | Tell::Fetched(_)
            | Tell::Sizes(_)
            | Tell::Done(_)
            | Tell::Request(_)
            | Tell::Validity(_)
            | Tell::Bundle(_)) => Ok(told),
        }
    }

    async fn simply(&self, ask: Ask) -> Result<Tell, FetchError> {
        self.ask(ask, None, &Talk::default()).await
    }

    /// Polls the controller once.
    ///
    /// # Errors
    /// A fault of the link, the controller's refusal, or an answer that does not read.
    pub async fn poll(
        &self,
        call: Call,
        node_key: NodeKeyId,
        told: Told,
    ) -> Result<Heard, FetchError> {
        let polling = Polling::new(call, node_key, told);
        let Tell::Heard(heard) = self.simply(Ask::Poll(polling)).await? else {
            return Err(unfitting());
        };
        Ok(heard.into())
    }

    /// Opens the pack file of an offer and verifies what is there.
    ///
    /// # Errors
    /// A fault of the disk.
    pub async fn open(&self, offer: &Offer) -> Result<PackStatus, FetchError> {
        pack(self.simply(Ask::Open(offer.clone())).await?)
    }

    /// Fetches what is missing from one host.
    ///
    /// # Errors
    /// When there is no worker, or its disk fails before anything was fetched.
    pub async fn fetch(&self, job: Job, talk: &Talk) -> Result<Fetched, FetchError> {
        let Tell::Fetched(fetched) = self.ask(Ask::Fetch(job), None, talk).await? else {
            return Err(unfitting());
        };
        Ok(Fetched {
            pack: fetched.pack,
            cost: Cost {
                received_bytes: fetched.received_bytes,
                twice_bytes: fetched.twice_bytes,
            },
            end: match (fetched.fault, fetched.stopped) {
                (Some(message), _) => End::Failed(fault::to_error(&message)),
                (None, true) => End::Stopped,
                (None, false) => End::Done,
            },
        })
    }

    /// Keeps a whole pack that came inside a poll.
    ///
    /// # Errors
    /// When it is not that pack, or a fault of the disk.
    pub async fn put(&self, offer: &Offer, bytes: &[u8]) -> Result<PackStatus, FetchError> {
        let gift = Gift {
            offer: offer.clone(),
            bytes: Bytes(bytes.to_vec()),
        };
        pack(self.simply(Ask::Put(gift)).await?)
    }

    /// How many bytes of each pack are here.
    ///
    /// # Errors
    /// When there is no worker.
    pub async fn sizes(
        &self,
        roots: Vec<FrameRoot>,
    ) -> Result<BTreeMap<FrameRoot, u64>, FetchError> {
        let Tell::Sizes(sizes) = self.simply(Ask::Sizes(Packs { roots })).await? else {
            return Err(unfitting());
        };
        Ok(sizes.sizes.into_iter().collect())
    }

    /// Removes every pack but these.
    ///
    /// # Errors
    /// When there is no worker.
    pub async fn keep_only(&self, roots: Vec<FrameRoot>) -> Result<(), FetchError> {
        done(self.simply(Ask::KeepOnly(Packs { roots })).await?)
    }

    /// From when until when the certificate holds, seconds since 1970.
    ///
    /// # Errors
    /// When there is none.
    pub async fn validity(&self) -> Result<(u64, u64), FetchError> {
        let Tell::Validity(validity) = self.simply(Ask::Validity(Nothing {})).await? else {
            return Err(unfitting());
        };
        Ok(validity)
    }

    /// A certificate request for the worker's TLS key, DER.
    ///
    /// # Errors
    /// A fault of the disk.
    pub async fn request(&self) -> Result<Vec<u8>, FetchError> {
        let Tell::Request(request) = self.simply(Ask::Request(Nothing {})).await? else {
            return Err(unfitting());
        };
        Ok(request.0)
    }

    /// Sends a renewal that was signed with the node's key, and keeps the certificate.
    ///
    /// # Errors
    /// The controller's refusal, or a fault of link or disk.
    pub async fn renew(&self, call: Call, body: Vec<u8>) -> Result<(), FetchError> {
        let body = Bytes(body);
        done(self.simply(Ask::Renew(Renewing { call, body })).await?)
    }

    /// Reads what a bundle holds for a node.
    ///
    /// # Errors
    /// A bundle that is cut short or does not read.
    pub async fn bundle(
        &self,
        file: OwnedFd,
        path: &Path,
        node: NodeKeyId,
        environment: &EnvironmentName,
    ) -> Result<Bundle, FetchError> {
        let opened = Opened {
            path: path.display().to_string(),
            node,
            environment: environment.clone(),
        };
        let talk = Talk::default();
        let told = self.ask(Ask::Bundle(opened), Some(file), &talk).await?;
        let Tell::Bundle(bundle) = told else {
            return Err(unfitting());
        };
        Ok(Bundle {
            repository: bundle.repository,
            documents: message::documents(bundle.documents),
            packs: bundle.packs,
        })
    }

    /// Takes a pack out of a bundle.
    ///
    /// # Errors
    /// A bundle that is cut short, or a fault of the disk.
    pub async fn take(
        &self,
        file: OwnedFd,
        path: &Path,
        offer: &Offer,
    ) -> Result<PackStatus, FetchError> {
        let taking = Taking {
            path: path.display().to_string(),
            offer: offer.clone(),
        };
        let talk = Talk::default();
        pack(self.ask(Ask::Take(taking), Some(file), &talk).await?)
    }

    /// Where the events of a pack come from; they are taken where blocking is allowed.
    ///
    /// # Errors
    /// When there is no worker.
    pub async fn decoder(&self, offer: &Offer) -> Result<Decoder, FetchError> {
        match self {
            Self::Here(hands) => Ok(Decoder::Here {
                pack: hands.pack_path(offer),
                offer: offer.clone(),
            }),
            Self::Away(away) => {
                let own = |error| FetchError::Own(disk::failure(Path::new("socket"), error));
                let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(own)?;
                away.post(Ask::Decode(offer.clone()), theirs.into()).await?;
                Ok(Decoder::Away(ours))
            }
        }
    }
}

fn done(told: Tell) -> Result<(), FetchError> {
    let Tell::Done(Nothing {}) = told else {
        return Err(unfitting());
    };
    Ok(())
}

fn pack(told: Tell) -> Result<PackStatus, FetchError> {
    let Tell::Pack(status) = told else {
        return Err(unfitting());
    };
    Ok(status)
}

/// An answer to another question than was asked.
fn unfitting() -> FetchError {
    gone("an answer that does not fit the question")
}

/// There is no worker, or none to talk to.
fn gone(problem: &str) -> FetchError {
    FetchError::Own(Failure::new(code::WORKER_GONE).arg("problem", problem))
}
