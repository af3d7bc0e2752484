//! `sanaga serve`: the server, until it is told to stop.

use std::sync::Arc;

use clap::Args;
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::session::open_context;
use super::ui::Ui;
use crate::api::{Server, default_listen};
use crate::home::Home;

/// Serve nodes and operators
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen [default: every address, the port of the URL]
    #[arg(long, value_name = "ADDRESS:PORT", env = "SANAGA_LISTEN")]
    listen: Option<String>,
}

/// Serves until SIGINT or SIGTERM.
pub async fn run(ui: &Ui, home: &Home, args: ServeArgs) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_env("SANAGA_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // A second subscriber can only be one of a test.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ui.colours())
        .try_init();
    let Some(_lock) = home.lock()? else {
        return Err(Failure::new(code::LOCKED).arg("path", home.path().display()));
    };
    sweep(home)?;
    let context = Arc::new(open_context(home)?);
    let controller = context.store.controller().await.map_err(Failure::of)?;
    let nodes = context.store.nodes().await.map_err(Failure::of)?.len();
    let releases = context.store.releases().await.map_err(Failure::of)?.len();
    let listen = args
        .listen
        .unwrap_or_else(|| default_listen(&controller.url));
    let internal = |error: std::io::Error| Failure::new(code::INTERNAL).arg("problem", error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(internal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(internal)?;
    let server = Server::bind(context, &listen).await?;
    let answer = serde_json::json!({
        "url": controller.url, "nodes": nodes, "releases": releases,
        "address": server.address().map_err(internal)?.to_string(),
        "congestion": server.congestion(),
    });
    ui.json(&answer, None)?;
    ui.data(&ui.say(
        "serving",
        &[
            ("url", &controller.url),
            ("nodes", &nodes.to_string()),
            ("releases", &releases.to_string()),
        ],
    ));
    let status = format!("{}: {nodes} nodes, {releases} releases", controller.url);
    // Under systemd, `Type=notify`; elsewhere nobody listens.
    let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    let heart = tokio::spawn(heartbeat());
    server
        .run(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let _ = sd_notify::notify(&[NotifyState::Stopping]);
        })
        .await;
    heart.abort();
    ui.tell("serve-stopped", &[]);
    Ok(())
}

/// Tells the service manager at half of its patience that tasks are given turns.
async fn heartbeat() {
    let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero())
    else {
        return;
    };
    let mut beat = tokio::time::interval(patience / 2);
    loop {
        beat.tick().await;
        let _ = sd_notify::notify(&[NotifyState::Watchdog]);
    }
}

/// Empties the scratch space: whoever used it is gone, since the folder's lock is ours.
fn sweep(home: &Home) -> Result<(), Failure> {
    let work = home.work();
    let fault = |error: std::io::Error| {
        Failure::new(code::DISK_FAULT)
            .arg("path", work.display())
            .arg("problem", error)
    };
    match std::fs::remove_dir_all(&work) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fault(error)),
        Ok(()) | Err(_) => {}
    }
    home.create()
}
