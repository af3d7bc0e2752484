//! The loop of one app: gather, decide, store, perform.

use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::wire::receipt::EventKind;
use tokio::time::{sleep, timeout};

use super::node::{App, Node};
use crate::update::{Decision, Effect, Facts, Fault, Installed, Journal, Outcome, Service, next};

/// After a fault of our own disk or database, seconds.
const FAULT_PAUSE: Duration = Duration::from_secs(5);

/// Runs an app for as long as the daemon lives.
pub async fn drive(node: Rc<Node>, app: Rc<App>) {
    loop {
        if let Err(failure) = turn(&node, &app).await {
            tracing::error!(app = %app.name, %failure, "nothing can be decided or stored");
            if failure.code() == code::DATABASE_DAMAGED {
                // The next start moves it aside and makes it anew; here there is nothing to go on with.
                *node.broken.borrow_mut() = Some(failure);
                node.stop.notify_one();
                return;
            }
            *app.failure.borrow_mut() = Some(failure);
            node.tell();
            sleep(FAULT_PAUSE).await;
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not named here is handed on whole"
)]
async fn turn(node: &Node, app: &App) -> Result<(), Failure> {
    // Whatever woke us up to here is seen by looking. Left standing, it would break off the transfer
    // that is decided now, and the bytes on their way would be paid for twice.
    let _seen = app.wake.notified().now_or_never();
    node.tidy_service(app).await;
    node.watch_what_runs(app).await;
    node.measure_outage(app);
    let facts = node.gather(app).await?;
    let before = app.journal.borrow().clone();
    let decision = next(&before, &facts, &node.policy(app));
    if let Err(failure) = store(node, app, &decision) {
        if !keeps_the_site_running(&before, &decision, &failure) {
            if let Some(installed) = meanwhile(&before, &facts, &failure) {
                tracing::warn!(app = %app.name, %failure, "the switch cannot go on; the app is started");
                let started = node.perform(app, Effect::StartService { installed }).await;
                if let Err(failure) = started {
                    tracing::warn!(app = %app.name, %failure, "it does not start");
                }
            }
            return Err(failure);
        }
        tracing::warn!(app = %app.name, %failure, "not noted; the service is started all the same");
        sleep(FAULT_PAUSE).await;
    }
    answer(app, &decision);
    let kind = decision.effect.kind();
    let result = match decision.effect {
        Effect::None => return Ok(()),
        Effect::Wait { seconds } => {
            let _ = timeout(Duration::from_secs(seconds), app.wake.notified()).await;
            return Ok(());
        }
        Effect::Probe { installed, seconds } => {
            node.look(app, &installed, seconds).await;
            return Ok(());
        }
        effect => {
            tracing::info!(app = %app.name, phase = %app.phase(), effect = ?kind, "performing");
            node.perform(app, effect).await
        }
    };
    let result = result.map_err(|failure| {
        tracing::warn!(app = %app.name, %failure, effect = ?kind, "failed");
        let fault = Fault::of(&failure);
        *app.failure.borrow_mut() = Some(failure);
        fault
    });
    *app.last.borrow_mut() = Some(Outcome {
        effect: kind,
        result,
    });
    Ok(())
}

/// On a full disk the journal cannot be written. What is installed is started even so: it is what the
/// site has, and starting it again is what would be done after a crash as well.
fn keeps_the_site_running(before: &Journal, decision: &Decision, failure: &Failure) -> bool {
    failure.code() == code::DISK_FULL
        && before.phase.is_at_rest()
        && matches!(&decision.effect, Effect::StartService { .. })
}

/// On a full disk a switch that has begun cannot go on, and perhaps nothing runs. Meanwhile the site has
/// what `current` names, unless its data are in the form of another release. It is not counted, which
/// the journal has no room for either; when there is room the switch begins again with a stop.
fn meanwhile(before: &Journal, facts: &Facts, failure: &Failure) -> Option<Installed> {
    let is_down = matches!(facts.service, Service::Absent | Service::Exited { .. });
    let is_stuck = failure.code() == code::DISK_FULL && !before.phase.is_at_rest();
    let may_start = is_down && is_stuck && !before.data.is_touched;
    let known = [&before.installed, &before.target].into_iter().flatten();
    known
        .filter(|_| may_start)
        .find(|release| Some(release.slot) == facts.current)
        .cloned()
}

/// Journal and receipts go into one transaction, before anything is done.
fn store(node: &Node, app: &App, decision: &Decision) -> Result<(), Failure> {
    let changed = *app.journal.borrow() != decision.journal;
    if !changed && decision.events.is_empty() {
        return Ok(());
    }
    let now = node.clock.read();
    let received = app
        .pack
        .borrow()
        .as_ref()
        .and_then(|pack| node.received_for(&pack.offer));
    // Before the event: a floor without its commit does no harm, a commit without its floor would let
    // an older release come from afar.
    for event in &decision.events {
        if let (EventKind::Committed, Some(release)) = (event.kind, &event.release) {
            node.helper.raise_counter(&app.name, release)?;
        }
    }
    if let Some(number) = node
        .helper
        .record(&decision.journal, &decision.events, received, now)?
    {
        app.last_receipt.set(Some(number));
    }
    let moved = app.phase() != decision.journal.phase;
    *app.journal.borrow_mut() = decision.journal.clone();
    if moved {
        app.phase_since_s.set(now.uptime_s);
        tracing::info!(app = %app.name, phase = %decision.journal.phase, "phase");
        if decision.journal.phase.is_at_rest() && decision.journal.blocked.is_none() {
            app.failure
                .borrow_mut()
                .take_if(|failure| failure.code().exit != code::Exit::RolledBack);
        }
    }
    for event in &decision.events {
        tracing::info!(app = %app.name, event = %event.kind, detail = %event.detail, "event");
        match (event.kind, &event.release) {
            (EventKind::Committed, Some(_))
            | (EventKind::RolledBack | EventKind::Refused | EventKind::NeedsHands, _) => {
                node.poll_now.notify_one();
            }
            (
                EventKind::Booted
                | EventKind::Enrolled
                | EventKind::Staged
                | EventKind::Activated
                | EventKind::Committed
                | EventKind::Superseded
                | EventKind::Held
                | EventKind::OperatorAction
                | EventKind::Alarm
                | EventKind::Migrated,
                _,
            ) => {}
        }
    }
    node.tell();
    Ok(())
}

fn answer(app: &App, decision: &Decision) {
    if let Some(answer) = decision.answer
        && let Some((_, asked)) = app.order.borrow_mut().take()
    {
        // Whoever asked may have gone; the order stands in the journal all the same.
        let _ = asked.send(answer);
    }
}
