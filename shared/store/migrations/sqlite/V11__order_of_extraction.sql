-- What a source does not list any more is deleted by the order of extraction.
ALTER TABLE source_keys DROP COLUMN version;

-- A slot that is read again after a crash is another change of the same version, which settles for itself. SQLite
-- changes no primary key in place.
CREATE TABLE new_parked (
    run         TEXT NOT NULL,
    batch       TEXT NOT NULL,
    slot        INTEGER NOT NULL,
    flow        TEXT NOT NULL,
    key         TEXT NOT NULL,
    version     TEXT NOT NULL,
    taken_by    BLOB,
    taken_until INTEGER,
    message     TEXT NOT NULL,
    PRIMARY KEY (run, batch, slot, version)
) STRICT, WITHOUT ROWID;
INSERT INTO new_parked SELECT * FROM parked;
DROP TABLE parked;
ALTER TABLE new_parked RENAME TO parked;
CREATE INDEX parked_by_key ON parked (flow, key, version);
