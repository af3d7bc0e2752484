//! What an app keeps: seen for decisions, put aside, migrated and brought back as they say.

use std::sync::Arc;
use std::time::Duration;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::manifest::{DataSection, Manifest};

use super::node::{App, Node};
use crate::backup::{About, DataError, Item, Sets, bytes_of, items, schema_of};
use crate::service::run::run_in_release;
use crate::update::{Data, DataNumber, Effect, Installed, Phase, Target};

impl Node {
    /// The sets of an app.
    pub(super) fn sets(&self, app: &App) -> Sets {
        Sets::new(&self.paths.snapshots, &app.name)
    }

    /// What the app keeps, as far as the next decision depends on it, and the room that setting it
    /// aside takes, bytes.
    pub(super) fn data_of(&self, app: &App) -> (Data, u64) {
        let sets = self.sets(app);
        let journal = app.journal.borrow();
        let mut data = Data {
            sets: sets.list(),
            ..Data::default()
        };
        let back = journal.back.as_ref().and_then(|back| back.data.as_ref());
        data.exported = back.and_then(|back| exported(&sets, back.aside?));
        if app.order.borrow().is_some() && journal.data.previous.is_none() {
            let previous = self.manifest_of(app, journal.previous.as_ref());
            data.previous_cannot_read = previous.and_then(|previous| self.unread(app, &previous));
        }
        // Reading manifests takes time that most decisions can do without.
        let is_needed = match journal.phase {
            Phase::Armed | Phase::Snapshotting => true,
            Phase::Activating | Phase::Probation => journal.data.is_taken,
            Phase::Idle
            | Phase::Fetching
            | Phase::Staged
            | Phase::Committed
            | Phase::RollingBack
            | Phase::RolledBack
            | Phase::Held
            | Phase::Superseded
            | Phase::Refused { .. }
            | Phase::NeedsHands => false,
        };
        if !is_needed {
            return (data, 0);
        }
        let target = self.manifest_of(app, journal.target.as_ref());
        let installed = self.manifest_of(app, journal.installed.as_ref());
        data.migrates = target
            .as_ref()
            .is_some_and(|target| target.migrate.is_some());
        let sections = [target.as_ref(), installed.as_ref()];
        let sections = sections.into_iter().flatten();
        let sections: Vec<&DataSection> = sections.filter_map(|m| m.data.as_ref()).collect();
        data.is_declared = !sections.is_empty();
        if journal.phase != Phase::Armed || sections.is_empty() {
            return (data, 0);
        }
        data.target_cannot_read = target.as_ref().and_then(|target| self.unread(app, target));
        let items = self.items(app, &sections).unwrap_or_default();
        (data, bytes_of(&items))
    }

    /// Performs an effect on data; `None` for any other.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not named here has nothing to do with data"
    )]
    pub(super) async fn perform_on_data(
        &self,
        app: &App,
        effect: &Effect,
    ) -> Option<Result<(), Failure>> {
        Some(match effect {
            Effect::SnapshotData {
                number,
                from,
                target,
            } => self.snapshot(app, *number, from.as_ref(), target).await,
            Effect::Migrate { target } => self.migrate(app, target).await,
            Effect::RestoreData { number, aside } => {
                let (number, about) = (*number, self.about_left(app));
                let aside = aside.map(|aside| (aside, about));
                self.on_sets(app, move |sets| sets.restore(number, aside))
                    .await
            }
            Effect::ExportData { base, aside } => {
                let (base, aside) = (*base, *aside);
                self.on_sets(app, move |sets| sets.export(base, aside).map(drop))
                    .await
            }
            Effect::PruneData { numbers } => {
                let numbers = numbers.clone();
                self.on_sets(app, move |sets| sets.prune(&numbers)).await
            }
            _ => return None,
        })
    }

    /// Whether the release can read the data as they are. Without a declared schema nothing is known,
    /// and it is started.
    ///
    /// # Errors
    /// [`code::SCHEMA_TOO_NEW`].
    pub(super) fn require_readable(&self, app: &App, manifest: &Manifest) -> Result<(), Failure> {
        match self.schemas(app, manifest) {
            Some((found, known)) if found > known => Err(Failure::new(code::SCHEMA_TOO_NEW)
                .arg("app", &app.name)
                .arg("release", manifest.release())
                .arg("found", found)
                .arg("known", known)),
            Some(_) | None => Ok(()),
        }
    }

    /// The manifest may name only data that this node allows.
    pub(super) fn permitted_data(&self, app: &App, manifest: &Manifest) -> Result<(), String> {
        let sections: Vec<&DataSection> = manifest.data.iter().collect();
        let (data, roots) = (app.folder.data(), &self.config.limits.data_roots);
        items(&sections, &data, roots).map(drop)
    }

    /// Where what the present or the last way back left is kept, if anything is.
    pub(super) fn kept_aside(&self, app: &App) -> Vec<String> {
        let sets = self.sets(app);
        let journal = app.journal.borrow();
        let numbers = journal.data.aside.iter();
        numbers
            .map(|number| sets.path(*number).display().to_string())
            .collect()
    }

    /// Says why data stand in the way of an order.
    pub(super) fn refused_by_data(&self, app: &App, failure: Failure) -> Failure {
        let journal = app.journal.borrow();
        let previous = journal.previous.as_ref();
        let manifest = self.manifest_of(app, previous);
        let (found, known) = manifest
            .as_ref()
            .and_then(|manifest| self.schemas(app, manifest))
            .unwrap_or_default();
        let release = manifest.map(|manifest| manifest.release().to_string());
        let set = journal.data.previous.unwrap_or_default();
        failure
            .arg("release", release.unwrap_or_default())
            .arg("found", found)
            .arg("known", known)
            .arg("path", self.sets(app).path(set).display())
            .arg("problem", "it is gone")
    }

    /// Where the last way back has left data, while that is what the app rests after.
    pub(super) fn moved_aside(&self, app: &App) -> Option<String> {
        let kept = self.kept_aside(app);
        let is_after = app.phase() != Phase::Committed;
        kept.into_iter().next_back().filter(|_| is_after)
    }

    async fn snapshot(
        &self,
        app: &App,
        number: DataNumber,
        from: Option<&Installed>,
        target: &Target,
    ) -> Result<(), Failure> {
        let manifests = [Some(target), from].map(|installed| self.manifest_of(app, installed));
        let sections = manifests.iter().flatten().filter_map(|m| m.data.as_ref());
        let sections: Vec<&DataSection> = sections.collect();
        let items = self.items(app, &sections)?;
        let about = About {
            app: app.name.clone(),
            from: from.map(named),
            to: Some(named(target)),
        };
        let reserve_bytes = self.config.limits.disk_free_bytes_min;
        self.on_sets(app, move |sets| {
            sets.take(number, about, &items, reserve_bytes)
        })
        .await
    }

    /// Runs the migration from the target's slot, as the user of its service and in its environment.
    async fn migrate(&self, app: &App, target: &Target) -> Result<(), Failure> {
        let (manifest, launch) = self.launch(app, target)?;
        let Some(section) = manifest.migrate else {
            return Ok(());
        };
        let failed = |problem: String| {
            Failure::new(code::MIGRATION_FAILED)
                .arg("app", &app.name)
                .arg("problem", problem)
        };
        let limit = Duration::from_secs(section.limit_s());
        let outcome = run_in_release(&launch, &section.command, limit)
            .await
            .map_err(|error| failed(error.to_string()))?;
        tracing::info!(app = %app.name, code = outcome.code, output = %outcome.output, "migration ended");
        if outcome.code == 0 {
            return Ok(());
        }
        let said = outcome.errors.lines().last().unwrap_or_default();
        Err(failed(format!(
            "it ended with code {}: {said}",
            outcome.code
        )))
    }

    /// Works on sets where it does not keep the daemon from answering.
    async fn on_sets(
        &self,
        app: &App,
        work: impl FnOnce(&Sets) -> Result<(), DataError> + Send + 'static,
    ) -> Result<(), Failure> {
        let (sets, name) = (Arc::new(self.sets(app)), app.name.clone());
        let worked = tokio::task::spawn_blocking(move || work(&sets)).await;
        worked
            .map_err(|error| Failure::new(code::INTERNAL).arg("problem", error))?
            .map_err(|error| Failure::of(error).arg("app", name))
    }

    fn items(&self, app: &App, sections: &[&DataSection]) -> Result<Vec<Item>, Failure> {
        let (data, roots) = (app.folder.data(), &self.config.limits.data_roots);
        items(sections, &data, roots).map_err(|problem| {
            Failure::new(code::NOT_ALLOWED)
                .arg("app", &app.name)
                .arg("problem", problem)
        })
    }

    fn manifest_of(&self, app: &App, installed: Option<&Installed>) -> Option<Manifest> {
        let slot = installed?.slot;
        let found = self.helper.installed_manifest(&app.folder, slot);
        found.ok().map(|(_, manifest)| manifest)
    }

    /// The schema of the data, and the newest that the release reads; none when it does not say.
    fn schemas(&self, app: &App, manifest: &Manifest) -> Option<(u64, u64)> {
        let section = manifest.data.as_ref()?;
        let (known, first) = (section.schema?, section.sqlite.first()?);
        match schema_of(&app.folder.data().join(first)) {
            Ok(found) => Some((found, known)),
            Err(error) => {
                tracing::warn!(app = %app.name, %error, "the schema of the data is not known");
                None
            }
        }
    }

    fn unread(&self, app: &App, manifest: &Manifest) -> Option<String> {
        let (found, known) = self.schemas(app, manifest)?;
        (found > known).then(|| format!("the data have schema {found}, and it reads {known}"))
    }

    fn about_left(&self, app: &App) -> About {
        let journal = app.journal.borrow();
        let back = journal.back.as_ref();
        About {
            app: app.name.clone(),
            from: back.map(|back| named(&back.left)),
            to: back.and_then(|back| back.to.as_ref()).map(named),
        }
    }
}

fn named(installed: &Installed) -> (sanaga_proto::ids::Version, u32) {
    (installed.release.version.clone(), installed.slot)
}

/// What was exported, for the receipt.
fn exported(sets: &Sets, aside: DataNumber) -> Option<String> {
    let counts = sets.exported(aside)?.counts;
    let folder = sets.folder().file_name().unwrap_or_default();
    let folder = folder.to_string_lossy();
    let rows = counts.rows();
    Some(format!(
        "{rows} rows exported to snapshots/{folder}/{aside:04}"
    ))
}
