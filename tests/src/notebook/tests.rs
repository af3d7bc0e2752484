//! The demo's claims about sizes rest on these trees, so they are checked here; and the app itself.

use std::collections::BTreeMap;

use super::*;
use crate::http;
use crate::world::{PATIENCE, Step, World, eventually, free_port};

/// Every regular file below a folder, by its path.
fn files(root: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.insert(
                    entry.path().strip_prefix(root)?.to_owned(),
                    std::fs::read(entry.path())?,
                );
            }
        }
    }
    Ok(found)
}

#[test]
fn a_full_pack_is_big_and_an_update_is_small() -> Result<()> {
    let world = World::new("trees")?;
    let one = files(&Release::new("1.0.0").write(&world.dir("one")?)?)?;
    let again = files(&Release::new("1.0.0").write(&world.dir("again")?)?)?;
    let two = files(&Release::new("1.0.1").write(&world.dir("two")?)?)?;
    assert!(one == again, "the same version is the same tree");

    let all: Vec<u8> = one.values().flatten().copied().collect();
    let full = zstd::bulk::compress(&all, 3)?.len();
    // Level 19 makes it about a quarter smaller.
    assert!(full > 1_400_000, "full {full}");

    let changed: Vec<_> = two
        .iter()
        .filter(|(path, bytes)| one.get(*path) != Some(bytes))
        .collect();
    let new: Vec<u8> = changed
        .iter()
        .flat_map(|(_, bytes)| bytes.iter())
        .copied()
        .collect();
    let plain = zstd::bulk::compress(&new, 19)?.len();
    let names: Vec<_> = changed.iter().map(|(path, _)| path).collect();
    assert!((5..=9).contains(&changed.len()), "{names:?}");
    // Even without the old release as a reference it stays below what the demo promises.
    assert!(plain < 150_000, "plain {plain}");
    Ok(())
}

#[test]
fn a_tree_has_every_kind_of_entry() -> Result<()> {
    let world = World::new("kinds")?;
    let project = world.dir("shop")?;
    let dist = Release::new("1.0.0")
        .broken(Broken::Health)
        .write(&project)?;
    let mode = |name: &str| -> Result<u32> {
        Ok(std::fs::metadata(dist.join(name))?.permissions().mode() & 0o7777)
    };
    assert_eq!(
        (
            mode("bin/notebook")?,
            mode("share/defaults.env")?,
            mode("assets")?
        ),
        (0o755, 0o640, 0o755)
    );
    assert_eq!(
        std::fs::read_link(dist.join("assets/img/logo.png"))?,
        Path::new("shelf/00.png")
    );
    assert!(
        dist.join("assets/app.js").exists(),
        "the link leads to the bundle"
    );
    assert_eq!(std::fs::metadata(dist.join("assets/.nojekyll"))?.len(), 0);
    assert!(
        std::fs::read_dir(dist.join("share/spool"))?
            .next()
            .is_none()
    );
    assert!(dist.join("broken").exists());

    // Writing another version into the same project leaves nothing of the first.
    Release::new("1.0.1").write(&project)?;
    assert!(!dist.join("broken").exists());
    assert!(std::fs::read_to_string(project.join("sanaga.toml"))?.contains("version = \"1.0.1\""));
    Ok(())
}

#[test]
fn the_app_keeps_notes_and_tells_its_health() -> Result<()> {
    World::run("app", |world| {
        let port = free_port()?;
        let settings = world.write("settings.env", format!("other=1\nPORT={port}\n"))?;
        let start = |release: &Path| {
            let cmd = world.cmd(release.join("bin/notebook"));
            cmd.env("SANAGA_RELEASE", release)
                .env("SANAGA_DATA", world.root().join("data"))
                .env("SANAGA_SETTINGS", &settings)
        };
        let url = |path: &str| format!("http://127.0.0.1:{port}{path}");

        let dist = Release::new("1.0.0").write(&world.dir("one")?)?;
        let mut app = world.spawn("one", start(&dist))?;
        app.wait_for_line("notebook 1.0.0 on")?;
        assert_eq!(http::get(&url("/health"))?.text(), "ok 1.0.0 0 notes\n");
        assert_eq!(
            http::get(&url("/"))?.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(http::get(&url("/../VERSION"))?.status, 404);
        assert_eq!(http::post(&url("/notes"), b"12 boites")?.status, 201);
        app.terminate()?;

        let dist = Release::new("1.0.1")
            .broken(Broken::Health)
            .write(&world.dir("two")?)?;
        let mut app = world.spawn("two", start(&dist))?;
        app.wait_for_line("notebook 1.0.1 on")?;
        assert_eq!(http::get(&url("/health"))?.status, 500);
        assert_eq!(http::get(&url("/notes"))?.text(), "1\t1.0.0\t12 boites\n");
        app.kill()?;

        let dist = Release::new("1.0.2")
            .broken(Broken::Exit)
            .write(&world.dir("three")?)?;
        start(&dist).exits(1)?.says("broken on purpose")?;
        eventually("the port", PATIENCE, || {
            Ok(match http::get(&url("/health")) {
                Err(_) => Step::Done(()),
                Ok(answer) => Step::Waiting(answer.text()),
            })
        })
    })
}
