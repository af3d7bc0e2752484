//! The manifest: the small description of a release that the environment's keys sign (as a TUF
//! target). What is run, as whom, how its health is seen and what may be set: all of it is here.

use crate::ids::{AppName, ReleaseName, SettingName, TreeRoot, Version};
use crate::wire::Document;
use crate::wire::assignment::SettingValue;
use crate::{fields, limits, numbered, tree};

numbered! {
    /// How much care a release asks for.
    pub enum Risk ("risk") {
        /// Rolling, no approval.
        Low = 1 "low",
        /// Canary, one approval.
        Medium = 2 "medium",
        /// Blue-green, two approvals.
        High = 3 "high",
        /// Staged, every approver that the policy names.
        Critical = 4 "critical",
    }
}

numbered! {
    /// Who keeps the service running.
    pub enum ServiceKind ("service kind") {
        /// The agent itself.
        Process = 1 "process",
        /// The release's own start, stop and status commands.
        Command = 2 "command",
        /// systemd.
        Systemd = 3 "systemd",
        /// Nobody: files only.
        None = 4 "none",
    }
}

numbered! {
    /// How a new release takes the place of the one before.
    pub enum Strategy ("strategy") {
        /// The old one stops, then the new one starts.
        Restart = 1 "restart",
        /// The new one starts beside the old one, and takes over once it is healthy.
        BlueGreen = 2 "blue-green",
    }
}

fields! {
    /// The service of a release.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ServiceSection ("service") {
        /// Who keeps it running.
        1 required kind: ServiceKind,
        /// `process` and `systemd`: program and arguments; a relative program is inside the release.
        2 list command: String,
        /// `command`: how to start.
        3 list start: String,
        /// `command`: how to stop.
        4 list stop: String,
        /// `command`: exit code 0 while it runs.
        5 list status: String,
        /// `systemd`: the units, as paths inside the release.
        6 list units: String,
        /// From the polite signal to the other one, seconds; 10 when left out.
        7 optional stop_grace_s: u64,
        /// The user it runs as.
        8 optional user: String,
        /// How a new release takes over; `restart` when left out.
        9 optional strategy: Strategy,
        /// `blue-green`: the two ports that its instances listen on, on 127.0.0.1; the node's own
        /// range when left out.
        10 list ports: u64,
        /// `blue-green`: an instance that serves no longer runs on at least so long, seconds.
        11 optional drain_s: u64,
    }
}

fields! {
    /// What a service may use; agent.toml may allow less.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct LimitSection ("limits") {
        /// Memory, bytes.
        1 optional memory_bytes_max: u64,
        /// Processor time, percent of one processor.
        2 optional cpu_percent_max: u64,
        /// Processes and threads.
        3 optional tasks_max: u64,
        /// Open files of one process.
        4 optional files_max: u64,
    }
}

numbered! {
    /// How a probe looks.
    pub enum ProbeKind ("probe kind") {
        /// GET answers 200–399.
        Http = 1 "http",
        /// A connection is accepted.
        Tcp = 2 "tcp",
        /// A program of the release ends with 0.
        Exec = 3 "exec",
    }
}

fields! {
    /// One probe.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Probe ("probe") {
        /// How it looks.
        1 required kind: ProbeKind,
        /// URL, `host:port`, or program and arguments; `{name}` stands for a setting.
        2 list target: String,
        /// Between two looks, seconds.
        3 required interval_s: u64,
        /// A look takes at most, seconds.
        4 required timeout_s: u64,
        /// So many failures in a row make it unhealthy.
        5 required failures_max: u64,
        /// So many successes in a row make it healthy.
        6 required successes_min: u64,
        /// Failures do not count before the service has run so long, seconds.
        7 required start_period_s: u64,
    }
}

numbered! {
    /// The type of a setting.
    pub enum SettingType ("setting type") {
        /// An integer, with bounds.
        Integer = 1 "integer",
        /// True or false.
        Flag = 2 "flag",
        /// Text, of bounded length.
        Text = 3 "text",
    }
}

fields! {
    /// A setting that an operator may change without a new release.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SettingSpec ("setting") {
        /// Its name.
        1 required name: SettingName,
        /// Its type.
        2 required kind: SettingType,
        /// Its value when nobody sets it.
        3 required default: SettingValue,
        /// The least integer, or the least bytes of text.
        4 optional min: i64,
        /// The greatest integer, or the most bytes of text.
        5 optional max: i64,
        /// The only values of a text, if it has a list.
        6 list choices: String,
    }
}

impl ServiceSection {
    /// A section that says nothing but its kind.
    #[must_use]
    pub fn of_kind(kind: ServiceKind) -> Self {
        Self {
            kind,
            command: Vec::new(),
            start: Vec::new(),
            stop: Vec::new(),
            status: Vec::new(),
            units: Vec::new(),
            stop_grace_s: None,
            user: None,
            strategy: None,
            ports: Vec::new(),
            drain_s: None,
        }
    }

    /// How a new release takes over.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.strategy.unwrap_or(Strategy::Restart)
    }
}

impl SettingSpec {
    /// Checks a value's type and bounds.
    ///
    /// # Errors
    /// What is wrong, in English words.
    pub fn check(&self, value: &SettingValue) -> Result<(), String> {
        let within = |number: i64| {
            let (min, max) = (self.min.unwrap_or(i64::MIN), self.max.unwrap_or(i64::MAX));
            if (min..=max).contains(&number) {
                Ok(())
            } else {
                Err(format!("{number} is not in {min}..{max}"))
            }
        };
        match (self.kind, value) {
            (SettingType::Integer, SettingValue::Integer(number)) => within(*number),
            (SettingType::Flag, SettingValue::Flag(_)) => Ok(()),
            (SettingType::Text, SettingValue::Text(text)) => {
                if text.chars().any(char::is_control) {
                    return Err("has control characters".to_owned());
                }
                if !self.choices.is_empty() && !self.choices.contains(text) {
                    return Err(format!("must be one of {}", self.choices.join(", ")));
                }
                within(i64::try_from(text.len()).unwrap_or(i64::MAX))
            }
            (kind, _) => Err(format!("must be of type {kind}")),
        }
    }
}

fields! {
    /// Where a release comes from.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Source ("source") {
        /// The source repository.
        1 optional repository: String,
        /// Its revision.
        2 optional revision: String,
        /// When that was committed, seconds since 1970.
        3 optional committed_at_s: u64,
        /// Who built it.
        4 optional build_url: String,
    }
}

fields! {
    /// What changed, for people.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Notes ("notes") {
        /// In English.
        1 optional en: String,
        /// In French.
        2 optional fr: String,
    }
}

fields! {
    /// What a release keeps: set aside before it is activated, brought back with the release before.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct DataSection ("data") {
        /// `SQLite` databases; the first one carries the schema version.
        1 list sqlite: String,
        /// Folders, with all that is in them.
        2 list folders: String,
        /// The newest `PRAGMA user_version` that this release can read.
        3 optional schema: u64,
    }
}

/// The most databases and folders of one release together.
pub const DATA_ITEMS_MAX: usize = 32;

impl DataSection {
    /// Every path, databases first.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.sqlite.iter().chain(&self.folders).map(String::as_str)
    }

    /// Checks every path: those of a tree are allowed (relative to the app's data), and absolute ones
    /// of the same form, which a node may refuse. None may lie in another.
    ///
    /// # Errors
    /// The path, and the rule that it breaks.
    pub fn check(&self) -> Result<(), (String, &'static str)> {
        let paths: Vec<&str> = self.paths().collect();
        let wrong = |path: &str, rule| Err((path.to_owned(), rule));
        if paths.len() > DATA_ITEMS_MAX {
            return wrong("", "are more than 32");
        }
        for (at, path) in paths.iter().enumerate() {
            if let Err(rule) = tree::path::check(path.strip_prefix('/').unwrap_or(path)) {
                return wrong(path, rule);
            }
            let within = |inner: &str, outer: &str| {
                let rest = inner.strip_prefix(outer);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            let before = paths.iter().take(at);
            if before
                .into_iter()
                .any(|other| within(path, other) || within(other, path))
            {
                return wrong(path, "lies in another path of the data");
            }
        }
        Ok(())
    }
}

fields! {
    /// How a release brings the data of the one before into its own form.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct MigrateSection ("migrate") {
        /// Program and arguments; a relative program is inside the release.
        1 list command: String,
        /// It takes at most, seconds; 600 when left out.
        2 optional timeout_s: u64,
    }
}

impl MigrateSection {
    /// How long it may take, seconds.
    #[must_use]
    pub fn limit_s(&self) -> u64 {
        self.timeout_s.unwrap_or(600)
    }
}

fields! {
    /// The description of a release. Keys 17 and 18 are kept for later.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Manifest ("manifest") {
        /// The app.
        3 required app: AppName,
        /// Its version.
        4 required version: Version,
        /// How much care it asks for.
        5 required risk: Risk,
        /// The Merkle root of its tree.
        6 required root: TreeRoot,
        /// All files together, bytes.
        7 required unpacked_bytes: u64,
        /// Files, directories and links.
        8 required entries: u64,
        /// What runs.
        9 required service: ServiceSection,
        /// How its health is seen.
        10 list probes: Probe,
        /// It must stay healthy so long, seconds; the environment's default when left out.
        11 optional soak_s: u64,
        /// What may be set; in order of name.
        12 list settings: SettingSpec,
        /// Where it comes from.
        13 optional source: Source,
        /// What changed.
        14 optional notes: Notes,
        /// What it keeps.
        15 optional data: DataSection,
        /// How the data are brought into its form before it runs.
        16 optional migrate: MigrateSection,
        /// What its service may use.
        19 optional limits: LimitSection,
    }
}

impl Manifest {
    /// `app@version`.
    #[must_use]
    pub fn release(&self) -> ReleaseName {
        ReleaseName {
            app: self.app.clone(),
            version: self.version.clone(),
        }
    }
}

impl Document for Manifest {
    const WHAT: &'static str = "manifest";
    const TYPE: u64 = 7;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = limits::MANIFEST_BYTES_MAX;
}
