//! An independent reader of our signing: python-tuf, from PyPI, walks the repository that `sanaga`
//! publishes and must find what we say is in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Args, Outcome, Proof, missing};
use crate::needs::{self, Need};
use crate::notebook::Release;
use crate::site::Controller;
use crate::world::{World, workspace_root};

/// The proof.
pub const PROOF: Proof = Proof {
    name: "python-tuf",
    shows: "python-tuf reads the repository that we publish and agrees with us",
    run,
};

const PACKAGES: [&str; 2] = ["tuf==7.0.1", "securesystemslib[crypto]"];

fn run(_args: &Args) -> Result<Outcome> {
    if let Some(lacking) = needs::first_missing(&[Need::Pip]) {
        return Err(missing(lacking));
    }
    World::run("tuf", |world| {
        let python = python(world)?;
        let controller = Controller::start(world)?;
        let mut paths = Vec::new();
        for version in ["1.0.0", "1.1.0", "1.2.0"] {
            let release = Release::new(version);
            controller.publish(&release)?;
            paths.push(format!("dev/notebook/{version}"));
        }
        controller
            .cmd()?
            .args(["promote", "notebook@1.0.0", "--to", "staging"])
            .ok()?;
        paths.push("staging/notebook/1.0.0".to_owned());
        let missing_path = "production/notebook/1.0.0".to_owned();
        let folder = controller.home().join("public/v1");
        let all = [paths.clone(), vec![missing_path.clone()]].concat();
        let found = read(world, &python, &folder, &all)?;
        let mut agree = 0;
        for path in &paths {
            agree += u64::from(agrees(&controller, &found, path)?);
        }
        let releases = found.get("releases").context("no releases")?;
        ensure!(
            releases.get(&missing_path) == Some(&Value::Null),
            "python-tuf finds {missing_path}, which nobody signed"
        );
        let roles = found
            .get("versions")
            .and_then(Value::as_object)
            .map_or(0, serde_json::Map::len);
        eprintln!("python-tuf read {roles} roles");
        let harmed = harmed_refused(world, &python, &folder, &paths)?;
        Ok(Outcome::new()
            .all_of("releases agree", agree, paths.len() as u64)
            .at_least("roles read", roles as u64, 5, "")
            .all_of("harmed files refused", harmed.0, harmed.1))
    })
}

/// A virtual environment with python-tuf in it.
fn python(world: &World) -> Result<PathBuf> {
    let venv = world.root().join("venv");
    world.cmd("python3").args(["-m", "venv"]).arg(&venv).ok()?;
    let python = venv.join("bin/python");
    let installed = world
        .cmd(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(PACKAGES)
        .run()?;
    if installed.code() != Some(0) {
        return Err(missing(format!(
            "pip cannot install python-tuf: {}",
            installed.transcript()
        )));
    }
    Ok(python)
}

fn read(world: &World, python: &Path, folder: &Path, paths: &[String]) -> Result<Value> {
    let script = workspace_root().join("tests/python/read_repository.py");
    let read = world.cmd(python).arg(script).arg(folder).args(paths).ok()?;
    serde_json::from_str(&read.stdout).with_context(|| read.transcript())
}

/// What python-tuf says of a path is what `release show` says.
fn agrees(controller: &Controller<'_>, found: &Value, path: &str) -> Result<bool> {
    let of_path = found
        .get("releases")
        .and_then(|releases| releases.get(path))
        .with_context(|| format!("python-tuf does not know {path}"))?;
    let mut parts = path.split('/');
    let environment = parts.next().unwrap_or_default();
    let release = parts.collect::<Vec<_>>().join("@");
    let shown = controller
        .cmd()?
        .args(["release", "show", &release, "--output", "json"])
        .ok()?;
    let ours: Value = serde_json::from_str(&shown.stdout).with_context(|| shown.transcript())?;
    let manifest = ours.get("manifest").and_then(Value::as_str);
    let counter = ours
        .get("placements")
        .and_then(|all| all.get(environment))
        .and_then(Value::as_u64);
    let theirs = (
        of_path.get("sha256").and_then(Value::as_str),
        of_path
            .get("custom")
            .and_then(|custom| custom.get("counter"))
            .and_then(Value::as_u64),
    );
    eprintln!(
        "{path}: ours {:?}, python-tuf {theirs:?}",
        (manifest, counter)
    );
    Ok(manifest.is_some() && counter.is_some() && theirs == (manifest, counter))
}

/// The control: with one byte of any role changed, the same script refuses.
fn harmed_refused(
    world: &World,
    python: &Path,
    folder: &Path,
    paths: &[String],
) -> Result<(u64, u64)> {
    let (mut refused, mut tried) = (0, 0);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("tuf"))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for role in ["timestamp", "snapshot", "targets", "dev"] {
        let of_role = |path: &&PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.contains(role)
        };
        let Some(newest) = files.iter().filter(of_role).max_by_key(|path| number(path)) else {
            continue;
        };
        let copy = world.root().join("harmed");
        world.cmd("cp").arg("-a").arg(folder).arg(&copy).ok()?;
        let file = copy
            .join("tuf")
            .join(newest.file_name().unwrap_or_default());
        let text = std::fs::read_to_string(&file)?;
        let harmed = text.replacen("\"version\":", "\"version\":1", 1);
        ensure!(harmed != text, "{} has no version", file.display());
        std::fs::write(&file, harmed)?;
        let script = workspace_root().join("tests/python/read_repository.py");
        let read = world.cmd(python).arg(script).arg(&copy).args(paths).run()?;
        tried += 1;
        refused += u64::from(read.code() != Some(0));
        std::fs::remove_dir_all(&copy)?;
    }
    ensure!(tried == 4, "only {tried} roles were found to harm");
    Ok((refused, tried))
}

/// 12 of `12.dev.json`.
fn number(path: &Path) -> u64 {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.')
        .next()
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}
