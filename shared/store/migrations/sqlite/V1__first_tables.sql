-- Times are in microseconds since 1970, ids of runs are text, claims are the 16 bytes of their token.

CREATE TABLE leases (
    name       TEXT PRIMARY KEY,
    holder     TEXT NOT NULL,
    token      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cursors (
    flow  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A run was begun when it has a checkpoint, and ended when it has an extracted_at; then its error says
-- whether it failed. Whether all has settled is told by the masks of its batches.
CREATE TABLE runs (
    id           TEXT PRIMARY KEY,
    flow         TEXT NOT NULL,
    "trigger"    TEXT NOT NULL,
    since        TEXT,
    checkpoint   TEXT,
    requested_at INTEGER NOT NULL,
    extracted_at INTEGER,
    error        TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_flow ON runs (flow, id);
CREATE INDEX open_runs ON runs (flow) WHERE extracted_at IS NULL;

-- One character a slot: see the models' Outcomes.
CREATE TABLE run_batches (
    run      TEXT NOT NULL,
    batch    TEXT NOT NULL,
    outcomes TEXT NOT NULL,
    PRIMARY KEY (run, batch)
) STRICT, WITHOUT ROWID;

-- version is an order key of the models' Version.
CREATE TABLE ledger (
    flow          TEXT NOT NULL,
    key           TEXT NOT NULL,
    id            TEXT,
    version       TEXT,
    hash          BLOB,
    claim         BLOB,
    claimed_until INTEGER,
    in_doubt      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (flow, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
    id          TEXT PRIMARY KEY,
    flow        TEXT NOT NULL,
    run         TEXT NOT NULL,
    stage       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    died_at     INTEGER NOT NULL,
    state       TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded')),
    replayed_in TEXT,
    letter      TEXT NOT NULL
) STRICT;
CREATE INDEX open_dead_letters ON dead_letters (died_at, id) WHERE state = 'open';
