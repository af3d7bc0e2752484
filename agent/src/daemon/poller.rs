//! The task that polls: what is told, and what is done with the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::ids::{FrameRoot, TreeRoot};
use sanaga_proto::trust::Allowance;
use sanaga_proto::wire::poll::{AppStatus, name};
use tokio::time::sleep;

use super::hosts::chance;
use super::node::{App, Node};
use crate::fetch::FetchError;
use crate::fetch::exchange::{Heard, Told};
use crate::helper::{Adopted, Incoming};
use crate::store::state;
use crate::update::Seal;

/// When neither the configuration nor an assignment says how often, seconds.
const INTERVAL_S: u64 = 60;
/// Between two polls while all floors are lost.
const FLOORS_LOST_PAUSE: Duration = Duration::from_secs(6 * 3_600);
/// No assignment, by whomever it is signed, makes a node ask less often than that, seconds: what ends
/// a bad order comes with a poll.
const INTERVAL_S_MAX: u64 = 86_400;
/// A worker that is gone is looked for again so often.
const WORKER_PAUSE: Duration = Duration::from_secs(5);
/// Two polls that were asked for are at least so far apart.
const GAP: Duration = Duration::from_secs(1);

/// Polls for as long as the daemon lives.
pub async fn poll_for_ever(node: Rc<Node>) {
    loop {
        node.polling.set(true);
        let polled = node.poll_once().await;
        node.polling.set(false);
        let wait = match polled {
            Ok(()) => node.interval(),
            Err(error) => {
                tracing::info!(%error, code = %error.code(), "poll failed");
                // Without a worker no host was called.
                let wait = if error.code() == code::WORKER_GONE {
                    WORKER_PAUSE
                } else {
                    node.failed(&node.helper.identity().url.clone(), &error)
                };
                node.contact.borrow_mut().failure = Some(Failure::of(error));
                wait
            }
        };
        node.polls.set(node.polls.get() + 1);
        node.polled.notify_waiters();
        node.tell();
        tokio::select! {
            () = sleep(wait) => {}
            () = node.poll_now.notified() => sleep(GAP.min(wait)).await,
        }
    }
}

impl Node {
    fn interval(&self) -> Duration {
        // Without floors all that is sent is refused, and sent again: the receipts are through.
        let is_lost = |failure: &Failure| failure.code() == code::FLOORS_LOST;
        if self.contact.borrow().failure.as_ref().is_some_and(is_lost) {
            return FLOORS_LOST_PAUSE;
        }
        let assigned = self
            .helper
            .assignment()
            .ok()
            .flatten()
            .map(|assignment| assignment.poll_interval_s);
        let seconds = self
            .config
            .poll
            .interval_s
            .or(assigned)
            .unwrap_or(INTERVAL_S)
            .clamp(1, INTERVAL_S_MAX);
        let jitter = chance() * seconds as f64 * self.config.poll.jitter_percent as f64 / 100.0;
        Duration::from_secs_f64(seconds as f64 + jitter)
    }

    async fn poll_once(&self) -> Result<(), FetchError> {
        let url = self.helper.identity().url.clone();
        let delivery = self.helper.delivery().map_err(FetchError::Own)?;
        let told = self
            .told(delivery.as_ref().map(|sealed| sealed.bytes.clone()))
            .map_err(FetchError::Own)?;
        let call = self.call(&url);
        let heard = match self
            .worker
            .poll(call, self.helper.node_key_id(), told)
            .await
        {
            Ok(heard) => heard,
            Err(error) => {
                self.renew_if_refused(&error).await;
                return Err(error);
            }
        };
        // An answer without a word about receipts keeps all that were sent with its request.
        let kept = heard
            .acknowledged
            .or(delivery.map(|sealed| (sealed.epoch, sealed.last)));
        if let Some((epoch, number)) = kept {
            self.helper
                .store()
                .write(|db| state::acknowledge(db, epoch, number))
                .map_err(FetchError::Own)?;
        }
        let started_over = {
            let mut contact = self.contact.borrow_mut();
            contact.heard_uptime_s = Some(self.clock.read().uptime_s);
            contact.failure = None;
            std::mem::take(&mut contact.start_over)
        };
        let failed = self.breakers.borrow().contains_key(&url);
        if failed {
            self.moved(&url);
        }
        for app in self.apps.borrow().values() {
            app.needs_full.set(false);
        }
        if heard.news {
            self.take_in(heard).await;
        }
        if self.contact.borrow().start_over && !started_over {
            // At once the first time; a controller that leaves something out again is asked as ever.
            self.poll_now.notify_one();
        }
        self.renew_if_due().await;
        Ok(())
    }

    /// Hands what came to the helper, and tells the apps.
    async fn take_in(&self, heard: Heard) {
        let incoming = Incoming {
            documents: heard.documents,
            absent: heard.absent,
        };
        match self.adopt(&incoming, Allowance::default()) {
            Ok(_) => self.keep_packs(&heard.packs).await,
            Err(failure) => {
                tracing::warn!(%failure, "what came was refused");
                let mut contact = self.contact.borrow_mut();
                contact.start_over = failure.code() == code::MISSING_DOCUMENT;
                contact.stale = failure.code() == code::EXPIRED;
                contact.failure = Some(failure);
            }
        }
    }

    /// Has the helper judge documents, and follows what it accepted.
    ///
    /// # Errors
    /// When the metadata itself is refused.
    pub fn adopt(&self, incoming: &Incoming, allowance: Allowance) -> Result<Adopted, Failure> {
        let before = self.helper.assignment()?;
        let adopted = self.helper.adopt(incoming, self.trust_clock(), allowance)?;
        for (document, failure) in &adopted.refused {
            tracing::warn!(%document, %failure, "refused");
        }
        self.contact.borrow_mut().stale = adopted.frozen;
        if let Some((_, failure)) = adopted
            .refused
            .iter()
            .find(|(document, _)| document == name::ASSIGNMENT)
            && failure.code() == code::MISSING_DOCUMENT
        {
            self.contact.borrow_mut().start_over = true;
        }
        if before != self.helper.assignment()?
            || incoming
                .documents
                .keys()
                .any(|name| name.starts_with("offer/"))
        {
            self.know_apps()?;
            let apps: Vec<Rc<App>> = self.apps.borrow().values().cloned().collect();
            self.follow_assignment(&apps)?;
        }
        // A hold must be seen at once.
        if incoming
            .documents
            .keys()
            .any(|name| name.starts_with("hold/"))
        {
            self.apps
                .borrow()
                .values()
                .for_each(|app| app.wake.notify_one());
        }
        Ok(adopted)
    }

    /// Small packs that came with the answer go where fetched ones go.
    async fn keep_packs(&self, packs: &[(FrameRoot, Vec<u8>)]) {
        let apps: Vec<Rc<App>> = self.apps.borrow().values().cloned().collect();
        for (frame_root, bytes) in packs {
            for app in &apps {
                let Some(wanted) = app.wanted.borrow().clone() else {
                    continue;
                };
                let offers = self.helper.offers(&wanted.release.root).unwrap_or_default();
                let Some(offer) = offers
                    .into_iter()
                    .find(|offer| offer.frame_root == *frame_root)
                else {
                    continue;
                };
                match self.worker.put(&offer, bytes).await {
                    Ok(_) => {
                        // The time is asked before the database is taken: it is in there, too.
                        let (received, now_s) = (bytes.len() as u64, self.known_s());
                        let counted = self.helper.store().write(|db| {
                            state::add_spent(db, now_s, received)?;
                            state::add_transfer(db, frame_root, received, 0)
                        });
                        if let Err(failure) = counted {
                            tracing::warn!(%failure, "the ledger of the transfer is short");
                        }
                        app.wake.notify_one();
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a pack that came with the answer is not kept")
                    }
                }
            }
        }
    }

    fn told(&self, delivery: Option<Vec<u8>>) -> Result<Told, Failure> {
        let environment = self.helper.identity().environment.to_string();
        let mut held = BTreeMap::new();
        let mut root_version = 0;
        for (file, bytes) in self.helper.store().metadata()? {
            let stem = file.strip_suffix(".json").unwrap_or(&file);
            if stem == name::ROOT {
                root_version = version_of(&bytes);
            }
            let name = if stem == environment {
                name::ENVIRONMENT
            } else {
                stem
            };
            held.insert(name.to_owned(), bytes);
        }
        let documents = [name::ASSIGNMENT, name::HOLD_ALL, name::HOLD_NODE];
        for name in documents {
            if let Some(bytes) = self.helper.store().read(|db| state::document(db, name))? {
                held.insert(name.to_owned(), bytes);
            }
        }
        if let Some(assignment) = self.helper.assignment()? {
            for app in &assignment.apps {
                let name = name::manifest(&app.manifest);
                if let Some(bytes) = self.helper.store().read(|db| state::document(db, &name))? {
                    held.insert(name, bytes);
                }
            }
        }
        for (name, bytes) in self.helper.offers_for(&self.awaited())? {
            held.insert(name, bytes);
        }
        if self.contact.borrow().start_over {
            held.clear();
        }
        let apps: Vec<Rc<App>> = self.apps.borrow().values().cloned().collect();
        let full = apps
            .iter()
            .filter(|app| app.needs_full.get())
            .map(|app| app.name.clone())
            .collect();
        let apps = apps.iter().map(|app| status_of(app)).collect();
        Ok(Told {
            root_version,
            held,
            apps,
            delivery,
            full,
        })
    }

    /// The trees that are assigned and do not run: their offers are listed, because what is not listed
    /// is sent again, with its pack, for as long as a hold or a full disk keeps the update waiting.
    fn awaited(&self) -> BTreeSet<TreeRoot> {
        let apps = self.apps.borrow();
        let awaited = apps.values().filter_map(|app| {
            let root = app.wanted.borrow().as_ref()?.release.root;
            let journal = app.journal.borrow();
            let runs = journal.running().map(|running| running.release.root);
            (runs != Some(root)).then_some(root)
        });
        awaited.collect()
    }
}

fn status_of(app: &App) -> AppStatus {
    let journal = app.journal.borrow();
    let root = journal
        .running()
        .map(|installed| installed.release.root)
        .filter(|root| {
            app.seals
                .borrow()
                .values()
                .any(|seal| matches!(seal, Seal::Sealed(release) if release.root == *root))
        });
    let pack = app.pack.borrow();
    let moving = journal.target.is_some() && !journal.phase.is_at_rest();
    AppStatus {
        app: app.name.clone(),
        root,
        phase: Some(journal.phase.as_str().to_owned()),
        fetched_bytes: pack.as_ref().filter(|_| moving).map(|pack| pack.received),
        code: app
            .failure
            .borrow()
            .as_ref()
            .map(|failure| u64::from(failure.code().number)),
    }
}

/// The version that a metadata file says that it has; 0 when it says none.
pub(super) fn version_of(file: &[u8]) -> u64 {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(file).ok();
    parsed
        .and_then(|root| root.get("signed")?.get("version")?.as_u64())
        .unwrap_or_default()
}
