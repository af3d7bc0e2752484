//! Facts about one app, observed anew before each decision.

use std::path::Path;
use std::rc::Rc;

use sanaga_proto::failure::Failure;
use sanaga_proto::manifest::ServiceKind;

use super::node::{App, Node, Wanted};
use crate::health;
use crate::helper::Settings;
use crate::service::{Ending, ServiceStatus};
use crate::slot::{self, Observed};
use crate::update::{
    BootId, DataSnapshot, Facts, Pack, Phase, Policy, Service, SlotNumber, Verdict,
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
            window_open: true,
            order: app.order.borrow().as_ref().map(|(order, _)| *order),
            pack: pack_of(app, &observed),
            slots: observed.slots,
            current: observed.current,
            previous: observed.previous,
            service,
            probe: self.verdict_of(app, &service),
            data: DataSnapshot::NotDeclared,
            free_bytes,
            needed_bytes: needed_bytes(app),
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
            ..base
        }
    }

    /// Computes anew what the assignment asks of each app, and gives those that changed.
    ///
    /// # Errors
    /// A fault of the disk. Settings that do not fit are kept as the app's failure.
    pub fn follow_assignment(&self, apps: &[Rc<App>]) -> Result<(), Failure> {
        let Some(assignment) = self.helper.assignment()? else {
            return Ok(());
        };
        for assigned in &assignment.apps {
            let Some(app) = apps.iter().find(|app| app.name == assigned.app) else {
                continue;
            };
            let Some(manifest) = self.helper.manifest(&assigned.manifest)? else {
                continue;
            };
            let local = self.config.settings.get(&assigned.app);
            let settings = match self
                .permitted(&manifest)
                .and_then(|()| Settings::join(&manifest, &assigned.settings, local))
            {
                Ok(settings) => settings,
                Err(failure) => {
                    tracing::warn!(app = %app.name, %failure, "not followed");
                    *app.failure.borrow_mut() = Some(failure);
                    continue;
                }
            };
            let release = crate::update::Release {
                version: assigned.version.clone(),
                root: manifest.root,
                manifest: assigned.manifest,
                counter: assigned.counter,
                generation: assignment.generation,
                settings: settings.digest(),
            };
            let download_bytes_max = assigned.download_bytes_max;
            *app.wanted.borrow_mut() = Some(Rc::new(Wanted {
                release,
                manifest,
                settings,
                download_bytes_max,
            }));
            app.wake.notify_one();
        }
        Ok(())
    }

    /// The manifest may ask only for what this node allows.
    fn permitted(&self, manifest: &sanaga_proto::manifest::Manifest) -> Result<(), Failure> {
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
    // Another whole slot of the same tree is all that staging needs.
    let has_copy = observed.slots.iter().any(|(number, seal)| {
        *number != target.slot
            && matches!(seal, crate::update::Seal::Sealed(release) if release.root == target.release.root)
    });
    if has_copy {
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
