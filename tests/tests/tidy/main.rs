//! The tidy test: the rules of the house that no compiler checks. Each rule is a function from a
//! file's path and text to complaints, and each is shown a file that breaks it.

mod lex;
mod locales;
mod rules;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sanaga_tests::world::workspace_root;

/// Folders that hold nothing of the project's own text.
const SKIPPED: [&str; 4] = [".git", ".cache", "target", "node_modules"];

/// One file of the project.
struct Source {
    /// Its path from the root, with `/` between the parts.
    path: String,
    text: String,
}

/// Every text file of the project whose name ends so, in order of path.
fn sources(suffix: &str) -> Result<Vec<Source>> {
    let root = workspace_root();
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) && !name.starts_with("target-") {
                folders.push(entry.path());
            } else if kind.is_file() && name != ".git" && name.ends_with(suffix) {
                found.extend(read(root, entry.path()));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// `None` for what is not text.
fn read(root: &Path, path: PathBuf) -> Option<Source> {
    let text = String::from_utf8(std::fs::read(&path).ok()?).ok()?;
    let path = path.strip_prefix(root).ok()?.to_string_lossy().into_owned();
    Some(Source { path, text })
}

/// Applies a rule to every file and fails with all complaints at once.
fn check(suffix: &str, rule: impl Fn(&Source) -> Vec<String>) -> Result<()> {
    let sources = sources(suffix)?;
    anyhow::ensure!(!sources.is_empty(), "no file ends with `{suffix}`");
    let complaints: Vec<_> = sources.iter().flat_map(rule).collect();
    anyhow::ensure!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    Ok(())
}

#[test]
fn files_are_short() -> Result<()> {
    check(".rs", rules::short)
}

#[test]
fn every_file_says_what_it_is_for() -> Result<()> {
    check(".rs", rules::introduced)
}

#[test]
fn pure_modules_are_pure() -> Result<()> {
    check(".rs", rules::pure)
}

#[test]
fn only_durable_renames_syncs_and_links() -> Result<()> {
    check(".rs", rules::durable)
}

#[test]
fn only_clock_reads_the_wall_clock() -> Result<()> {
    check(".rs", rules::wall_clock)
}

#[test]
fn nothing_that_ships_can_panic_on_a_shortcut() -> Result<()> {
    check(".rs", rules::no_shortcut)
}

#[test]
fn the_two_sides_never_see_each_other() -> Result<()> {
    check(".rs", rules::direction)?;
    check("Cargo.toml", rules::direction)
}

#[test]
fn the_project_stands_alone() -> Result<()> {
    check("", rules::stands_alone)
}

#[test]
fn every_code_can_be_said_in_both_languages() -> Result<()> {
    let root = workspace_root().join("proto");
    let read =
        |name: &str| std::fs::read_to_string(root.join(name)).with_context(|| name.to_owned());
    let codes = locales::documented(&read("src/code.rs")?);
    assert_eq!(
        codes.len(),
        sanaga_proto::code::ALL.len(),
        "one documented entry for each code"
    );
    let mut complaints = Vec::new();
    for language in ["en", "fr"] {
        let name = format!("locales/codes.{language}.ftl");
        complaints.extend(locales::complaints(&codes, &name, &read(&name)?));
    }
    anyhow::ensure!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    Ok(())
}
