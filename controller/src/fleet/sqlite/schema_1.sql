-- Version 1 of the controller's database. Times are seconds since 1970; digests are 32 bytes.

CREATE TABLE controller (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    repository BLOB NOT NULL,
    price_thousandths INTEGER NOT NULL,
    currency TEXT NOT NULL,
    content_urls TEXT NOT NULL,
    created_at_s INTEGER NOT NULL
) STRICT;

-- Every document that was ever published, so that old versions can serve as compression prefix.
CREATE TABLE document (
    digest BLOB NOT NULL UNIQUE,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE environment (
    name TEXT PRIMARY KEY,
    poll_interval_s INTEGER NOT NULL,
    download_bytes_max INTEGER
) STRICT;

CREATE TABLE site (
    name TEXT PRIMARY KEY,
    created_at_s INTEGER NOT NULL
) STRICT;

CREATE TABLE node (
    name TEXT PRIMARY KEY,
    site TEXT NOT NULL REFERENCES site (name),
    environment TEXT NOT NULL REFERENCES environment (name),
    key BLOB NOT NULL UNIQUE,
    public_key BLOB NOT NULL,
    certificate_serial BLOB NOT NULL,
    certificate_expires_at_s INTEGER NOT NULL,
    enrolled_at_s INTEGER NOT NULL,
    revoked_at_s INTEGER,
    contact_at_s INTEGER,
    agent TEXT,
    root_version INTEGER,
    receipts_problem TEXT
) STRICT;

-- Every key that a node of this name ever had.
CREATE TABLE node_key (
    key BLOB PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (name)
) STRICT;
CREATE INDEX node_key_by_node ON node_key (node);

CREATE TABLE node_app (
    node TEXT NOT NULL REFERENCES node (name),
    app TEXT NOT NULL,
    claim_at_s INTEGER,
    claim_root BLOB,
    claim_phase TEXT,
    claim_fetched_bytes INTEGER,
    claim_code INTEGER,
    last_event TEXT,
    last_version TEXT,
    last_generation INTEGER,
    last_code INTEGER,
    last_epoch INTEGER,
    last_number INTEGER,
    last_taken_at_s INTEGER,
    installed_version TEXT,
    installed_root BLOB,
    former_version TEXT,
    former_root BLOB,
    PRIMARY KEY (node, app)
) STRICT;

CREATE TABLE token (
    secret_hash BLOB PRIMARY KEY,
    node TEXT NOT NULL,
    site TEXT NOT NULL REFERENCES site (name),
    environment TEXT NOT NULL REFERENCES environment (name),
    created_at_s INTEGER NOT NULL,
    expires_at_s INTEGER NOT NULL,
    used_at_s INTEGER,
    used_by BLOB,
    used_csr BLOB,
    used_welcome BLOB
) STRICT;

CREATE TABLE role (
    role TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest BLOB NOT NULL REFERENCES document (digest),
    at_s INTEGER NOT NULL,
    PRIMARY KEY (role, version)
) STRICT;

CREATE TABLE pending (
    role TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    at_s INTEGER NOT NULL,
    summary TEXT NOT NULL
) STRICT;

CREATE TABLE release (
    app TEXT NOT NULL,
    version TEXT NOT NULL,
    manifest BLOB NOT NULL REFERENCES document (digest),
    root BLOB NOT NULL,
    risk TEXT NOT NULL,
    unpacked_bytes INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    published_at_s INTEGER NOT NULL,
    published_by TEXT NOT NULL,
    PRIMARY KEY (app, version)
) STRICT;
CREATE INDEX release_by_root ON release (root);
CREATE INDEX release_by_manifest ON release (manifest);

CREATE TABLE placement (
    environment TEXT NOT NULL REFERENCES environment (name),
    app TEXT NOT NULL,
    version TEXT NOT NULL,
    counter INTEGER NOT NULL,
    allow_downgrade_from INTEGER,
    at_s INTEGER NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (environment, app, version),
    UNIQUE (environment, app, counter),
    FOREIGN KEY (app, version) REFERENCES release (app, version)
) STRICT;

-- An empty base is the full pack.
CREATE TABLE offer (
    root BLOB NOT NULL,
    base BLOB NOT NULL,
    frame_root BLOB NOT NULL,
    pack_bytes INTEGER NOT NULL,
    file_bytes INTEGER NOT NULL,
    digest BLOB NOT NULL REFERENCES document (digest),
    PRIMARY KEY (root, base)
) STRICT;

CREATE TABLE assignment (
    node TEXT NOT NULL REFERENCES node (name),
    generation INTEGER NOT NULL,
    digest BLOB NOT NULL REFERENCES document (digest),
    actor TEXT NOT NULL,
    PRIMARY KEY (node, generation)
) STRICT;

-- The releases of the current assignments.
CREATE TABLE assigned (
    node TEXT NOT NULL REFERENCES node (name),
    app TEXT NOT NULL,
    manifest BLOB NOT NULL,
    PRIMARY KEY (node, app)
) STRICT;

-- The scope is `all` or the node's key, as in paths.
CREATE TABLE hold (
    scope TEXT NOT NULL,
    number INTEGER NOT NULL,
    digest BLOB NOT NULL REFERENCES document (digest),
    at_s INTEGER NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (scope, number)
) STRICT;

CREATE TABLE setting (
    app TEXT NOT NULL,
    name TEXT NOT NULL,
    scope_kind TEXT NOT NULL,
    scope_name TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (app, name, scope_kind, scope_name)
) STRICT;

CREATE TABLE receipt (
    node_key BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    number INTEGER NOT NULL,
    event BLOB NOT NULL,
    hash BLOB NOT NULL,
    taken_at_s INTEGER NOT NULL,
    PRIMARY KEY (node_key, epoch, number)
) STRICT;

CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at_s INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    before TEXT,
    after TEXT,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,
    bytes BLOB NOT NULL
) STRICT;
