//! Taking in an offline bundle: the same verification as online; only its dates may be older, if a
//! local operator vouches for it (rule 10). The file is opened here and read by the worker.

use std::os::fd::OwnedFd;
use std::path::Path;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::FrameRoot;
use sanaga_proto::trust::Allowance;
use sanaga_proto::wire::offer::Offer;
use sanaga_proto::wire::poll::name;
use sanaga_proto::wire::receipt::EventKind;

use super::node::Node;
use super::poller::version_of;
use crate::disk;
use crate::helper::Incoming;

impl Node {
    /// Reads a bundle, adopts its documents and puts its packs in place.
    ///
    /// # Errors
    /// [`code::TRUNCATED`], [`code::NOT_FOR_US`], [`code::BUNDLE_NEEDS_CONFIRMATION`], or whatever
    /// verification says. Nothing that runs is touched.
    pub async fn install(&self, path: &Path, accept_expired: bool) -> Result<(), Failure> {
        let file = open_regular(path)?;
        let (node, environment) = (
            self.helper.node_key_id(),
            &self.helper.identity().environment,
        );
        let bundle = self
            .worker
            .bundle(copy_of(&file, path)?, path, node, environment)
            .await
            .map_err(Failure::of)?;
        if bundle.repository != self.helper.identity().repository {
            return Err(Failure::new(code::NOT_FOR_US)
                .arg("what", path.display())
                .arg("expected", self.helper.identity().repository)
                .arg("found", bundle.repository));
        }
        let mut incoming = Incoming {
            documents: bundle.documents,
            ..Incoming::default()
        };
        self.prefer_newer_metadata(&mut incoming)?;
        // The bundle carries the whole chain: it has no root after its last.
        incoming.absent.extend(after_the_last_root(&incoming));
        let allowance = Allowance::Bundle {
            confirmed: accept_expired,
        };
        let adopted = self.adopt(&incoming, allowance)?;
        if let Some((_, failure)) = adopted
            .refused
            .into_iter()
            .find(|(document, _)| document == name::ASSIGNMENT)
        {
            return Err(failure);
        }
        for offer in self.wanted_of(&bundle.packs) {
            let taken = self.worker.take(copy_of(&file, path)?, path, &offer).await;
            taken.map_err(Failure::of)?;
        }
        let detail = if accept_expired {
            "bundle, expired roles accepted"
        } else {
            "bundle"
        };
        self.helper
            .note_event(EventKind::OperatorAction, None, detail, self.clock.read())?;
        for app in self.apps.borrow().values() {
            app.wake.notify_one();
        }
        Ok(())
    }

    /// A bundle of this morning on a node that has polled at noon: what it says of roles is older than
    /// what is held, and needless. What is held then decides whether its releases are signed.
    fn prefer_newer_metadata(&self, incoming: &mut Incoming) -> Result<(), Failure> {
        let held = self.helper.store().metadata()?;
        let held = held.iter().find(|(file, _)| file == "timestamp.json");
        let held = held.map_or(0, |(_, bytes)| version_of(bytes));
        let brought = incoming.documents.get(name::TIMESTAMP);
        if brought.is_some_and(|bytes| version_of(bytes) < held) {
            for role in [
                name::TIMESTAMP,
                name::SNAPSHOT,
                name::TARGETS,
                name::ENVIRONMENT,
            ] {
                incoming.documents.remove(role);
            }
        }
        Ok(())
    }

    /// The offers of these packs that lead to what is assigned here.
    fn wanted_of(&self, packs: &[FrameRoot]) -> Vec<Offer> {
        let apps = self.apps.borrow();
        let trees = apps.values().filter_map(|app| {
            let wanted = app.wanted.borrow();
            wanted.as_ref().map(|wanted| wanted.release.root)
        });
        let mut offers: Vec<Offer> = trees
            .flat_map(|tree| self.helper.offers(&tree).unwrap_or_default())
            .filter(|offer| packs.contains(&offer.frame_root))
            .collect();
        offers.sort_by_key(|offer| offer.frame_root);
        offers.dedup_by_key(|offer| offer.frame_root);
        offers
    }
}

/// Opens a file by the name that an operator gave; nothing that could keep us waiting.
fn open_regular(path: &Path) -> Result<OwnedFd, Failure> {
    use rustix::fs::{FileType, Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = || {
        let file = rustix::fs::open(path, flags, Mode::empty())?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
        Ok((file, kind))
    };
    let (file, kind) =
        open().map_err(|error: rustix::io::Errno| disk::failure(path, error.into()))?;
    if kind != FileType::RegularFile {
        let error = std::io::Error::other("is not a regular file");
        return Err(disk::failure(path, error));
    }
    Ok(file)
}

fn copy_of(file: &OwnedFd, path: &Path) -> Result<OwnedFd, Failure> {
    file.try_clone().map_err(|error| disk::failure(path, error))
}

/// The names of the roots after the newest one that came: none of them is here.
fn after_the_last_root(incoming: &Incoming) -> Option<String> {
    let versions = incoming
        .documents
        .keys()
        .filter_map(|name| name.strip_prefix("root/")?.parse::<u64>().ok());
    versions.max().map(|last| name::root(last + 1))
}
