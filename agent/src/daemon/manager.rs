//! What the system's service manager hears of the daemon (sd_notify(3)): that it is up, how it is, that
//! its loop turns, and that it ends. Where nobody listens, nothing is said.

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::node::Node;
use crate::update::Phase;

/// The line about the daemon is written anew at least so often.
const LOOK: Duration = Duration::from_secs(30);
/// It is not written more often than that.
const PAUSE: Duration = Duration::from_millis(500);

/// It is up, and how it is.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// It ends. What it supervises goes on.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says at half of the manager's patience that the loop turns, for as long as this task is given turns
/// by the same loop; a daemon that hangs is killed and started again.
pub async fn heartbeat() {
    let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero())
    else {
        return pending().await;
    };
    let mut beat = interval(patience / 2);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

/// Keeps the line that `systemctl status` shows.
pub async fn keep_status(node: Rc<Node>) {
    let mut said = String::new();
    loop {
        let status = status(&node);
        if status != said {
            tell(&[NotifyState::Status(&status)]);
            said = status;
        }
        tokio::select! {
            () = node.changed.notified() => sleep(PAUSE).await,
            () = sleep(LOOK) => {}
        }
    }
}

/// `node akwa-1: shop 1.4.2 committed`
pub fn status(node: &Node) -> String {
    let apps = node.apps.borrow();
    let apps = apps.values().map(|app| {
        let journal = app.journal.borrow();
        let running = journal
            .running()
            .map(|installed| &installed.release.version);
        app_status(
            app.name.as_str(),
            running.map(|version| version.as_str()),
            journal.phase,
        )
    });
    let apps: Vec<String> = apps.collect();
    let name = &node.helper.identity().node;
    if apps.is_empty() {
        return format!("node {name}: nothing is assigned yet");
    }
    format!("node {name}: {}", apps.join(", "))
}

fn app_status(app: &str, version: Option<&str>, phase: Phase) -> String {
    format!("{app} {} {phase}", version.unwrap_or("–"))
}

/// Nobody may listen, and whoever does cannot be helped when it does not.
fn tell(state: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}
