//! Releases that do not compress, so that a pack is as long as what it carries: files of seeded noise
//! without a service, under any name and version.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::seed::Rng;

/// A release of noise.
#[derive(Debug, Clone)]
pub struct Noise {
    app: String,
    version: String,
    files: Vec<(String, usize, u64)>,
}

impl Noise {
    /// A release without files.
    #[must_use]
    pub fn new(app: &str, version: &str) -> Self {
        Self {
            app: app.to_owned(),
            version: version.to_owned(),
            files: Vec::new(),
        }
    }

    /// With one more file of so many bytes; the same seed gives the same bytes.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: usize, seed: u64) -> Self {
        self.files.push((path.to_owned(), bytes, seed));
        self
    }

    /// The name and version as operators write it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}@{}", self.app, self.version)
    }

    /// App and version.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        (&self.app, &self.version)
    }

    /// Writes `sanaga.toml` and `dist/` into the project folder, replacing what was there, and gives
    /// the path of `dist`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, project: &Path) -> Result<PathBuf> {
        let dist = project.join("dist");
        if dist.exists() {
            std::fs::remove_dir_all(&dist).with_context(|| dist.display().to_string())?;
        }
        let toml = format!(
            "app = \"{}\"\nversion = \"{}\"\ntree = \"dist\"\n\n[probation]\nsoak_s = 1\n",
            self.app, self.version
        );
        folder(project)?;
        folder(&dist)?;
        std::fs::write(project.join("sanaga.toml"), toml).context("sanaga.toml")?;
        for (name, bytes, seed) in &self.files {
            let path = dist.join(name);
            folder(path.parent().unwrap_or(&dist))?;
            let mut content = vec![0; *bytes];
            Rng::stream(*seed, name).fill(&mut content);
            std::fs::write(&path, content).with_context(|| path.display().to_string())?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
        }
        Ok(dist)
    }
}

fn folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| path.display().to_string())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}
