//! `sanaga.toml`: what a project says about its releases, read into the manifest's own types.
//! Nothing is guessed: an unknown key, a wrong type or a value out of bounds is refused with its
//! line, and what the file leaves out takes the documented default.

mod parts;
mod section;
mod service;

use std::path::{Component, Path, PathBuf};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{AppName, TreeRoot, Version};
use sanaga_proto::manifest::{
    DataSection, LimitSection, Manifest, MigrateSection, Notes, Probe, Risk, ServiceSection,
    SettingSpec, Source,
};

use section::{At, File, Section};

/// The name of the file in the project's folder.
pub const FILE_NAME: &str = "sanaga.toml";
/// The longest `sanaga.toml`, bytes.
const FILE_BYTES_MAX: u64 = 256_000;

/// What stands beside the file on the command line; it only fills what the file leaves out.
#[derive(Debug, Clone, Default)]
pub struct Fill {
    /// `--app`.
    pub app: Option<AppName>,
    /// `--version`.
    pub version: Option<Version>,
    /// `--notes-en`.
    pub notes_en: Option<String>,
    /// `--notes-fr`.
    pub notes_fr: Option<String>,
}

/// What a scan of the tree found; the rest of the manifest comes from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    /// The Merkle root.
    pub root: TreeRoot,
    /// All files together, bytes.
    pub unpacked_bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
}

/// A project: `sanaga.toml`, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The folder whose content is shipped.
    pub tree: PathBuf,
    /// The app.
    pub app: AppName,
    /// Its version.
    pub version: Version,
    risk: Risk,
    service: ServiceSection,
    probes: Vec<Probe>,
    soak_s: Option<u64>,
    settings: Vec<SettingSpec>,
    source: Option<Source>,
    notes: Option<Notes>,
    limits: Option<LimitSection>,
    data: Option<DataSection>,
    migrate: Option<MigrateSection>,
}

impl Project {
    /// Reads `DIR/sanaga.toml`.
    ///
    /// # Errors
    /// `CONFIG_UNREADABLE`, `CONFIG_SYNTAX`, `UNKNOWN_KEY`, `BAD_VALUE` or `MISSING_KEY`, with the
    /// path as the operator would write it.
    pub fn read(folder: &Path, fill: Fill) -> Result<Self, Failure> {
        let path = folder.join(FILE_NAME);
        let path = path.strip_prefix(".").unwrap_or(&path);
        let unreadable = |problem: String| {
            Failure::new(code::CONFIG_UNREADABLE)
                .arg("path", path.display())
                .arg("problem", problem)
        };
        let bytes = std::fs::metadata(path)
            .map_err(|error| unreadable(error.to_string()))?
            .len();
        if bytes > FILE_BYTES_MAX {
            return Err(unreadable(format!(
                "it is bigger than {FILE_BYTES_MAX} bytes"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(path, &text, fill)
    }

    /// Reads the text of a `sanaga.toml` that stands at `path`.
    ///
    /// # Errors
    /// As [`Project::read`].
    pub fn parse(path: &Path, text: &str, fill: Fill) -> Result<Self, Failure> {
        let (file, table) = File::parse(path, text)?;
        let known = [
            "app",
            "version",
            "tree",
            "risk",
            "service",
            "settings",
            "probe",
            "probation",
            "limits",
            "source",
            "notes",
            "data",
            "migrate",
        ];
        let mut top = Section::open(&file, "", table, 0, &known)?;
        let app = top.parsed("app")?.map(|app| app.value).or(fill.app);
        let version = top.parsed("version")?.map(|v| v.value).or(fill.version);
        let tree = top.text("tree")?.ok_or_else(|| top.missing("tree"))?;
        let risk = match top.text("risk")? {
            Some(word) => parts::word(&file, "risk", &word, Risk::ALL, Risk::as_str)?,
            None => Risk::Low,
        };
        let service = service::service(&file, top.table("service")?)?;
        let limits = service::limits(&file, top.table("limits")?)?;
        let settings = parts::settings(&file, top.table("settings")?, &service)?;
        let probes = parts::probes(&file, top.tables("probe")?, &settings, &service)?;
        let soak_s = parts::soak_s(&file, top.table("probation")?)?;
        let source = parts::source(&file, top.table("source")?)?;
        let notes = parts::notes(&file, top.table("notes")?, &fill.notes_en, &fill.notes_fr)?;
        let data = parts::data(&file, top.table("data")?)?;
        let migrate = parts::migrate(&file, top.table("migrate")?, data.is_some())?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(Self {
            tree: folder.join(tree_path(&file, &tree)?),
            app: app.ok_or_else(|| top.missing("app"))?,
            version: version.ok_or_else(|| top.missing("version"))?,
            risk,
            service,
            probes,
            soak_s,
            settings,
            source,
            notes,
            limits,
            data,
            migrate,
        })
    }

    /// The manifest of this project's release with that tree.
    #[must_use]
    pub fn manifest(&self, tree: Tree) -> Manifest {
        Manifest {
            app: self.app.clone(),
            version: self.version.clone(),
            risk: self.risk,
            root: tree.root,
            unpacked_bytes: tree.unpacked_bytes,
            entries: tree.entries,
            service: self.service.clone(),
            probes: self.probes.clone(),
            soak_s: self.soak_s,
            settings: self.settings.clone(),
            source: self.source.clone(),
            notes: self.notes.clone(),
            limits: self.limits,
            data: self.data.clone(),
            migrate: self.migrate.clone(),
        }
    }
}

/// `tree` stays inside the project and is never the project itself: what is shipped is chosen, so
/// that sources, keys and `sanaga.toml` do not travel by accident.
fn tree_path(file: &File<'_>, tree: &At<String>) -> Result<PathBuf, Failure> {
    let bad = |problem: &str| Err(file.bad(tree.at, "tree", problem));
    let mut out = PathBuf::new();
    for component in Path::new(&tree.value).components() {
        match component {
            Component::Normal(name) => out.push(name),
            Component::CurDir => {}
            Component::ParentDir => return bad("leaves the project's folder"),
            Component::RootDir | Component::Prefix(_) => {
                return bad("must be relative to the project's folder");
            }
        }
    }
    if out.as_os_str().is_empty() {
        return bad("must be a folder inside the project, such as \"dist\"");
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
