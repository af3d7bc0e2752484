//! Reading what a poll's answer is decided from, inside one read transaction.

use rusqlite::{Connection, params};
use sanaga_proto::ids::{AppName, Digest, TreeRoot};
use sanaga_proto::limits;
use sanaga_proto::wire::hold::Hold;
use sanaga_proto::wire::poll::{ShortDigest, name};

use super::open::Fault;
use super::row::{all, int, one};
use crate::fleet::facts::{AssignedFacts, DocumentRef, OfferFacts, PollFacts, PollQuery};

pub(super) fn facts(db: &Connection, query: &PollQuery) -> Result<PollFacts, Fault> {
    let mut facts = PollFacts {
        roots: all(
            db,
            "SELECT version, role.digest, length(bytes) FROM role
             JOIN document ON document.digest = role.digest
             WHERE role = 'root' AND version > ?1 ORDER BY version LIMIT ?2",
            params![int(query.root_version), int(limits::ROOT_STEPS_MAX)],
            |row| Ok((row.number()?, row.document()?)),
        )?,
        root_version: one(
            db,
            "SELECT coalesce(max(version), 0) FROM role WHERE role = 'root'",
            [],
            |row| row.number(),
        )?
        .unwrap_or_default(),
        ..PollFacts::default()
    };
    let node = one(
        db,
        "SELECT name, environment FROM node WHERE key = ?1",
        [query.node_key.0],
        |row| Ok((row.text()?, row.text()?)),
    )?;
    let Some((node, environment)) = node else {
        return Ok(facts);
    };
    for (label, role) in [
        (name::TIMESTAMP, "timestamp"),
        (name::SNAPSHOT, "snapshot"),
        (name::TARGETS, "targets"),
        (name::ENVIRONMENT, environment.as_str()),
    ] {
        let found = current(db, "role", "role", "version", role)?;
        facts.named.extend(found.map(|found| (label, found)));
    }
    let scope = Hold::scope(Some(&query.node_key));
    for (label, table, column, number, key) in [
        (
            name::ASSIGNMENT,
            "assignment",
            "node",
            "generation",
            node.as_str(),
        ),
        (name::HOLD_ALL, "hold", "scope", "number", "all"),
        (name::HOLD_NODE, "hold", "scope", "number", scope.as_str()),
    ] {
        let found = current(db, table, column, number, key)?;
        facts.named.extend(found.map(|found| (label, found)));
    }
    facts.assigned = assigned(db, &node, query)?;
    Ok(facts)
}

/// The document of the row with the highest number. The names are ours, not from outside.
fn current(
    db: &Connection,
    table: &str,
    column: &str,
    number: &str,
    key: &str,
) -> Result<Option<DocumentRef>, Fault> {
    let sql = format!(
        "SELECT document.digest, length(bytes) FROM {table}
         JOIN document ON document.digest = {table}.digest
         WHERE {column} = ?1 ORDER BY {number} DESC LIMIT 1"
    );
    one(db, &sql, [key], |row| row.document())
}

fn assigned(db: &Connection, node: &str, query: &PollQuery) -> Result<Vec<AssignedFacts>, Fault> {
    let releases: Vec<(AppName, TreeRoot, DocumentRef)> = all(
        db,
        "SELECT assigned.app, release.root, document.digest, length(bytes) FROM assigned
         JOIN release ON release.manifest = assigned.manifest
         JOIN document ON document.digest = assigned.manifest
         WHERE node = ?1 ORDER BY assigned.app",
        [node],
        |row| Ok((row.name()?, row.digest()?, row.document()?)),
    )?;
    let mut found = Vec::with_capacity(releases.len());
    for (app, root, manifest) in releases {
        let mut offers = offers(db, &root, None)?;
        for base in query.running.get(&app).into_iter().flatten() {
            offers.extend(self::offers(db, &root, Some(base))?);
        }
        found.push(AssignedFacts {
            app,
            manifest,
            root,
            offers,
        });
    }
    Ok(found)
}

fn offers(
    db: &Connection,
    root: &TreeRoot,
    base: Option<&TreeRoot>,
) -> Result<Vec<OfferFacts>, Fault> {
    let base = base.map(|base| base.0.to_vec()).unwrap_or_default();
    all(
        db,
        "SELECT base, frame_root, file_bytes, document.digest, length(bytes) FROM offer
         JOIN document ON document.digest = offer.digest WHERE root = ?1 AND base = ?2",
        params![root.0, base],
        |row| {
            Ok(OfferFacts {
                base: row.digest_opt()?,
                frame_root: row.digest()?,
                file_bytes: row.number()?,
                document: row.document()?,
            })
        },
    )
}

/// The document whose digest begins with these 8 bytes. Should two do, neither is used.
pub(super) fn by_short(db: &Connection, short: &ShortDigest) -> Result<Option<Vec<u8>>, Fault> {
    let (mut low, mut high) = ([0x00; 32], [0xff; 32]);
    for bound in [&mut low, &mut high] {
        for (byte, given) in bound.iter_mut().zip(short) {
            *byte = *given;
        }
    }
    let found: Vec<Digest> = all(
        db,
        "SELECT digest FROM document WHERE digest BETWEEN ?1 AND ?2 LIMIT 2",
        params![low, high],
        |row| row.digest(),
    )?;
    match found.as_slice() {
        [only] => super::row::document(db, only),
        _ => Ok(None),
    }
}
