//! `sanaga bundle export`: one file with everything that an install without a network needs.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{NodeName, ReleaseName};
use sanaga_proto::wire::bundle::{Index, head};

use super::format;
use super::session::Session;
use super::ui::Ui;
use crate::ops::{BundleFiles, BundleList};

/// Bundles for places without a network
#[derive(Debug, Args)]
pub struct BundleArgs {
    #[command(subcommand)]
    verb: BundleVerb,
}

#[derive(Debug, Subcommand)]
enum BundleVerb {
    /// Write a bundle
    Export(ExportArgs),
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// The release
    #[arg(value_name = "APP@VERSION")]
    release: ReleaseName,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// The nodes that it is for; each must be assigned the release before
    #[arg(long = "for", value_name = "NODE", num_args = 1..)]
    nodes: Vec<NodeName>,
}

/// Writes it.
pub async fn run(ui: &mut Ui, session: &Session, args: BundleArgs) -> Result<(), Failure> {
    let BundleVerb::Export(args) = args.verb;
    let release = args.release.to_string();
    let list = session
        .call(BundleFiles {
            app: args.release.app,
            version: args.release.version,
            nodes: args.nodes,
        })
        .await?;
    let bytes = write(&args.to, &session.home.public().join("v1"), &list)?;
    let path = format::path(&args.to, ui.user_home.as_deref());
    let answer = serde_json::json!({
        "path": args.to, "bytes": bytes, "files": list.files.len(),
        "not_assigned": list.not_assigned,
    });
    ui.json(&answer, None)?;
    let count = list.files.len().to_string();
    ui.data(&ui.say(
        "bundle-written",
        &[
            ("path", &path),
            ("bytes", &ui.bytes(bytes)),
            ("count", &count),
        ],
    ));
    for node in &list.not_assigned {
        ui.tell(
            "bundle-not-assigned",
            &[("node", node.as_str()), ("release", &release)],
        );
        ui.next(&format!("sanaga assign {release} --to node={node}"));
    }
    ui.tell("bundle-next", &[("path", &path)]);
    Ok(())
}

/// Writes the bundle beside its place and puts it there whole.
fn write(to: &Path, public: &Path, list: &BundleList) -> Result<u64, Failure> {
    let unwritable = |error: &(dyn std::error::Error + 'static)| crate::disk::failure(to, error);
    let part = to.with_extension("part");
    let file = File::create(&part).map_err(|error| unwritable(&error))?;
    let mut out = BufWriter::new(file);
    let head = head(&Index {
        repository: list.repository,
        files: list.files.clone(),
    });
    let mut bytes = head.len() as u64;
    out.write_all(&head).map_err(|error| unwritable(&error))?;
    for (path, length) in &list.files {
        let from = public.join(path);
        let unreadable = |problem: &dyn std::fmt::Display| {
            Failure::new(code::DISK_FAULT)
                .arg("path", from.display())
                .arg("problem", problem)
        };
        let file = File::open(&from).map_err(|error| unreadable(&error))?;
        let copied = std::io::copy(&mut BufReader::new(file).take(*length), &mut out)
            .map_err(|error| unwritable(&error))?;
        if copied != *length {
            return Err(unreadable(&"it is shorter than it was a moment ago"));
        }
        bytes += copied;
    }
    let file = out
        .into_inner()
        .map_err(|error| unwritable(error.error()))?;
    sanaga_durable::sync_file(&file).map_err(|error| unwritable(&error))?;
    sanaga_durable::rename(&part, to).map_err(|error| unwritable(&error))?;
    Ok(bytes)
}
