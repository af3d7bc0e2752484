//! What an order of an operator leads to in an app, and how far it has come.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::ids::Version;
use tokio::time::sleep;

use super::node::{App, Node};
use super::report::probes_of;
use crate::control::Change;
use crate::update::{Installed, Phase, Release};

/// An app that has not begun to stage after so long has not all that it needs.
const WITHOUT_PACK: Duration = Duration::from_secs(3);
/// Between two looks, if nothing is told before.
const LOOK: Duration = Duration::from_millis(200);

/// An update that is about to happen, or happens.
pub struct Settling {
    from: Option<Version>,
    to: Release,
    started: Instant,
}

impl Settling {
    /// Where an app is about to go; none when it runs what is assigned, or nothing is.
    pub fn begin(app: &App) -> Option<Self> {
        let to = app.wanted.borrow().as_ref()?.release.clone();
        let journal = app.journal.borrow();
        let running = journal.running();
        let is_there = running.is_some_and(|running| running.release.is_same(&to));
        let is_over = journal.phase.is_at_rest() || journal.phase == Phase::Committed;
        if is_there && is_over {
            return None;
        }
        let before = if is_there {
            journal.installed.as_ref()
        } else {
            running
        };
        Some(Self {
            from: before.map(version_of),
            to,
            started: Instant::now(),
        })
    }

    /// Waits until the app runs it, has refused it, or waits for something else: a hold, room, or a
    /// pack that only the network can bring.
    ///
    /// # Errors
    /// A fault of the disk.
    pub async fn wait(&self, node: &Node, app: &App) -> Result<(), Failure> {
        // The app's task has to decide once before its phase says anything about this.
        loop {
            tokio::select! {
                () = node.changed.notified() => {}
                () = sleep(LOOK) => {}
            }
            if self.has_settled(node, app)? {
                return Ok(());
            }
        }
    }

    fn has_settled(&self, node: &Node, app: &App) -> Result<bool, Failure> {
        let journal = app.journal.borrow();
        let is_set_aside = journal.quarantined(&self.to).is_some();
        let settled = match journal.phase {
            Phase::Probation => self.runs(app),
            Phase::Idle | Phase::Committed | Phase::Superseded => {
                self.runs(app) || is_set_aside || node.helper.is_held()?
            }
            Phase::Held | Phase::NeedsHands => true,
            Phase::RolledBack | Phase::Refused { .. } => is_set_aside,
            Phase::Fetching => self.lacks_pack(app),
            Phase::Staged | Phase::Armed => {
                journal.blocked.is_some() || self.started.elapsed() > WITHOUT_PACK
            }
            Phase::Snapshotting | Phase::Activating | Phase::RollingBack => false,
        };
        Ok(settled)
    }

    /// Whether what it waits for comes only from the network, or from somebody who makes room.
    fn lacks_pack(&self, app: &App) -> bool {
        let pack = app.pack.borrow();
        let is_here = pack
            .as_ref()
            .is_some_and(|pack| pack.complete && pack.offer.root == self.to.root);
        let is_blocked = app.journal.borrow().blocked.is_some();
        (is_blocked || !is_here) && self.started.elapsed() > WITHOUT_PACK
    }

    fn runs(&self, app: &App) -> bool {
        let journal = app.journal.borrow();
        journal
            .running()
            .is_some_and(|running| running.release.is_same(&self.to))
    }

    /// How far it is, for the answer.
    pub fn change(&self, app: &App) -> Change {
        let runs = self.runs(app);
        let journal = app.journal.borrow();
        let failure = app.failure.borrow();
        Change {
            app: app.name.clone(),
            from: self.from.clone(),
            to: self.to.version.clone(),
            phase: journal.phase.as_str().to_owned(),
            activated: runs && matches!(journal.phase, Phase::Probation | Phase::Committed),
            took_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            probes: probes_of(app),
            failure: failure.as_ref().filter(|_| !runs).map(words),
        }
    }
}

fn version_of(installed: &Installed) -> Version {
    installed.release.version.clone()
}

/// A failure as the other side of the socket reads it.
pub fn words(failure: &Failure) -> (u16, BTreeMap<String, String>) {
    let words = failure
        .args()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    (failure.code().number, words)
}
