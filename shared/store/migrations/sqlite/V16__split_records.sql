-- The newest change of each record that was transformed, of flows whose mapping may split records: how many outputs it
-- had, and what an older one may have left behind. Parts from 'outputs' to 'parts' are to be deleted, and so is the
-- record itself where it is 'whole' and has several outputs. The ledger says which of them are deleted already.
CREATE TABLE record_shapes (
    flow    TEXT NOT NULL,
    key     TEXT NOT NULL,
    version TEXT NOT NULL,
    outputs INTEGER NOT NULL,
    parts   INTEGER NOT NULL,
    whole   INTEGER NOT NULL,
    PRIMARY KEY (flow, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX split_records ON record_shapes (flow) WHERE parts > 0;
