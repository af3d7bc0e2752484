//! Releases of the demo's app: a project folder as its developers would have it, `sanaga.toml`
//! beside `dist/`, with the real binary and assets that look like a bundler's output. The content
//! is a function of the version alone, and two versions differ in a few files.

mod assets;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::seed::Rng;
use crate::world::binaries;

/// How a release fails on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It runs, but `/health` answers 500.
    Health,
    /// It ends as soon as it is started.
    Exit,
    /// Its migration changes half of the database and fails.
    Migration,
}

/// A release that can be written.
#[derive(Debug, Clone)]
pub struct Release {
    app: String,
    version: String,
    broken: Option<Broken>,
    soak_s: u32,
    start_period_s: u32,
    failures_max: u32,
    photo_bytes: usize,
    is_beside: bool,
    schema: Option<u32>,
}

impl Release {
    /// A release of `notebook` that works, with short times for tests.
    #[must_use]
    pub fn new(version: &str) -> Self {
        Self {
            app: "notebook".to_owned(),
            version: version.to_owned(),
            broken: None,
            soak_s: 2,
            start_period_s: 10,
            failures_max: 2,
            photo_bytes: 0,
            is_beside: false,
            schema: None,
        }
    }

    /// Under another name, as a second app of the same node.
    #[must_use]
    pub fn app(mut self, name: &str) -> Self {
        name.clone_into(&mut self.app);
        self
    }

    /// One that fails.
    #[must_use]
    pub fn broken(mut self, how: Broken) -> Self {
        self.broken = Some(how);
        self
    }

    /// With a photo that no other version has and that does not compress, of so many bytes.
    #[must_use]
    pub fn photo_bytes(mut self, bytes: usize) -> Self {
        self.photo_bytes = bytes;
        self
    }

    /// One that starts beside the release before, on a port that the node gives it (`blue-green`).
    #[must_use]
    pub fn beside(mut self) -> Self {
        self.is_beside = true;
        self
    }

    /// That declares its database, with this schema; from 2 on with a migration to it.
    #[must_use]
    pub fn schema(mut self, number: u32) -> Self {
        self.schema = Some(number);
        self
    }

    /// How long it is watched before it is committed.
    #[must_use]
    pub fn soak_s(mut self, seconds: u32) -> Self {
        self.soak_s = seconds;
        self
    }

    /// How long it may take to answer for the first time.
    #[must_use]
    pub fn start_period_s(mut self, seconds: u32) -> Self {
        self.start_period_s = seconds;
        self
    }

    /// The name and version as operators write it: `notebook@1.4.1`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}@{}", self.app, self.version)
    }

    /// Writes `sanaga.toml` and `dist/` into the project folder, replacing what was there, and gives
    /// the path of `dist`.
    ///
    /// # Errors
    /// When the app cannot be built or a file cannot be written.
    pub fn write(&self, project: &Path) -> Result<PathBuf> {
        let dist = project.join("dist");
        if dist.exists() {
            std::fs::remove_dir_all(&dist).with_context(|| dist.display().to_string())?;
        }
        std::fs::create_dir_all(&dist).with_context(|| dist.display().to_string())?;
        std::fs::write(project.join("sanaga.toml"), self.toml()).context("sanaga.toml")?;

        let tree = Tree { root: dist.clone() };
        self.write_program(&tree)?;
        self.write_assets(&tree)?;
        tree.file("VERSION", 0o644, format!("{}\n", self.version).as_bytes())?;
        if self.photo_bytes > 0 {
            let mut rng = Rng::stream(1, &self.version);
            let photo: Vec<u8> = (0..self.photo_bytes)
                .map(|_| rng.within(&(0..=255)) as u8)
                .collect();
            tree.file(&format!("assets/photo-{}.jpg", self.version), 0o644, &photo)?;
        }
        match self.broken {
            None => {}
            Some(Broken::Health) => tree.file("broken", 0o644, b"health\n")?,
            Some(Broken::Exit) => tree.file("broken", 0o644, b"exit\n")?,
            Some(Broken::Migration) => tree.file("broken", 0o644, b"migration\n")?,
        }
        if let Some(schema) = self.schema {
            tree.file("schema", 0o644, format!("{schema}\n").as_bytes())?;
        }
        Ok(dist)
    }

    fn toml(&self) -> String {
        let take_over = if self.is_beside {
            "strategy = \"blue-green\"\ndrain_s = 1\n"
        } else {
            "\n[settings.port]\ntype = \"integer\"\ndefault = 8080\nmin = 1024\nmax = 65535\n"
        };
        format!(
            r#"app = "{}"
version = "{}"
tree = "dist"
risk = "low"

[service]
kind = "process"
command = ["bin/notebook"]
{take_over}
[[probe]]
http = "http://127.0.0.1:{{port}}/health"
failures_max = {}
start_period_s = {}

[probation]
soak_s = {}
{}"#,
            self.app,
            self.version,
            self.failures_max,
            self.start_period_s,
            self.soak_s,
            self.data()
        )
    }

    fn data(&self) -> String {
        let Some(schema) = self.schema else {
            return String::new();
        };
        let data = format!(
            "\n[data]\nsqlite = [\"notebook.db\"]\nfolders = [\"uploads\"]\nschema = {schema}\n"
        );
        if schema < 2 {
            return data;
        }
        format!("{data}\n[migrate]\ncommand = [\"bin/notebook\", \"migrate\"]\ntimeout_s = 300\n")
    }

    fn write_program(&self, tree: &Tree) -> Result<()> {
        let program = binaries()?.notebook()?;
        let bytes = std::fs::read(program).with_context(|| program.display().to_string())?;
        tree.file("bin/notebook", 0o755, &bytes)?;
        let script = b"#!/bin/sh\n# Prints every note, for a till without a browser.\nexec curl -s \"http://127.0.0.1:${1:-8080}/notes\"\n";
        tree.file("bin/print-notes.sh", 0o755, script)?;
        tree.link("bin/notes", "print-notes.sh")?;
        tree.file("share/defaults.env", 0o640, b"port=8080\n")
    }

    fn write_assets(&self, tree: &Tree) -> Result<()> {
        let mut edits = Rng::stream(assets::SEED, &self.version);
        // Which modules this version touched; the others are the same in every version.
        let touched: Vec<u64> = (0..3).map(|_| edits.below(assets::MODULES)).collect();
        for module in 0..assets::MODULES {
            let mut lines = assets::script(module);
            if touched.contains(&module) {
                assets::edit(&mut lines, &mut edits, 12);
            }
            let path = format!("assets/modules/{}/{module:02}.js", assets::area(module));
            tree.file(&path, 0o644, lines.join("\n").as_bytes())?;
        }

        // One bundle with its content's hash in its name, as bundlers do; it changes every time.
        let mut bundle = assets::bundle();
        assets::edit(&mut bundle, &mut edits, 40);
        let bundle = bundle.join("\n");
        let bundle_name = format!("app.{}.js", short_hash(bundle.as_bytes()));
        tree.file(&format!("assets/{bundle_name}"), 0o644, bundle.as_bytes())?;
        tree.link("assets/app.js", &bundle_name)?;

        let mut style = assets::style();
        assets::edit(&mut style, &mut edits, 4);
        tree.file("assets/style.css", 0o644, style.join("\n").as_bytes())?;
        tree.file(
            "assets/index.html",
            0o644,
            assets::page(&self.version, &bundle_name).as_bytes(),
        )?;
        for image in 0..assets::IMAGES {
            tree.file(
                &format!("assets/img/shelf/{image:02}.png"),
                0o644,
                &assets::image(image),
            )?;
        }
        tree.link("assets/img/logo.png", "shelf/00.png")?;
        tree.file("assets/.nojekyll", 0o644, b"")?;
        tree.dir("share/spool")
    }
}

fn short_hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Writes entries with exact modes, whatever the umask is.
struct Tree {
    root: PathBuf,
}

impl Tree {
    fn dir(&self, name: &str) -> Result<()> {
        let path = self.root.join(name);
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        let mut folder = path.as_path();
        while folder.starts_with(&self.root) {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
            let Some(parent) = folder.parent() else { break };
            folder = parent;
        }
        Ok(())
    }

    fn parent_of(&self, name: &str) -> Result<PathBuf> {
        self.dir(name.rsplit_once('/').map_or("", |(folder, _)| folder))?;
        Ok(self.root.join(name))
    }

    fn file(&self, name: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        let path = self.parent_of(name)?;
        std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
        Ok(())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test's input, not a file that must last"
    )]
    fn link(&self, name: &str, target: &str) -> Result<()> {
        let path = self.parent_of(name)?;
        std::os::unix::fs::symlink(target, &path).with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests;
