//! Settings by environment, site and node. A change writes a new generation for every node that it
//! changes; a value in a node's own agent.toml still wins there.

use sanaga_proto::code;
use sanaga_proto::failure::{Failure, nearest};
use sanaga_proto::ids::{AppName, NodeName, SettingName};
use sanaga_proto::manifest::{Manifest, SettingSpec, SettingType};
use sanaga_proto::wire::Document as _;
use sanaga_proto::wire::assignment::SettingValue;
use serde::{Deserialize, Serialize};

use super::context::{Actor, Context};
use super::orders::{Desk, apps_with};
use super::selector::Selector;
use crate::fleet::{Change, Node, Note, Release, Setting, StoredAssignment};

/// Sets a value, or takes it away.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetSetting {
    /// The app.
    pub app: AppName,
    /// The setting.
    pub name: SettingName,
    /// The value as typed; none takes it away.
    pub value: Option<String>,
    /// For whom.
    pub to: Selector,
    /// Only say which nodes would change.
    pub dry_run: bool,
}

/// What a setting changed, or would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingDone {
    /// The nodes that get a new generation, in order of name.
    pub nodes: Vec<NodeName>,
}

pub(super) async fn set(
    context: &Context,
    actor: &Actor,
    request: SetSetting,
) -> Result<SettingDone, Failure> {
    let nodes = request.to.nodes(context).await?;
    let releases: Vec<Release> = context
        .store
        .releases()
        .await
        .map_err(Failure::of)?
        .into_iter()
        .filter(|release| release.app == request.app)
        .collect();
    let spec = newest_spec(&releases, &request)?;
    let mut desk = Desk::open(context).await?;
    let scope = request.to.scope();
    let same = |setting: &Setting| {
        setting.scope == scope && setting.app == request.app && setting.name == request.name
    };
    let former = desk.settings.iter().find(|setting| same(setting)).cloned();
    desk.settings.retain(|setting| !same(setting));
    let action = if request.value.is_some() {
        "set"
    } else {
        "unset"
    };
    let object = format!("{} {} {scope}", request.app, request.name);
    let mut note = Note::new(action, object);
    if let Some(former) = &former {
        note = note.before(former.value.to_string());
    }
    let change = match &request.value {
        Some(text) => {
            let value = parse(&spec, text, &request.app)?;
            note = note.after(value.to_string());
            let setting = Setting {
                scope,
                app: request.app.clone(),
                name: request.name.clone(),
                value,
            };
            desk.settings.push(setting.clone());
            Change::SetSetting(setting)
        }
        None => Change::DropSetting {
            scope,
            app: request.app.clone(),
            name: request.name.clone(),
        },
    };
    let given = Given {
        desk,
        releases,
        app: request.app,
    };
    let mut batch = context.batch(actor, note).with(change);
    let mut changed = Vec::new();
    for node in nodes {
        if let Some(next) = given.next(context, actor, &node).await? {
            changed.push(node.name);
            batch = batch.with(Change::Assign(next));
        }
    }
    if !request.dry_run {
        context.commit(batch).await?;
    }
    Ok(SettingDone { nodes: changed })
}

/// The settings as they will be.
struct Given {
    desk: Desk,
    releases: Vec<Release>,
    app: AppName,
}

impl Given {
    /// The next assignment of a node; none when nothing changes for it.
    async fn next(
        &self,
        context: &Context,
        actor: &Actor,
        node: &Node,
    ) -> Result<Option<StoredAssignment>, Failure> {
        let current = context
            .store
            .assignment(&node.name)
            .await
            .map_err(Failure::of)?;
        let assigned = current
            .as_ref()
            .and_then(|current| current.document.apps.iter().find(|app| app.app == self.app));
        let release = assigned.and_then(|assigned| {
            self.releases
                .iter()
                .find(|release| release.version == assigned.version)
        });
        let (Some(assigned), Some(release)) = (assigned, release) else {
            return Ok(None);
        };
        let app = self.desk.app(node, release)?;
        if app.settings == assigned.settings {
            return Ok(None);
        }
        let apps = apps_with(current.as_ref(), app);
        self.desk
            .next(context, actor, node, current.as_ref(), apps)
            .map(Some)
    }
}

/// The setting as the newest release that knows it declares it.
fn newest_spec(releases: &[Release], request: &SetSetting) -> Result<SettingSpec, Failure> {
    let mut known = Vec::new();
    for release in releases.iter().rev() {
        let manifest = Manifest::from_bytes(&release.manifest).map_err(Failure::of)?;
        for spec in manifest.settings {
            if spec.name == request.name {
                return Ok(spec);
            }
            known.push(spec.name.to_string());
        }
    }
    let near = nearest(request.name.as_str(), known.iter().map(String::as_str));
    let problem = match (releases.is_empty(), near.as_str()) {
        (true, _) => "no release of this app was published".to_owned(),
        (false, "") => "no release of this app declares it".to_owned(),
        (false, near) => format!("no release of this app declares it; did you mean `{near}`?"),
    };
    Err(bad(&request.app, &request.name, problem))
}

fn parse(spec: &SettingSpec, text: &str, app: &AppName) -> Result<SettingValue, Failure> {
    let value = match spec.kind {
        SettingType::Integer => text.parse().ok().map(SettingValue::Integer),
        SettingType::Flag => text.parse().ok().map(SettingValue::Flag),
        SettingType::Text => Some(SettingValue::Text(text.to_owned())),
    };
    let value = value.ok_or_else(|| {
        bad(
            app,
            &spec.name,
            format!("`{text}` is not of type {}", spec.kind),
        )
    })?;
    spec.check(&value)
        .map_err(|problem| bad(app, &spec.name, problem))?;
    Ok(value)
}

fn bad(app: &AppName, name: &SettingName, problem: String) -> Failure {
    Failure::new(code::BAD_SETTING)
        .arg("app", app)
        .arg("setting", name)
        .arg("problem", problem)
}
