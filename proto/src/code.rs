//! One table of everything that can go wrong in a way that a person sees: a stable number, an exit
//! code, what a retry is worth, and the id of its message. Numbers are never reused or translated.

use std::fmt;

/// Process exit codes, the same for both programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Anything that has no more precise code.
    Failure = 1,
    /// The command line or a configuration file is wrong.
    Usage = 2,
    /// There was nothing to do (only with `--exit-code`).
    NothingToDo = 3,
    /// Offline, or a fault that passes by itself.
    Transient = 4,
    /// Something did not verify.
    Verification = 5,
    /// The update was rolled back.
    RolledBack = 6,
    /// Policy refuses it.
    Refused = 7,
    /// Somebody else holds the lock.
    Locked = 8,
    /// Interrupted from the keyboard.
    Interrupted = 130,
}

/// What a retry of the same operation is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// At once: the cause is gone or was momentary.
    Now,
    /// After a pause: the world must change first.
    Later,
    /// Never: the same input gives the same answer.
    Never,
}

/// A stable failure code, shown as `SNG-0203`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The number, unique for ever.
    pub number: u16,
    /// The exit code of a command that ends with it.
    pub exit: Exit,
    /// What a retry is worth.
    pub retry: Retry,
    /// The id of its message in the locale files; `ID.hint` says what to do.
    pub id: &'static str,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SNG-{:04}", self.number)
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $number:literal, $exit:ident, $retry:ident, $id:literal;)*) => {
        $($(#[doc = $doc])* pub const $name: Code = Code { number: $number, exit: Exit::$exit, retry: Retry::$retry, id: $id };)*
        /// Every code, in order of number.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    // 01xx configuration and command line
    /// The command line is wrong. Args: `problem`.
    BAD_USAGE = 101, Usage, Never, "bad-usage";
    /// A configuration file cannot be read. Args: `path`, `problem`.
    CONFIG_UNREADABLE = 102, Usage, Never, "config-unreadable";
    /// A file is not valid TOML. Args: `path`, `line`, `problem`.
    CONFIG_SYNTAX = 103, Usage, Never, "config-syntax";
    /// An unknown key. Args: `path`, `line`, `key`, `section`, `near` (may be empty).
    UNKNOWN_KEY = 104, Usage, Never, "unknown-key";
    /// A value of the wrong type or out of bounds. Args: `path`, `line`, `key`, `problem`.
    BAD_VALUE = 105, Usage, Never, "bad-value";
    /// A required key is missing. Args: `path`, `key`.
    MISSING_KEY = 106, Usage, Never, "missing-key";
    /// The tree that is to be shipped is not acceptable. Args: `path`, `problem`.
    BAD_TREE = 107, Usage, Never, "bad-tree";
    /// A name does not have the form it must have. Args: `what`, `value`, `rule`.
    BAD_NAME = 108, Usage, Never, "bad-name";
    /// Nobody is there to answer a question. Args: `flag`.
    NEEDS_TERMINAL = 109, Usage, Never, "needs-terminal";
    /// This folder holds no Sanaga state. Args: `path`.
    NOT_INITIALISED = 110, Usage, Never, "not-initialised";
    /// State is there already. Args: `path`.
    ALREADY_INITIALISED = 111, Refused, Never, "already-initialised";
    /// The port is taken. Args: `address`.
    PORT_TAKEN = 112, Failure, Later, "port-taken";
    /// Another process holds the folder. Args: `path`.
    LOCKED = 113, Locked, Later, "locked";
    /// The daemon is not running. Args: `path`.
    DAEMON_ABSENT = 114, Transient, Later, "daemon-absent";
    /// The agent's side that talks to the network does not run, or broke off. Args: `problem`.
    WORKER_GONE = 115, Transient, Later, "worker-gone";

    // 02xx trust
    /// A signature does not verify, or too few of them. Args: `role`, `problem`.
    BAD_SIGNATURE = 201, Verification, Never, "bad-signature";
    /// Older than what was seen before. Args: `what`, `trusted`, `offered`.
    ROLLBACK = 202, Verification, Never, "rollback";
    /// Metadata has expired. Args: `role`, `expired`.
    EXPIRED = 203, Verification, Later, "expired";
    /// Polls succeed, but the metadata does not move. Args: `signed`.
    FROZEN = 204, Verification, Later, "frozen";
    /// Malformed, or not what its parent says. Args: `what`, `problem`.
    BAD_METADATA = 205, Verification, Never, "bad-metadata";
    /// Bigger than its limit. Args: `what`, `limit`.
    TOO_BIG = 206, Verification, Never, "too-big";
    /// A needed document is missing. Args: `what`.
    MISSING_DOCUMENT = 207, Transient, Later, "missing-document";
    /// Made for another node, repository or environment. Args: `what`, `expected`, `found`.
    NOT_FOR_US = 208, Verification, Never, "not-for-us";
    /// The release is not in what this environment signs. Args: `release`, `environment`.
    NOT_SIGNED_HERE = 209, Verification, Never, "not-signed-here";
    /// A document is of a version that this agent does not know. Args: `what`, `problem`.
    AGENT_TOO_OLD = 210, Refused, Later, "agent-too-old";
    /// A stored trust file does not verify. Args: `what`.
    STORE_DAMAGED = 211, Verification, Never, "store-damaged";
    /// All floors are lost. No args.
    FLOORS_LOST = 212, Refused, Never, "floors-lost";
    /// A signed date is impossible. Args: `role`, `problem`.
    BAD_SIGNED_DATE = 213, Verification, Never, "bad-signed-date";
    /// A root chain longer than allowed. Args: `limit`.
    TOO_MANY_ROOTS = 214, Verification, Later, "too-many-roots";
    /// The tree root from the disk is not the signed one. Args: `release`.
    TREE_MISMATCH = 215, Verification, Now, "tree-mismatch";
    /// The token is not readable. No args.
    TOKEN_MALFORMED = 216, Usage, Never, "token-malformed";
    /// The token was used. Args: `node`, `used`, `site`.
    TOKEN_USED = 217, Refused, Never, "token-used";
    /// The token has expired. Args: `expired`.
    TOKEN_EXPIRED = 218, Refused, Never, "token-expired";
    /// The controller is not the one in the token. Args: `what`.
    TOKEN_MISMATCH = 219, Verification, Never, "token-mismatch";
    /// The token is not known to this controller. No args.
    TOKEN_UNKNOWN = 220, Refused, Never, "token-unknown";
    /// The node key is revoked or unknown. Args: `node`.
    NODE_REFUSED = 221, Refused, Never, "node-refused";
    /// The node is already enrolled. Args: `node`.
    ALREADY_ENROLLED = 222, Refused, Never, "already-enrolled";
    /// The node is not enrolled. No args.
    NOT_ENROLLED = 223, Usage, Never, "not-enrolled";
    /// Offline metadata is expired beyond what a USB bundle may be. Args: `role`, `expired`.
    BUNDLE_TOO_OLD = 224, Verification, Never, "bundle-too-old";
    /// A local operator must confirm expired metadata. Args: `role`, `expired`.
    BUNDLE_NEEDS_CONFIRMATION = 225, Refused, Never, "bundle-needs-confirmation";

    // 03xx transfer
    /// The controller or content host cannot be reached. Args: `host`, `problem`.
    OFFLINE = 301, Transient, Later, "offline";
    /// Nothing came for a while. Args: `host`, `seconds`.
    STALLED = 302, Transient, Now, "stalled";
    /// A host answered with something else. Args: `host`, `problem`.
    BAD_ANSWER = 303, Transient, Later, "bad-answer";
    /// A frame does not match its hash. Args: `host`, `offset`.
    FRAME_MISMATCH = 304, Transient, Now, "frame-mismatch";
    /// A pack is not decodable. Args: `problem`.
    BAD_PACK = 305, Verification, Never, "bad-pack";
    /// No pack is offered that policy allows. Args: `release`.
    NO_PACK = 306, Refused, Later, "no-pack";
    /// A file that was named is cut short. Args: `path`.
    TRUNCATED = 307, Verification, Never, "truncated";
    /// The server asks for a pause. Args: `host`, `seconds`.
    ASKED_TO_WAIT = 308, Transient, Later, "asked-to-wait";
    /// The base tree on this node is damaged. Args: `path`.
    BASE_DAMAGED = 309, Verification, Now, "base-damaged";
    /// The node's data budget is spent for now. Args: `limit`, `window` (`day` or `month`), `wait`.
    BUDGET_SPENT = 310, Refused, Later, "budget-spent";

    // 04xx disk
    /// No room. Args: `path`, `needed`, `free`.
    DISK_FULL = 401, Failure, Later, "disk-full";
    /// Not writable. Args: `path`, `problem`.
    NOT_WRITABLE = 402, Failure, Later, "not-writable";
    /// Any other file system fault. Args: `path`, `problem`.
    DISK_FAULT = 403, Failure, Later, "disk-fault";
    /// The database is damaged. Args: `path`, `problem`.
    DATABASE_DAMAGED = 404, Failure, Later, "database-damaged";
    /// The database is of a newer version. Args: `path`, `found`, `known`.
    DATABASE_TOO_NEW = 405, Refused, Never, "database-too-new";
    /// An installed file was changed or is gone. Args: `path`.
    DRIFT = 406, Verification, Later, "drift";

    // 05xx services
    /// A service does not start. Args: `app`, `problem`.
    START_FAILED = 501, Failure, Later, "start-failed";
    /// A service does not stop. Args: `app`, `problem`.
    STOP_FAILED = 502, Failure, Later, "stop-failed";
    /// A probe failed. Args: `app`, `probe`, `problem`.
    PROBE_FAILED = 503, RolledBack, Never, "probe-failed";
    /// The release was rolled back. Args: `app`, `from`, `to`, `cause`.
    ROLLED_BACK = 504, RolledBack, Never, "rolled-back";
    /// There is nothing to go back to. Args: `app`.
    NO_PREVIOUS = 505, Refused, Never, "no-previous";
    /// The app is not installed here. Args: `app`, `near` (may be empty).
    NO_SUCH_APP = 506, Usage, Never, "no-such-app";
    /// The release is quarantined. Args: `release`.
    QUARANTINED = 507, Refused, Later, "quarantined";
    /// A hold stops it. Args: `scope`.
    HELD = 508, Refused, Later, "held";
    /// Nothing is staged. Args: `app`.
    NOTHING_STAGED = 509, Usage, Later, "nothing-staged";
    /// A setting does not fit its declaration. Args: `app`, `setting`, `problem`.
    BAD_SETTING = 510, Refused, Never, "bad-setting";
    /// The manifest asks for what agent.toml does not allow. Args: `app`, `problem`.
    NOT_ALLOWED = 511, Refused, Never, "not-allowed";
    /// Somebody must come. Args: `app`, `cause`.
    NEEDS_HANDS = 512, Failure, Never, "needs-hands";
    /// The release's migration did not end well. Args: `app`, `problem`.
    MIGRATION_FAILED = 513, RolledBack, Never, "migration-failed";
    /// The data are of a newer schema than the release can read. Args: `app`, `release`, `found`, `known`.
    SCHEMA_TOO_NEW = 514, Refused, Never, "schema-too-new";
    /// The data cannot be set aside or brought back. Args: `app`, `path`, `problem`.
    DATA_NOT_KEPT = 515, Failure, Later, "data-not-kept";
    /// The machine runs on a battery that is too empty. Args: `app`, `have`, `need` (percent).
    POWER_LOW = 516, Refused, Later, "power-low";
    /// The power often goes off at this time. Args: `app`, `found` (days of the last 14).
    OUTAGE_LIKELY = 517, Refused, Later, "outage-likely";
    /// The proxy in front of an app does not take its new instance. Args: `app`, `problem`.
    PROXY_FAILED = 520, Failure, Later, "proxy-failed";

    // 06xx controller
    /// No such release. Args: `release`, `near` (may be empty).
    NO_SUCH_RELEASE = 610, Usage, Never, "no-such-release";
    /// No such site. Args: `site`, `near` (may be empty).
    NO_SUCH_SITE = 611, Usage, Never, "no-such-site";
    /// No such node. Args: `node`, `near` (may be empty).
    NO_SUCH_NODE = 612, Usage, Never, "no-such-node";
    /// No such environment. Args: `environment`, `near` (may be empty).
    NO_SUCH_ENVIRONMENT = 613, Usage, Never, "no-such-environment";
    /// No such role. Args: `role`, `near` (may be empty).
    NO_SUCH_ROLE = 614, Usage, Never, "no-such-role";
    /// No such key. Args: `key`, `near` (may be empty).
    NO_SUCH_KEY = 615, Usage, Never, "no-such-key";
    /// The version exists with other content. Args: `release`, `environment`.
    VERSION_TAKEN = 616, Refused, Never, "version-taken";
    /// Signatures are missing. Args: `role`, `have`, `need`.
    SIGNATURES_MISSING = 617, Refused, Later, "signatures-missing";
    /// The passphrase is wrong. Args: `key`.
    WRONG_PASSPHRASE = 618, Failure, Never, "wrong-passphrase";
    /// The passphrase is too short. Args: `length_min`.
    PASSPHRASE_SHORT = 619, Usage, Never, "passphrase-short";
    /// The key may not sign for that role. Args: `key`, `role`.
    KEY_NOT_IN_ROLE = 620, Refused, Never, "key-not-in-role";
    /// Nothing waits for a signature. Args: `role`.
    NOTHING_PENDING = 621, Usage, Never, "nothing-pending";
    /// A threshold that its keys cannot meet. Args: `role`, `threshold`, `keys`.
    BAD_THRESHOLD = 622, Usage, Never, "bad-threshold";
    /// The release is not in the node's environment. Args: `release`, `environment`, `node`.
    NOT_IN_ENVIRONMENT = 623, Refused, Never, "not-in-environment";
    /// Older than what the node runs, and not declared as a downgrade. Args: `release`, `node`, `running`.
    DOWNGRADE = 624, Refused, Never, "downgrade";
    /// The selector matches nobody. Args: `selector`.
    NOBODY = 625, Usage, Never, "nobody";
    /// The operator said no. No args.
    DECLINED = 626, Refused, Never, "declined";
    /// The person's answer or request is not acceptable. Args: `problem`.
    BAD_REQUEST = 627, Usage, Never, "bad-request";
    /// A name is already taken. Args: `what`, `name`.
    NAME_TAKEN = 628, Usage, Never, "name-taken";
    /// A release with a migration was not rehearsed. Args: `release`, `environment`, `rehearsal`, `missing`.
    NOT_REHEARSED = 629, Refused, Later, "not-rehearsed";
    /// Any other fault inside. Args: `problem`.
    INTERNAL = 699, Failure, Later, "internal";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_are_unique_and_ordered() {
        for pair in ALL.windows(2) {
            assert!(pair[0].number < pair[1].number, "{} {}", pair[0], pair[1]);
        }
        let ids: std::collections::BTreeSet<_> = ALL.iter().map(|c| c.id).collect();
        assert_eq!(ids.len(), ALL.len());
        assert_eq!(UNKNOWN_KEY.to_string(), "SNG-0104");
    }
}
