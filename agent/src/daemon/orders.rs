//! What the command line asks for, carried out: each order of an operator and its answer.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sanaga_proto::code;
use sanaga_proto::failure::{Failure, nearest};
use sanaga_proto::ids::{AppName, Version};
use sanaga_proto::wire::receipt::EventKind;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::changes::{Settling, words};
use super::node::{App, Node};
use super::report::probes_of;
use crate::control::{Change, Done, Order, Reply, failure_of};
use crate::slot;
use crate::update::{self, Answer, Phase};

pub(super) async fn follow(node: &Rc<Node>, order: Order) -> Result<Reply, Failure> {
    match order {
        Order::Status | Order::Enrolled | Order::Watch => node.report().await.map(Reply::Report),
        Order::History { most } => node.history(most).map(Reply::History),
        Order::Pull { past_budget } => pull(node, past_budget).await,
        Order::Stage { app } => order_app(node, &app, update::Order::Stage).await,
        Order::Activate { app } => order_app(node, &app, update::Order::Activate).await,
        Order::Rollback { app } => order_app(node, &app, update::Order::Rollback).await,
        Order::Install {
            path,
            accept_expired,
        } => install(node, &path, accept_expired).await,
        Order::Verify { app, repair } => verify(node, app, repair).await,
    }
}

fn find(node: &Node, name: &AppName) -> Result<Rc<App>, Failure> {
    node.app(name).ok_or_else(|| {
        let apps = node.apps.borrow();
        let near = nearest(name.as_str(), apps.keys().map(AppName::as_str));
        Failure::new(code::NO_SUCH_APP)
            .arg("app", name)
            .arg("near", near)
    })
}

/// Asks the controller; the answer says what it led to, which goes on by itself.
async fn pull(node: &Node, past_budget: bool) -> Result<Reply, Failure> {
    let started = Instant::now();
    // A poll that was under way when the order came does not count.
    let others = u64::from(node.polling.get());
    let before = node.polls.get();
    node.poll_now.notify_one();
    while node.polls.get() <= before + others {
        let polled = node.polled.notified();
        polled.await;
    }
    if past_budget {
        let (kind, now) = (EventKind::OperatorAction, node.clock.read());
        let detail = "what is assigned may be fetched past the data budget";
        node.helper.note_event(kind, None, detail, now)?;
    }
    if let Some(failure) = node.contact.borrow().failure.as_ref() {
        let (number, words) = words(failure);
        return Err(failure_of(number, &words));
    }
    let mut changes = Vec::new();
    for app in node.apps.borrow().values() {
        if past_budget {
            let wanted = app.wanted.borrow();
            *app.past_budget.borrow_mut() = wanted.as_ref().map(|wanted| wanted.release.root);
        }
        app.wake.notify_one();
        changes.extend(Settling::begin(app).map(|settling| settling.change(app)));
    }
    all_done(node, changes, started)
}

/// Takes a bundle in and waits for what it leads to, as far as that needs no network.
async fn install(node: &Node, path: &str, accept_expired: bool) -> Result<Reply, Failure> {
    let started = Instant::now();
    node.install(Path::new(path), accept_expired).await?;
    let apps: Vec<Rc<App>> = node.apps.borrow().values().cloned().collect();
    let mut changes = Vec::new();
    for app in apps {
        if let Some(settling) = Settling::begin(&app) {
            settling.wait(node, &app).await?;
            changes.push(settling.change(&app));
        }
    }
    all_done(node, changes, started)
}

async fn order_app(
    node: &Rc<Node>,
    name: &AppName,
    order: update::Order,
) -> Result<Reply, Failure> {
    let app = find(node, name)?;
    let started = Instant::now();
    let before = app
        .journal
        .borrow()
        .running()
        .map(|installed| installed.release.version.clone());
    let (asked, answered) = oneshot::channel();
    *app.order.borrow_mut() = Some((order, asked));
    app.wake.notify_one();
    match answered.await {
        Ok(Answer::Accepted) => {}
        Ok(Answer::Refused(code)) => {
            let refused = refused(&app, code);
            return Err(match code {
                code::SCHEMA_TOO_NEW | code::DATA_NOT_KEPT => node.refused_by_data(&app, refused),
                _ => refused,
            });
        }
        Err(_) => {
            return Err(Failure::new(code::BAD_REQUEST)
                .arg("problem", "another order of the app came in between"));
        }
    }
    wait_for(node, &app, order, before.as_ref()).await?;
    done(node, Some(&app), before, started)
}

/// Waits until an order has had its effect.
async fn wait_for(
    node: &Node,
    app: &App,
    order: update::Order,
    before: Option<&Version>,
) -> Result<(), Failure> {
    loop {
        // Going back to what is assigned ends in no phase of its own.
        let is_back = || {
            let journal = app.journal.borrow();
            let running = journal.running().map(|running| &running.release.version);
            journal.phase.is_at_rest() && running.is_some() && running != before
        };
        let (phase, open) = {
            let journal = app.journal.borrow();
            (journal.phase, journal.order.is_some())
        };
        let (reached, failed) = match order {
            update::Order::Rollback => (
                matches!(phase, Phase::RolledBack) || is_back(),
                matches!(phase, Phase::NeedsHands),
            ),
            update::Order::Activate => (
                matches!(phase, Phase::Probation | Phase::Committed),
                matches!(
                    phase,
                    Phase::RolledBack | Phase::NeedsHands | Phase::Refused { .. }
                ),
            ),
            update::Order::Stage | update::Order::Pull => (
                !matches!(phase, Phase::Fetching),
                matches!(phase, Phase::Refused { .. }),
            ),
        };
        if failed {
            return Err(refused(app, code::NEEDS_HANDS));
        }
        if reached && (!open || order != update::Order::Rollback) {
            return Ok(());
        }
        tokio::select! {
            () = node.changed.notified() => {}
            () = sleep(Duration::from_millis(200)) => {}
        }
    }
}

fn refused(app: &App, code: code::Code) -> Failure {
    let journal = app.journal.borrow();
    let target = journal.target.as_ref().or(journal.installed.as_ref());
    let release = target
        .map(|target| format!("{}@{}", app.name, target.release.version))
        .unwrap_or_default();
    let cause = app
        .failure
        .borrow()
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    Failure::new(code)
        .arg("app", &app.name)
        .arg("release", release)
        .arg("scope", "")
        .arg("cause", cause)
}

fn done(
    node: &Node,
    app: Option<&App>,
    from: Option<Version>,
    started: Instant,
) -> Result<Reply, Failure> {
    let to = app.and_then(|app| {
        app.journal
            .borrow()
            .running()
            .map(|installed| installed.release.version.clone())
    });
    Ok(Reply::Done(Done {
        app: app.map(|app| app.name.clone()),
        from,
        to,
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        probes: app.map(probes_of).unwrap_or_default(),
        receipts_waiting: node.helper.receipts_waiting()?,
        data: app.and_then(|app| node.moved_aside(app)),
        receipt: app.and_then(|app| app.last_receipt.get()),
        changes: Vec::new(),
    }))
}

/// The end of an order that is about all apps.
fn all_done(node: &Node, changes: Vec<Change>, started: Instant) -> Result<Reply, Failure> {
    Ok(Reply::Done(Done {
        app: None,
        from: None,
        to: None,
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        probes: (0, 0),
        receipts_waiting: node.helper.receipts_waiting()?,
        receipt: None,
        data: None,
        changes,
    }))
}

async fn verify(node: &Rc<Node>, only: Option<AppName>, repair: bool) -> Result<Reply, Failure> {
    let apps: Vec<Rc<App>> = match only {
        Some(name) => vec![find(node, &name)?],
        None => node.apps.borrow().values().cloned().collect(),
    };
    let (mut files, mut bytes, mut drift) = (0, 0, Vec::new());
    for app in apps {
        let running = app.journal.borrow().running().cloned();
        let Some(installed) = running else { continue };
        let Some(path) = app.folder.find_slot(installed.slot) else {
            continue;
        };
        let found = tokio::task::spawn_blocking(move || slot::verify(&path))
            .await
            .map_err(|error| Failure::new(code::INTERNAL).arg("problem", error))?
            .map_err(Failure::of)?;
        files += found.files;
        bytes += found.bytes;
        if repair && !found.drift.is_empty() {
            let damaged = update::Seal::Damaged(installed.release.clone());
            app.seals.borrow_mut().insert(installed.slot, damaged);
            app.wake.notify_one();
        }
        drift.extend(
            found
                .drift
                .into_iter()
                .map(|drift| (app.name.clone(), drift.path, drift.how.to_owned())),
        );
    }
    Ok(Reply::Verified {
        files,
        bytes,
        drift,
    })
}
