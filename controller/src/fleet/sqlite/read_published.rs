//! Reading role files, releases, offers and orders.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use sanaga_proto::ids::{AppName, Digest, NodeName, ReleaseName, TreeRoot, Version};
use sanaga_proto::manifest::Risk;
use sanaga_proto::wire::assignment::SettingValue;
use sanaga_proto::wire::{Document, envelope};

use super::open::Fault;
use super::row::{Columns, all, bad, int, one};
use crate::fleet::published::{
    PendingRole, Placement, Release, RoleFile, Scope, Setting, StoredAssignment, StoredHold,
    StoredOffer, Waiting,
};

type Read<T> = Result<T, rusqlite::Error>;

const ROLE: &str = "SELECT role.role, version, bytes, at_s FROM role
    JOIN document ON document.digest = role.digest";

fn read_role(row: &mut Columns<'_, '_>) -> Read<RoleFile> {
    Ok(RoleFile {
        role: row.text()?,
        version: row.number()?,
        bytes: row.bytes()?,
        at_s: row.number()?,
    })
}

pub(super) fn role(db: &Connection, role: &str) -> Result<Option<RoleFile>, Fault> {
    let sql = format!("{ROLE} WHERE role.role = ?1 ORDER BY version DESC LIMIT 1");
    one(db, &sql, [role], read_role)
}

pub(super) fn role_version(
    db: &Connection,
    role: &str,
    version: u64,
) -> Result<Option<RoleFile>, Fault> {
    let sql = format!("{ROLE} WHERE role.role = ?1 AND version = ?2");
    one(db, &sql, params![role, int(version)], read_role)
}

pub(super) fn roles(db: &Connection) -> Result<Vec<RoleFile>, Fault> {
    let sql = format!(
        "{ROLE} WHERE version = (SELECT max(version) FROM role AS newer
            WHERE newer.role = role.role) ORDER BY role.role"
    );
    all(db, &sql, [], read_role)
}

pub(super) fn pending(db: &Connection) -> Result<Vec<PendingRole>, Fault> {
    all(
        db,
        "SELECT role, version, bytes, at_s, summary FROM pending ORDER BY role",
        [],
        |row| {
            Ok(PendingRole {
                role: row.text()?,
                version: row.number()?,
                bytes: row.bytes()?,
                at_s: row.number()?,
                summary: row.text()?.lines().map(str::to_owned).collect(),
            })
        },
    )
}

const RELEASE: &str = "SELECT app, version, document.bytes, manifest, root, risk, unpacked_bytes,
    entries, published_at_s, published_by FROM release
    JOIN document ON document.digest = release.manifest";

fn read_release(row: &mut Columns<'_, '_>) -> Read<Release> {
    Ok(Release {
        app: row.name()?,
        version: row.name()?,
        manifest: row.bytes()?,
        manifest_digest: row.digest()?,
        root: row.digest()?,
        risk: row.word(Risk::from_word)?,
        unpacked_bytes: row.number()?,
        entries: row.number()?,
        published_at_s: row.number()?,
        published_by: row.text()?,
        placements: Vec::new(),
    })
}

type Placed = ((AppName, Version), Placement);

fn read_placed(row: &mut Columns<'_, '_>) -> Read<Placed> {
    Ok((
        (row.name()?, row.name()?),
        Placement {
            environment: row.name()?,
            counter: row.number()?,
            allow_downgrade_from: row.number_opt()?,
            at_s: row.number()?,
            actor: row.text()?,
        },
    ))
}

/// Adds their placements to releases.
fn placed(db: &Connection, mut releases: Vec<Release>) -> Result<Vec<Release>, Fault> {
    let only = match releases.as_slice() {
        [one] => Some(one.app.clone()),
        _ => None,
    };
    let mut found: BTreeMap<(AppName, Version), Vec<Placement>> = BTreeMap::new();
    let rows = all(
        db,
        "SELECT app, version, environment, counter, allow_downgrade_from, at_s, actor
         FROM placement WHERE ?1 IS NULL OR app = ?1 ORDER BY environment",
        [only.as_ref().map(AppName::as_str)],
        read_placed,
    )?;
    for (name, placement) in rows {
        found.entry(name).or_default().push(placement);
    }
    for release in &mut releases {
        let name = (release.app.clone(), release.version.clone());
        release.placements = found.remove(&name).unwrap_or_default();
    }
    Ok(releases)
}

pub(super) fn releases(db: &Connection) -> Result<Vec<Release>, Fault> {
    let sql = format!("{RELEASE} ORDER BY app, published_at_s, release.rowid");
    placed(db, all(db, &sql, [], read_release)?)
}

pub(super) fn release(db: &Connection, name: &ReleaseName) -> Result<Option<Release>, Fault> {
    let sql = format!("{RELEASE} WHERE app = ?1 AND version = ?2");
    let params = params![name.app.as_str(), name.version.as_str()];
    Ok(placed(db, all(db, &sql, params, read_release)?)?.pop())
}

pub(super) fn release_by_manifest(
    db: &Connection,
    manifest: &Digest,
) -> Result<Option<Release>, Fault> {
    let sql = format!("{RELEASE} WHERE manifest = ?1");
    Ok(placed(db, all(db, &sql, [manifest.0], read_release)?)?.pop())
}

pub(super) fn releases_by_root(db: &Connection, root: &TreeRoot) -> Result<Vec<Release>, Fault> {
    let sql = format!("{RELEASE} WHERE root = ?1 ORDER BY app, published_at_s, release.rowid");
    placed(db, all(db, &sql, [root.0], read_release)?)
}

pub(super) fn offers_to(db: &Connection, root: &TreeRoot) -> Result<Vec<StoredOffer>, Fault> {
    all(
        db,
        "SELECT base, root, frame_root, pack_bytes, file_bytes, bytes FROM offer
         JOIN document ON document.digest = offer.digest
         WHERE root = ?1 ORDER BY file_bytes, base",
        [root.0],
        |row| {
            Ok(StoredOffer {
                base: row.digest_opt()?,
                root: row.digest()?,
                frame_root: row.digest()?,
                pack_bytes: row.number()?,
                file_bytes: row.number()?,
                signed: row.bytes()?,
            })
        },
    )
}

/// Reads a signed document that we kept ourselves.
fn opened<D: Document>(bytes: &[u8]) -> Read<D> {
    envelope::peek(bytes).map_err(|error| bad(0, error))
}

fn read_assignment(row: &mut Columns<'_, '_>) -> Read<StoredAssignment> {
    let signed = row.bytes()?;
    Ok(StoredAssignment {
        document: opened(&signed)?,
        signed,
        actor: row.text()?,
    })
}

pub(super) fn assignments(
    db: &Connection,
    node: &NodeName,
    limit: u64,
) -> Result<Vec<StoredAssignment>, Fault> {
    all(
        db,
        "SELECT bytes, actor FROM assignment JOIN document ON document.digest = assignment.digest
         WHERE node = ?1 ORDER BY generation DESC LIMIT ?2",
        params![node.as_str(), int(limit)],
        read_assignment,
    )
}

pub(super) fn holds(db: &Connection) -> Result<Vec<StoredHold>, Fault> {
    all(
        db,
        "SELECT bytes, at_s, actor FROM hold JOIN document ON document.digest = hold.digest
         WHERE number = (SELECT max(number) FROM hold AS newer WHERE newer.scope = hold.scope)
         ORDER BY scope <> 'all', scope",
        [],
        |row| {
            let signed = row.bytes()?;
            Ok(StoredHold {
                document: opened(&signed)?,
                signed,
                at_s: row.number()?,
                actor: row.text()?,
            })
        },
    )
}

pub(super) fn settings(db: &Connection) -> Result<Vec<Setting>, Fault> {
    all(
        db,
        "SELECT app, name, scope_kind, scope_name, kind, value FROM setting
         ORDER BY app, name, scope_kind, scope_name",
        [],
        |row| {
            Ok(Setting {
                app: row.name()?,
                name: row.name()?,
                scope: match row.text()?.as_str() {
                    "environment" => Scope::Environment(row.name()?),
                    "site" => Scope::Site(row.name()?),
                    "node" => Scope::Node(row.name()?),
                    other => return Err(bad(2, format!("unknown scope {other}"))),
                },
                value: match row.text()?.as_str() {
                    "integer" => SettingValue::Integer(row.name()?),
                    "flag" => SettingValue::Flag(row.name()?),
                    "text" => SettingValue::Text(row.text()?),
                    other => return Err(bad(4, format!("unknown kind {other}"))),
                },
            })
        },
    )
}

pub(super) fn waiting(db: &Connection, limit: u64) -> Result<Vec<Waiting>, Fault> {
    all(
        db,
        "SELECT sequence, path, bytes FROM outbox ORDER BY sequence LIMIT ?1",
        [int(limit)],
        |row| {
            Ok(Waiting {
                sequence: row.number()?,
                path: row.text()?,
                bytes: row.bytes()?,
            })
        },
    )
}
