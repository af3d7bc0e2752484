//! What some tests and proofs need beyond Rust and a C compiler, and whether this machine has it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::world::workspace_root;

/// The versions of node-red that are fetched, oldest first.
pub const NODE_RED: [&str; 3] = ["4.1.10", "4.1.11", "4.1.14"];

/// The versions of ruff that are fetched, oldest first.
pub const RUFF: [&str; 3] = ["0.17.1", "0.17.2", "0.17.4"];

/// One thing that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// `node`.
    Node,
    /// `python3` with `venv` and pip, and PyPI within reach of it.
    Pip,
    /// `strace`.
    Strace,
    /// `nginx`, as Debian has it.
    Nginx,
    /// `caddy`, as Debian has it.
    Caddy,
    /// `upsd` and the dummy driver of Network UPS Tools, as Debian has them.
    Nut,
    /// The superuser.
    Root,
    /// Mount namespaces, with the tools that make and enter them.
    Namespaces,
    /// The trees of node-red that `tests/fetch-inputs.sh` fetches.
    NodeRedTrees,
    /// `systemd-nspawn`, and the root of a bare Debian that `tests/fetch-inputs.sh` makes.
    Machine,
    /// The tools that make Debian packages.
    DebianPackages,
    /// The ruff binaries that `tests/fetch-inputs.sh` fetches.
    RuffTrees,
}

impl Need {
    /// Why it is not there, in words that say what to install; nothing if it is.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Node => tool("node", &["--version"]),
            Self::Pip => tool("python3", &["-c", "import venv, ensurepip"]),
            Self::Strace => tool("strace", &["-V"]),
            Self::Nginx => tool("nginx", &["-v"]),
            Self::Caddy => tool("caddy", &["version"]),
            Self::Nut => {
                tool("/lib/nut/upsd", &["-V"]).or_else(|| tool("/lib/nut/dummy-ups", &["-V"]))
            }
            Self::Root => (!rustix::process::geteuid().is_root()).then(|| "not root".to_owned()),
            Self::Namespaces => tool("unshare", &["-m", "true"])
                .or_else(|| tool("nsenter", &["--version"]))
                .or_else(|| tool("mount", &["--version"])),
            Self::Machine => tool("systemd-nspawn", &["--version"])
                .or_else(|| tool("nsenter", &["--version"]))
                .or_else(|| tool("tar", &["--version"]))
                .or_else(debian_missing),
            Self::DebianPackages => tool("cargo", &["deb", "--version"])
                .map(|reason| format!("{reason}: cargo install --locked cargo-deb"))
                .or_else(|| tool("dpkg-shlibdeps", &["--version"]))
                .or_else(|| tool("strip", &["--version"])),
            Self::NodeRedTrees => NODE_RED
                .iter()
                .find_map(|version| tree_missing(&node_red(version))),
            Self::RuffTrees => RUFF.iter().find_map(|version| tree_missing(&ruff(version))),
        }
    }
}

/// The first of these that is missing.
#[must_use]
pub fn first_missing(needs: &[Need]) -> Option<String> {
    needs.iter().find_map(|need| need.missing())
}

/// Whether a skip is a failure (`SANAGA_REQUIRE=all`, as in CI).
#[must_use]
pub fn all_required() -> bool {
    std::env::var("SANAGA_REQUIRE").is_ok_and(|value| value == "all")
}

/// Where the fetched inputs are: `SANAGA_INPUTS`, or `.cache/inputs` in the checkout.
#[must_use]
pub fn inputs() -> PathBuf {
    std::env::var_os("SANAGA_INPUTS")
        .map_or_else(|| workspace_root().join(".cache/inputs"), PathBuf::from)
}

/// The tree of one version of node-red: `package.json` and `node_modules`, 92 MB.
#[must_use]
pub fn node_red(version: &str) -> PathBuf {
    inputs().join("node-red").join(version)
}

/// The tree of one version of ruff: `bin/ruff`, 24 MB.
#[must_use]
pub fn ruff(version: &str) -> PathBuf {
    inputs().join("ruff").join(version)
}

/// The root of a bare Debian, as an archive.
#[must_use]
pub fn debian() -> PathBuf {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let name = format!("bookworm-systemd-systemd-sysv-dbus-{architecture}.tar");
    inputs().join("debian").join(name)
}

fn debian_missing() -> Option<String> {
    let archive = debian();
    (!archive.is_file()).then(|| {
        let path = archive.display();
        format!("{path} is not there: run tests/fetch-inputs.sh debian")
    })
}

fn tool(name: &str, args: &[&str]) -> Option<String> {
    let status = Command::new(name)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => None,
        Ok(_) => Some(format!("`{name} {}` fails", args.join(" "))),
        Err(_) => Some(format!("no `{name}` in PATH")),
    }
}

/// `tests/fetch-inputs.sh` writes the marker last, beside the tree.
fn tree_missing(tree: &Path) -> Option<String> {
    let marker = PathBuf::from(format!("{}.complete", tree.display()));
    (!marker.is_file())
        .then(|| format!("{} is not there: run tests/fetch-inputs.sh", tree.display()))
}
