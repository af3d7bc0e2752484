//! Where everything of the agent lies: `--home DIR` > `SANAGA_HOME` > `/etc/sanaga` and
//! `/var/lib/sanaga` as root, else `$XDG_STATE_HOME/sanaga/agent`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ConfigError;
use crate::identity::IdentityFiles;

/// The sockets' folder of the machine's agent; a package makes it at each boot.
const MACHINE_RUN: &str = "/run/sanaga";

/// What the choice of folders depends on.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `--home`.
    pub home_flag: Option<PathBuf>,
    /// The variables of the environment.
    pub variables: BTreeMap<String, String>,
    /// Whether this process is root's.
    pub root: bool,
    /// Whether the machine has an agent of its own, which runs since its boot.
    pub machine: bool,
}

impl Environment {
    /// This process, with its `--home`. Variables that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process(home_flag: Option<PathBuf>) -> Self {
        Self {
            home_flag,
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            root: rustix::process::geteuid().is_root(),
            machine: Path::new(MACHINE_RUN).is_dir(),
        }
    }
}

/// The agent's files and folders. None of them need exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `agent.toml`.
    pub config: PathBuf,
    /// `agent.d/`, whose `*.toml` come after `agent.toml`.
    pub config_folder: PathBuf,
    /// `root.json`: a trust root that packages may pin.
    pub pinned_root: PathBuf,
    /// The folder of all state.
    pub state: PathBuf,
    /// `agent.db`.
    pub database: PathBuf,
    /// `apps/`: slots.
    pub apps: PathBuf,
    /// `worker/`: what the worker may write to.
    pub worker: PathBuf,
    /// `worker/packs/`.
    pub packs: PathBuf,
    /// `snapshots/`: data that were put aside.
    pub snapshots: PathBuf,
    /// The control socket's folder; gone after a boot where it is under `/run`.
    pub run: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// The socket between helper and worker.
    pub worker_socket: PathBuf,
    /// Whether these are the machine's own folders in `/etc` and `/var`.
    pub system: bool,
}

impl Paths {
    /// Chooses.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`] when nothing says where.
    pub fn resolve(environment: &Environment) -> Result<Self, ConfigError> {
        let variable = |name: &str| {
            let text = environment.variables.get(name)?;
            (!text.is_empty()).then(|| PathBuf::from(text))
        };
        let named = environment.home_flag.clone();
        if let Some(home) = named.or_else(|| variable("SANAGA_HOME")) {
            return Ok(Self::under(&home));
        }
        if environment.root {
            return Ok(Self::system());
        }
        // The XDG base directory specification: relative paths are to be ignored.
        let own = variable("XDG_STATE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| Some(variable("HOME")?.join(".local/state")))
            .map(|state| state.join("sanaga/agent"));
        // Operators without sudo, and the agent's own unprivileged side, mean the machine's agent.
        if environment.machine && !own.as_deref().is_some_and(Path::is_dir) {
            return Ok(Self::system());
        }
        own.map(|home| Self::under(&home))
            .ok_or(ConfigError::NoHome)
    }

    /// Everything in one folder.
    #[must_use]
    pub fn under(home: &Path) -> Self {
        Self::of(home, home, home.join("run"), false)
    }

    /// The machine's own folders.
    #[must_use]
    pub fn system() -> Self {
        let (config, state) = (Path::new("/etc/sanaga"), Path::new("/var/lib/sanaga"));
        Self::of(config, state, PathBuf::from(MACHINE_RUN), true)
    }

    /// The files of the identity.
    #[must_use]
    pub fn identity_files(&self) -> IdentityFiles {
        let folder = self.pinned_root.parent().unwrap_or(&self.state);
        IdentityFiles::new(folder, &self.worker)
    }

    fn of(config: &Path, state: &Path, run: PathBuf, system: bool) -> Self {
        Self {
            config: config.join("agent.toml"),
            config_folder: config.join("agent.d"),
            pinned_root: config.join("root.json"),
            state: state.to_owned(),
            database: state.join("agent.db"),
            apps: state.join("apps"),
            worker: state.join("worker"),
            packs: state.join("worker/packs"),
            snapshots: state.join("snapshots"),
            socket: run.join("agent.sock"),
            worker_socket: run.join("worker.sock"),
            run,
            system,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(flag: Option<&str>, root: bool, variables: &[(&str, &str)]) -> Option<Paths> {
        let environment = Environment {
            home_flag: flag.map(PathBuf::from),
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            root,
            machine: false,
        };
        Paths::resolve(&environment).ok()
    }

    #[test]
    fn the_nearest_wish_wins() {
        let all = [
            ("SANAGA_HOME", "/b"),
            ("XDG_STATE_HOME", "/c"),
            ("HOME", "/d"),
        ];
        let config = |paths: Option<Paths>| paths.unwrap().config.display().to_string();
        assert_eq!(config(resolved(Some("/a"), true, &all)), "/a/agent.toml");
        assert_eq!(config(resolved(None, true, &all)), "/b/agent.toml");
        assert_eq!(
            config(resolved(None, true, &all[1..])),
            "/etc/sanaga/agent.toml"
        );
        assert_eq!(
            config(resolved(None, false, &all[1..])),
            "/c/sanaga/agent/agent.toml"
        );
        assert_eq!(
            config(resolved(None, false, &all[2..])),
            "/d/.local/state/sanaga/agent/agent.toml"
        );
        let relative = [("XDG_STATE_HOME", "c"), ("HOME", "/d")];
        assert!(config(resolved(None, false, &relative)).starts_with("/d/"));
        assert_eq!(resolved(None, false, &[("SANAGA_HOME", "")]), None);
    }

    #[test]
    fn without_a_folder_of_their_own_people_mean_the_machines_agent() {
        let home = tempfile::tempdir().unwrap();
        let resolved = |machine| {
            let variable = home.path().display().to_string();
            let environment = Environment {
                variables: BTreeMap::from([("XDG_STATE_HOME".to_owned(), variable)]),
                machine,
                ..Environment::default()
            };
            Paths::resolve(&environment).unwrap()
        };
        let own = home.path().join("sanaga/agent");
        assert_eq!(resolved(true), Paths::system());
        assert_eq!(resolved(false), Paths::under(&own));
        std::fs::create_dir_all(&own).unwrap();
        assert_eq!(resolved(true), Paths::under(&own));
        assert!(Paths::resolve(&Environment::default()).is_err());
    }

    #[test]
    fn one_folder_holds_everything() {
        let paths = Paths::under(Path::new("/h"));
        assert_eq!(paths.socket, Path::new("/h/run/agent.sock"));
        assert_eq!(paths.apps, Path::new("/h/apps"));
        assert_eq!(Paths::system().socket, Path::new("/run/sanaga/agent.sock"));
    }
}
