//! Writing what nodes do: joining, and what a poll says.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use sanaga_proto::ids::{AppName, Digest, NodeKeyId, NodeName};
use sanaga_proto::wire::Field;
use sanaga_proto::wire::poll::AppStatus;
use sanaga_proto::wire::receipt::{Delivery, Event, EventKind};

use super::open::Fault;
use super::row::{all, int, int_opt, one};
use super::{read_fleet, write};
use crate::fleet::audit::Note;
use crate::fleet::model::{Enrolment, PollRecord, Redeemed};
use crate::fleet::receipts::{ChainHead, Intake, Kept, take_in};

pub(super) fn redeem(db: &Connection, enrolment: &Enrolment) -> Result<Redeemed, Fault> {
    let Some(token) = read_fleet::token(db, &enrolment.secret_hash)? else {
        return Ok(Redeemed::Unknown);
    };
    let (node, used) = (&enrolment.node, &enrolment.used);
    match token.used {
        Some(before) if before.node_key != used.node_key => {
            return Ok(Redeemed::UsedBefore(before));
        }
        // The same node again, with another certificate request: only the certificate is new.
        Some(before) => {
            mark_used(db, enrolment, before.at_s)?;
            set_certificate(db, enrolment)?;
            return Ok(Redeemed::Enrolled);
        }
        None => mark_used(db, enrolment, used.at_s)?,
    }
    let there = read_fleet::node(db, &node.name)?;
    put_node(db, enrolment)?;
    write::assign(db, &enrolment.assignment)?;
    let mut note = Note::new("enrol", format!("node {}", node.name)).after(node.key.to_string());
    note.before = there.map(|there| there.key.to_string());
    write::audit(db, used.at_s, &enrolment.assignment.actor, &note)?;
    Ok(Redeemed::Enrolled)
}

fn mark_used(db: &Connection, enrolment: &Enrolment, at_s: u64) -> Result<(), Fault> {
    let used = &enrolment.used;
    db.execute(
        "UPDATE token SET used_at_s = ?2, used_by = ?3, used_csr = ?4, used_welcome = ?5
         WHERE secret_hash = ?1",
        params![
            enrolment.secret_hash.0,
            int(at_s),
            used.node_key.0,
            used.csr.0,
            used.welcome
        ],
    )?;
    Ok(())
}

fn set_certificate(db: &Connection, enrolment: &Enrolment) -> Result<(), Fault> {
    let node = &enrolment.node;
    db.execute(
        "UPDATE node SET certificate_serial = ?2, certificate_expires_at_s = ?3 WHERE name = ?1",
        params![
            node.name.as_str(),
            node.certificate_serial,
            int(node.certificate_expires_at_s)
        ],
    )?;
    Ok(())
}

/// Adds the node, or gives its name a new key: what the old machine said is no longer true.
fn put_node(db: &Connection, enrolment: &Enrolment) -> Result<(), Fault> {
    let node = &enrolment.node;
    db.execute(
        "INSERT INTO node (name, site, environment, key, public_key, certificate_serial,
             certificate_expires_at_s, enrolled_at_s)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (name) DO UPDATE SET site = ?2, environment = ?3, key = ?4, public_key = ?5,
             certificate_serial = ?6, certificate_expires_at_s = ?7, enrolled_at_s = ?8,
             revoked_at_s = NULL, contact_at_s = NULL, agent = NULL, root_version = NULL,
             receipts_problem = NULL",
        params![
            node.name.as_str(),
            node.site.as_str(),
            node.environment.as_str(),
            node.key.0,
            node.public_key,
            node.certificate_serial,
            int(node.certificate_expires_at_s),
            int(node.enrolled_at_s)
        ],
    )?;
    db.execute("DELETE FROM node_app WHERE node = ?1", [node.name.as_str()])?;
    db.execute(
        "INSERT OR REPLACE INTO node_key VALUES (?1, ?2)",
        params![node.key.0, node.name.as_str()],
    )?;
    Ok(())
}

pub(super) fn record(db: &Connection, record: &PollRecord) -> Result<Kept, Fault> {
    let Some(node) = read_fleet::node_by_key(db, &record.node_key)? else {
        let problem = "it is not enrolled";
        return Err(Fault::conflict("node key", record.node_key, problem));
    };
    let mut kept = Kept::default();
    match &record.delivery {
        Some(Ok(delivery)) => kept = take(db, &node.name, delivery, record.at_s)?,
        Some(Err(bad)) => {
            let head = head(db, &record.node_key, bad.epoch)?;
            kept.acknowledged = Some((bad.epoch, head.number));
            kept.problem = Some(bad.problem.clone());
        }
        None => {}
    }
    // Without a delivery nothing is known anew about the receipts.
    let problem = match &record.delivery {
        Some(_) => kept.problem.clone(),
        None => node.receipts_problem.clone(),
    };
    if let Some(problem) = problem
        .as_ref()
        .filter(|_| problem != node.receipts_problem)
    {
        let note = Note::new("refuse receipts", format!("node {}", node.name)).after(problem);
        write::audit(db, record.at_s, &format!("node:{}", node.name), &note)?;
    }
    db.prepare_cached(
        "UPDATE node SET contact_at_s = ?2, agent = ?3, root_version = ?4, receipts_problem = ?5
         WHERE name = ?1",
    )?
    .execute(params![
        node.name.as_str(),
        int(record.at_s),
        record.agent,
        int(record.root_version),
        problem
    ])?;
    claims(db, &node.name, &record.apps, record.at_s)?;
    Ok(kept)
}

fn claims(db: &Connection, node: &NodeName, apps: &[AppStatus], at_s: u64) -> Result<(), Fault> {
    db.prepare_cached(
        "UPDATE node_app SET claim_at_s = NULL, claim_root = NULL, claim_phase = NULL,
             claim_fetched_bytes = NULL, claim_code = NULL
         WHERE node = ?1 AND claim_at_s IS NOT NULL",
    )?
    .execute([node.as_str()])?;
    for status in apps {
        db.prepare_cached(
            "INSERT INTO node_app (node, app, claim_at_s, claim_root, claim_phase,
                 claim_fetched_bytes, claim_code)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (node, app) DO UPDATE SET claim_at_s = ?3, claim_root = ?4,
                 claim_phase = ?5, claim_fetched_bytes = ?6, claim_code = ?7",
        )?
        .execute(params![
            node.as_str(),
            status.app.as_str(),
            int(at_s),
            status.root.map(|root| root.0),
            status.phase,
            int_opt(status.fetched_bytes),
            int_opt(status.code)
        ])?;
    }
    Ok(())
}

/// Takes in a delivery whose signature was checked.
fn take(db: &Connection, node: &NodeName, delivery: &Delivery, at_s: u64) -> Result<Kept, Fault> {
    let (key, epoch) = (&delivery.node_key, delivery.epoch);
    let head = head(db, key, epoch)?;
    let mut known: BTreeMap<u64, Digest> = all(
        db,
        "SELECT number, hash FROM receipt
         WHERE node_key = ?1 AND epoch = ?2 AND number BETWEEN ?3 AND ?4",
        params![
            key.0,
            int(epoch),
            int(delivery.first.saturating_sub(1)),
            int(delivery.last())
        ],
        |row| Ok((row.number()?, row.digest()?)),
    )?
    .into_iter()
    .collect();
    known.insert(0, ChainHead::start(key, epoch).hash);
    match take_in(delivery, head, &|number| known.get(&number).copied()) {
        Intake::Refuse(problem) => Ok(Kept {
            acknowledged: Some((epoch, head.number)),
            added: 0,
            problem: Some(problem),
        }),
        Intake::Add(added) => {
            for (number, event, hash) in &added {
                keep(db, key, epoch, *number, event, hash, at_s)?;
                apply(db, node, epoch, *number, event, at_s)?;
            }
            Ok(Kept {
                acknowledged: Some((epoch, head.number.max(delivery.last()))),
                added: added.len() as u64,
                problem: None,
            })
        }
    }
}

fn head(db: &Connection, key: &NodeKeyId, epoch: u64) -> Result<ChainHead, Fault> {
    let found = one(
        db,
        "SELECT number, hash FROM receipt WHERE node_key = ?1 AND epoch = ?2
         ORDER BY number DESC LIMIT 1",
        params![key.0, int(epoch)],
        |row| Ok((row.number()?, row.digest()?)),
    )?;
    Ok(found.map_or_else(
        || ChainHead::start(key, epoch),
        |(number, hash)| ChainHead { number, hash },
    ))
}

fn keep(
    db: &Connection,
    key: &NodeKeyId,
    epoch: u64,
    number: u64,
    event: &Event,
    hash: &Digest,
    at_s: u64,
) -> Result<(), Fault> {
    let mut bytes = Vec::new();
    // Writing to a Vec has no failure of its own.
    let _ = ciborium::into_writer(&event.to_value(), &mut bytes);
    db.prepare_cached("INSERT INTO receipt VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            key.0,
            int(epoch),
            int(number),
            bytes,
            hash.0,
            int(at_s)
        ])?;
    Ok(())
}

/// What a receipt proves of its app. What the worker only claims proves nothing.
fn apply(
    db: &Connection,
    node: &NodeName,
    epoch: u64,
    number: u64,
    event: &Event,
    at_s: u64,
) -> Result<(), Fault> {
    let (Some(app), None | Some(false)) = (&event.app, event.claimed) else {
        return Ok(());
    };
    db.prepare_cached(
        "INSERT INTO node_app (node, app, last_event, last_version, last_generation, last_code,
             last_epoch, last_number, last_taken_at_s)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (node, app) DO UPDATE SET last_event = ?3, last_version = ?4,
             last_generation = ?5, last_code = ?6, last_epoch = ?7, last_number = ?8,
             last_taken_at_s = ?9",
    )?
    .execute(params![
        node.as_str(),
        app.as_str(),
        event.kind.as_str(),
        event.version.as_ref().map(ToString::to_string),
        int_opt(event.generation),
        int_opt(event.code),
        int(epoch),
        int(number),
        int(at_s)
    ])?;
    installed(db, node, app, event)
}

/// A commit names what runs; a roll back of that leads to what was committed before it.
fn installed(db: &Connection, node: &NodeName, app: &AppName, event: &Event) -> Result<(), Fault> {
    let version = event.version.as_ref().map(ToString::to_string);
    let root = event.root.map(|root| root.0);
    match event.kind {
        EventKind::Committed => {
            db.prepare_cached(
                "UPDATE node_app SET former_version = installed_version,
                     former_root = installed_root, installed_version = ?3, installed_root = ?4
                 WHERE node = ?1 AND app = ?2
                     AND (installed_root IS NOT ?4 OR installed_version IS NOT ?3)",
            )?
            .execute(params![node.as_str(), app.as_str(), version, root])?;
        }
        EventKind::RolledBack => {
            db.prepare_cached(
                "UPDATE node_app SET installed_version = former_version,
                     installed_root = former_root, former_version = NULL, former_root = NULL
                 WHERE node = ?1 AND app = ?2 AND installed_version = ?3",
            )?
            .execute(params![node.as_str(), app.as_str(), version])?;
        }
        EventKind::Booted
        | EventKind::Enrolled
        | EventKind::Staged
        | EventKind::Activated
        | EventKind::Refused
        | EventKind::Superseded
        | EventKind::Held
        | EventKind::OperatorAction
        | EventKind::Alarm
        | EventKind::Migrated
        | EventKind::NeedsHands => {}
    }
    Ok(())
}
