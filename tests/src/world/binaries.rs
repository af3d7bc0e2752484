//! Builds the real binaries, once in a process and in the caller's own profile. A `cargo run` or
//! `cargo test` of the tests package alone does not build them, so everything asks here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};

/// The packages whose binaries are built.
const PACKAGES: [&str; 3] = ["sanaga-agent", "sanaga-controller", "sanaga-tests"];

/// The paths of the binaries that were built.
#[derive(Debug, Clone)]
pub struct Binaries {
    paths: BTreeMap<String, PathBuf>,
}

impl Binaries {
    /// The path of any binary of the three packages, by its name.
    ///
    /// # Errors
    /// When no package has such a binary.
    pub fn get(&self, name: &str) -> Result<&Path> {
        self.paths
            .get(name)
            .map(PathBuf::as_path)
            .with_context(|| format!("no binary `{name}`; there are {:?}", self.paths.keys()))
    }

    /// The controller and operator's program.
    ///
    /// # Errors
    /// When it is not among the binaries.
    pub fn sanaga(&self) -> Result<&Path> {
        self.get("sanaga")
    }

    /// The agent.
    ///
    /// # Errors
    /// When it is not among the binaries.
    pub fn agent(&self) -> Result<&Path> {
        self.get("sanaga-agent")
    }

    /// The app of the demo.
    ///
    /// # Errors
    /// When it is not among the binaries.
    pub fn notebook(&self) -> Result<&Path> {
        self.get("notebook")
    }
}

/// Builds everything on the first call and gives the paths.
///
/// # Errors
/// When the build fails; its messages are on stderr.
pub fn binaries() -> Result<&'static Binaries> {
    static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|message| anyhow!("{message}"))
}

/// The folder of the workspace's Cargo.toml.
#[must_use]
pub fn workspace_root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

fn build() -> Result<Binaries> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace_root())
        .arg("build")
        .arg("--bins");
    for package in PACKAGES {
        command.args(["-p", package]);
    }
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.args(["--quiet", "--message-format=json-render-diagnostics"]);
    // What cargo told this process about its own package must not reach the build scripts, where it
    // would count as a change and compile everything again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"]
            .iter()
            .any(|prefix| text.starts_with(prefix));
        if of_package {
            command.env_remove(&name);
        }
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo")?;
    if !output.status.success() {
        bail!("cargo build failed: {}", output.status);
    }
    let paths = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(executable)
        .collect();
    Ok(Binaries { paths })
}

/// Name and path of the executable that a line of cargo's JSON announces. The format is
/// "External tools" of the Cargo book, `compiler-artifact`.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    if message.get("reason")?.as_str()? != "compiler-artifact" {
        return None;
    }
    let path = message.get("executable")?.as_str()?;
    let name = message.get("target")?.get("name")?.as_str()?;
    Some((name.to_owned(), PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_executables_count() {
        let bin =
            r#"{"reason":"compiler-artifact","target":{"name":"sanaga"},"executable":"/t/sanaga"}"#;
        let lib = r#"{"reason":"compiler-artifact","target":{"name":"x"},"executable":null}"#;
        assert_eq!(
            executable(bin),
            Some(("sanaga".to_owned(), PathBuf::from("/t/sanaga")))
        );
        assert_eq!(executable(lib), None);
        assert_eq!(executable(r#"{"reason":"build-finished"}"#), None);
    }
}
