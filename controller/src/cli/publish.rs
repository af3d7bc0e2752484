//! `sanaga publish` and `sanaga promote`: a release comes into an environment. Packing and signing
//! happen here; the server gets bytes and signatures.

use std::path::{Path, PathBuf};

use clap::Args;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{AppName, Digest, EnvironmentName, ReleaseName, Version};
use sanaga_proto::pack::Base as _;
use sanaga_proto::wire::Document as _;

use super::format;
use super::passphrase::PassphraseArgs;
use super::patches;
use super::progress::Progress;
use super::session::Session;
use super::signing::{OpenKey, open_key, say_signed, sign_pending};
use super::ui::Ui;
use crate::ops::{
    CheckRelease, Checked, NodeQuery, PackUpload, PlacedRelease, Promote, StageRelease, Staged,
    pack_into,
};
use crate::publish::project::{Fill, Project, Tree};
use crate::publish::{TreeDir, scan};

/// Pack a project and bring it into an environment
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// The project's folder, which holds sanaga.toml
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The environment
    #[arg(long, default_value = "dev")]
    env: EnvironmentName,
    /// Pack, and say what it would cost; publish nothing
    #[arg(long)]
    dry_run: bool,
    /// The app, if sanaga.toml does not name it
    #[arg(long)]
    app: Option<AppName>,
    /// The version, if sanaga.toml does not name it
    #[arg(long)]
    version: Option<Version>,
    /// Versions whose place it may take although it is older
    #[arg(long, value_name = "VERSION", num_args = 1..)]
    allow_downgrade_from: Vec<Version>,
    /// What changed, in English, if sanaga.toml does not say it
    #[arg(long)]
    notes_en: Option<String>,
    /// What changed, in French, if sanaga.toml does not say it
    #[arg(long)]
    notes_fr: Option<String>,
    #[command(flatten)]
    signature: SignatureArgs,
}

/// Bring a published release into another environment
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// The release
    #[arg(value_name = "APP@VERSION")]
    release: ReleaseName,
    /// The environment
    #[arg(long)]
    to: EnvironmentName,
    /// Versions whose place it may take although it is older
    #[arg(long, value_name = "VERSION", num_args = 1..)]
    allow_downgrade_from: Vec<Version>,
    /// In an emergency: although its migration was not rehearsed in staging
    #[arg(long, requires = "reason")]
    without_rehearsal: bool,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", requires = "without_rehearsal")]
    reason: Option<String>,
    #[command(flatten)]
    signature: SignatureArgs,
}

#[derive(Debug, Args)]
struct SignatureArgs {
    /// The key file, or the name of a key of this machine
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Publishes a project.
pub async fn run(ui: &mut Ui, session: &Session, args: PublishArgs) -> Result<(), Failure> {
    let project = Project::read(
        &args.dir,
        Fill {
            app: args.app,
            version: args.version,
            notes_en: args.notes_en,
            notes_fr: args.notes_fr,
        },
    )?;
    let check = CheckRelease {
        environment: args.env.clone(),
        app: project.app.clone(),
        version: project.version.clone(),
        manifest: None,
    };
    // Whatever would refuse the release is better known before it is packed.
    session.call(check.clone()).await?;
    let mut bar = Progress::new(ui, ui.say("reading", &[]));
    let tree = scan(&project.tree, &mut |done, all| bar.set(done, all, "")).map_err(Failure::of)?;
    bar.clear();
    let manifest = project
        .manifest(Tree {
            root: tree.root(),
            unpacked_bytes: unpacked_bytes(&tree),
            entries: tree.list().entries().len() as u64,
        })
        .to_bytes();
    let checked = session
        .call(CheckRelease {
            manifest: Some(Digest::of(&manifest)),
            ..check
        })
        .await?;
    let name = ReleaseName {
        app: project.app,
        version: project.version,
    };
    if let (Some(counter), true) = (checked.placed, args.allow_downgrade_from.is_empty()) {
        say_already(ui, &name, &args.env, counter);
        // A patch that had no room, or whose base came later, is made now.
        let placed = PlacedRelease {
            app: name.app.clone(),
            version: name.version.clone(),
            counter,
        };
        if !args.dry_run {
            patches::make_all(ui, session, &[placed], &args.env).await?;
        }
        return next_assign(ui, session, &name, &args.env).await;
    }
    let folder = Scratch::make(&session.home.work())?;
    let (file, upload) = pack(ui, &tree, &folder.0, args.dry_run)?;
    if args.dry_run {
        let heading = format!("{} {} → {}", name.app, name.version, args.env);
        return dry_run(
            ui, session, &args.env, &name.app, &heading, &tree, &upload, &folder.0,
        )
        .await;
    }
    let key = key_for(ui, session, &args.signature, &args.env, &checked)?;
    session.upload(&file, &upload.sha256).await?;
    let staged = session
        .call(StageRelease {
            environment: args.env.clone(),
            manifest,
            pack: Some(upload),
            allow_downgrade_from: args.allow_downgrade_from,
        })
        .await?;
    sign_and_say(ui, session, &key, &staged, &name, &args.env).await
}

/// Brings a release into another environment.
pub async fn promote(ui: &mut Ui, session: &Session, args: PromoteArgs) -> Result<(), Failure> {
    let checked = session
        .call(CheckRelease {
            environment: args.to.clone(),
            app: args.release.app.clone(),
            version: args.release.version.clone(),
            manifest: None,
        })
        .await?;
    let request = Promote {
        app: args.release.app.clone(),
        version: args.release.version.clone(),
        environment: args.to.clone(),
        allow_downgrade_from: args.allow_downgrade_from,
        without_rehearsal: args.reason.filter(|_| args.without_rehearsal),
    };
    // Nothing is prepared for somebody who cannot sign it then.
    let key = match checked.placed {
        Some(_) => None,
        None => Some(key_for(ui, session, &args.signature, &args.to, &checked)?),
    };
    let staged = session.call(request).await?;
    if staged.waits.is_none() {
        say_already(ui, &args.release, &args.to, staged.counter);
        return next_assign(ui, session, &args.release, &args.to).await;
    }
    let key = match key {
        Some(key) => key,
        None => key_for(ui, session, &args.signature, &args.to, &checked)?,
    };
    sign_and_say(ui, session, &key, &staged, &args.release, &args.to).await
}

fn say_already(
    ui: &Ui,
    name: &ReleaseName,
    environment: &EnvironmentName,
    counter: impl std::fmt::Display,
) {
    let words = [
        ("release", &*name.to_string()),
        ("environment", environment.as_str()),
        ("counter", &counter.to_string()),
    ];
    ui.data(&ui.say("already-published", &words));
}

fn key_for(
    ui: &Ui,
    session: &Session,
    args: &SignatureArgs,
    environment: &EnvironmentName,
    checked: &Checked,
) -> Result<OpenKey, Failure> {
    let may_sign = checked.keys.iter().copied().collect();
    let role = environment.as_str();
    open_key(
        ui,
        session,
        args.key.as_ref(),
        &args.passphrase,
        role,
        &may_sign,
    )
}

async fn sign_and_say(
    ui: &Ui,
    session: &Session,
    key: &OpenKey,
    staged: &Staged,
    name: &ReleaseName,
    environment: &EnvironmentName,
) -> Result<(), Failure> {
    let Some(waits) = &staged.waits else {
        return next_assign(ui, session, name, environment).await;
    };
    super::role::say_voided(ui, waits.voided, &waits.pending.role);
    let done = sign_pending(session, key, &waits.pending).await?;
    let answer = serde_json::json!({
        "release": name.to_string(), "environment": environment, "counter": staged.counter,
        "root": staged.root, "manifest": staged.manifest, "signed": done,
    });
    ui.json(&answer, None)?;
    if !done.current {
        say_signed(ui, session, &done);
        return Ok(());
    }
    ui.data(&ui.say(
        "published",
        &[
            ("release", &name.to_string()),
            ("environment", environment.as_str()),
            ("root", &format::digest_start(&staged.root)),
            ("counter", &staged.counter.to_string()),
        ],
    ));
    patches::make_all(ui, session, &done.placed, environment).await?;
    next_assign(ui, session, name, environment).await
}

/// Says how the release would reach nodes: publishing alone changes none.
async fn next_assign(
    ui: &Ui,
    session: &Session,
    name: &ReleaseName,
    environment: &EnvironmentName,
) -> Result<(), Failure> {
    let query = NodeQuery {
        site: None,
        environment: Some(environment.clone()),
    };
    let nodes = session.call(query).await?.nodes;
    let runs = |node: &&crate::ops::NodeView| {
        node.apps
            .iter()
            .any(|app| app.app == name.app && app.runs.as_ref() == Some(&name.version))
    };
    let count = nodes.iter().filter(runs).count();
    let command = match nodes.as_slice() {
        [] => format!("sanaga enroll token --site SITE --node NODE --env {environment}"),
        [first, rest @ ..] if rest.iter().all(|node| node.site == first.site) => {
            format!("sanaga assign {name} --to site={}", first.site)
        }
        [_, ..] => format!("sanaga assign {name} --to env={environment}"),
    };
    let id = if count == 0 {
        "runs-nowhere"
    } else {
        "runs-somewhere"
    };
    ui.tell(id, &[("count", &count.to_string()), ("command", &command)]);
    Ok(())
}

/// Makes the full pack. A dry run says its size elsewhere.
fn pack(
    ui: &Ui,
    tree: &TreeDir,
    folder: &Path,
    dry_run: bool,
) -> Result<(PathBuf, PackUpload), Failure> {
    let files = tree.list().files().len();
    let mut bar = Progress::new(ui, ui.say("packing", &[]));
    let at = folder.join("full");
    let done = pack_into(&at, None, tree, &mut |progress| {
        let out = format!(" → {}", ui.bytes(progress.out_bytes));
        bar.set(progress.in_bytes, progress.in_bytes_all, &out);
    })?;
    if dry_run {
        bar.clear();
        return Ok(done);
    }
    let line = ui.say(
        "packed",
        &[
            ("files", &files.to_string()),
            ("from", &ui.bytes(unpacked_bytes(tree))),
            ("to", &ui.bytes(done.1.file_bytes)),
            ("time", &format::duration(bar.seconds())),
        ],
    );
    bar.finish(&line);
    Ok(done)
}

#[expect(clippy::too_many_arguments, reason = "one line of the report for each")]
async fn dry_run(
    ui: &Ui,
    session: &Session,
    environment: &EnvironmentName,
    app: &AppName,
    heading: &str,
    tree: &TreeDir,
    full: &PackUpload,
    folder: &Path,
) -> Result<(), Failure> {
    let files = tree.list().files().len().to_string();
    let size = ui.bytes(unpacked_bytes(tree));
    let words = [("files", files.as_str()), ("size", size.as_str())];
    let mut rows = vec![(heading.to_owned(), ui.say("tree-size", &words))];
    let nothing = format!("  {}", ui.say("from-nothing", &[]));
    rows.push((nothing, ui.bytes(full.file_bytes)));
    let mut costs = vec![serde_json::json!({"from": null, "bytes": full.file_bytes})];
    let bases = patches::bases(session, app, tree.root(), environment).await?;
    for (version, bytes) in patches::estimate(ui, session, &bases, tree, folder)? {
        let from = ui.say("from-version", &[("version", version.as_str())]);
        rows.push((format!("  {from}"), ui.bytes(bytes.min(full.file_bytes))));
        costs.push(serde_json::json!({"from": version, "bytes": bytes}));
    }
    let width = rows
        .iter()
        .map(|(label, _)| label.chars().count() + 2)
        .max()
        .unwrap_or(0)
        .max(21);
    for (label, text) in &rows {
        let pad = " ".repeat(width - label.chars().count());
        ui.data(&format!("{label}{pad}{text}"));
    }
    let answer = serde_json::json!({
        "environment": environment, "root": tree.root(), "downloads": costs,
    });
    ui.json(&answer, Some("downloads"))?;
    ui.tell("nothing-published", &[]);
    Ok(())
}

fn unpacked_bytes(tree: &TreeDir) -> u64 {
    tree.list()
        .entries()
        .iter()
        .filter_map(sanaga_proto::tree::Entry::file_size)
        .sum()
}

/// A scratch folder of its own, gone when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn make(work: &Path) -> Result<Self, Failure> {
        let path = work.join(format!("publish-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| crate::disk::failure(&path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is swept when the server starts.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
