//! Bringing a pack here: the cheapest way, from the first host that moves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::ids::{FrameRoot, TreeRoot};
use sanaga_proto::wire::offer::Offer;
use tokio::time::sleep;

use super::node::{App, Node, PackState};
use super::thrift::Room;
use crate::fetch::FetchError;
use crate::fetch::plan::{Plan, choose};
use crate::fetch::resume::Cost;
use crate::store::state;
use crate::update::{Phase, Seal, Target};
use crate::worker::{End, Fetched, Job, PackStatus, Talk};

/// A worker that is gone is looked for again so often.
const WORKER_PAUSE: Duration = Duration::from_secs(1);

/// How one pass over the hosts ended.
enum Pass {
    /// It is worth another look.
    Again(PackStatus),
    /// Something else of the app has changed.
    Woken,
}

impl Node {
    /// Fetches the pack of a target. Ends early, without a fault, when something else of the app has
    /// changed; what arrived stays.
    ///
    /// # Errors
    /// [`code::NO_PACK`] when no offer leads there, or a fault of the disk. A fault of the link is
    /// none: it is waited out here.
    pub async fn fetch(&self, app: &App, target: &Target) -> Result<(), Failure> {
        if !self.worker_comes(app).await {
            return Ok(());
        }
        let offer = self.plan(app, target).await?;
        self.make_room_for(app, &offer).await?;
        let mut pack = self.worker.open(&offer).await.map_err(Failure::of)?;
        self.begin_ledger(&offer, &pack);
        self.show(app, &offer, &pack);
        while !pack.complete {
            match self.try_hosts(app, &offer, pack).await? {
                Pass::Again(status) => pack = status,
                Pass::Woken => return Ok(()),
            }
        }
        Ok(())
    }

    /// Waits for the worker; false when something else of the app has changed before it came.
    async fn worker_comes(&self, app: &App) -> bool {
        loop {
            match self.worker.sizes(Vec::new()).await {
                Err(error) if error.code() == code::WORKER_GONE => {
                    tracing::info!(%error, "fetching waits");
                    *app.failure.borrow_mut() = Some(Failure::of(error));
                    self.tell();
                }
                Ok(_) | Err(_) => {
                    let mut failure = app.failure.borrow_mut();
                    failure.take_if(|failure| failure.code() == code::WORKER_GONE);
                    return true;
                }
            }
            tokio::select! {
                () = sleep(WORKER_PAUSE) => {}
                () = app.wake.notified() => return false,
            }
        }
    }

    async fn plan(&self, app: &App, target: &Target) -> Result<Offer, Failure> {
        let mut offers = self.helper.offers(&target.release.root)?;
        // One that alone is over the limit never fits.
        offers.retain(|offer| offer.pack_bytes <= self.config.limits.packs_bytes_max);
        let roots = offers.iter().map(|offer| offer.frame_root).collect();
        let sizes = self.worker.sizes(roots).await.map_err(Failure::of)?;
        let had = |offer: &Offer| sizes.get(&offer.frame_root).copied().unwrap_or_default();
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
    async fn try_hosts(&self, app: &App, offer: &Offer, pack: PackStatus) -> Result<Pass, Failure> {
        let room = tokio::select! {
            room = self.room(app, offer) => room?,
            () = app.wake.notified() => return Ok(Pass::Woken),
        };
        if room == Room::Nothing {
            return Ok(Pass::Again(pack));
        }
        let urls = self.content_urls();
        for url in &urls {
            if !self.may_call(url) {
                continue;
            }
            let job = Job {
                call: self.call(url),
                offer: offer.clone(),
                bytes_max: match room {
                    Room::AtMost(bytes) => Some(bytes),
                    Room::Unlimited | Room::Nothing => None,
                },
                may_skip: urls.len() == 1,
            };
            let fetched = match self.watched_fetch(app, job).await {
                Ok(fetched) => fetched,
                Err(error) if error.code() == code::WORKER_GONE => {
                    if !self.worker_comes(app).await {
                        return Ok(Pass::Woken);
                    }
                    let pack = self.worker.open(offer).await.map_err(Failure::of)?;
                    self.begin_ledger(offer, &pack);
                    return Ok(Pass::Again(pack));
                }
                Err(error) => return Err(Failure::of(error)),
            };
            self.settle(app, offer, &fetched);
            if let Some(pass) = self.judge(app, url, offer, &pack, room, fetched)? {
                return Ok(pass);
            }
        }
        tokio::select! {
            () = sleep(self.pause_of(&urls)) => Ok(Pass::Again(self.standing(app, pack))),
            () = app.wake.notified() => Ok(Pass::Woken),
        }
    }

    /// What follows from how a host behaved; none when the next one is tried.
    fn judge(
        &self,
        app: &App,
        url: &str,
        offer: &Offer,
        before: &PackStatus,
        room: Room,
        fetched: Fetched,
    ) -> Result<Option<Pass>, Failure> {
        let brought = fetched.pack.received.saturating_sub(before.received);
        match fetched.end {
            End::Stopped => Ok(Some(Pass::Woken)),
            End::Done => {
                self.moved(url);
                Ok(Some(Pass::Again(fetched.pack)))
            }
            End::Failed(error) if error.is_of_disk() => Err(Failure::of(error)),
            // The answer ended where the budget did: that is not the host's fault.
            End::Failed(_) if is_used_up(room, brought) || self.is_spent(app, offer)? => {
                self.moved(url);
                Ok(Some(Pass::Again(fetched.pack)))
            }
            End::Failed(error) => {
                let (at, of) = (fetched.pack.received, fetched.pack.total);
                tracing::info!(host = %url, at, of, %error, "link lost; kept");
                if brought > 0 {
                    // A transfer that moves is never given up.
                    self.moved(url);
                }
                self.failed(url, &error);
                *app.failure.borrow_mut() = Some(Failure::of(error));
                self.tell();
                Ok(None)
            }
        }
    }

    fn may_call(&self, url: &str) -> bool {
        let now_s = self.clock.read().uptime_s;
        let breakers = self.breakers.borrow();
        let breaker = breakers.get(url).copied().unwrap_or_default();
        breaker.allows(now_s)
    }

    /// Until the first of the hosts may be called again.
    fn pause_of(&self, urls: &[String]) -> Duration {
        let now_s = self.clock.read().uptime_s;
        let breakers = self.breakers.borrow();
        let until = urls
            .iter()
            .filter_map(|url| breakers.get(url))
            .map(|breaker| breaker.until_uptime_s)
            .min();
        let wait_s = until.unwrap_or(now_s).saturating_sub(now_s);
        Duration::from_secs(wait_s.max(1))
    }

    /// How much of the pack is here by the last word of the worker.
    fn standing(&self, app: &App, before: PackStatus) -> PackStatus {
        let pack = app.pack.borrow();
        pack.as_ref().map_or(before, |pack| PackStatus {
            received: pack.received,
            total: pack.total,
            complete: pack.complete,
        })
    }

    /// Fetches, and shows once a second how far it is. It ends early when the app is woken.
    async fn watched_fetch(&self, app: &App, job: Job) -> Result<Fetched, FetchError> {
        let talk = Talk::default();
        let before = app.pack.borrow().as_ref().map_or(0, |pack| pack.received);
        let offer = job.offer.clone();
        let fetch = self.worker.fetch(job, &talk);
        tokio::pin!(fetch);
        let mut woken = false;
        loop {
            tokio::select! {
                fetched = &mut fetch => {
                    if woken {
                        // It may have ended by itself in the same moment.
                        app.wake.notify_one();
                    }
                    return fetched;
                }
                () = app.wake.notified(), if !woken => {
                    woken = true;
                    talk.stop.notify_one();
                }
                () = sleep(Duration::from_secs(1)) => {
                    let received = talk.progress.get().max(before);
                    self.note_spent(app, received.saturating_sub(before));
                    if let Some(state) = app.pack.borrow_mut().as_mut().filter(|state| state.offer == offer) {
                        state.received = received.min(state.total);
                    }
                    self.tell();
                }
            }
        }
    }

    /// Opens the ledger of a transfer. An agent that was killed had no time to write down the last
    /// bytes that it read; those that reached the disk are counted now.
    fn begin_ledger(&self, offer: &Offer, pack: &PackStatus) {
        let root = &offer.frame_root;
        let begun = self
            .helper
            .store()
            .write(|db| match state::transfer(db, root)? {
                Some((received, twice)) => {
                    let known = received.saturating_sub(twice);
                    state::add_transfer(db, root, pack.received.saturating_sub(known), 0)
                }
                // What is whole already came another way, on a stick or inside a poll.
                None if pack.complete => Ok(()),
                None => state::add_transfer(db, root, 0, 0),
            });
        if let Err(failure) = begun {
            tracing::warn!(%failure, "the ledger of the transfer is short");
        }
    }

    /// Puts what a transfer has cost into the ledger, and shows where it stands.
    fn settle(&self, app: &App, offer: &Offer, fetched: &Fetched) {
        let Cost {
            received_bytes,
            twice_bytes,
        } = fetched.cost;
        if received_bytes > 0 {
            // What a long transfer noted on its way is in the budget's ledger already.
            let fresh = received_bytes.saturating_sub(app.noted.take());
            let now_s = self.known_s();
            let written = self.helper.store().write(|db| {
                state::add_spent(db, now_s, fresh)?;
                state::add_transfer(db, &offer.frame_root, received_bytes, twice_bytes)
            });
            if let Err(failure) = written {
                tracing::warn!(%failure, "the ledger of the transfer is short");
            }
        }
        self.show(app, offer, &fetched.pack);
    }

    fn show(&self, app: &App, offer: &Offer, pack: &PackStatus) {
        *app.pack.borrow_mut() = Some(PackState {
            offer: offer.clone(),
            received: pack.received,
            total: pack.total,
            complete: pack.complete,
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
    async fn make_room_for(&self, app: &App, keep: &Offer) -> Result<(), Failure> {
        let needed = self.packs_of_others(app)?;
        let kept: Vec<FrameRoot> = needed.keys().copied().chain([keep.frame_root]).collect();
        self.worker
            .keep_only(kept.clone())
            .await
            .map_err(Failure::of)?;
        let here = self.worker.sizes(kept).await.map_err(Failure::of)?;
        let is_here = |root: &FrameRoot| here.get(root).is_some_and(|bytes| *bytes > 0);
        let taken = needed
            .iter()
            .filter(|(root, _)| **root != keep.frame_root && is_here(root))
            .fold(0_u64, |taken, (_, bytes)| taken.saturating_add(*bytes));
        let bytes_max = self.config.limits.packs_bytes_max;
        let free = bytes_max.saturating_sub(taken);
        if keep.pack_bytes <= free {
            return Ok(());
        }
        Err(Failure::new(code::DISK_FULL)
            .arg("path", self.paths.packs.display())
            .arg("needed", keep.pack_bytes)
            .arg("free", free))
    }

    /// The packs that other apps may be fetching or have fetched, and what each takes in the end.
    /// What an app says of itself is not enough: it may just be opening its pack, or have come to
    /// life again with half of it on the disk.
    fn packs_of_others(&self, app: &App) -> Result<BTreeMap<FrameRoot, u64>, Failure> {
        let mut roots = BTreeSet::new();
        for other in self.apps.borrow().values() {
            if other.name == app.name {
                continue;
            }
            let wanted = other.wanted.borrow();
            roots.extend(wanted.as_ref().map(|wanted| wanted.release.root));
            if needs_pack(other.phase()) {
                let journal = other.journal.borrow();
                roots.extend(journal.target.as_ref().map(|target| target.release.root));
            }
        }
        let mut packs = BTreeMap::new();
        for root in roots {
            for offer in self.helper.offers(&root)? {
                packs.insert(offer.frame_root, offer.pack_bytes);
            }
        }
        Ok(packs)
    }
}

/// Whether a transfer brought all that the budget let it bring.
fn is_used_up(room: Room, brought: u64) -> bool {
    match room {
        Room::AtMost(most) => brought >= most,
        Room::Unlimited | Room::Nothing => false,
    }
}

/// Whether an app in this phase still needs the pack that it fetched.
const fn needs_pack(phase: Phase) -> bool {
    matches!(phase, Phase::Fetching | Phase::Held)
}
