//! Reading the controller, its nodes, and what they report.

use rusqlite::{Connection, params};
use sanaga_proto::ids::{AppName, Digest, EnvironmentName, NodeKeyId, NodeName, TreeRoot};
use sanaga_proto::wire::Field;
use sanaga_proto::wire::poll::AppStatus;
use sanaga_proto::wire::receipt::{Event, EventKind};

use super::open::Fault;
use super::row::{Columns, all, bad, int, one};
use crate::fleet::audit::{AuditEntry, Note, audit_hash};
use crate::fleet::model::{
    Claim, Controller, EnrolToken, Environment, Node, NodeApp, Price, Receipted, Site, TokenUse,
};
use crate::fleet::receipts::Receipt;

type Read<T> = Result<T, rusqlite::Error>;

pub(super) fn controller(db: &Connection) -> Result<Option<Controller>, Fault> {
    one(
        db,
        "SELECT name, url, repository, price_thousandths, currency, content_urls, created_at_s
         FROM controller",
        [],
        |row| {
            Ok(Controller {
                name: row.text()?,
                url: row.text()?,
                repository: row.digest()?,
                price: Price {
                    thousandths_per_mb: row.number()?,
                    currency: row.text()?,
                },
                content_urls: row.text()?.lines().map(str::to_owned).collect(),
                created_at_s: row.number()?,
            })
        },
    )
}

pub(super) fn environments(db: &Connection) -> Result<Vec<Environment>, Fault> {
    all(
        db,
        "SELECT name, poll_interval_s, download_bytes_max FROM environment ORDER BY name",
        [],
        |row| {
            Ok(Environment {
                name: row.name()?,
                poll_interval_s: row.number()?,
                download_bytes_max: row.number_opt()?,
            })
        },
    )
}

pub(super) fn sites(db: &Connection) -> Result<Vec<Site>, Fault> {
    all(
        db,
        "SELECT name, created_at_s FROM site ORDER BY name",
        [],
        |row| {
            Ok(Site {
                name: row.name()?,
                created_at_s: row.number()?,
            })
        },
    )
}

const NODE: &str = "SELECT name, site, environment, key, public_key, certificate_serial,
    certificate_expires_at_s, enrolled_at_s, revoked_at_s, contact_at_s, agent, root_version,
    receipts_problem FROM node";

fn read_node(row: &mut Columns<'_, '_>) -> Read<Node> {
    Ok(Node {
        name: row.name()?,
        site: row.name()?,
        environment: row.name()?,
        key: row.digest()?,
        public_key: row.array()?,
        certificate_serial: row.bytes()?,
        certificate_expires_at_s: row.number()?,
        enrolled_at_s: row.number()?,
        revoked_at_s: row.number_opt()?,
        contact_at_s: row.number_opt()?,
        agent: row.text_opt()?,
        root_version: row.number_opt()?,
        receipts_problem: row.text_opt()?,
    })
}

pub(super) fn nodes(db: &Connection) -> Result<Vec<Node>, Fault> {
    all(db, &format!("{NODE} ORDER BY name"), [], read_node)
}

pub(super) fn node(db: &Connection, name: &NodeName) -> Result<Option<Node>, Fault> {
    one(
        db,
        &format!("{NODE} WHERE name = ?1"),
        [name.as_str()],
        read_node,
    )
}

pub(super) fn node_by_key(db: &Connection, key: &NodeKeyId) -> Result<Option<Node>, Fault> {
    one(db, &format!("{NODE} WHERE key = ?1"), [key.0], read_node)
}

fn read_node_app(row: &mut Columns<'_, '_>) -> Read<NodeApp> {
    let (node, app): (NodeName, AppName) = (row.name()?, row.name()?);
    let at_s = row.number_opt()?;
    let status = AppStatus {
        app: app.clone(),
        root: row.digest_opt()?,
        phase: row.text_opt()?,
        fetched_bytes: row.number_opt()?,
        code: row.number_opt()?,
    };
    Ok(NodeApp {
        node,
        app,
        claim: at_s.map(|at_s| Claim { status, at_s }),
        receipted: read_receipted(row)?,
    })
}

fn read_receipted(row: &mut Columns<'_, '_>) -> Read<Option<Receipted>> {
    let Some(last) = row.word_opt(EventKind::from_word)? else {
        return Ok(None);
    };
    Ok(Some(Receipted {
        last,
        version: row.name_opt()?,
        generation: row.number_opt()?,
        code: row.number_opt()?,
        epoch: row.number()?,
        number: row.number()?,
        taken_at_s: row.number()?,
        installed: match (row.name_opt()?, row.digest_opt()?) {
            (Some(version), Some(root)) => Some((version, root)),
            (_, _) => None,
        },
    }))
}

pub(super) fn node_apps(db: &Connection, node: Option<&NodeName>) -> Result<Vec<NodeApp>, Fault> {
    all(
        db,
        "SELECT node, app, claim_at_s, claim_root, claim_phase, claim_fetched_bytes, claim_code,
             last_event, last_version, last_generation, last_code, last_epoch, last_number,
             last_taken_at_s, installed_version, installed_root
         FROM node_app WHERE ?1 IS NULL OR node = ?1 ORDER BY node, app",
        [node.map(NodeName::as_str)],
        read_node_app,
    )
}

const TOKEN: &str = "SELECT secret_hash, node, site, environment, created_at_s, expires_at_s,
    used_at_s, used_by, used_csr, used_welcome FROM token";

fn read_token(row: &mut Columns<'_, '_>) -> Read<EnrolToken> {
    let mut token = EnrolToken {
        secret_hash: row.digest()?,
        node: row.name()?,
        site: row.name()?,
        environment: row.name()?,
        created_at_s: row.number()?,
        expires_at_s: row.number()?,
        used: None,
    };
    if let Some(at_s) = row.number_opt()? {
        token.used = Some(TokenUse {
            at_s,
            node_key: row.digest()?,
            csr: row.digest()?,
            welcome: row.bytes()?,
        });
    }
    Ok(token)
}

pub(super) fn tokens(db: &Connection) -> Result<Vec<EnrolToken>, Fault> {
    let sql = format!("{TOKEN} ORDER BY created_at_s DESC, rowid DESC");
    all(db, &sql, [], read_token)
}

pub(super) fn token(db: &Connection, secret_hash: &Digest) -> Result<Option<EnrolToken>, Fault> {
    let sql = format!("{TOKEN} WHERE secret_hash = ?1");
    one(db, &sql, [secret_hash.0], read_token)
}

pub(super) fn running_roots(
    db: &Connection,
    app: &AppName,
    environment: Option<&EnvironmentName>,
) -> Result<Vec<(TreeRoot, u64)>, Fault> {
    all(
        db,
        "SELECT coalesce(claim_root, installed_root) AS root, count(*) AS nodes
         FROM node_app JOIN node ON node.name = node_app.node
         WHERE app = ?1 AND root IS NOT NULL AND revoked_at_s IS NULL
             AND (?2 IS NULL OR environment = ?2)
         GROUP BY root ORDER BY nodes DESC, root",
        params![app.as_str(), environment.map(EnvironmentName::as_str)],
        |row| Ok((row.digest()?, row.number()?)),
    )
}

fn read_receipt(row: &mut Columns<'_, '_>) -> Read<Receipt> {
    Ok(Receipt {
        node_key: row.digest()?,
        epoch: row.number()?,
        number: row.number()?,
        event: event_from(&row.bytes()?)?,
        hash: row.digest()?,
        taken_at_s: row.number()?,
    })
}

/// Reads an event as [`super::write_poll`] wrote it.
fn event_from(bytes: &[u8]) -> Read<Event> {
    let value = ciborium::from_reader(bytes).map_err(|error| bad(3, error))?;
    Event::from_value(value).map_err(|error| bad(3, error))
}

pub(super) fn receipts(
    db: &Connection,
    node: &NodeName,
    limit: u64,
) -> Result<Vec<Receipt>, Fault> {
    all(
        db,
        "SELECT node_key, epoch, number, event, hash, taken_at_s FROM receipt
         WHERE node_key IN (SELECT key FROM node_key WHERE node = ?1)
         ORDER BY receipt.rowid DESC LIMIT ?2",
        params![node.as_str(), int(limit)],
        read_receipt,
    )
}

fn read_audit(row: &mut Columns<'_, '_>) -> Read<AuditEntry> {
    Ok(AuditEntry {
        number: row.number()?,
        at_s: row.number()?,
        actor: row.text()?,
        note: Note {
            action: row.text()?,
            object: row.text()?,
            before: row.text_opt()?,
            after: row.text_opt()?,
        },
        hash: row.digest()?,
    })
}

pub(super) fn audit(db: &Connection, after: u64, limit: u64) -> Result<Vec<AuditEntry>, Fault> {
    all(
        db,
        "SELECT number, at_s, actor, action, object, before, after, hash FROM audit
         WHERE number > ?1 ORDER BY number LIMIT ?2",
        params![int(after), int(limit)],
        read_audit,
    )
}

/// Entries that are checked at once.
const AUDIT_STEP: u64 = 1_000;

pub(super) fn audit_break(db: &Connection) -> Result<Option<u64>, Fault> {
    let (mut number, mut hash) = (0, Digest([0; 32]));
    loop {
        let entries = audit(db, number, AUDIT_STEP)?;
        if entries.is_empty() {
            return Ok(None);
        }
        for entry in entries {
            number += 1;
            hash = audit_hash(&hash, number, entry.at_s, &entry.actor, &entry.note);
            if entry.number != number || entry.hash != hash {
                return Ok(Some(number));
            }
        }
    }
}
