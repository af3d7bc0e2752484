//! How things are, for the command line.

use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::ids::Version;

use super::changes::words;
use super::node::{App, Node};
use crate::control::{AppReport, HistoryLine, Report};
use crate::health;
use crate::store::state;
use crate::update::{Phase, Seal};

impl Node {
    /// The whole report.
    ///
    /// # Errors
    /// A fault of the disk.
    pub async fn report(&self) -> Result<Report, Failure> {
        let now = self.clock.read();
        let list: Vec<_> = self.apps.borrow().values().cloned().collect();
        let mut apps = Vec::new();
        for app in list {
            apps.push(self.report_of(&app, now.uptime_s).await);
        }
        let identity = self.helper.identity();
        let contact = self.contact.borrow();
        Ok(Report {
            schema_version: 1,
            node: identity.node.clone(),
            site: identity.site.clone(),
            environment: identity.environment.clone(),
            contact_age_s: contact
                .heard_uptime_s
                .map(|heard| now.uptime_s.saturating_sub(heard)),
            contact_code: contact
                .failure
                .as_ref()
                .map(|failure| failure.code().number),
            clock_sure: now.sure,
            stale: contact.stale,
            held: self.helper.is_held()?,
            receipts_waiting: self.helper.receipts_waiting()?,
            apps,
        })
    }

    async fn report_of(&self, app: &App, uptime_s: u64) -> AppReport {
        let status = app.service.status().await;
        let journal = app.journal.borrow();
        let running = journal.running();
        let resting = journal.phase.is_at_rest() || journal.phase == Phase::Committed;
        let target = journal
            .target
            .as_ref()
            .filter(|_| !resting || journal.installed.is_none());
        let set_aside = journal.quarantine.last().and_then(|entry| {
            app.seals.borrow().values().find_map(|seal| match seal {
                Seal::Sealed(release) | Seal::Damaged(release) if release.root == entry.root => {
                    Some(release.version.clone())
                }
                Seal::Sealed(_) | Seal::Damaged(_) | Seal::Unsealed => None,
            })
        });
        let version = |installed: Option<&crate::update::Installed>| -> Option<Version> {
            installed.map(|installed| installed.release.version.clone())
        };
        let pack = app.pack.borrow();
        let probation = journal.phase == Phase::Probation;
        AppReport {
            app: app.name.clone(),
            version: version(running),
            root: running.map(|installed| installed.release.root),
            previous: version(journal.previous.as_ref()),
            set_aside,
            target: version(target).filter(|target| version(running).as_ref() != Some(target)),
            phase: journal.phase.as_str().to_owned(),
            running: matches!(status, crate::service::ServiceStatus::Running { .. }),
            since_s: Some(uptime_s.saturating_sub(app.phase_since_s.get())),
            fetched: pack
                .as_ref()
                .filter(|_| journal.phase == Phase::Fetching)
                .map(|pack| (pack.received, pack.total)),
            soak_left_s: probation.then(|| {
                let healthy = journal.soak.total_s
                    + journal
                        .soak
                        .boot
                        .as_ref()
                        .map_or(0, |_| uptime_s.saturating_sub(journal.soak.mark_uptime_s));
                self.policy(app).soak_s.saturating_sub(healthy)
            }),
            probes: probes_of(app),
            outage_ms: app.outage.get().lasted_ms(),
            failure: app.failure.borrow().as_ref().map(words),
            data: self.kept_aside(app),
        }
    }

    /// The newest events, oldest first.
    ///
    /// # Errors
    /// A fault of the disk.
    pub fn history(&self, most: usize) -> Result<Vec<HistoryLine>, Failure> {
        let key = self.helper.node_key_id();
        let (chain, first, events) = self.helper.store().read(|db| {
            let chain = state::chain_state(db, &key)?;
            let first = chain.last.saturating_sub(most as u64) + 1;
            Ok((chain, first, state::events_from(db, first, most as u64)?))
        })?;
        let lines = events
            .into_iter()
            .zip(first..)
            .map(|(event, number)| HistoryLine {
                number,
                kind: event.kind.as_str().to_owned(),
                at_s: event.at_s,
                clock_sure: event.clock_sure,
                app: event.app,
                version: event.version,
                code: event.code,
                count: event.count.unwrap_or(1),
                acknowledged: number <= chain.acknowledged,
                detail: event.detail,
            });
        Ok(lines.collect())
    }
}

/// Probes that pass, of how many.
pub(super) fn probes_of(app: &App) -> (u64, u64) {
    let watched = app.monitor.borrow();
    let Some(watched) = watched.as_ref() else {
        return (0, 0);
    };
    let states = watched.monitor.states();
    let passing = states
        .iter()
        .filter(|state| state.verdict == health::Verdict::Passing)
        .count();
    (passing as u64, states.len() as u64)
}
