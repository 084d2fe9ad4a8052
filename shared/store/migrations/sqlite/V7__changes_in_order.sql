-- The changes that flows which apply every one of them have read and not settled; version is an order key of the
-- models' Version. A later change of the key waits for them. One that is not confirmed may never have been
-- published: it is given up after a while. A dead one is waited for until it is replayed or discarded.
CREATE TABLE changes (
    flow        TEXT NOT NULL,
    key         TEXT NOT NULL,
    version     TEXT NOT NULL,
    run         TEXT NOT NULL,
    batch       TEXT NOT NULL,
    expected_at INTEGER NOT NULL,
    confirmed   INTEGER NOT NULL DEFAULT 0,
    dead        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (flow, key, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX changes_by_batch ON changes (run, batch);
CREATE INDEX unconfirmed_changes ON changes (flow, expected_at) WHERE NOT confirmed;

-- The records that wait for earlier changes of their key: each as the message that brings it back.
CREATE TABLE parked (
    run         TEXT NOT NULL,
    batch       TEXT NOT NULL,
    slot        INTEGER NOT NULL,
    flow        TEXT NOT NULL,
    key         TEXT NOT NULL,
    version     TEXT NOT NULL,
    taken_by    BLOB,
    taken_until INTEGER,
    message     TEXT NOT NULL,
    PRIMARY KEY (run, batch, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX parked_by_key ON parked (flow, key, version);

-- Which record a dead letter is of: a newer version of it, once applied, closes the letter. SQLite changes no
-- constraint in place.
CREATE TABLE new_dead_letters (
    id          TEXT PRIMARY KEY,
    flow        TEXT NOT NULL,
    run         TEXT NOT NULL,
    stage       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    died_at     INTEGER NOT NULL,
    state       TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded', 'superseded')),
    replayed_in TEXT,
    letter      TEXT NOT NULL,
    batch       TEXT,
    slot        INTEGER,
    key         TEXT,
    version     TEXT
) STRICT;
INSERT INTO new_dead_letters (id, flow, run, stage, reason, died_at, state, replayed_in, letter)
    SELECT id, flow, run, stage, reason, died_at, state, replayed_in, letter FROM dead_letters;
DROP TABLE dead_letters;
ALTER TABLE new_dead_letters RENAME TO dead_letters;
CREATE INDEX open_dead_letters ON dead_letters (died_at, id) WHERE state = 'open';
CREATE INDEX open_dead_letters_by_key ON dead_letters (flow, key) WHERE state = 'open';
