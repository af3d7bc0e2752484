//! The settings of a release: the manifest's defaults, then what the assignment says, then what this
//! node's administrator says, each checked against the manifest.

use std::collections::BTreeMap;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{Digest, SettingName};
use sanaga_proto::manifest::{Manifest, SettingType};
use sanaga_proto::wire::assignment::SettingValue;

/// Values in force, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// By name.
    pub values: BTreeMap<SettingName, SettingValue>,
}

impl Settings {
    /// Joins the three layers; a later one wins.
    ///
    /// # Errors
    /// [`code::BAD_SETTING`] for an unknown name, a wrong type or a value out of bounds.
    pub fn join(
        manifest: &Manifest,
        assigned: &[(SettingName, SettingValue)],
        local: Option<&BTreeMap<SettingName, SettingValue>>,
    ) -> Result<Self, Failure> {
        let bad = |name: &SettingName, problem: String| {
            Failure::new(code::BAD_SETTING)
                .arg("app", &manifest.app)
                .arg("setting", name)
                .arg("problem", problem)
        };
        let defaults = manifest
            .settings
            .iter()
            .map(|spec| (spec.name.clone(), spec.default.clone()));
        let mut values: BTreeMap<_, _> = defaults.collect();
        let local = local.into_iter().flatten();
        for (name, value) in assigned
            .iter()
            .map(|(name, value)| (name, value))
            .chain(local)
        {
            let spec = manifest
                .settings
                .iter()
                .find(|spec| spec.name == *name)
                .ok_or_else(|| bad(name, "the release does not have it".to_owned()))?;
            spec.check(value).map_err(|problem| bad(name, problem))?;
            values.insert(name.clone(), value.clone());
        }
        Ok(Self { values })
    }

    /// The file that the service reads: `name=value` lines in order of name.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.values
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect()
    }

    /// Reads such a file, with the types of the manifest.
    #[must_use]
    pub fn from_text(manifest: &Manifest, text: &str) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let Some(spec) = manifest
                .settings
                .iter()
                .find(|spec| spec.name.as_str() == name)
            else {
                continue;
            };
            let value = match spec.kind {
                SettingType::Integer => value.parse().ok().map(SettingValue::Integer),
                SettingType::Flag => value.parse().ok().map(SettingValue::Flag),
                SettingType::Text => Some(SettingValue::Text(value.to_owned())),
            };
            if let Some(value) = value {
                values.insert(spec.name.clone(), value);
            }
        }
        Self { values }
    }

    /// What names these settings in the journal.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_text().as_bytes())
    }
}
