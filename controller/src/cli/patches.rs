//! Patches after a release has come into an environment, with what each costs.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{AppName, EnvironmentName, TreeRoot, Version};

use super::format;
use super::progress::Progress;
use super::session::Session;
use super::ui::Ui;
use crate::fleet::path;
use crate::ops::{BaseView, MakePatch, PatchBases, PlacedRelease, ShowRelease, pack_into};
use crate::publish::{TreeDir, unpack};

/// The trees from which patches to `root` are worth making.
pub async fn bases(
    session: &Session,
    app: &AppName,
    root: TreeRoot,
    environment: &EnvironmentName,
) -> Result<Vec<BaseView>, Failure> {
    let request = PatchBases {
        app: app.clone(),
        root,
        environment: environment.clone(),
    };
    Ok(session.call(request).await?.bases)
}

/// Makes and offers every patch that is missing, to what came into an environment.
pub async fn make_all(
    ui: &Ui,
    session: &Session,
    placed: &[PlacedRelease],
    environment: &EnvironmentName,
) -> Result<(), Failure> {
    for release in placed {
        make_for(ui, session, release, environment).await?;
    }
    Ok(())
}

async fn make_for(
    ui: &Ui,
    session: &Session,
    release: &PlacedRelease,
    environment: &EnvironmentName,
) -> Result<(), Failure> {
    let (app, version) = (release.app.clone(), release.version.clone());
    let root = session.call(ShowRelease { app, version }).await?.root;
    for base in bases(session, &release.app, root, environment).await? {
        if base.offered_bytes.is_some() {
            continue;
        }
        let version = base.version.to_string();
        let bar = Progress::new(ui, String::new());
        let made = session
            .call(MakePatch {
                app: release.app.clone(),
                version: release.version.clone(),
                base: base.root,
            })
            .await?;
        let bytes = ui.bytes(made.bytes);
        let time = format::duration(bar.seconds());
        let words = [
            ("version", version.as_str()),
            ("bytes", &bytes),
            ("time", &time),
        ];
        let id = if made.offered {
            "patch-made"
        } else {
            "patch-useless"
        };
        bar.finish(&ui.say(id, &words));
    }
    Ok(())
}

/// What patches would cost, without offering them: made here, from the published packs.
pub fn estimate(
    ui: &Ui,
    session: &Session,
    bases: &[BaseView],
    new: &TreeDir,
    folder: &Path,
) -> Result<Vec<(Version, u64)>, Failure> {
    let mut out = Vec::new();
    for base in bases {
        let pack = session
            .home
            .public()
            .join("v1")
            .join(path::pack(&base.frame_root));
        let Ok(served) = File::open(&pack) else {
            // Published files that live elsewhere are not fetched for an estimate.
            continue;
        };
        let old_folder = folder.join(format!("old-{}", base.version));
        std::fs::create_dir_all(&old_folder)
            .map_err(|error| crate::disk::failure(&old_folder, &error))?;
        let served = BufReader::new(served);
        let old = unpack(
            served,
            base.frame_root,
            base.pack_bytes,
            &base.root,
            &old_folder,
        )
        .map_err(Failure::of)?;
        let mut bar = Progress::new(ui, ui.say("packing", &[]));
        let at = folder.join(format!("patch-{}", base.version));
        let (_, upload) = pack_into(&at, Some(&old), new, &mut |progress| {
            bar.set(progress.in_bytes, progress.in_bytes_all, "");
        })?;
        bar.clear();
        out.push((base.version.clone(), upload.file_bytes));
    }
    Ok(out)
}
