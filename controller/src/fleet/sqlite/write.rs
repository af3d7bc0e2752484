//! Writing a batch: every change in order, then its audit notes.

use rusqlite::{Connection, OptionalExtension, params};
use sanaga_proto::ids::{AppName, NodeName, SettingName, SiteName, Version};
use sanaga_proto::wire::assignment::SettingValue;
use sanaga_proto::wire::hold::Hold;

use super::open::Fault;
use super::read_fleet;
use super::row::{int, int_opt, keep, one};
use crate::fleet::audit::{Note, audit_hash};
use crate::fleet::change::{Batch, Change};
use crate::fleet::model::{Controller, EnrolToken, Environment};
use crate::fleet::outbox::path;
use crate::fleet::published::{
    PendingRole, Placement, Release, RoleFile, Scope, Setting, StoredAssignment, StoredHold,
    StoredOffer,
};
use sanaga_proto::ids::Digest;

pub(super) fn batch(db: &Connection, batch: Batch) -> Result<(), Fault> {
    for change in batch.changes {
        apply(db, change, batch.at_s)?;
    }
    for note in &batch.notes {
        audit(db, batch.at_s, &batch.actor, note)?;
    }
    Ok(())
}

fn apply(db: &Connection, change: Change, at_s: u64) -> Result<(), Fault> {
    match change {
        Change::SetController(controller) => set_controller(db, &controller),
        Change::SetEnvironment(environment) => set_environment(db, &environment),
        Change::AddSite(site) => add_site(db, &site.name, site.created_at_s),
        Change::AddToken(token) => add_token(db, &token),
        Change::RevokeNode(name) => revoke(db, &name, at_s),
        Change::SetCertificate {
            node,
            serial,
            expires_at_s,
        } => set_certificate(db, &node, &serial, expires_at_s),
        Change::PublishRole(file) => publish_role(db, &file),
        Change::SetPending(pending) => set_pending(db, &pending),
        Change::DropPending { role } => drop_pending(db, &role),
        Change::AddRelease(release) => add_release(db, &release),
        Change::Place {
            app,
            version,
            placement,
        } => place(db, &app, &version, &placement),
        Change::Withdraw {
            app,
            version,
            environment,
        } => {
            db.execute(
                "DELETE FROM placement WHERE environment = ?1 AND app = ?2 AND version = ?3",
                params![environment.as_str(), app.as_str(), version.as_str()],
            )?;
            Ok(())
        }
        Change::SetOffer(offer) => set_offer(db, &offer),
        Change::Assign(assignment) => assign(db, &assignment),
        Change::SetHold(hold) => set_hold(db, &hold),
        Change::SetSetting(setting) => set_setting(db, &setting),
        Change::DropSetting { scope, app, name } => drop_setting(db, &scope, &app, &name),
        Change::PublishFile { path, bytes } => publish(db, &path, &bytes),
        Change::DropToken { secret_hash } => {
            db.execute(
                "DELETE FROM token WHERE secret_hash = ?1 AND used_at_s IS NULL",
                [secret_hash.0],
            )?;
            Ok(())
        }
    }
}

/// Appends a note to the audit log's chain.
pub(super) fn audit(db: &Connection, at_s: u64, actor: &str, note: &Note) -> Result<(), Fault> {
    let (last, before) = one(
        db,
        "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1",
        [],
        |row| Ok((row.number()?, row.digest()?)),
    )?
    .unwrap_or((0, Digest([0; 32])));
    let number = last.saturating_add(1);
    let hash = audit_hash(&before, number, at_s, actor, note);
    db.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            int(number),
            int(at_s),
            actor,
            note.action,
            note.object,
            note.before,
            note.after,
            hash.0
        ])?;
    Ok(())
}

/// Puts a file into the outbox, behind everything that waits there.
fn publish(db: &Connection, path: &str, bytes: &[u8]) -> Result<(), Fault> {
    db.prepare_cached("INSERT OR REPLACE INTO outbox (path, bytes) VALUES (?1, ?2)")?
        .execute(params![path, bytes])?;
    Ok(())
}

fn set_controller(db: &Connection, controller: &Controller) -> Result<(), Fault> {
    db.execute(
        "INSERT OR REPLACE INTO controller VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            controller.name,
            controller.url,
            controller.repository.0,
            int(controller.price.thousandths_per_mb),
            controller.price.currency,
            controller.content_urls.join("\n"),
            int(controller.created_at_s)
        ],
    )?;
    Ok(())
}

fn set_environment(db: &Connection, environment: &Environment) -> Result<(), Fault> {
    db.execute(
        "INSERT INTO environment VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE
         SET poll_interval_s = ?2, download_bytes_max = ?3",
        params![
            environment.name.as_str(),
            int(environment.poll_interval_s),
            int_opt(environment.download_bytes_max)
        ],
    )?;
    Ok(())
}

fn add_site(db: &Connection, site: &SiteName, at_s: u64) -> Result<(), Fault> {
    db.execute(
        "INSERT OR IGNORE INTO site VALUES (?1, ?2)",
        params![site.as_str(), int(at_s)],
    )?;
    Ok(())
}

fn add_token(db: &Connection, token: &EnrolToken) -> Result<(), Fault> {
    add_site(db, &token.site, token.created_at_s)?;
    db.execute(
        "INSERT INTO token (secret_hash, node, site, environment, created_at_s, expires_at_s)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            token.secret_hash.0,
            token.node.as_str(),
            token.site.as_str(),
            token.environment.as_str(),
            int(token.created_at_s),
            int(token.expires_at_s)
        ],
    )?;
    Ok(())
}

fn revoke(db: &Connection, name: &NodeName, at_s: u64) -> Result<(), Fault> {
    changed_node(
        name,
        db.execute(
            "UPDATE node SET revoked_at_s = coalesce(revoked_at_s, ?2) WHERE name = ?1",
            params![name.as_str(), int(at_s)],
        )?,
    )
}

fn set_certificate(
    db: &Connection,
    node: &NodeName,
    serial: &[u8],
    expires_at_s: u64,
) -> Result<(), Fault> {
    changed_node(
        node,
        db.execute(
            "UPDATE node SET certificate_serial = ?2, certificate_expires_at_s = ?3
             WHERE name = ?1",
            params![node.as_str(), serial, int(expires_at_s)],
        )?,
    )
}

fn changed_node(name: &NodeName, rows: usize) -> Result<(), Fault> {
    if rows == 1 {
        Ok(())
    } else {
        Err(Fault::conflict("node", name, "there is no such node"))
    }
}

fn publish_role(db: &Connection, file: &RoleFile) -> Result<(), Fault> {
    let last = one(
        db,
        "SELECT coalesce(max(version), 0) FROM role WHERE role = ?1",
        [&file.role],
        |row| row.number(),
    )?
    .unwrap_or_default();
    if file.version != last.saturating_add(1) {
        let problem = format!("version {} after {last}", file.version);
        return Err(Fault::conflict("role", &file.role, problem));
    }
    let digest = keep(db, &file.bytes)?;
    db.execute(
        "INSERT INTO role VALUES (?1, ?2, ?3, ?4)",
        params![file.role, int(file.version), digest.0, int(file.at_s)],
    )?;
    drop_pending(db, &file.role)?;
    publish(db, &path::role(&file.role, file.version), &file.bytes)
}

fn set_pending(db: &Connection, pending: &PendingRole) -> Result<(), Fault> {
    db.execute(
        "INSERT OR REPLACE INTO pending VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            pending.role,
            int(pending.version),
            pending.bytes,
            int(pending.at_s),
            pending.summary.join("\n")
        ],
    )?;
    Ok(())
}

fn drop_pending(db: &Connection, role: &str) -> Result<(), Fault> {
    db.execute("DELETE FROM pending WHERE role = ?1", [role])?;
    Ok(())
}

fn add_release(db: &Connection, release: &Release) -> Result<(), Fault> {
    let there = one(
        db,
        "SELECT manifest FROM release WHERE app = ?1 AND version = ?2",
        [release.app.as_str(), release.version.as_str()],
        |row| row.digest(),
    )?;
    match there {
        Some(there) if there == release.manifest_digest => return Ok(()),
        Some(_) => {
            let problem = "it is there with other content";
            return Err(Fault::conflict("release", release.name(), problem));
        }
        None => {}
    }
    let digest = keep(db, &release.manifest)?;
    if digest != release.manifest_digest {
        let problem = "the digest is not the manifest's";
        return Err(Fault::conflict("release", release.name(), problem));
    }
    db.execute(
        "INSERT INTO release VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            release.app.as_str(),
            release.version.as_str(),
            digest.0,
            release.root.0,
            release.risk.as_str(),
            int(release.unpacked_bytes),
            int(release.entries),
            int(release.published_at_s),
            release.published_by
        ],
    )?;
    publish(db, &path::manifest(&digest), &release.manifest)
}

fn place(
    db: &Connection,
    app: &AppName,
    version: &Version,
    placement: &Placement,
) -> Result<(), Fault> {
    let taken: Option<String> = db
        .query_row(
            "SELECT version FROM placement
             WHERE environment = ?1 AND app = ?2 AND counter = ?3 AND version <> ?4",
            params![
                placement.environment.as_str(),
                app.as_str(),
                int(placement.counter),
                version.as_str()
            ],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(taken) = taken {
        let problem = format!("{taken} has that counter");
        return Err(Fault::conflict("counter", placement.counter, problem));
    }
    db.execute(
        "INSERT OR REPLACE INTO placement VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            placement.environment.as_str(),
            app.as_str(),
            version.as_str(),
            int(placement.counter),
            int_opt(placement.allow_downgrade_from),
            int(placement.at_s),
            placement.actor
        ],
    )?;
    Ok(())
}

fn set_offer(db: &Connection, offer: &StoredOffer) -> Result<(), Fault> {
    let digest = keep(db, &offer.signed)?;
    let base = offer.base.map(|base| base.0.to_vec()).unwrap_or_default();
    db.execute(
        "INSERT OR REPLACE INTO offer VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            offer.root.0,
            base,
            offer.frame_root.0,
            int(offer.pack_bytes),
            int(offer.file_bytes),
            digest.0
        ],
    )?;
    let path = path::offer(offer.base.as_ref(), &offer.root);
    publish(db, &path, &offer.signed)
}

/// Gives a node its next assignment.
pub(super) fn assign(db: &Connection, given: &StoredAssignment) -> Result<(), Fault> {
    let document = &given.document;
    let key = read_fleet::node(db, &document.node)?.map(|node| node.key);
    if key != Some(document.node_key) {
        let problem = "the node has another key";
        return Err(Fault::conflict("node", &document.node, problem));
    }
    let last = one(
        db,
        "SELECT max(generation) FROM assignment WHERE node = ?1",
        [document.node.as_str()],
        |row| row.number_opt(),
    )?
    .flatten();
    let follows = match last {
        Some(last) => document.generation == last.saturating_add(1),
        // Joining gives generation 0, which assigns nothing.
        None => document.generation <= 1,
    };
    if !follows {
        let last = last.unwrap_or_default();
        let problem = format!("generation {} after {last}", document.generation);
        return Err(Fault::conflict("assignment", &document.node, problem));
    }
    let digest = keep(db, &given.signed)?;
    db.prepare_cached("INSERT INTO assignment VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            document.node.as_str(),
            int(document.generation),
            digest.0,
            given.actor
        ])?;
    db.prepare_cached("DELETE FROM assigned WHERE node = ?1")?
        .execute([document.node.as_str()])?;
    for app in &document.apps {
        db.prepare_cached("INSERT INTO assigned VALUES (?1, ?2, ?3)")?
            .execute(params![
                document.node.as_str(),
                app.app.as_str(),
                app.manifest.0
            ])?;
    }
    publish(db, &path::assignment(&document.node_key), &given.signed)
}

fn set_hold(db: &Connection, hold: &StoredHold) -> Result<(), Fault> {
    let scope = Hold::scope(hold.document.node_key.as_ref());
    let last = one(
        db,
        "SELECT coalesce(max(number), 0) FROM hold WHERE scope = ?1",
        [&scope],
        |row| row.number(),
    )?
    .unwrap_or_default();
    if hold.document.number <= last {
        let problem = format!("number {} after {last}", hold.document.number);
        return Err(Fault::conflict("hold", scope, problem));
    }
    let digest = keep(db, &hold.signed)?;
    db.execute(
        "INSERT INTO hold VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            scope,
            int(hold.document.number),
            digest.0,
            int(hold.at_s),
            hold.actor
        ],
    )?;
    publish(
        db,
        &path::hold(hold.document.node_key.as_ref()),
        &hold.signed,
    )
}

fn scope_columns(scope: &Scope) -> (&'static str, &str) {
    match scope {
        Scope::Environment(name) => ("environment", name.as_str()),
        Scope::Site(name) => ("site", name.as_str()),
        Scope::Node(name) => ("node", name.as_str()),
    }
}

fn set_setting(db: &Connection, setting: &Setting) -> Result<(), Fault> {
    let (scope_kind, scope_name) = scope_columns(&setting.scope);
    let kind = match setting.value {
        SettingValue::Integer(_) => "integer",
        SettingValue::Flag(_) => "flag",
        SettingValue::Text(_) => "text",
    };
    db.execute(
        "INSERT OR REPLACE INTO setting VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            setting.app.as_str(),
            setting.name.as_str(),
            scope_kind,
            scope_name,
            kind,
            setting.value.to_string()
        ],
    )?;
    Ok(())
}

fn drop_setting(
    db: &Connection,
    scope: &Scope,
    app: &AppName,
    name: &SettingName,
) -> Result<(), Fault> {
    let (scope_kind, scope_name) = scope_columns(scope);
    db.execute(
        "DELETE FROM setting
         WHERE app = ?1 AND name = ?2 AND scope_kind = ?3 AND scope_name = ?4",
        params![app.as_str(), name.as_str(), scope_kind, scope_name],
    )?;
    Ok(())
}
