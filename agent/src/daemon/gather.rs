//! Facts about one app, observed anew before each decision.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use sanaga_proto::failure::Failure;
use sanaga_proto::ids::TreeRoot;
use sanaga_proto::manifest::{Manifest, ServiceKind, Strategy};
use sanaga_proto::wire::assignment::{AssignedApp, Assignment};

use super::node::{App, Node, Wanted};
use crate::health;
use crate::helper::Settings;
use crate::service::{Ending, ServiceStatus};
use crate::slot::{self, Observed};
use crate::update::{
    BootId, Facts, Pack, Phase, Policy, Release, Seal, Service, SlotNumber, Target, Verdict,
};

/// Environments other than this one soak longer.
const QUICK_ENVIRONMENT: &str = "dev";

impl Node {
    /// What is so for this app now.
    ///
    /// # Errors
    /// A fault of the disk.
    pub async fn gather(&self, app: &App) -> Result<Facts, Failure> {
        let now = self.clock.read();
        let observed = slot::observe(&app.folder, &app.seals.borrow()).map_err(Failure::of)?;
        *app.seals.borrow_mut() = observed.slots.clone();
        let service = self.service_of(app, &observed).await;
        let (data, data_bytes) = self.data_of(app);
        let window_open = self.is_power_good(app).await;
        let free_bytes = sanaga_durable::free_bytes(&self.paths.state).unwrap_or_default();
        Ok(Facts {
            boot: BootId::new(
                now.boot
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>(),
            ),
            uptime_s: now.uptime_s,
            wanted: app
                .wanted
                .borrow()
                .as_ref()
                .map(|wanted| wanted.release.clone()),
            hold: self.helper.is_held()?,
            window_open,
            order: app.order.borrow().as_ref().map(|(order, _)| *order),
            pack: pack_of(app, &observed),
            slots: observed.slots,
            current: observed.current,
            previous: observed.previous,
            service,
            beside: self.runs_beside(app),
            outage_ms: app.outage.get().lasted_ms(),
            probe: self.verdict_of(app, &service),
            data,
            free_bytes,
            needed_bytes: needed_bytes(app).saturating_add(data_bytes),
            last: app.last.borrow_mut().take(),
        })
    }

    /// The bounds for this app's update.
    #[must_use]
    pub fn policy(&self, app: &App) -> Policy {
        let is_quick = self.helper.identity().environment.as_str() == QUICK_ENVIRONMENT;
        let base = if is_quick {
            Policy::dev()
        } else {
            Policy::production()
        };
        let asked = app
            .wanted
            .borrow()
            .as_ref()
            .and_then(|wanted| wanted.manifest.soak_s);
        let soak_s = self
            .config
            .probation
            .soak_s
            .or(asked)
            .unwrap_or(base.soak_s);
        Policy {
            soak_s,
            probe_interval_s: base.probe_interval_s.min(soak_s.max(1)),
            keep_s: self.config.slots.keep_previous.as_secs(),
            reserve_bytes: self.config.limits.disk_free_bytes_min,
            restart_max_s: self.config.service.restart_max.as_secs(),
            idle_s: base.idle_s.min(self.power_pause_s(app)),
            ..base
        }
    }

    /// Computes anew what the assignment asks of each app. An app that it does not name, or whose
    /// order cannot be followed here, stays as it is: it runs on, and no update of it begins or goes on.
    ///
    /// # Errors
    /// A fault of the disk. Settings that do not fit are kept as the app's failure.
    pub fn follow_assignment(&self, apps: &[Rc<App>]) -> Result<(), Failure> {
        // That of a director who was replaced is void.
        let assignment = self.helper.assignment()?;
        for app in apps {
            let entry = assignment.as_ref().and_then(|assignment| {
                let found = assignment.apps.iter().find(|found| found.app == app.name);
                found.map(|found| (assignment, found))
            });
            let wanted = match entry {
                Some((assignment, assigned)) => self.wanted(app, assignment, assigned)?,
                None => None,
            };
            *app.wanted.borrow_mut() = wanted.map(Rc::new);
            app.wake.notify_one();
        }
        Ok(())
    }

    /// What an entry of the assignment asks for; none when that cannot be followed here.
    fn wanted(
        &self,
        app: &App,
        assignment: &Assignment,
        assigned: &AssignedApp,
    ) -> Result<Option<Wanted>, Failure> {
        let Some(manifest) = self.helper.manifest(&assigned.manifest)? else {
            return Ok(None);
        };
        let local = self.config.settings.get(&assigned.app);
        let settings = self
            .permitted(app, &manifest)
            .and_then(|()| Settings::join(&manifest, &assigned.settings, local));
        let settings = match settings {
            Ok(settings) => settings,
            Err(failure) => {
                tracing::warn!(app = %app.name, %failure, "not followed");
                *app.failure.borrow_mut() = Some(failure);
                return Ok(None);
            }
        };
        let release = Release {
            version: assigned.version.clone(),
            root: manifest.root,
            manifest: assigned.manifest,
            counter: assigned.counter,
            generation: assignment.asked_in(assigned),
            settings: settings.digest(),
        };
        let download_bytes_max = assigned.download_bytes_max;
        Ok(Some(Wanted {
            release,
            manifest,
            settings,
            download_bytes_max,
        }))
    }

    /// The manifest may ask only for what this node allows.
    fn permitted(&self, app: &App, manifest: &Manifest) -> Result<(), Failure> {
        let refuse = |problem: String| {
            Failure::new(sanaga_proto::code::NOT_ALLOWED)
                .arg("app", &manifest.app)
                .arg("problem", problem)
        };
        let limits = &self.config.limits;
        if !limits.allow_kinds.contains(&manifest.service.kind) {
            return Err(refuse(format!(
                "services of kind {}",
                manifest.service.kind
            )));
        }
        let is_beside = manifest.service.strategy() == Strategy::BlueGreen;
        if is_beside && self.config.upstream.kind.is_none() {
            let problem = "strategy blue-green, and agent.toml names no proxy (upstream.kind)";
            return Err(refuse(problem.to_owned()));
        }
        self.permitted_data(app, manifest).map_err(refuse)?;
        match &manifest.service.user {
            Some(user) if !limits.allow_users.contains(user) => Err(refuse(format!("user {user}"))),
            Some(_) | None => Ok(()),
        }
    }

    async fn service_of(&self, app: &App, observed: &Observed) -> Service {
        let launched = app.service.wanted();
        let settings = launched
            .as_ref()
            .map(|launch| launch.settings_digest)
            .unwrap_or_else(|| Settings::default().digest());
        match app.service.status().await {
            ServiceStatus::Absent if self.has_no_service(app, observed) => Service::NotDeclared,
            ServiceStatus::Absent => Service::Absent,
            ServiceStatus::Starting => {
                let slot = launched.as_ref().and_then(|launch| number_of(&launch.slot));
                slot.map_or(Service::Absent, |slot| Service::Starting { slot, settings })
            }
            ServiceStatus::Running { slot, .. } => {
                number_of(&slot).map_or(Service::Absent, |slot| Service::Running { slot, settings })
            }
            ServiceStatus::Crashed { last, .. } => Service::Exited {
                code: match last {
                    Ending::Code(code) => Some(code),
                    Ending::Signal(_) | Ending::Unseen | Ending::NotStarted(_) => None,
                },
            },
            ServiceStatus::Exited { code } => Service::Exited { code: Some(code) },
        }
    }

    /// Whether what is to run declares no service.
    fn has_no_service(&self, app: &App, observed: &Observed) -> bool {
        let running = app
            .journal
            .borrow()
            .running()
            .map(|installed| installed.slot)
            .or(observed.current);
        let Some(slot) = running else { return false };
        match self.helper.installed_manifest(&app.folder, slot) {
            Ok((_, manifest)) => manifest.service.kind == ServiceKind::None,
            Err(_) => false,
        }
    }

    fn verdict_of(&self, app: &App, service: &Service) -> Verdict {
        let running = match service {
            Service::Running { slot, settings } => Some((*slot, *settings)),
            Service::NotDeclared => return Verdict::Passing,
            Service::Absent | Service::Starting { .. } | Service::Exited { .. } => None,
        };
        let watched = app.monitor.borrow();
        let Some(watched) = watched
            .as_ref()
            .filter(|w| Some((w.slot, w.settings)) == running)
        else {
            return Verdict::Pending;
        };
        match watched.monitor.together() {
            (_, health::Verdict::Pending) => Verdict::Pending,
            (_, health::Verdict::Passing) => Verdict::Passing,
            (name, health::Verdict::Failing { problem, .. }) => Verdict::Failing {
                probe: format!("{}: {problem}", name.unwrap_or_default()),
            },
        }
    }
}

/// The number of a slot from its path.
pub(super) fn number_of(slot: &Path) -> Option<SlotNumber> {
    slot.file_name()?.to_str()?.split_once('-')?.0.parse().ok()
}

fn pack_of(app: &App, observed: &Observed) -> Pack {
    let journal = app.journal.borrow();
    let Some(target) = &journal.target else {
        return Pack::Absent;
    };
    if !app.needs_full.get() && has_copy(target, &observed.slots, &app.damaged_bases.borrow()) {
        return Pack::Complete;
    }
    match app
        .pack
        .borrow()
        .as_ref()
        .filter(|pack| pack.offer.root == target.release.root)
    {
        Some(pack) if pack.complete => Pack::Complete,
        Some(pack) => Pack::Partial {
            bytes: pack.received,
        },
        None => Pack::Absent,
    }
}

/// Whether another slot of the same tree is here, which is all that staging needs. One that was found
/// damaged while it was copied still looks whole.
fn has_copy(target: &Target, slots: &BTreeMap<SlotNumber, Seal>, damaged: &[TreeRoot]) -> bool {
    let root = target.release.root;
    let is_copy = |(number, seal): (&SlotNumber, &Seal)| {
        *number != target.slot && matches!(seal, Seal::Sealed(release) if release.root == root)
    };
    !damaged.contains(&root) && slots.iter().any(is_copy)
}

fn needed_bytes(app: &App) -> u64 {
    let wanted = app.wanted.borrow();
    let Some(wanted) = wanted.as_ref() else {
        return 0;
    };
    match app.phase() {
        Phase::Fetching => {
            let left = app
                .pack
                .borrow()
                .as_ref()
                .map_or(0, |pack| pack.total.saturating_sub(pack.received));
            wanted.manifest.unpacked_bytes + 4_096 * wanted.manifest.entries + left
        }
        Phase::Idle
        | Phase::Staged
        | Phase::Armed
        | Phase::Snapshotting
        | Phase::Activating
        | Phase::Probation
        | Phase::Committed
        | Phase::RollingBack
        | Phase::RolledBack
        | Phase::Held
        | Phase::Superseded
        | Phase::Refused { .. }
        | Phase::NeedsHands => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sanaga_proto::ids::Digest;

    #[test]
    fn a_copy_is_another_slot_that_is_whole_and_was_not_found_damaged() {
        let release = |tree: &[u8]| Release {
            version: "1".parse().unwrap(),
            root: Digest::of(tree),
            manifest: Digest::of(b"manifest"),
            counter: 1,
            generation: 1,
            settings: Digest::of(b""),
        };
        let target = Target {
            release: release(b"tree"),
            slot: 4,
        };
        let here = |seals: Vec<(SlotNumber, Seal)>| BTreeMap::from_iter(seals);
        let whole = || Seal::Sealed(release(b"tree"));
        assert!(has_copy(&target, &here(vec![(3, whole())]), &[]));
        assert!(!has_copy(&target, &here(vec![(4, whole())]), &[]));
        let damaged = Seal::Damaged(release(b"tree"));
        assert!(!has_copy(&target, &here(vec![(3, damaged)]), &[]));
        let other = Seal::Sealed(release(b"other"));
        assert!(!has_copy(&target, &here(vec![(3, other)]), &[]));
        let found = [target.release.root];
        assert!(!has_copy(&target, &here(vec![(3, whole())]), &found));
    }
}
