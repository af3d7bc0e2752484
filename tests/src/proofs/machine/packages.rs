//! The packages, made from the programs that the tests use, and their life in a machine.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::machine::Machine;
use crate::world::{World, workspace_root};

/// The first version that is installed.
pub const FIRST: &str = "0.1.0-1";
/// The one that it is upgraded to.
pub const NEXT: &str = "0.1.0-2";
/// Where packages are put in the machine: a folder that apt's own user can read.
const SHELF: &str = "/srv/packages";

/// A build may say nothing for so long on a busy computer; what computes are its children.
const QUIET: Duration = Duration::from_secs(900);

/// Builds both packages at a version.
pub fn build(world: &World, version: &str) -> Result<Vec<PathBuf>> {
    let out = world.dir("packages")?;
    let script = workspace_root().join("packaging/build-deb.sh");
    let mut cmd = world
        .cmd(script)
        .args(["--profile", "dev", "--version", version, "--out"])
        .arg(&out)
        .patience(QUIET)
        .env("HOME", std::env::var_os("HOME").context("HOME")?);
    // The world hides them from its commands; this one builds.
    for name in ["CARGO_TARGET_DIR", "CARGO_INCREMENTAL", "CARGO_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            cmd = cmd.env(name, value);
        }
    }
    let built = cmd.ok()?;
    let paths: Vec<PathBuf> = built.stdout.lines().map(PathBuf::from).collect();
    ensure!(paths.len() == 2, "{}", built.transcript());
    Ok(paths)
}

/// Puts packages onto the machine's shelf.
pub fn put(machine: &Machine<'_>, packages: &[PathBuf]) -> Result<()> {
    packages
        .iter()
        .try_for_each(|package| machine.put(package, SHELF))
}

/// Installs as an administrator would. The machine has no network, so that nothing but the packages
/// themselves and what a bare Debian has can be installed; it is looked at all the same.
pub fn install(machine: &Machine<'_>) -> Result<()> {
    let before = installed(machine)?;
    machine.ok(&format!(
        "cd {SHELF} && DEBIAN_FRONTEND=noninteractive apt-get install -y ./sanaga-agent_{FIRST}_*.deb ./sanaga_{FIRST}_*.deb"
    ))?;
    let after = installed(machine)?;
    let new: Vec<&String> = after.iter().filter(|name| !before.contains(name)).collect();
    ensure!(new == ["sanaga", "sanaga-agent"], "installed: {new:?}");
    Ok(())
}

/// Upgrades the agent's package.
pub fn upgrade(machine: &Machine<'_>) -> Result<()> {
    machine.ok(&format!("dpkg --install {SHELF}/sanaga-agent_{NEXT}_*.deb"))?;
    let version =
        machine.ok("dpkg-query --show --showformat='${Version} ${Status}' sanaga-agent")?;
    ensure!(
        version.stdout == format!("{NEXT} install ok installed"),
        "{}",
        version.stdout
    );
    Ok(())
}

fn installed(machine: &Machine<'_>) -> Result<Vec<String>> {
    let shown = machine.ok("dpkg-query --show --showformat='${Package}\\n'")?;
    Ok(shown.stdout.lines().map(str::to_owned).collect())
}
