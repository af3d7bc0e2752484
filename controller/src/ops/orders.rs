//! Assignments: every way to a new generation goes through here, so that a node's apps are never
//! mixed and the director signs nothing that its environment has not signed before.

use std::sync::Arc;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{AppName, SettingName};
use sanaga_proto::manifest::Manifest;
use sanaga_proto::trust::MemorySigner;
use sanaga_proto::wire::Document as _;
use sanaga_proto::wire::assignment::{AssignedApp, Assignment, SettingValue};
use sanaga_proto::wire::envelope::seal;

use super::context::{Actor, Context};
use crate::fleet::{
    Controller, Environment, Node, POLL_INTERVAL_S, Release, Scope, Setting, StoredAssignment,
};

/// What one operation reads once and uses for every node.
pub(super) struct Desk {
    pub controller: Controller,
    pub environments: Vec<Environment>,
    pub settings: Vec<Setting>,
    pub director: Arc<MemorySigner>,
}

impl Desk {
    /// Reads it.
    pub async fn open(context: &Context) -> Result<Self, Failure> {
        Ok(Self {
            controller: context.controller().await?,
            environments: context.store.environments().await.map_err(Failure::of)?,
            settings: context.store.settings().await.map_err(Failure::of)?,
            director: context.director().await?,
        })
    }

    fn environment(&self, node: &Node) -> Option<&Environment> {
        self.environments
            .iter()
            .find(|environment| environment.name == node.environment)
    }

    /// How often a node asks, seconds.
    pub fn poll_interval_s(&self, node: &Node) -> u64 {
        self.environment(node)
            .map_or(POLL_INTERVAL_S, |environment| environment.poll_interval_s)
    }

    /// A release as a node's assignment names it, with the settings of that node.
    ///
    /// # Errors
    /// `NOT_IN_ENVIRONMENT`, or `BAD_SETTING` when a value that was given does not fit it.
    pub fn app(&self, node: &Node, release: &Release) -> Result<AssignedApp, Failure> {
        let placement = release.placement(&node.environment).ok_or_else(|| {
            Failure::new(code::NOT_IN_ENVIRONMENT)
                .arg("release", release.name())
                .arg("environment", &node.environment)
                .arg("node", &node.name)
        })?;
        let environment = self.environment(node);
        Ok(AssignedApp {
            app: release.app.clone(),
            version: release.version.clone(),
            manifest: release.manifest_digest,
            counter: placement.counter,
            settings: self.settings_of(node, release)?,
            download_bytes_max: environment.and_then(|environment| environment.download_bytes_max),
            asked: None,
        })
    }

    /// The values that are set for a node and that the release knows, the narrowest scope winning.
    fn settings_of(
        &self,
        node: &Node,
        release: &Release,
    ) -> Result<Vec<(SettingName, SettingValue)>, Failure> {
        let manifest = Manifest::from_bytes(&release.manifest).map_err(Failure::of)?;
        let mut out = Vec::new();
        for spec in &manifest.settings {
            let value = narrowest(&self.settings, node, &release.app, &spec.name);
            if let Some(value) = value {
                spec.check(value).map_err(|problem| {
                    Failure::new(code::BAD_SETTING)
                        .arg("app", release.name())
                        .arg("setting", &spec.name)
                        .arg("problem", problem)
                })?;
                out.push((spec.name.clone(), value.clone()));
            }
        }
        Ok(out)
    }

    /// The next assignment of a node with these apps, signed by the director.
    pub fn next(
        &self,
        context: &Context,
        actor: &Actor,
        node: &Node,
        current: Option<&StoredAssignment>,
        mut apps: Vec<AssignedApp>,
    ) -> Result<StoredAssignment, Failure> {
        apps.sort_by(|a, b| a.app.cmp(&b.app));
        let document = Assignment {
            repository: self.controller.repository,
            environment: node.environment.clone(),
            node: node.name.clone(),
            site: node.site.clone(),
            node_key: node.key,
            generation: current.map_or(0, |current| current.document.generation) + 1,
            issued_at_s: context.now_s(),
            poll_interval_s: self.poll_interval_s(node),
            content_urls: self.controller.content_urls.clone(),
            apps,
        };
        let signed = seal(&document, self.director.as_ref()).map_err(Failure::of)?;
        Ok(StoredAssignment {
            document,
            signed,
            actor: actor.to_string(),
        })
    }
}

/// The apps of an assignment, with one put in or in the place of the former one. Only that one is
/// asked for anew.
pub(super) fn apps_with(current: Option<&StoredAssignment>, app: AssignedApp) -> Vec<AssignedApp> {
    let mut apps: Vec<AssignedApp> = current
        .map(|current| current.document.carried())
        .unwrap_or_default();
    apps.retain(|old| old.app != app.app);
    apps.push(app);
    apps
}

fn narrowest<'a>(
    settings: &'a [Setting],
    node: &Node,
    app: &AppName,
    name: &SettingName,
) -> Option<&'a SettingValue> {
    let width = |scope: &Scope| match scope {
        Scope::Node(found) if *found == node.name => Some(0),
        Scope::Site(found) if *found == node.site => Some(1),
        Scope::Environment(found) if *found == node.environment => Some(2),
        Scope::Node(_) | Scope::Site(_) | Scope::Environment(_) => None,
    };
    settings
        .iter()
        .filter(|setting| setting.app == *app && setting.name == *name)
        .filter_map(|setting| Some((width(&setting.scope)?, &setting.value)))
        .min_by_key(|(width, _)| *width)
        .map(|(_, value)| value)
}
