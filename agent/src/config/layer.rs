//! One layer over the other: defaults, files, environment, flags.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sanaga_proto::failure::nearest;
use sanaga_proto::ids::{AppName, SettingName};
use sanaga_proto::wire::assignment::SettingValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key, find, sections};
use super::value::{Raw, Value};
use super::{Config, ConfigError, Entry, Origin, Override, Paths};

/// A configuration file is at most so big, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The section that holds settings of apps.
const SETTINGS: &str = "settings";
/// What errors call the part of a file before its first section.
const TOP: &str = "top level";

type SettingKey = (AppName, SettingName);

/// The values so far.
pub(super) struct Layers {
    values: BTreeMap<&'static str, (Value, Origin)>,
    settings: BTreeMap<SettingKey, (SettingValue, Origin)>,
}

/// The files, the weakest first.
pub(super) fn files(paths: &Paths) -> Result<Vec<PathBuf>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: paths.config_folder.clone(),
        source,
    };
    let mut found = Vec::new();
    match fs::read_dir(&paths.config_folder) {
        Ok(entries) => {
            for entry in entries {
                let path = entry.map_err(unreadable)?.path();
                if path.extension().is_some_and(|end| end == "toml") {
                    found.push(path);
                }
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(unreadable(error)),
    }
    found.sort();
    found.insert(0, paths.config.clone());
    Ok(found)
}

/// The text of a file; none if it is absent.
pub(super) fn read(path: &Path, root_only: bool) -> Result<Option<String>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if root_only {
        // The descriptor is asked, so that what was checked is what is read.
        only_roots(path, &file.metadata().map_err(unreadable)?)?;
        // Who can write the folder can put another file in its place.
        let folder = path.parent().unwrap_or(path);
        only_roots(folder, &fs::metadata(folder).map_err(unreadable)?)?;
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let problem = format!("it is bigger than {FILE_BYTES_MAX} bytes");
        return Err(unreadable(io::Error::new(ErrorKind::FileTooLarge, problem)));
    }
    Ok(Some(text))
}

/// Refuses what others than root can write.
fn only_roots(path: &Path, found: &fs::Metadata) -> Result<(), ConfigError> {
    if is_roots_alone(found.uid(), found.mode()) {
        return Ok(());
    }
    Err(ConfigError::Writable {
        path: path.to_owned(),
    })
}

/// Whether a file of this owner and mode can be written by root alone.
pub(super) const fn is_roots_alone(uid: u32, mode: u32) -> bool {
    uid == 0 && mode & 0o022 == 0
}

impl Layers {
    /// The defaults.
    pub(super) fn new() -> Result<Self, ConfigError> {
        let mut values = BTreeMap::new();
        for key in KEYS {
            let value = key.kind.check_text(key.default).map_err(|problem| {
                let name = key.name.to_owned();
                ConfigError::BadWord { name, problem }
            })?;
            values.insert(key.name, (value, Origin::Default));
        }
        Ok(Self {
            values,
            settings: BTreeMap::new(),
        })
    }

    pub(super) fn add_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let table = DeTable::parse(text).map_err(|source| ConfigError::Syntax {
            path: path.to_owned(),
            line: line_of(text, source.span().map_or(0, |span| span.start)),
            source,
        })?;
        let file = File { path, text };
        for (key, value) in table.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                (SETTINGS, DeValue::Table(apps)) => self.add_settings(&file, apps)?,
                (section, DeValue::Table(keys)) if sections().contains(section) => {
                    for (key, value) in keys {
                        self.add_value(&file, section, key, value)?;
                    }
                }
                (section, _) if section == SETTINGS || sections().contains(section) => {
                    return Err(file.bad_value(key, section, "must be a section".to_owned()));
                }
                (_, _) => self.add_value(&file, "", key, value)?,
            }
        }
        Ok(())
    }

    fn add_value(
        &mut self,
        file: &File<'_>,
        section: &str,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let short = key.get_ref().as_ref();
        let known: Option<&'static Key> = KEYS.iter().find(|key| key.parts() == (section, short));
        let Some(known) = known else {
            return Err(file.unknown(key, section, near(section, short)));
        };
        let checked = known
            .kind
            .check(Raw::of(value.get_ref()))
            .map_err(|problem| file.bad_value(key, known.name, problem))?;
        self.values.insert(known.name, (checked, file.origin(key)));
        Ok(())
    }

    fn add_settings(&mut self, file: &File<'_>, apps: &DeTable<'_>) -> Result<(), ConfigError> {
        for (app_key, settings) in apps {
            let name = format!("{SETTINGS}.{}", app_key.get_ref());
            let bad = |key, problem: String| file.bad_value(key, &name, problem);
            let app: AppName = app_key
                .get_ref()
                .parse()
                .map_err(|error| bad(app_key, format!("{error}")))?;
            let Some(settings) = settings.get_ref().as_table() else {
                return Err(bad(app_key, "must be a section".to_owned()));
            };
            for (key, value) in settings {
                let setting: SettingName = key
                    .get_ref()
                    .parse()
                    .map_err(|error| bad(key, format!("{error}")))?;
                let value = match Raw::of(value.get_ref()) {
                    Raw::Integer(number) => SettingValue::Integer(number),
                    Raw::Flag(flag) => SettingValue::Flag(flag),
                    Raw::Text(text) => SettingValue::Text(text),
                    Raw::List(_) | Raw::Other(_) => {
                        let full = format!("{name}.{}", key.get_ref());
                        let problem = "must be an integer, true, false or text".to_owned();
                        return Err(file.bad_value(key, &full, problem));
                    }
                };
                let place = (app.clone(), setting);
                self.settings.insert(place, (value, file.origin(key)));
            }
        }
        Ok(())
    }

    /// Variables that are none of ours are left alone: services and shells have theirs.
    pub(super) fn add_variables(
        &mut self,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), ConfigError> {
        for key in KEYS {
            let name = key.variable();
            let Some(text) = variables.get(&name).filter(|text| !text.is_empty()) else {
                continue;
            };
            // The controller's `SANAGA_LANG` may be a whole locale.
            let text = match (key.name, text.split(['_', '.', '-']).next()) {
                ("language", Some(tag)) => tag,
                (_, _) => text,
            };
            let value = key.kind.check_text(text).map_err(|problem| {
                let name = name.clone();
                ConfigError::BadWord { name, problem }
            })?;
            self.values
                .insert(key.name, (value, Origin::Variable(name)));
        }
        Ok(())
    }

    pub(super) fn add_overrides(&mut self, overrides: &[Override]) -> Result<(), ConfigError> {
        for given in overrides {
            let bad = |problem| ConfigError::BadWord {
                name: given.flag.clone(),
                problem,
            };
            let key =
                find(given.key).ok_or_else(|| bad(format!("there is no key `{}`", given.key)))?;
            let value = key.kind.check_text(&given.value).map_err(bad)?;
            self.values
                .insert(key.name, (value, Origin::Flag(given.flag.clone())));
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Config {
        let mut config = Config::default();
        let mut entries = Vec::new();
        for key in KEYS {
            if let Some((value, origin)) = self.values.get(key.name) {
                config.apply(key, value);
                entries.push(Entry {
                    key: key.name.to_owned(),
                    value: value.to_string(),
                    origin: origin.clone(),
                });
            }
        }
        for ((app, setting), (value, origin)) in self.settings {
            let shown = match &value {
                SettingValue::Integer(number) => number.to_string(),
                SettingValue::Flag(flag) => flag.to_string(),
                SettingValue::Text(text) => format!("{text:?}"),
            };
            entries.push(Entry {
                key: format!("{SETTINGS}.{app}.{setting}"),
                value: shown,
                origin,
            });
            config
                .settings
                .entry(app)
                .or_default()
                .insert(setting, value);
        }
        // A greatest pause below the least one would make the pauses shrink.
        config.fetch.retry_max = config.fetch.retry_max.max(config.fetch.retry_min);
        config.service.restart_max = config.service.restart_max.max(config.service.restart_min);
        config.entries = entries;
        config
    }
}

/// The name that was probably meant: of this section, of the sections, or the same key elsewhere.
fn near(section: &str, key: &str) -> String {
    let here = KEYS.iter().map(Key::parts);
    let here = here.filter(|(of, _)| *of == section).map(|(_, key)| key);
    let sections = sections();
    let top = sections.iter().copied().chain([SETTINGS]);
    let close = if section.is_empty() {
        nearest(key, here.chain(top))
    } else {
        nearest(key, here)
    };
    if !close.is_empty() {
        return close;
    }
    let elsewhere = KEYS.iter().find(|known| known.parts().1 == key);
    elsewhere.map_or_else(String::new, |known| known.name.to_owned())
}

/// A file that is being read.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn line<T>(&self, at: &Spanned<T>) -> usize {
        line_of(self.text, at.span().start)
    }

    fn origin<T>(&self, at: &Spanned<T>) -> Origin {
        Origin::File {
            path: self.path.to_owned(),
            line: self.line(at),
        }
    }

    fn bad_value<T>(&self, at: &Spanned<T>, key: &str, problem: String) -> ConfigError {
        ConfigError::BadValue {
            path: self.path.to_owned(),
            line: self.line(at),
            key: key.to_owned(),
            problem,
        }
    }

    fn unknown(
        &self,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        section: &str,
        near: String,
    ) -> ConfigError {
        ConfigError::UnknownKey {
            path: self.path.to_owned(),
            line: self.line(key),
            key: key.get_ref().to_string(),
            section: if section.is_empty() { TOP } else { section }.to_owned(),
            near,
        }
    }
}

/// The line of a byte, from 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    1 + before.filter(|byte| **byte == b'\n').count()
}
