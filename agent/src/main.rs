//! The agent's program: joins the command line to the rooms that do the work.

use std::path::Path;
use std::process::ExitCode;

use sanaga_agent::cli::{self, Joined, Rooms};
use sanaga_agent::config::{Config, Paths};
use sanaga_agent::fetch::client::Patience;
use sanaga_agent::identity::{Identity, IdentityFiles};
use sanaga_agent::{daemon, disk, enrol};
use sanaga_proto::code;
use sanaga_proto::failure::Failure;

fn main() -> ExitCode {
    cli::main(&Rooms {
        run: daemon::run,
        identity,
        enrol,
    })
}

/// Who this machine is.
fn identity(folder: &Path) -> Result<Option<Joined>, Failure> {
    let files = IdentityFiles::new(folder);
    Ok(Identity::load(&files)?.map(|identity| joined(identity, 0)))
}

/// Joins a controller.
fn enrol(config: &Config, paths: &Paths, token: &str) -> Result<Joined, Failure> {
    let patience = Patience {
        connect_s: config.fetch.connect.as_secs(),
        stall_s: config.fetch.stall.as_secs(),
    };
    let folder = paths.pinned_root.parent().unwrap_or(&paths.state);
    sanaga_durable::make_dir(folder).map_err(|error| disk::durable_failure(folder, error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(code::INTERNAL).arg("problem", error))?;
    let enrolled = runtime.block_on(enrol::enrol(folder, token, patience))?;
    Ok(joined(enrolled.identity, enrolled.bytes))
}

fn joined(identity: Identity, bytes: u64) -> Joined {
    Joined {
        url: identity.url,
        repository: identity.repository,
        node: identity.node,
        site: identity.site,
        environment: identity.environment,
        bytes,
    }
}
