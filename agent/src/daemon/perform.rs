//! Effect → edge. Nothing is decided here.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::manifest::Manifest;
use sanaga_proto::wire::offer::Offer;
use tokio::time::sleep;

use super::gather::number_of;
use super::node::{App, Node, Watched};
use super::outage::Outage;
use crate::health::{Monitor, ProbeSpec};
use crate::helper::Settings;
use crate::identity;
use crate::service::{Launch, ServiceSpec, ServiceStatus};
use crate::update::{Effect, Installed, Target};

/// A worker that is gone is looked for again so often.
const WORKER_PAUSE: Duration = Duration::from_secs(1);
/// A pack whose decoding ends the worker so often waits longer.
const DECODER_TRIES: u32 = 5;

impl Node {
    /// Performs one effect.
    ///
    /// # Errors
    /// Why it did not come about; the machine decides what follows.
    pub async fn perform(&self, app: &App, effect: Effect) -> Result<(), Failure> {
        if let Some(result) = self.perform_on_data(app, &effect).await {
            return result;
        }
        match effect {
            Effect::None
            | Effect::Wait { .. }
            | Effect::Probe { .. }
            | Effect::SnapshotData { .. }
            | Effect::Migrate { .. }
            | Effect::RestoreData { .. }
            | Effect::ExportData { .. }
            | Effect::PruneData { .. } => Ok(()),
            Effect::Fetch { target } => self.fetch(app, &target).await,
            Effect::Stage { target } => self.stage(app, target).await,
            Effect::StopService => {
                app.monitor.borrow_mut().take();
                if matches!(app.service.status().await, ServiceStatus::Running { .. }) {
                    app.outage.set(Outage::begin(self.clock.uptime()));
                }
                app.service.stop().await.map_err(Failure::of)
            }
            Effect::SwapCurrent { to_slot } => {
                app.folder.swap_current(to_slot).map_err(Failure::of)
            }
            Effect::RemoveCurrent => app.folder.remove_current().map_err(Failure::of),
            Effect::StartService { installed } => self.start(app, &installed).await,
            Effect::RewritePrevious { to_slot } => {
                app.folder.rewrite_previous(to_slot).map_err(Failure::of)
            }
            Effect::Prune { slots } => {
                app.seals
                    .borrow_mut()
                    .retain(|number, _| !slots.contains(number));
                app.folder.prune(&slots).map_err(Failure::of)
            }
        }
    }

    /// Waits for the next look of a probe, for news, or for the time to pass.
    pub async fn look(&self, app: &App, _installed: &Installed, seconds: u64) {
        let monitor = app
            .monitor
            .borrow()
            .as_ref()
            .map(|watched| Rc::clone(&watched.monitor));
        let looked = async {
            match monitor {
                Some(monitor) => monitor.looked().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = looked => {}
            () = app.wake.notified() => {}
            () = sleep(Duration::from_secs(seconds.max(1))) => {}
        }
    }

    /// Has probes look at whatever runs, also after a restart of the agent or of the service.
    pub async fn watch_what_runs(&self, app: &App) {
        let ServiceStatus::Running { slot, pid, up, .. } = app.service.status().await else {
            return;
        };
        let (Some(number), Some(launch)) = (number_of(&slot), app.service.wanted()) else {
            return;
        };
        let settings = launch.settings_digest;
        let started = self.clock.uptime().saturating_sub(up);
        if let Some(watched) = app.monitor.borrow_mut().as_mut()
            && (watched.slot, watched.settings) == (number, settings)
        {
            if watched.pid != pid {
                watched.pid = pid;
                watched.monitor.restarted(started);
            }
            return;
        }
        let Ok((_, manifest)) = self.helper.installed_manifest(&app.folder, number) else {
            return;
        };
        match probes(&manifest, &launch) {
            Ok(specs) => {
                let monitor = Monitor::start(specs, &Arc::new(launch), started, &self.clock);
                let watched = Watched {
                    slot: number,
                    settings,
                    pid,
                    monitor: Rc::new(monitor),
                };
                *app.monitor.borrow_mut() = Some(watched);
            }
            Err(failure) => *app.failure.borrow_mut() = Some(failure),
        }
    }

    /// Has the target's slot made from a pack, or from another slot of the same tree.
    async fn make_slot(
        &self,
        app: &App,
        target: &Target,
        offer: Option<&Offer>,
    ) -> Result<(), Failure> {
        let decoder = match offer {
            Some(offer) => Some(self.worker.decoder(offer).await.map_err(Failure::of)?),
            None => None,
        };
        let helper = Arc::clone(&self.helper);
        let (name, target, offer) = (app.name.clone(), target.clone(), offer.cloned());
        let reserve = self.config.limits.disk_free_bytes_min;
        let work = move || match offer.zip(decoder) {
            Some((offer, decoder)) => helper.stage(&name, &target, &offer, decoder, reserve),
            None => helper.stage_copy(&name, &target, reserve),
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(Failure::new(code::INTERNAL).arg("problem", error)))
    }

    async fn stage(&self, app: &App, target: Target) -> Result<(), Failure> {
        let pack = app
            .pack
            .borrow()
            .clone()
            .filter(|pack| pack.offer.root == target.release.root);
        app.seals.borrow_mut().remove(&target.slot);
        let root = target.release.root;
        // Without a pack another slot of the same tree is copied.
        let base = match &pack {
            Some(pack) if pack.complete => pack.offer.base,
            Some(_) | None => Some(root),
        };
        let offer = pack.filter(|pack| pack.complete).map(|pack| pack.offer);
        let mut result = self.make_slot(app, &target, offer.as_ref()).await;
        for _ in 0..DECODER_TRIES {
            // The next worker is there within seconds.
            let Err(failure) = &result else { break };
            if failure.code() != code::WORKER_GONE {
                break;
            }
            tracing::info!(app = %app.name, %failure, "staging begins again");
            sleep(WORKER_PAUSE).await;
            result = self.make_slot(app, &target, offer.as_ref()).await;
        }
        if result.is_ok() {
            app.damaged_bases
                .borrow_mut()
                .retain(|damaged| *damaged != root);
        }
        if let Err(failure) = &result
            && failure.code() == code::BASE_DAMAGED
        {
            // The same patch would fail again: another way is looked for.
            app.damaged_bases.borrow_mut().extend(base);
            app.needs_full.set(true);
            app.pack.borrow_mut().take();
        } else if result.is_err() {
            // Whether the pack is still there, and whole, is looked at anew.
            app.pack.borrow_mut().take();
        }
        result
    }

    async fn start(&self, app: &App, installed: &Installed) -> Result<(), Failure> {
        let (manifest, launch) = self.launch(app, installed)?;
        self.require_readable(app, &manifest)?;
        app.monitor.borrow_mut().take();
        if launch.spec.beside.is_some() && app.service.upstream().is_some() {
            self.start_beside(app, &launch, &manifest).await?;
        } else {
            app.service.start(&launch).await.map_err(Failure::of)?;
        }
        self.watch_what_runs(app).await;
        Ok(())
    }

    /// A release, ready to be run, with its settings and folders in place.
    pub(super) fn launch(
        &self,
        app: &App,
        installed: &Installed,
    ) -> Result<(Manifest, Launch), Failure> {
        let slot = app
            .folder
            .find_slot(installed.slot)
            .ok_or_else(|| Failure::new(code::DRIFT).arg("path", app.folder.slots().display()))?;
        let (_, manifest) = self
            .helper
            .installed_manifest(&app.folder, installed.slot)?;
        let settings = self.settings_file(app, installed)?;
        let data = app.folder.data();
        for folder in [&data, &app.folder.service()] {
            sanaga_durable::make_dir(folder)
                .map_err(|error| crate::disk::durable_failure(folder, error))?;
        }
        let launch = Launch {
            app: app.name.clone(),
            version: installed.release.version.clone(),
            spec: ServiceSpec::of(&manifest, &self.config.limits),
            slot,
            settings,
            settings_digest: installed.release.settings,
            data,
            port: None,
        };
        Ok((manifest, launch))
    }

    /// The file with the settings of a release; it is named by its content, so that a roll back finds
    /// the old ones.
    fn settings_file(
        &self,
        app: &App,
        installed: &Installed,
    ) -> Result<std::path::PathBuf, Failure> {
        let folder = app.folder.path().join("settings");
        let path = folder.join(format!("{}.env", installed.release.settings.short()));
        if path.is_file() {
            return Ok(path);
        }
        let wanted = app.wanted.borrow().clone();
        let settings = wanted
            .filter(|wanted| wanted.settings.digest() == installed.release.settings)
            .map(|wanted| wanted.settings.clone())
            .ok_or_else(|| Failure::new(code::MISSING_DOCUMENT).arg("what", path.display()))?;
        sanaga_durable::make_dir(&folder)
            .map_err(|error| crate::disk::durable_failure(&folder, error))?;
        identity::write(&path, settings.to_text().as_bytes(), 0o644)?;
        Ok(path)
    }
}

/// The probes of a launch, filled in.
pub(super) fn probes(manifest: &Manifest, launch: &Launch) -> Result<Vec<ProbeSpec>, Failure> {
    let text = std::fs::read_to_string(&launch.settings).unwrap_or_default();
    let settings = Settings::from_text(manifest, &text);
    manifest
        .probes
        .iter()
        .map(|probe| {
            ProbeSpec::new(probe, &settings.values, launch.port).map_err(|error| {
                Failure::new(code::BAD_SETTING)
                    .arg("app", &manifest.app)
                    .arg("setting", &error.name)
                    .arg("problem", &error)
                    .because(error)
            })
        })
        .collect()
}
