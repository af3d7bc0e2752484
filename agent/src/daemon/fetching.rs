//! Bringing a pack here: the cheapest way, from the first host that moves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::TreeRoot;
use sanaga_proto::wire::offer::Offer;
use tokio::time::sleep;

use super::node::{App, Node, PackState};
use crate::fetch::FetchError;
use crate::fetch::client::{Host, Thrift};
use crate::fetch::plan::{Plan, choose};
use crate::fetch::resume::{self, PackFile};
use crate::store::state;
use crate::update::{Phase, Seal, Target};

impl Node {
    /// Fetches the pack of a target. Ends early, without a fault, when something else of the app has
    /// changed; what arrived stays.
    ///
    /// # Errors
    /// [`code::NO_PACK`] when no offer leads there, or a fault of the disk. A fault of the link is
    /// none: it is waited out here.
    pub async fn fetch(&self, app: &App, target: &Target) -> Result<(), Failure> {
        let offer = self.plan(app, target)?;
        sanaga_durable::make_dir(&self.paths.packs)
            .map_err(|error| crate::disk::durable_failure(&self.paths.packs, error))?;
        self.make_room_for(app, &offer)?;
        let (folder, opened) = (self.paths.packs.clone(), offer.clone());
        let mut pack = tokio::task::spawn_blocking(move || PackFile::open(&folder, &opened))
            .await
            .map_err(|error| Failure::new(code::INTERNAL).arg("problem", error))?
            .map_err(Failure::of)?;
        self.begin_ledger(&offer, &pack);
        self.show(app, &offer, &pack);
        while !pack.is_complete() {
            tokio::select! {
                tried = self.try_hosts(app, &offer, &mut pack) => tried?,
                () = app.wake.notified() => {
                    self.settle(app, &offer, &mut pack);
                    return Ok(());
                }
            }
        }
        self.settle(app, &offer, &mut pack);
        Ok(())
    }

    fn plan(&self, app: &App, target: &Target) -> Result<Offer, Failure> {
        let damaged = app.damaged_bases.borrow();
        let here: BTreeSet<TreeRoot> = app
            .seals
            .borrow()
            .values()
            .filter_map(|seal| match seal {
                Seal::Sealed(release) => Some(release.root),
                Seal::Damaged(_) | Seal::Unsealed => None,
            })
            .filter(|root| !damaged.contains(root))
            .collect();
        let mut offers = self.helper.offers(&target.release.root)?;
        // One that alone is over the limit never fits.
        offers.retain(|offer| offer.pack_bytes <= self.config.limits.packs_bytes_max);
        let had = |offer: &Offer| {
            std::fs::metadata(resume::path(&self.paths.packs, offer)).map_or(0, |file| file.len())
        };
        let bytes_max = app
            .wanted
            .borrow()
            .as_ref()
            .and_then(|wanted| wanted.download_bytes_max);
        match choose(&offers, &target.release.root, &here, had, bytes_max) {
            Plan::Pack(offer) => Ok(offer),
            Plan::NoWay | Plan::TooExpensive { .. } => {
                app.needs_full.set(true);
                self.poll_now.notify_one();
                let release = format!("{}@{}", app.name, target.release.version);
                Err(Failure::new(code::NO_PACK).arg("release", release))
            }
        }
    }

    /// One pass over the content hosts; after it, a pause if none of them moved.
    async fn try_hosts(
        &self,
        app: &App,
        offer: &Offer,
        pack: &mut PackFile,
    ) -> Result<(), Failure> {
        let Some(thrift) = self.thrift(app, offer).await? else {
            return Ok(());
        };
        let urls = self.content_urls();
        let may_skip = urls.len() == 1;
        for url in &urls {
            let now_s = self.clock.read().uptime_s;
            if !self
                .breakers
                .borrow()
                .get(url)
                .copied()
                .unwrap_or_default()
                .allows(now_s)
            {
                continue;
            }
            let before = pack.received();
            let result = match self.host(url) {
                Ok(host) => {
                    let host = host.thrifty(thrift.clone());
                    self.watched_fetch(app, offer, pack, &host, may_skip).await
                }
                Err(error) => Err(error),
            };
            self.settle(app, offer, pack);
            match result {
                Ok(()) => {
                    self.moved(url);
                    return Ok(());
                }
                Err(error @ FetchError::Disk { .. }) => return Err(Failure::of(error)),
                // The answer ended where the budget did: that is not the host's fault.
                Err(_)
                    if is_used_up(&thrift, pack.received().saturating_sub(before))
                        || self.is_spent(app, offer)? =>
                {
                    self.moved(url);
                    return Ok(());
                }
                Err(error) => {
                    tracing::info!(host = %url, at = pack.received(), of = pack.total(), %error, "link lost; kept");
                    if pack.received() > before {
                        // A transfer that moves is never given up.
                        self.moved(url);
                    }
                    self.failed(url, &error);
                    *app.failure.borrow_mut() = Some(Failure::of(error));
                    self.tell();
                }
            }
        }
        let now_s = self.clock.read().uptime_s;
        let breakers = self.breakers.borrow().clone();
        let until = urls
            .iter()
            .filter_map(|url| breakers.get(url))
            .map(|breaker| breaker.until_uptime_s)
            .min();
        sleep(Duration::from_secs(
            until.unwrap_or(now_s).saturating_sub(now_s).max(1),
        ))
        .await;
        Ok(())
    }

    /// Fetches, and shows once a second how far it is.
    async fn watched_fetch(
        &self,
        app: &App,
        offer: &Offer,
        pack: &mut PackFile,
        host: &Host,
        may_skip: bool,
    ) -> Result<(), FetchError> {
        let (shown, before) = (pack.progress(), pack.received());
        let fetch = pack.fetch(host, may_skip);
        tokio::pin!(fetch);
        loop {
            tokio::select! {
                result = &mut fetch => return result,
                () = sleep(Duration::from_secs(1)) => {
                    self.note_spent(app, shown.get().saturating_sub(before));
                    if let Some(state) = app.pack.borrow_mut().as_mut().filter(|state| state.offer == *offer) {
                        state.received = shown.get();
                    }
                    self.tell();
                }
            }
        }
    }

    /// Opens the ledger of a transfer. An agent that was killed had no time to write down the last
    /// bytes that it read; those that reached the disk are counted now.
    fn begin_ledger(&self, offer: &Offer, pack: &PackFile) {
        let root = &offer.frame_root;
        let begun = self
            .helper
            .store()
            .write(|db| match state::transfer(db, root)? {
                Some((received, twice)) => {
                    let known = received.saturating_sub(twice);
                    state::add_transfer(db, root, pack.received().saturating_sub(known), 0)
                }
                // What is whole already came another way, on a stick or inside a poll.
                None if pack.is_complete() => Ok(()),
                None => state::add_transfer(db, root, 0, 0),
            });
        if let Err(failure) = begun {
            tracing::warn!(%failure, "the ledger of the transfer is short");
        }
    }

    /// Puts what a transfer has cost into the ledger, and shows where it stands.
    fn settle(&self, app: &App, offer: &Offer, pack: &mut PackFile) {
        let cost = pack.take_cost();
        if cost.received_bytes > 0 {
            // What a long transfer noted on its way is in the budget's ledger already.
            let fresh = cost.received_bytes.saturating_sub(app.noted.take());
            let now_s = self.known_s();
            let written = self.helper.store().write(|db| {
                state::add_spent(db, now_s, fresh)?;
                state::add_transfer(db, &offer.frame_root, cost.received_bytes, cost.twice_bytes)
            });
            if let Err(failure) = written {
                tracing::warn!(%failure, "the ledger of the transfer is short");
            }
        }
        self.show(app, offer, pack);
    }

    fn show(&self, app: &App, offer: &Offer, pack: &PackFile) {
        *app.pack.borrow_mut() = Some(PackState {
            offer: offer.clone(),
            received: pack.received(),
            total: pack.total(),
            complete: pack.is_complete(),
        });
        self.tell();
    }

    /// Body bytes read for an offer's pack so far.
    #[must_use]
    pub fn received_for(&self, offer: &Offer) -> Option<u64> {
        let ledger = self
            .helper
            .store()
            .read(|db| state::transfer(db, &offer.frame_root))
            .ok()?;
        ledger.map(|(received, _)| received)
    }

    /// Packs are bounded: those that nobody needs any more are removed, and one for which the rest
    /// leaves no room waits for it.
    ///
    /// # Errors
    /// [`code::DISK_FULL`] while other apps' packs take the room.
    fn make_room_for(&self, app: &App, keep: &Offer) -> Result<(), Failure> {
        let own = resume::path(&self.paths.packs, keep);
        let apps = self.apps.borrow();
        let others: BTreeMap<PathBuf, u64> = apps
            .values()
            .filter(|other| other.name != app.name && needs_pack(other.phase()))
            .filter_map(|other| {
                let pack = other.pack.borrow();
                let pack = pack.as_ref()?;
                Some((resume::path(&self.paths.packs, &pack.offer), pack.total))
            })
            .filter(|(path, _)| *path != own)
            .collect();
        let entries = std::fs::read_dir(&self.paths.packs).into_iter().flatten();
        for entry in entries.flatten() {
            let path = entry.path();
            if path != own && !others.contains_key(&path) {
                let _ = sanaga_durable::remove_file(&path);
            }
        }
        let bytes_max = self.config.limits.packs_bytes_max;
        let taken = others
            .values()
            .fold(0, |sum: u64, total| sum.saturating_add(*total));
        let free = bytes_max.saturating_sub(taken);
        if keep.pack_bytes <= free {
            return Ok(());
        }
        Err(Failure::new(code::DISK_FULL)
            .arg("path", self.paths.packs.display())
            .arg("needed", keep.pack_bytes)
            .arg("free", free))
    }
}

/// Whether a transfer brought all that the budget let it bring.
fn is_used_up(thrift: &Thrift, brought: u64) -> bool {
    thrift.bytes_max.is_some_and(|most| brought >= most)
}

/// Whether an app in this phase still needs the pack that it fetched.
const fn needs_pack(phase: Phase) -> bool {
    matches!(phase, Phase::Fetching | Phase::Held)
}
