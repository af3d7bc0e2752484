//! The audit log: who did what, as a hash chain, so that nothing can be taken out or changed
//! without being seen by anyone who kept a later hash.

use ciborium::Value;
use sanaga_proto::ids::Digest;

/// What an operation says about one thing that it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What was done: `assign`, `publish`, `enrol`.
    pub action: String,
    /// To what: `node akwa-1`, `shop@1.4.2`.
    pub object: String,
    /// How it was; short, for people.
    pub before: Option<String>,
    /// How it is now; short, for people.
    pub after: Option<String>,
}

impl Note {
    /// A note without before and after.
    #[must_use]
    pub fn new(action: impl Into<String>, object: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            object: object.into(),
            before: None,
            after: None,
        }
    }

    /// How it was.
    #[must_use]
    pub fn before(mut self, text: impl Into<String>) -> Self {
        self.before = Some(text.into());
        self
    }

    /// How it is now.
    #[must_use]
    pub fn after(mut self, text: impl Into<String>) -> Self {
        self.after = Some(text.into());
        self
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number; the log begins with 1 and has no gaps.
    pub number: u64,
    /// When, seconds since 1970, by the controller's clock.
    pub at_s: u64,
    /// Who.
    pub actor: String,
    /// What.
    pub note: Note,
    /// The hash of the log after this entry.
    pub hash: Digest,
}

/// The hash of the log after an entry: SHA-256(hash before ‖ CBOR array of the entry). The log
/// starts from 32 zero bytes.
#[must_use]
pub fn audit_hash(before: &Digest, number: u64, at_s: u64, actor: &str, note: &Note) -> Digest {
    let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Text);
    let entry = Value::Array(vec![
        Value::from(number),
        Value::from(at_s),
        Value::Text(actor.to_owned()),
        Value::Text(note.action.clone()),
        Value::Text(note.object.clone()),
        text(&note.before),
        text(&note.after),
    ]);
    let mut bytes = before.0.to_vec();
    // Writing to a Vec has no failure of its own, and `Value` has none either.
    let _ = ciborium::into_writer(&entry, &mut bytes);
    Digest::of(&bytes)
}
